"""`hub view show PARTY [KEY]` and `hub view board PARTY`: what an agency sees, read from its own store.

Rules:
- Only looks: the store is opened for reading, beside its subscription.
- Who may see counts only (the steering group) is shown its board, and never a line or an event.
- KEY is that party's own pseudonym of the citizen; another party's key, or none at all, shows nothing.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from consumers.board import board_of
from consumers.board_rendering import Changes, board_text, board_values
from consumers.rendering import events_text, events_values, view_text, view_values
from consumers.store import PartyStore, store_path
from consumers.wording import LANGUAGES, wording
from contracts.civil_time import ZONE_OF_JURISDICTION, day_number, zone_of
from contracts.failures import CallerFailure, NotFound
from contracts.models import is_uuid
from deploy.options import world_option
from deploy.world import World


@click.group("view")
def view() -> None:
    """What an agency sees."""


language_option = click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Words for people."
)
jurisdiction_option = click.option(
    "--jurisdiction",
    type=click.Choice(sorted(ZONE_OF_JURISDICTION)),
    default="DK",
    show_default=True,
    help="Whose local time is shown.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Plain values for programs, the same in every language."
)


@view.command("show")
@click.argument("party_id", metavar="PARTY")
@click.argument("key", required=False)
@world_option
@language_option
@jurisdiction_option
@json_option
def show(party_id: str, key: str | None, directory: Path, language: str, jurisdiction: str, as_json: bool) -> None:
    """Show the view of PARTY, or with its own KEY of a citizen all that it sees of that citizen."""
    if key is not None and not is_uuid(key):
        # It may be a person's name or number, typed by mistake: it is not repeated.
        raise CallerFailure("KEY is no key of a citizen: expected a UUID, as `hub view show PARTY` lists them")
    zone, words = zone_of(jurisdiction), wording(language)
    with open_store(directory, party_id) as store:
        if store.view.counts_only:
            raise CallerFailure(f"party `{party_id}` sees counts only; ask for `hub view board {party_id}`")
        if key is None:
            lines = store.view_lines()
            values, text = view_values(store.view, lines, zone), view_text(store.view, party_id, lines, words, zone)
        else:
            events = store.visible(key)
            values, text = events_values(events, zone), events_text(party_id, key, events, words, zone)
    click.echo(json.dumps(values, indent=2, ensure_ascii=False) if as_json else text)


@view.command("board")
@click.argument("party_id", metavar="PARTY")
@click.option(
    "--as-of",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day that periods are counted from; today unless given. What is shown is what may be held now.",
)
@click.option(
    "--known",
    type=click.IntRange(min=0),
    help="Mark the lines that changed after this change number, as a board before this one told it.",
)
@world_option
@language_option
@jurisdiction_option
@json_option
def board(
    party_id: str,
    day: datetime | None,
    known: int | None,
    directory: Path,
    language: str,
    jurisdiction: str,
    as_json: bool,
) -> None:
    """Show the lists of PARTY's board: who comes, who goes, what is missing or runs out."""
    zone, words = zone_of(jurisdiction), wording(language)
    today = day_number((day or datetime.now(zone)).date())
    with open_store(directory, party_id) as store:
        lines, count, last = store.numbered_lines()
        made = board_of(store.view, party_id, lines, today, zone)
    changes = Changes(count, last, count if known is None else known)
    if as_json:
        click.echo(json.dumps(board_values(made, party_id, changes, zone), indent=2, ensure_ascii=False))
    else:
        click.echo(board_text(made, party_id, changes, words, zone))


def open_store(directory: Path, party_id: str) -> PartyStore:
    """The store of `party_id` in the world of `directory`, for reading; raise `NotFound` for a stranger."""
    return PartyStore.open_for_reading(known_store_path(directory, party_id), party_id)


def known_store_path(directory: Path, party_id: str) -> Path:
    """Where the store of `party_id` lies; raise `NotFound` where the world's registry has no such party."""
    world = World.open(directory)
    if party_id not in world.registry:
        known = ", ".join(f"`{party.id}`" for party in world.registry)
        raise NotFound(f"party `{party_id}` is not in the registry of this world; expected {known}")
    return store_path(directory, party_id)
