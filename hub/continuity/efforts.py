"""I8: efforts that overlap: two open at once, in one domain, by different providers.

Rules (domain specification, 6, I8):
- An effort is open if it began, or was resumed, and has not ended by the cut-off; two overlap if both were open for a
  day at least. A treatment or trial is told by its own number, which each of its facts states, whatever else one names.
- A pair that was resolved as justified does not count. The area is a housing effort's master plan.
- The pairs are counted for the indicator only: they are the square of the efforts. Clocks ask of each effort with
  which one it overlaps first.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from contracts.fact import Fact
from hub.continuity.activities import activity_of, ids_of
from hub.continuity.case import KnownCase
from hub.continuity.terms import Effort

_BY_NOTHING: Final[frozenset[int]] = frozenset()
_OWN_NUMBERS: Final = ("trialId", "treatmentId", "activityId")


@dataclass(frozen=True, slots=True)
class OpenEffort:
    """One effort that has begun and not ended. `ids`: every id by which somebody may name it."""

    effort_id: str
    ids: frozenset[str]
    domain: str
    provider: str
    since: int
    area: str | None
    begun_by: Fact


def overlaps(case: KnownCase) -> list[tuple[OpenEffort, OpenEffort]]:
    """I8: the pairs of one citizen."""
    resolved_by = _resolved_by(case)
    return [
        (one, other)
        for one, other in combinations(_in_order(case), 2)
        if one.domain == other.domain
        and one.provider != other.provider
        and resolved_by(one).isdisjoint(resolved_by(other))
        and case.days(max(one.since, other.since), case.at) >= case.terms.overlap_days
    ]


def first_overlaps(case: KnownCase) -> Iterator[tuple[OpenEffort, OpenEffort]]:
    """Each effort that overlaps with an earlier one, or will, behind the first of the provider that was there first.

    At most one pair for each effort. What is passed over was resolved, so nothing is searched but what was stated.
    """
    resolved_by = _resolved_by(case)
    there: dict[str, dict[str, dict[frozenset[int], OpenEffort]]] = {}
    for effort in _in_order(case):
        resolved, providers = resolved_by(effort), there.setdefault(effort.domain, {})
        earlier = (
            first
            for provider, firsts in providers.items()
            if provider != effort.provider
            for by, first in firsts.items()
            if by.isdisjoint(resolved)
        )
        if (first := next(earlier, None)) is not None:
            yield first, effort
        # Of efforts that were resolved alike the first overlaps with whatever the others do.
        providers.setdefault(effort.provider, {}).setdefault(resolved, effort)


def _resolved_by(case: KnownCase) -> Callable[[OpenEffort], frozenset[int]]:
    """Asks which facts name an effort as justified (by number): two that one fact names were resolved together."""
    found: dict[str, set[int]] = {}
    for number, fact in enumerate(case.of_types("OverlapResolved")):
        if fact.payload.get("resolution") == case.terms.overlap_justified:
            for effort_id in fact.payload.get("efforts") or ():
                found.setdefault(str(effort_id), set()).add(number)
    resolved = {effort_id: frozenset(numbers) for effort_id, numbers in found.items()}
    return lambda effort: _BY_NOTHING.union(*(resolved.get(each, _BY_NOTHING) for each in effort.ids))


def _in_order(case: KnownCase) -> list[OpenEffort]:
    return sorted(open_efforts(case), key=lambda each: (each.since, each.effort_id))


def open_efforts(case: KnownCase) -> Iterator[OpenEffort]:
    """The efforts of one citizen that are open at the cut-off."""
    for kind in case.terms.effort:
        stated: dict[str, list[Fact]] = {}
        for fact in case.of_types(*kind.begun_by, *kind.ended_by):
            number = next((fact.payload[name] for name in _OWN_NUMBERS if fact.payload.get(name) is not None), None)
            if number is not None:
                stated.setdefault(str(number), []).append(fact)
        for facts in stated.values():
            if facts[-1].event_type in kind.begun_by:
                yield _effort(case, kind, facts)


def _effort(case: KnownCase, kind: Effort, facts: list[Fact]) -> OpenEffort:
    begun = facts[-1]
    payload = begun.payload
    named = (payload.get(name) for name in case.terms.provider_fields)
    provider = next((str(each) for each in named if each is not None), begun.party)
    domain = kind.domain or str(payload.get("domain"))
    ids = frozenset(each for fact in facts for each in ids_of(fact))
    effort_id = activity_of(begun) or ""
    return OpenEffort(effort_id, ids, domain, provider, case.happened(begun), payload.get("masterPlan"), begun)
