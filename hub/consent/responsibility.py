"""Responsibility: which municipality is responsible for the citizen, now or as known at an earlier instant.

Rules (domain specification, 1, 4.9.1, 4.9.4, 4.9.10):
- Of the transfers that have begun (00:00 local of `effectiveDate`) the one with the latest effective date, then the
  latest `occurredAt`, is in force.
- Without one it is whichever occurred first of a CaseOpened (not reopened) by a role of `case_opened_by` and a
  custody start's `homeMunicipality`. A later custody start changes nothing.
- "As known then" reads the facts recorded by then, those included that were corrected or retracted later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Final, NamedTuple

from contracts.civil_time import start_of_day
from contracts.fact import Fact
from contracts.parties import Party
from hub.consent.corrections import Superseded
from hub.consent.custody import STARTED_WITH_MUNICIPALITY
from hub.consent.moment import Moment

READS: Final = STARTED_WITH_MUNICIPALITY | {"CaseOpened", "ResponsibilityTransferred"}


def responsible_municipality(facts: Sequence[Fact], moment: Moment) -> str | None:
    """Return the municipality that `facts` (ordered, occurred by now) make responsible, or `None` while unknown."""
    for fact, municipality, begins in _claims(facts, moment):
        if moment.has_come(begins):
            moment.note("responsible_municipality", fact)
            return municipality
    return None


def responsible_as_known_at(
    instants: Iterable[int], facts: Iterable[Fact], superseded: Sequence[Superseded], moment: Moment
) -> Mapping[int, str | None]:
    """Return the municipality that was responsible at each of `instants`, as known then; in one pass for all."""
    until_of = {gone.fact.event_id: gone.until for gone in superseded}
    known = sorted([*facts, *(gone.fact for gone in superseded)], key=lambda fact: fact.order)
    preferred = [
        _Claim(municipality, max(begins, fact.occurred_at, fact.recorded_at), until_of.get(fact.event_id))
        for fact, municipality, begins in _claims(known, moment)
    ]
    by_start = sorted(range(len(preferred)), key=lambda place: preferred[place].start)
    begun = 0
    in_force: list[int] = []
    found: dict[int, str | None] = {}
    for then in sorted(set(instants)):
        while begun < len(by_start) and preferred[by_start[begun]].start <= then:
            heappush(in_force, by_start[begun])
            begun += 1
        while in_force and (until := preferred[in_force[0]].until) is not None and until <= then:
            heappop(in_force)
        found[then] = preferred[in_force[0]].municipality if in_force else None
    return found


class _Claim(NamedTuple):
    """That a municipality is responsible, as known from `start` (milliseconds) until `until`."""

    municipality: str
    start: int
    until: int | None


def _claims(facts: Sequence[Fact], moment: Moment) -> Iterator[tuple[Fact, str, int]]:
    """Yield each of `facts` (ordered) that makes a municipality responsible, which, and from when on.

    The stronger claim first: the latest transfer, then the first of all else.
    """
    transfers = [fact for fact in facts if fact.event_type == "ResponsibilityTransferred"]
    for fact in sorted(transfers, key=lambda fact: (fact.payload["effectiveDate"], fact.order), reverse=True):
        yield fact, str(fact.payload["toMunicipality"]), start_of_day(fact.payload["effectiveDate"], moment.zone)
    for fact in facts:
        municipality = _stated_municipality(fact, moment.policy.rules.case_opened_by)
        if municipality is not None:
            yield fact, municipality, fact.occurred_at


def _stated_municipality(fact: Fact, case_opened_by: frozenset[str]) -> str | None:
    if fact.event_type == "CaseOpened":
        party = Party(fact.party)
        return party.municipality if party.role in case_opened_by else None
    if fact.event_type in STARTED_WITH_MUNICIPALITY:
        return fact.payload.get("homeMunicipality")
    return None
