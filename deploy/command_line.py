"""The `hub` command: every command of the project, and one way to report what went wrong.

Rules:
- A failure of ours is one line on standard error, with what to do, and exit code 1. A wrong call is exit code 2.
- No traceback, and no national id: who gives one where a key belongs does not find it in a log afterwards.
- Commands that change a shard publish to its input and wait for the outcome; none writes a store but `hub store skip`,
  for shards that no worker opens.
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
    "agreement": ("deploy.agreement_command:agreement", "Agreements between parties: registered, extended, ended."),
    "bench": ("deploy.benchmark.command:bench", "Measure the hub against the raw limit of its own parts."),
    "case": ("deploy.case_command:case", "The timeline of a case, for auditors."),
    "cleaner": (
        "deploy.cleaner_command:cleaner",
        "Delete from Kafka what shards have stored and receivers have confirmed.",
    ),
    "conformance": (
        "deploy.conformance.command:conformance",
        "Hold an agency's own client against the wire page (contracts/WIRE.md).",
    ),
    "continuity": ("deploy.continuity_command:continuity", "Whether what began inside goes on outside."),
    "contracts": ("deploy.contracts_command:contracts", "What may be stated: event types, fields, categories, who."),
    "demo": (
        "deploy.demonstration:demo",
        "Play one citizen's case through a real Kafka and show what each agency sees of it, and why.",
    ),
    "deploy": ("deploy.deploy_command:deploy", "What a hub needs on its cluster."),
    "dev": ("deploy.dev:dev", "Run a part of the project on its own."),
    "doctor": (
        "deploy.doctor.command:doctor",
        "Look at the connection of PARTY of a world; without PARTY, at the one of the `HUB_CONSUMER_...` settings.",
    ),
    "emergency": ("deploy.emergency_command:emergency", "Emergency access: what is not reviewed or told yet."),
    "explain": ("deploy.case_command:explain", "Say what PARTY sees of EVENT in CASE, field by field, and why."),
    "governance": ("deploy.governance_command:governance", "What is about no citizen: keys, roles, figures."),
    "identity": ("deploy.identity_wiring:identity", "A party's key of a citizen, and the basics that it may know."),
    "keys": ("deploy.keys_command:keys", "Keys with which parties sign what they state."),
    "parked": ("deploy.parked_command:parked", "Records that arrival refused."),
    "publishers": (
        "deploy.publishers_command:publishers",
        "List the publishers of the hub, and when each gave its last sign of life.",
    ),
    "resync": (
        "deploy.resync_command:resync",
        "Tell PARTY, which lost what it was sent, everything that it may see now, under new numbers.",
    ),
    "rules": ("deploy.rules_command:rules", "Who may see what: as a table, compared, rehearsed."),
    "scenario": ("deploy.scenario.command:scenario", "Vignettes with the exact view that each party must have."),
    "store": ("deploy.store_command:store", "The stores of the hub: are they whole, and safely kept?"),
    "view": ("deploy.view_command:view", "What an agency sees."),
    "views": ("deploy.views_command:views", "The views of agencies: which there are, how one stands, build one anew."),
    "withdrawals": ("deploy.withdrawals_command:withdrawals", "Withdrawn consents: what is not carried out yet."),
    "world": ("deploy.world_command:world_group", "The hub of one registry on one cluster."),
}
"""Command -> `module:name`, and what the list of commands says of it: the first sentence of its own help, told here
so that `hub --help` need not import every command for it."""
FAILED: Final = 1
CHARACTERS_MAX: Final = 4_000
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_NATIONAL_ID: Final = rf"(?<!\d)(?:\d{{2}})?\d{{6}}[-+ ]?(?!{_UUID})\d{{4}}(?!\d)"
_UUID_OR_NATIONAL_ID: Final = re.compile(f"(?P<uuid>{_UUID})|{_NATIONAL_ID}", re.IGNORECASE)
"""A UUID is known by the digit that tells its version: amid what is no digit, no national id can be a part of one."""


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click hands it in)
        """Every command by name."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (as above)
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        where, _ = COMMANDS[cmd_name]
        module, _, name = where.partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"`{where}` is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


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
    plain = "".join(each if each.isprintable() or each == "\n" else "?" for each in text)
    # Only then is it cut: half of a national id would not be known for one.
    click.echo(without_national_ids(plain)[:CHARACTERS_MAX], err=True)


def without_national_ids(text: str) -> str:
    """Return `text` with every number that may be a national id hidden, whatever stands beside it; UUIDs stay."""
    return _UUID_OR_NATIONAL_ID.sub(lambda found: found["uuid"] or "(number hidden)", text)
