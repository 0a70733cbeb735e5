"""The `hub` command: every command of the project, and one way to report what went wrong.

Rules:
- A failure of ours is one line on standard error, with what to do, and exit code 1. A wrong call is exit code 2.
- Commands that change a shard publish to its input and wait for the outcome; none writes a store.
- A command is imported when it is called: `hub contracts list` need not wait for a Kafka client to load.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from contracts.failures import Failure

COMMANDS: Final = {
    "agreement": "deploy.agreement_command:agreement",
    "bench": "deploy.benchmark.command:bench",
    "case": "deploy.case_command:case",
    "continuity": "deploy.continuity_command:continuity",
    "contracts": "deploy.contracts_command:contracts",
    "demo": "deploy.demonstration:demo",
    "deploy": "deploy.deploy_command:deploy",
    "dev": "deploy.dev:dev",
    "doctor": "deploy.doctor.command:doctor",
    "explain": "deploy.case_command:explain",
    "governance": "deploy.governance_command:governance",
    "identity": "deploy.identity_wiring:identity",
    "parked": "deploy.parked_command:parked",
    "publishers": "deploy.publishers_command:publishers",
    "rules": "deploy.rules_command:rules",
    "scenario": "deploy.scenario.command:scenario",
    "store": "deploy.store_command:store",
    "view": "deploy.view_command:view",
    "views": "deploy.views_command:views",
    "world": "deploy.world_command:world_group",
}
"""Command -> `module:name`."""


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click hands it in)
        """Every command by name."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (as above)
        """The command of that name, imported now."""
        where = COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, _, name = where.partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"`{where}` is no command")
        return command


@click.command(cls=Commands)
@click.version_option(package_name="inter-agency-hub")
def hub() -> None:
    """The inter-agency data exchange hub: who may see what of a case, sent, taken back, and proved."""


def main() -> None:
    """Run the command line."""
    try:
        hub(prog_name="hub")
    except Failure as failure:
        # A library's words inside a message may have lines of their own.
        click.echo(f"error: {' '.join(str(failure).split())}", err=True)
        sys.exit(1)
