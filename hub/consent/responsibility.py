"""Responsibility: which municipality is responsible for the citizen, now or as known at an earlier instant.

Rules (domain specification, 1, 4.9.1, 4.9.4, 4.9.10):
- Of the transfers that have begun (00:00 local of `effectiveDate`) the one with the latest effective date, then the
  latest `occurredAt`, is in force.
- Without one it is whichever occurred first of a CaseOpened (not reopened) by a role of `case_opened_by` and a
  custody start's `homeMunicipality`. A later custody start changes nothing.
- "As known then" reads the facts recorded by then, those included that were corrected or retracted later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

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
    then: int, facts: Iterable[Fact], superseded: Iterable[Superseded], moment: Moment
) -> str | None:
    """Return the municipality that was responsible at `then`, as known at `then`."""
    known = [fact for fact in facts if fact.recorded_at <= then]
    known += [gone.fact for gone in superseded if gone.fact.recorded_at <= then < gone.until]
    earlier = Moment(then, moment.policy)
    return responsible_municipality(earlier.began_by_now(known), earlier)


def _stated_municipality(fact: Fact, case_opened_by: frozenset[str]) -> str | None:
    if fact.event_type == "CaseOpened":
        party = Party(fact.party)
        return party.municipality if party.role in case_opened_by else None
    if fact.event_type in STARTED_WITH_MUNICIPALITY:
        return fact.payload.get("homeMunicipality")
    return None
