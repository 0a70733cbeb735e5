"""Placements: which ran when, so that a breach reaches the party that commissioned the placement (S14).

Rules (domain specification, 4.9.8, 4.9.19):
- A placement runs from CarePlacementStarted to the first CarePlacementEnded of the same `placementId` at or after
  it, whoever stated the end. What ends at T has ended at T.
- Whether a breach is shown depends on the instant of the breach alone, so a later end hides nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.fact import Fact

READS: Final = frozenset({"CarePlacementStarted", "CarePlacementEnded"})


@dataclass(frozen=True, slots=True)
class Placement:
    """One placement; instants in milliseconds, `ended` is `None` while it runs."""

    placement_id: str
    commissioner: str
    started: int
    ended: int | None

    def ran_at(self, instant: int) -> bool:
        """Whether the placement was running at `instant`."""
        return self.started <= instant and (self.ended is None or instant < self.ended)


def placements_of(facts: Sequence[Fact]) -> tuple[Placement, ...]:
    """Return the placements that `facts` (ordered, occurred by now) tell of."""
    ends: dict[str, list[int]] = {}
    for fact in facts:
        if fact.event_type == "CarePlacementEnded":
            ends.setdefault(fact.payload["placementId"], []).append(fact.occurred_at)
    found = []
    for fact in facts:
        if fact.event_type == "CarePlacementStarted":
            of_it = ends.get(fact.payload["placementId"], [])
            place = bisect_left(of_it, fact.occurred_at)
            ended = of_it[place] if place < len(of_it) else None
            found.append(Placement(fact.payload["placementId"], fact.party, fact.occurred_at, ended))
    return tuple(found)
