"""The commands `hub identity …`: a party's key of a citizen, what it may know of one, and two ids of one citizen.

Rules:
- What tells who somebody is comes from standard input, never from an argument, where other users of the machine
  and the shell's history would see it; on a terminal it is asked for and not echoed.
- Standard input has one line each: national id, then birth date (empty where the id tells it), then the name; to link
  two national ids, the one that is given up, then the one that stays. `DK` before a Danish one says that it is Danish.
- Linking and unlinking wait until the shards have done it.

`deploy.command_line` adds the group, and says where the world is and how visibility is looked up.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

import click

from contracts.failures import BadNationalId
from deploy.operator_channel import operator_channel
from deploy.world import World
from hub.arrival.principals import IDENTITY
from hub.case_timeline.timeline import MERGED, REOPENED
from hub.identity.basics import read_basics_rules
from hub.identity.enrolment import CaseBehind, Identity, SeesSomething
from hub.identity.national_ids import parse_national_id
from hub.identity.vault import Citizen, Vault
from producers.publisher import now_ms

VAULT_FILE: Final = "vault.db"
_LINE_CHARACTERS_MAX: Final = 1_000
WaitFor = Callable[[World, Citizen, Citizen, str], None]
"""Waits until a step of a merge (`merged`, `reopened`) of a losing and a winning case is done."""


def vault_path(world: World) -> Path:
    """Where the vault of `world` lies."""
    return world.directory / VAULT_FILE


def create_vault(world: World) -> None:
    """Make the vault of a new world; raise `ForeignStore` where it has one."""
    Vault.create(vault_path(world), world.master_key, world.partitions).close()


@contextmanager
def opened_identity(world: World) -> Iterator[Identity]:
    """Open identity of `world` as its operator, for as long as the block runs."""
    vault = Vault.open(vault_path(world), world.master_key)
    channel = operator_channel(world, IDENTITY)
    try:
        yield Identity(vault, world.hub_secret, channel, world.registry, read_basics_rules(), now_ms)
    finally:
        channel.close()
        vault.close()


def identity_group(
    open_world: Callable[[], World],
    visibility_of: Callable[[World], SeesSomething],
    case_behind_of: Callable[[World], CaseBehind],
    wait_for: WaitFor,
) -> click.Group:
    """Return the group of commands; the functions are called when a command runs, not before."""

    @click.group(name="identity")
    def group() -> None:
        """A party's key of a citizen, and the basics that it may know."""

    @group.command(name="key")
    @click.option("--party", required=True, help="The party that asks, such as `A.SOC`.")
    def show_key(party: str) -> None:
        """Read a national id from standard input and print PARTY's own key of that citizen."""
        national_id, birth_date = _asked_citizen()
        with opened_identity(open_world()) as identity:
            click.echo(identity.key_for(national_id, party, birth_date))

    @group.command(name="enrol")
    def enrol() -> None:
        """Read national id, birth date and name from standard input and enrol that citizen; print nothing of it."""
        national_id, birth_date = _asked_citizen()
        name = _asked("name") or None
        with opened_identity(open_world()) as identity:
            identity.enrol(national_id, birth_date, name)
        click.echo("enrolled")

    @group.command(name="basics")
    @click.argument("key")
    @click.option("--party", required=True, help="The party that asks, such as `A.SOC`.")
    def show_basics(key: str, party: str) -> None:
        """Print what PARTY may know of the citizen whom it calls KEY."""
        world = open_world()
        with opened_identity(world) as identity:
            basics = identity.basics_of(key, party, visibility_of(world), case_behind_of(world))
        for label, value in (
            ("pseudonym", basics.pseudonym),
            ("birth year", basics.birth_year),
            ("name", basics.name),
            ("national id", basics.national_id),
        ):
            if value is not None:
                click.echo(f"{label}: {value}")

    @group.command(name="link")
    @click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
    def link(as_json: bool) -> None:
        """Merge two citizens who are one: read the national id that is given up, then the one that stays.

        What parties hold under their keys of the first is taken back, and told under those of the second.
        """
        given_up, kept = _asked("national id that is given up"), _asked("national id that stays")
        world = open_world()
        with opened_identity(world) as identity:
            losing, winning = identity.link(given_up, kept)
            wait_for(world, losing, winning, MERGED)
            identity.done(losing, winning)
        _say("merged: one case goes on, the other is closed", MERGED, as_json)

    @group.command(name="unlink")
    @click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
    def unlink(as_json: bool) -> None:
        """Take a link back: read the national id that was given up, whose case opens again."""
        given_up = _asked("national id that was given up")
        world = open_world()
        with opened_identity(world) as identity:
            losing, winning = identity.unlink(given_up)
            wait_for(world, losing, winning, REOPENED)
            identity.done(losing, winning)
        _say("unlinked: the closed case is open again, each has what is its own", REOPENED, as_json)

    return group


def _say(text: str, outcome: str, as_json: bool) -> None:
    click.echo(json.dumps({"outcome": outcome}) if as_json else text)


def _asked_citizen() -> tuple[str, date | None]:
    national_id = _asked("national id")
    told = parse_national_id(national_id).told_birth_date
    # On a terminal nobody is asked what the id already tells; piped input always has the line.
    written = "" if told and sys.stdin.isatty() else _asked("birth date (YYYY-MM-DD)")
    if not written:
        return national_id, None
    try:
        return national_id, date.fromisoformat(written)
    except ValueError:
        raise BadNationalId("birth date is no date: expected the form `YYYY-MM-DD`, or an empty line") from None


def _asked(label: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(label, hide_input=True, default="", show_default=False)).strip()
    try:
        return sys.stdin.readline(_LINE_CHARACTERS_MAX).strip()
    except UnicodeDecodeError:
        raise BadNationalId(f"{label}: standard input is no text: expected lines in UTF-8") from None
