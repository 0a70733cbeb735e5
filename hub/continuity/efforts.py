"""I8: efforts that overlap: two open at once, in one domain, by different providers.

Rules (domain specification, 6, I8):
- An effort is open if it began, or was resumed, and has not ended by the cut-off; two overlap if both were open for a
  day at least.
- A pair that was resolved as justified does not count. The area is a housing effort's master plan.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from contracts.fact import Fact
from hub.continuity.activities import activity_of
from hub.continuity.case import KnownCase
from hub.continuity.terms import Effort


@dataclass(frozen=True, slots=True)
class OpenEffort:
    """One effort that has begun and not ended."""

    effort_id: str
    domain: str
    provider: str
    since: int
    area: str | None
    begun_by: Fact


def overlaps(case: KnownCase) -> list[tuple[OpenEffort, OpenEffort]]:
    """I8: the pairs of one citizen."""
    return [
        (one, other)
        for one, other in unresolved_pairs(case)
        if case.days(max(one.since, other.since), case.at) >= case.terms.overlap_days
    ]


def unresolved_pairs(case: KnownCase) -> list[tuple[OpenEffort, OpenEffort]]:
    """The pairs that overlap, or will once they have been open together for long enough."""
    justified = [
        frozenset(map(str, fact.payload.get("efforts") or ()))
        for fact in case.of_types("OverlapResolved")
        if fact.payload.get("resolution") == case.terms.overlap_justified
    ]
    return [
        (one, other)
        for one, other in combinations(sorted(open_efforts(case), key=lambda each: (each.since, each.effort_id)), 2)
        if one.domain == other.domain
        and one.provider != other.provider
        and not any({one.effort_id, other.effort_id} <= pair for pair in justified)
    ]


def open_efforts(case: KnownCase) -> Iterator[OpenEffort]:
    """The efforts of one citizen that are open at the cut-off."""
    for kind in case.terms.effort:
        last: dict[str, Fact] = {}
        for fact in case.of_types(*kind.begun_by, *kind.ended_by):
            effort_id = activity_of(fact)
            if effort_id is not None:
                last[effort_id] = fact
        for effort_id, fact in last.items():
            if fact.event_type in kind.begun_by:
                yield _effort(case, kind, effort_id, fact)


def _effort(case: KnownCase, kind: Effort, effort_id: str, begun: Fact) -> OpenEffort:
    payload = begun.payload
    named = (payload.get(name) for name in case.terms.provider_fields)
    provider = next((str(each) for each in named if each is not None), begun.party)
    domain = kind.domain or str(payload.get("domain"))
    return OpenEffort(effort_id, domain, provider, case.happened(begun), payload.get("masterPlan"), begun)
