"""`hub view show PARTY [KEY]`: what an agency sees, read from its own store.

Rules:
- Only looks: the store is opened for reading, beside its subscription.
- KEY is that party's own pseudonym of the citizen; another party's key, or none at all, shows nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from consumers.rendering import events_text, events_values, view_text, view_values
from consumers.store import PartyStore, store_path
from consumers.wording import LANGUAGES, wording
from contracts.civil_time import ZONE_OF_JURISDICTION, zone_of
from contracts.failures import NotFound
from deploy.options import world_option
from deploy.world import World


@click.group("view")
def view() -> None:
    """What an agency sees."""


@view.command("show")
@click.argument("party_id", metavar="PARTY")
@click.argument("key", required=False)
@world_option
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Words for people.")
@click.option(
    "--jurisdiction",
    type=click.Choice(sorted(ZONE_OF_JURISDICTION)),
    default="DK",
    show_default=True,
    help="Whose local time is shown.",
)
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs, the same in every language.")
def show(party_id: str, key: str | None, directory: Path, language: str, jurisdiction: str, as_json: bool) -> None:
    """Show the view of PARTY, or with its own KEY of a citizen all that it sees of that citizen."""
    world = World.open(directory)
    if party_id not in world.registry:
        raise NotFound(f"party `{party_id}` is not in the registry of this world; expected {_known(world)}")
    zone, words = zone_of(jurisdiction), wording(language)
    with PartyStore.open_for_reading(store_path(directory, party_id), party_id) as store:
        if key is None:
            lines = store.view_lines()
            values, text = view_values(store.view, lines, zone), view_text(store.view, party_id, lines, words, zone)
        else:
            events = store.visible(key)
            values, text = events_values(events, zone), events_text(party_id, key, events, words, zone)
    click.echo(json.dumps(values, indent=2, ensure_ascii=False) if as_json else text)


def _known(world: World) -> str:
    return ", ".join(f"`{party.id}`" for party in world.registry)
