"""The `hub` command: every command of the project, and one way to report what went wrong.

Rules:
- A failure of ours is one line on standard error, with what to do, and exit code 1. A wrong call is exit code 2.
- No traceback, and no national id: who gives one where a key belongs does not find it in a log afterwards.
- Commands that change a shard publish to its input and wait for the outcome; none writes a store.
- A command is imported when it is called: `hub contracts list` need not wait for a Kafka client to load.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Final

import click

from contracts.failures import Failure
from contracts.faults import told

COMMANDS: Final = {
    "agreement": "deploy.agreement_command:agreement",
    "bench": "deploy.benchmark.command:bench",
    "case": "deploy.case_command:case",
    "cleaner": "deploy.cleaner_command:cleaner",
    "conformance": "deploy.conformance.command:conformance",
    "continuity": "deploy.continuity_command:continuity",
    "contracts": "deploy.contracts_command:contracts",
    "demo": "deploy.demonstration:demo",
    "deploy": "deploy.deploy_command:deploy",
    "dev": "deploy.dev:dev",
    "doctor": "deploy.doctor.command:doctor",
    "explain": "deploy.case_command:explain",
    "governance": "deploy.governance_command:governance",
    "identity": "deploy.identity_wiring:identity",
    "keys": "deploy.keys_command:keys",
    "parked": "deploy.parked_command:parked",
    "publishers": "deploy.publishers_command:publishers",
    "resync": "deploy.resync_command:resync",
    "rules": "deploy.rules_command:rules",
    "scenario": "deploy.scenario.command:scenario",
    "store": "deploy.store_command:store",
    "view": "deploy.view_command:view",
    "views": "deploy.views_command:views",
    "withdrawals": "deploy.withdrawals_command:withdrawals",
    "world": "deploy.world_command:world_group",
}
"""Command -> `module:name`."""
FAILED: Final = 1
CHARACTERS_MAX: Final = 4_000
NATIONAL_ID: Final = re.compile(r"(?<![0-9A-Za-z])(?<![0-9a-f]{4}-)(?:\d{2})?\d{6}[-+ ]?\d{4}(?![\w-])")


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
    sys.exit(run())


def run() -> int:
    """Run the command that the program's arguments name; return its exit code."""
    if sys.stdout is None:
        return FAILED  # what would be said, nobody could read
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for as long as the program runs
    try:
        # A command says how it went by ending the program or by raising; what it returns is nothing.
        code = hub(prog_name="hub", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        complain("aborted")
    except click.ClickException as wrong:
        words = io.StringIO()
        wrong.show(words)
        complain(words.getvalue().rstrip("\n"))
        return wrong.exit_code
    except Failure as failure:
        # A library's words inside a message may have lines of their own.
        complain(f"error: {' '.join(str(failure).split())}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader is gone: say no more at the end
    except Exception as error:  # a fault of ours: its words may quote what they were about, so they are not repeated
        complain(f"error: unexpected {told(error)}: please report this line")
    else:
        return code if isinstance(code, int) else 0
    return FAILED


def complain(text: str) -> None:
    """Say what went wrong on standard error: nothing in it steers a terminal, or is a national id."""
    plain = "".join(each if each.isprintable() or each == "\n" else "?" for each in text[:CHARACTERS_MAX])
    click.echo(NATIONAL_ID.sub("(number hidden)", plain), err=True)
