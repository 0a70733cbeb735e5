"""A moment at which a case is judged: the one place where consent compares an instant with now.

Rules:
- What begins at T has begun, what ends at T has ended (domain specification, 4.9.1).
- Every comparison with "now" goes through `has_come`, which remembers each instant that is still to come. Between
  two of them no comparison can turn out differently, so the earliest is the next change by time alone.
- What was learnt from which event is kept as `origins` for explanations; it never enters a decision.

Pure. Made by `hub.consent.standing.derive`, handed to every fold of this room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from contracts.fact import Fact

if TYPE_CHECKING:  # the policy knows which events each fold reads, so it stands above this module
    from hub.consent.policy import Policy


@dataclass(slots=True)
class Moment:
    """The instant `at` (milliseconds) at which a policy is applied; collects turning points and origins."""

    at: int
    policy: Policy
    turning_points: set[int] = field(default_factory=set)
    origins: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def zone(self) -> ZoneInfo:
        """The civil time zone of the jurisdiction."""
        return self.policy.zone

    def has_come(self, instant: int) -> bool:
        """Whether `instant` is now or past; one to come is remembered as a turning point."""
        if instant <= self.at:
            return True
        self.turning_points.add(instant)
        return False

    def has_passed(self, instant: int) -> bool:
        """Whether `instant` lies before now (for periods that include their last instant)."""
        return self.has_come(instant + 1)

    def began_by_now(self, facts: Iterable[Fact]) -> Sequence[Fact]:
        """The facts that have occurred by now, in the order in which every fold reads them."""
        return sorted((fact for fact in facts if self.has_come(fact.occurred_at)), key=lambda fact: fact.order)

    def note(self, name: str, *facts: Fact | None) -> None:
        """Remember that `name` was learnt from `facts`."""
        self.origins[name] = tuple(fact.event_id for fact in facts if fact is not None)
