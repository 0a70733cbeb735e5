"""What the gate may ask of a case: what stands on it, and what its publisher has parked beside it.

Rules:
- Two events that name each other do not end one another: the one that came in first has ended the other.
- An event that is parked counts as stated where it is named to be ended, once: not where it is ended already.

Implements `hub.arrival.gate.Knowledge`, for `hub.shard.admission` and `hub.shard.merging`.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.fact import ce_id_of
from hub.case_timeline.timeline import CaseTimeline
from hub.shard.parking import Parking


@dataclass(frozen=True, slots=True)
class OfCase:
    """What stands on a case, for the event `own`."""

    case: CaseTimeline
    own: str

    def is_live(self, event_id: str, event_type: str | None) -> bool:
        """See `hub.arrival.gate.Knowledge`."""
        return self.case.is_live(event_id, event_type) and not self._leads_to_own(event_id)

    def _leads_to_own(self, event_id: str) -> bool:
        """Whether the event ends this one, or one that does: only where this one was ended before it came."""
        named: str | None = event_id if self.own in self.case.dead else None
        passed = set()
        while named is not None and named != self.own and named in self.case.facts and named not in passed:
            passed.add(named)
            named = self.case.victim_of(named)
        return named == self.own

    def is_notice_to(self, event_id: str, party: str) -> bool:
        """See `hub.arrival.gate.Knowledge`."""
        return self.case.is_notice_to(event_id, party)

    def consent_known_to(self, consent_id: str, party: str) -> bool:
        """See `hub.arrival.gate.Knowledge`."""
        return self.case.consent_known_to(consent_id, party)


@dataclass(frozen=True, slots=True)
class WithParked(OfCase):
    """The same with what the publisher of the event has parked in `line`."""

    parking: Parking
    line: str

    def is_live(self, event_id: str, event_type: str | None) -> bool:
        """See `hub.arrival.gate.Knowledge`."""
        if event_id in self.case.facts or event_id in self.case.dead:
            return OfCase.is_live(self, event_id, event_type)
        return self.parking.holds(self.line, ce_id_of(event_id), event_type)
