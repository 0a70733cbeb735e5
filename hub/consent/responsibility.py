"""Responsibility: which municipality is responsible for the citizen, now or as known at an earlier instant.

Rules (domain specification, 1, 4.9.1, 4.9.4, 4.9.10):
- Of the transfers that have begun (00:00 local of `effectiveDate`) the one with the latest effective date, then the
  latest `occurredAt`, is in force.
- Without one it is whichever occurred first of a CaseOpened (not reopened) by a role of `case_opened_by` and a
  custody start's `homeMunicipality`. A later custody start changes nothing.
- "As known then" reads the facts recorded by then, those included that were corrected or retracted later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    transfers = [
        fact
        for fact in facts
        if fact.event_type == "ResponsibilityTransferred"
        and moment.has_come(start_of_day(fact.payload["effectiveDate"], moment.zone))
    ]
    if transfers:
        latest = max(transfers, key=lambda fact: (fact.payload["effectiveDate"], fact.order))
        moment.note("responsible_municipality", latest)
        return str(latest.payload["toMunicipality"])
    for fact in facts:
        municipality = _stated_municipality(fact, moment.policy.rules.case_opened_by)
        if municipality is not None:
            moment.note("responsible_municipality", fact)
            return municipality
    return None


def responsible_as_known_at(
    instants: Iterable[int], facts: Iterable[Fact], superseded: Iterable[Superseded], moment: Moment
) -> Mapping[int, str | None]:
    """Return the municipality that was responsible at each of `instants`, as known then; in one pass for all."""
    known: list[tuple[Fact, int | None]] = [(fact, None) for fact in facts]
    known += [(gone.fact, gone.until) for gone in superseded]
    preferred = _preferred(known, moment)
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


def _preferred(known: Iterable[tuple[Fact, int | None]], moment: Moment) -> Sequence[_Claim]:
    """What is claimed, the stronger claim first: the latest transfer, then the first of all else."""
    transfers: list[tuple[tuple[int, tuple[int, int, str]], _Claim]] = []
    others: list[tuple[tuple[int, int, str], _Claim]] = []
    for fact, until in known:
        start = max(fact.occurred_at, fact.recorded_at)
        if fact.event_type == "ResponsibilityTransferred":
            effective = fact.payload["effectiveDate"]
            start = max(start, start_of_day(effective, moment.zone))
            transfers.append(((effective, fact.order), _Claim(str(fact.payload["toMunicipality"]), start, until)))
        elif (municipality := _stated_municipality(fact, moment.policy.rules.case_opened_by)) is not None:
            others.append((fact.order, _Claim(municipality, start, until)))
    transfers.sort(key=lambda each: each[0], reverse=True)
    others.sort(key=lambda each: each[0])
    return [claim for _, claim in (*transfers, *others)]


def _stated_municipality(fact: Fact, case_opened_by: frozenset[str]) -> str | None:
    if fact.event_type == "CaseOpened":
        party = Party(fact.party)
        return party.municipality if party.role in case_opened_by else None
    if fact.event_type in STARTED_WITH_MUNICIPALITY:
        return fact.payload.get("homeMunicipality")
    return None
