"""`hub governance …`: what is about no citizen: a party's key of it, who holds which role, the timeline of it all.

Rules:
- A key is derived and is the party's own, like its keys of citizens; it lies on one partition.
- What is stated is stated on the shard that tells of it (`hub.shard.governance`).
- Figures are drawn by month; a month that was stated is not stated again, nor is who holds a role already.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import click

from contracts.codec import codec
from contracts.failures import NotFound
from deploy.agreement_command import jurisdiction_option
from deploy.figures import draw, last_month
from deploy.hub_statements import hub_publisher, state, stated_figures
from deploy.options import world_option
from deploy.stores import governance_records, opened_stores
from deploy.world import World
from hub.continuity.terms import terms
from hub.identity.pseudonyms import TELLING_SHARD, governance_case, governance_key
from hub.store.reader import ShardReader
from hub.store.records import FactRecorded

month_option = click.option(
    "--month", type=click.DateTime(["%Y-%m"]), help="The month, as `2025-10`; it must be over for the hub."
)


@click.group("governance")
def governance() -> None:
    """What is about no citizen: keys, roles, figures."""


@governance.command("key")
@click.option("--party", required=True, help="The party that asks, such as `A.ADD`.")
@jurisdiction_option
@world_option
def show_key(party: str, jurisdiction: str, directory: Path) -> None:
    """Print PARTY's own key of what is about no citizen: anonymous counts are stated under it."""
    world = World.open(directory)
    click.echo(governance_key(world.hub_secret, jurisdiction, _member(world, party), world.partitions))


@governance.command("case")
@jurisdiction_option
@world_option
def show_case(jurisdiction: str, directory: Path) -> None:
    """Print the id of the timeline about no citizen, for `hub case timeline` and `hub explain`."""
    click.echo(governance_case(World.open(directory).hub_secret, jurisdiction, TELLING_SHARD))


@governance.command("figures")
@month_option
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@jurisdiction_option
@world_option
def show_figures(month: datetime | None, as_json: bool, jurisdiction: str, directory: Path) -> None:
    """Print the tables of a month, small cells left out; by default of the last month that is over."""
    world = World.open(directory)
    first = month.date() if month else last_month(world, jurisdiction)
    drawing = draw(world, jurisdiction, first)
    if as_json:
        document = {
            "month": f"{first:%Y-%m}",
            "recipients": list(drawing.recipients),
            "tables": [
                {"table": table.name, "place": table.place, "cells": list(table.cells)} for table in drawing.tables
            ],
        }
        click.echo(json.dumps(document, indent=2, default=str))
        return
    click.echo(f"Figures of {first:%Y-%m}; nothing of fewer than {terms().small_cell} persons is shown.")
    for table in drawing.tables:
        click.echo(f"{table.name}{f' of {table.place}' if table.place else ''}: {len(table.cells)} cells")
        click.echo("".join(f"    {_cell_text(cell)}\n" for cell in table.cells), nl=False)


@governance.command("draw")
@month_option
@jurisdiction_option
@world_option
def draw_figures(month: datetime | None, jurisdiction: str, directory: Path) -> None:
    """State the figures of a month for those who read them, once; give it every month, by a timer."""
    world = World.open(directory)
    first = month.date() if month else last_month(world, jurisdiction)
    drawing = draw(world, jurisdiction, first)
    with hub_publisher(world) as publisher:
        for event_type, values, reference in stated_figures(world, jurisdiction, first, drawing):
            state(world, publisher, jurisdiction, event_type, values, reference, (TELLING_SHARD,))
    told = ", ".join(drawing.recipients) or "nobody: the registry has no steering group, operator or evaluator"
    click.echo(f"{len(drawing.tables)} tables of {first:%Y-%m} for {told}")


def _cell_text(cell: Mapping[str, object]) -> str:
    where = " ".join(str(cell[name]) for name in ("period", "row", "measure", "column") if name in cell)
    of = f" of {cell['of']}" if "of" in cell else ""
    numbers = f", median {cell['median']}, p90 {cell['ninthDecile']}" if "median" in cell else ""
    return f"{where}: {cell['count']}{of}{numbers}"


@governance.command("staff")
@click.option("--party", required=True, help="The party whose role it is.")
@click.option("--role", required=True, help="The role in the cooperation, as a code: `PROJECT_LEADER`.")
@click.option("--staff", help="A pseudonym for who holds it from now on; left out where the role is vacant.")
@jurisdiction_option
@world_option
def staff(party: str, role: str, staff: str | None, jurisdiction: str, directory: Path) -> None:
    """State that a role in the cooperation was taken up, changed or left (StaffRoleChanged)."""
    world = World.open(directory)
    values = {"party": _member(world, party), "role": role, "staff": staff}
    with opened_stores(world) as stores:
        holders = _holders(world, stores, jurisdiction, party, role)
    # Who holds it already is stated by the last change: the same words again are that one.
    changes = len(holders) - (holders[-1:] == [staff])
    reference = f"staff/{party}/{role}/{changes}/{staff or ''}"
    with hub_publisher(world) as publisher:
        click.echo(state(world, publisher, jurisdiction, "StaffRoleChanged", values, reference, (TELLING_SHARD,)))


def _holders(world: World, stores: list[ShardReader], jurisdiction: str, party: str, role: str) -> list[str | None]:
    """Who held a role, in the order in which it was stated; `None` where it was vacant."""
    stated = (
        codec().decode_body(record.schema_id, record.value)
        for record in governance_records(world, stores, jurisdiction)
        if isinstance(record, FactRecorded) and record.event_type == "StaffRoleChanged"
    )
    return [said["staff"] for said in stated if (said["party"], said["role"]) == (party, role)]


def _member(world: World, party: str) -> str:
    if party not in world.registry:
        raise NotFound(f"party `{party}` is not in the registry of this world")
    return party
