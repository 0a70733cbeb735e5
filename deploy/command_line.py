"""The `hub` command: every command of the project, and one way to report what went wrong.

Rules:
- A failure of ours is one line on standard error, with what to do, and exit code 1. A wrong call is exit code 2.
- Commands that change a shard publish to its input and wait for the outcome; none writes a store.
"""

from __future__ import annotations

import sys

import click

from contracts.failures import Failure
from deploy.benchmark.command import bench
from deploy.case_command import case, explain
from deploy.contracts_command import contracts
from deploy.demonstration import demo
from deploy.dev import dev
from deploy.identity_wiring import identity
from deploy.parked_command import parked
from deploy.scenario.command import scenario
from deploy.view_command import view
from deploy.world_command import world_group


@click.group()
@click.version_option(package_name="inter-agency-hub")
def hub() -> None:
    """The inter-agency data exchange hub: who may see what of a case, sent, taken back, and proved."""


for command in (bench, case, contracts, demo, dev, explain, identity, parked, scenario, view, world_group):
    hub.add_command(command)


def main() -> None:
    """Run the command line."""
    try:
        hub(prog_name="hub")
    except Failure as failure:
        # A library's words inside a message may have lines of their own.
        click.echo(f"error: {' '.join(str(failure).split())}", err=True)
        sys.exit(1)
