"""Coordination: who holds the coordinator assignment, and whether probation has become active.

Rules (domain specification, 4.9.2, 4.9.18):
- One coordinator per citizen: the party of the latest CoordinatorAssigned or CoordinatorHandedOver, until a
  CoordinatorVacated that names that party.
- Probation is active from a release with supervision, or from any live record of its own, of whatever kind but those
  about other records (`hub.case_timeline.timeline.ABOUT_RECORDS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.fact import Fact
from hub.consent.custody import RELEASED_ON
from hub.consent.moment import Moment

PROBATION: Final = "KIF"
READS: Final = RELEASED_ON | {"CoordinatorAssigned", "CoordinatorHandedOver", "CoordinatorVacated"}


def coordinator_of(facts: Sequence[Fact], moment: Moment) -> str | None:
    """Return the party that holds the active coordinator assignment."""
    holder: str | None = None
    for fact in facts:
        if fact.event_type in ("CoordinatorAssigned", "CoordinatorHandedOver"):
            holder = fact.payload.get("party")
            moment.note("coordinator", fact)
        elif fact.event_type == "CoordinatorVacated" and fact.payload.get("party") == holder:
            holder = None
    return holder


def probation_active(facts: Sequence[Fact], publishers: frozenset[str], moment: Moment) -> bool:
    """Return whether probation receives by law."""
    for fact in facts:
        if fact.event_type in RELEASED_ON and fact.payload.get("supervision") is True:
            moment.note("probation_active", fact)
            return True
    return any(moment.policy.role_stating(publisher) == PROBATION for publisher in publishers)
