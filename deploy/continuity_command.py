"""`hub continuity indicators`: how it went on after release, over all cases of a world, for operators.

Rules:
- Aggregates only: per responsible municipality, kind of release and month. No line counts fewer persons than the
  terms allow, and nothing printed names a citizen, a case, a key or an event.
- `--known-at` is what the hub knew, local civil time of each case's jurisdiction; default: what each shard knows now.
  A time to which not every shard has come is refused: what is late would pass for what did not happen.
- Only reads. Cases are read one by one; what is kept of each is its releases.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from contracts.civil_time import zone_of
from deploy.known_cases import read_cases
from deploy.options import instant_known, world_option
from deploy.stores import opened_stores, policies_of
from deploy.world import World
from hub.continuity.consent_health import barriers
from hub.continuity.measures import KIND_BOUND, SPREADS, Release, band_labels, grouping_labels, releases_of
from hub.continuity.table import GroupLine, Line, Rulebook, Shares, barriers_of, groups_of, table_of
from hub.continuity.terms import terms
from hub.shard.reading import reader_for

_Read = tuple[list[Release], set[tuple[str, str]]]
"""What is kept of a case: its releases, and which categories were not shown to which roles."""


@click.group("continuity")
def continuity() -> None:
    """Whether what began inside goes on outside."""


@continuity.command("indicators")
@click.option("--known-at", metavar="T", help="As the hub knew it at this local time.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def indicators(known_at: str | None, as_json: bool, directory: Path) -> None:
    """Print the continuity indicators per municipality, kind of release and month."""
    world = World.open(directory)
    rulebook = Rulebook(band_labels(terms()), SPREADS, KIND_BOUND, terms().small_cell, grouping_labels())
    found = list(_read_cases(world, known_at))
    releases = [release for of_case, _ in found for release in of_case]
    lines, groups = table_of(releases, rulebook), groups_of(releases, rulebook)
    barrier_counts = barriers_of((pairs for _, pairs in found), rulebook.small_cell)
    if as_json:
        document = {
            "terms": terms().id,
            "small_cell": rulebook.small_cell,
            "lines": [_values(line, rulebook) for line in lines],
            "groups": [_group_values(group) for group in groups],
            "barriers": [
                {"category": each.category, "receiver": each.role, "persons": each.persons} for each in barrier_counts
            ],
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    click.echo(f"Releases by responsible municipality; nothing of fewer than {rulebook.small_cell} persons is shown.")
    for line in lines:
        click.echo("\n".join(_text(line, rulebook)))
    for group in groups:
        what = f"{group.measure} by {group.grouping} {group.group}"
        click.echo(f"{group.municipality}  {what}: {_cells(group.labels, group.shares)}")
    for barrier in barrier_counts:
        click.echo(f"I15 {barrier.category} was not shown to {barrier.role}: {barrier.persons} persons")
    if not lines and not barrier_counts:
        click.echo("Nothing can be shown.")


def _read_cases(world: World, known: str | None) -> Iterator[_Read]:
    policies = policies_of(world)
    reader = reader_for(policies)

    with opened_stores(world) as stores:
        reached = min(store.head().clock for store in stores)
        cut_offs = (
            {each: instant_known(known, zone_of(each), reached) for each in policies.jurisdictions} if known else {}
        )

        def cut_off(jurisdiction: str, clock: int) -> int:
            return cut_offs.get(jurisdiction, clock)

        for read in read_cases(world, stores, policies, reader, cut_off):
            denied = barriers(read.known, read.timeline.told, reader.catalogue.event_types)
            yield list(releases_of(read.known, read.case_id)), {(str(category), role) for category, role in denied}


def _text(line: Line, rulebook: Rulebook) -> Iterator[str]:
    where = "all releases" if line.kind is None else f"{line.month} {line.kind}"
    yield f"{line.municipality}  {where}: {line.persons} persons"
    for name, shares in line.shares.items():
        yield f"  {name:<24}  {_cells(rulebook.bands[name], shares)}"
    for name, spread in line.spreads.items():
        yield f"  {name:<24}  median {float(spread.median):.2f}, p90 {float(spread.p90):.2f}, of {spread.count}"


def _cells(labels: Sequence[str], shares: Shares) -> str:
    return ", ".join(f"{label} {part}/{shares.whole}" for label, part in zip(labels, shares.parts, strict=True))


def _group_values(line: GroupLine) -> dict[str, object]:
    return {
        "municipality": line.municipality,
        "grouping": line.grouping,
        "group": line.group,
        "measure": line.measure,
        "shares": {"of": line.shares.whole, **dict(zip(line.labels, line.shares.parts, strict=True))},
    }


def _values(line: Line, rulebook: Rulebook) -> dict[str, object]:
    return {
        "municipality": line.municipality,
        "kind": line.kind,
        "month": line.month,
        "persons": line.persons,
        "shares": {
            name: {"of": shares.whole, **dict(zip(rulebook.bands[name], shares.parts, strict=True))}
            for name, shares in line.shares.items()
        },
        "spreads": {
            name: {"of": spread.count, "median": float(spread.median), "p90": float(spread.p90)}
            for name, spread in line.spreads.items()
        },
    }
