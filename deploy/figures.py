"""Draws the figures of a month over all cases of a jurisdiction, ready to be printed or stated.

Rules:
- The cut-off is the end of the month, 00:00 local; every shard must have come past it, so a drawing is always the same.
- Releases are counted once, so many months after (`hub.continuity.terms`), per municipality; barriers are those of the
  citizens released then. `hub.continuity.figures` says what the other tables count.
- What is too small is left out before anything leaves this module.
- Readers are the roles to which the rule set sends `FiguresDrawn`: those to which no rule opens anything (steering
  group, operator) always, others (an evaluator) while an agreement in force names them.

Only reads. `hub governance figures` prints, `hub governance draw` states what comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from contracts.civil_time import day_number, local_of, zone_of
from contracts.fact import Fact
from contracts.failures import CallerFailure
from contracts.limits import DAY_MAX, DAY_MIN
from deploy.known_cases import read_cases
from deploy.stores import governance_records, known_agreements, opened_stores, policies_of
from deploy.world import World
from hub.case_timeline.known import known_at
from hub.case_timeline.timeline import Reader, fact_recorded, timeline_of
from hub.consent.agreements import InForce
from hub.consent.rule_set import Role
from hub.continuity.consent_health import barriers
from hub.continuity.figures import Counting, Month, anonymous_contacts, tallies_of
from hub.continuity.measures import KIND_BOUND, SPREADS, Release, band_labels, releases_of
from hub.continuity.suppression import TOTAL
from hub.continuity.table import Barrier, Line, Rulebook, barriers_of, table_of
from hub.continuity.terms import terms
from hub.identity.pseudonyms import TELLING_SHARD
from hub.shard.reading import reader_for
from hub.store.reader import ShardReader

INDICATORS: Final = "INDICATORS"
BARRIERS: Final = "BARRIERS"
PERSONS: Final = "PERSONS"
MEDIAN: Final = "MEDIAN"
FIGURES: Final = "FiguresDrawn"

FigureCell = Mapping[str, Any]
"""One cell in the words of the contract, absent fields left out."""


@dataclass(frozen=True, slots=True)
class DrawnTable:
    """One table as it may be shown; `place` is the municipality that it is about, `None` for all."""

    name: str
    place: str | None
    cells: tuple[FigureCell, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """All tables of one month, and for whom they are."""

    month: Month
    tables: tuple[DrawnTable, ...]
    recipients: tuple[str, ...]


def last_month(world: World, jurisdiction: str) -> date:
    """The first day of the last month that every shard has come past."""
    with opened_stores(world) as stores:
        clock = min(store.head().clock for store in stores)
    zone = zone_of(jurisdiction)
    this_month = local_of(clock, zone).date().replace(day=1)
    return local_of(Month.of(this_month, zone).earlier(1).start, zone).date()


def draw(world: World, jurisdiction: str, first: date) -> Drawing:
    """Draw the month that begins on `first`; raise `CallerFailure` where it is not over or cannot be."""
    if not DAY_MIN <= day_number(first) <= DAY_MAX:
        raise CallerFailure(f"month `{first.isoformat()[:7]}`: expected one of the years 1900 to 2199")
    policies, month = policies_of(world), Month.of(first, zone_of(jurisdiction))
    reader = reader_for(policies)
    with opened_stores(world) as stores:
        if any(store.head().clock < month.end for store in stores):
            raise CallerFailure(f"month `{first:%Y-%m}` is not over for every shard of this hub: draw an earlier one")
        agreements = known_agreements(world, stores, jurisdiction, policies, month.end, TELLING_SHARD)
        counting, releases, denied = Counting(), list[Release](), list[set[tuple[str, str]]]()
        released_in = month.earlier(terms().releases_counted_after_months)
        registered = agreements.registered(month.end)
        for read in read_cases(world, stores, policies, reader, lambda *_: month.end):
            if read.jurisdiction != jurisdiction:
                continue
            counting.take(read.case_id, tallies_of(read.known, month, registered))
            of_case = [each for each in releases_of(read.known, read.case_id) if released_in.has(each.at)]
            if of_case:
                releases += of_case
                pairs = barriers(read.known, read.timeline.told, reader.catalogue.event_types)
                denied.append({(str(category), role) for category, role in pairs})
        counted = list(_anonymous_counts(world, stores, jurisdiction, month.end, reader))
    smallest = terms().small_cell
    tables = [
        *(DrawnTable(table.name, None, tuple(map(_plain, table.cells))) for table in counting.tables(smallest)),
        DrawnTable("ANONYMOUS_CONTACTS", None, tuple(map(_plain, anonymous_contacts(counted, month, smallest).cells))),
        DrawnTable(BARRIERS, None, tuple(map(_barrier, barriers_of(denied, smallest)))),
        *_indicators(releases, smallest),
    ]
    roles = policies.in_force(jurisdiction, month.end).rules.roles
    return Drawing(month, tuple(tables), tuple(_recipients(world, roles, agreements.in_force(month.end))))


def _recipients(world: World, roles: Mapping[str, Role], in_force: InForce) -> Iterator[str]:
    named = frozenset[str]().union(*(one.parties for one in in_force))
    for party in world.registry:
        terms_of_role = roles.get(party.role)
        if terms_of_role is None or FIGURES not in terms_of_role.only_records:
            continue
        if not terms_of_role.only_by or party.id in named:
            yield party.id


def _anonymous_counts(
    world: World, stores: list[ShardReader], jurisdiction: str, at: int, reader: Reader
) -> Iterator[Fact]:
    timeline = timeline_of("governance", known_at(governance_records(world, stores, jurisdiction), at), reader)
    for event_id, entry in timeline.facts.items():
        if entry.record.event_type == "AnonymousOutreachCounted" and event_id not in timeline.dead:
            yield fact_recorded(entry.record, reader)


def _plain(cell: Any) -> FigureCell:
    return {"row": cell.row, "column": cell.column, "count": cell.count}


def _barrier(barrier: Barrier) -> FigureCell:
    return {"row": barrier.category, "column": barrier.role, "count": barrier.persons}


def _indicators(releases: Iterable[Release], smallest: int) -> Iterator[DrawnTable]:
    rulebook = Rulebook(band_labels(terms()), SPREADS, KIND_BOUND, smallest)
    by_place: dict[str, list[FigureCell]] = {}
    for line in table_of(releases, rulebook):
        by_place.setdefault(line.municipality, []).extend(_line_cells(line, rulebook))
    yield from (DrawnTable(INDICATORS, place, tuple(cells)) for place, cells in sorted(by_place.items()))


def _line_cells(line: Line, rulebook: Rulebook) -> Iterator[FigureCell]:
    where = {"row": line.kind or TOTAL, **({"period": line.month} if line.month else {})}
    yield {**where, "column": PERSONS, "measure": PERSONS, "count": line.persons}
    for name, shares in line.shares.items():
        for label, part in zip(rulebook.bands[name], shares.parts, strict=True):
            yield {**where, "column": label, "measure": name, "count": part, "of": shares.whole}
    for name, spread in line.spreads.items():
        numbers = {"median": _decimal(spread.median), "ninthDecile": _decimal(spread.p90)}
        yield {**where, "column": MEDIAN, "measure": name, "count": line.persons, "of": spread.count, **numbers}


def _decimal(number: Fraction) -> Decimal:
    return (Decimal(number.numerator) / Decimal(number.denominator)).quantize(Decimal("0.01"))
