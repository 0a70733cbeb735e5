"""Sends what was told, per party in the order of its numbers, and knows what has arrived.

Rules:
- Nothing is handed to the broker before the batch that gave out its number is stored.
- A number counts as sent when the broker has confirmed it; the send position of a party is the last such number.
- What the shard has in memory is sent at once. What was left over (a restart, a party that could not be reached)
  is built again from its case and the decisions stored since; a number that a later one of the same fact has
  overtaken goes out as a retraction. It costs the same however long the timeline is.
- Where nothing of that fact can have left yet, a number that shows nothing does not name it: it goes out empty. What
  the client took, or an earlier owner may have sent, can still arrive, and needs its retraction.
- Of a case that is due, nothing left over is sent before it is settled; later numbers of that party wait with it.
- One party's trouble holds up nobody else: a party of which nothing is confirmed for a while is given nothing more and
  counts no longer among what is in flight, and one whose sending failed is given one number until that is confirmed:
  of what it is told while it is out of reach, nothing else has left.

Numbers come from `hub.shard.settling` or the store; records go to `hub.broker`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from contracts.failures import DamagedStore
from hub.broker.ports import OutputRecord, Outputs
from hub.case_timeline.timeline import CaseTimeline
from hub.disclosure.envelope import Envelopes
from hub.disclosure.settlement import mask_of_shown
from hub.shard.cases import Cases
from hub.store.ports import Erased, ShardStore
from hub.store.records import Decision, DecisionsRecorded, NumberAssigned, case_stream

LEFT_OVER_NUMBERS_MAX: Final = 500
"""How many left-over numbers of one party are built again at a time."""
STALLED_PAUSE_SECONDS: Final = 0.5
"""How long a party whose sending failed is left alone at least before its numbers are built again."""
IN_FLIGHT_MAX: Final = 20_000
"""How many records may wait for their confirmation before no further batch is taken."""
STUCK_SECONDS: Final = 5.0
"""After how long without a confirmation a party is given nothing more."""


@dataclass(slots=True)
class Sending:
    """The send side of one shard. `assigned` holds the last number given out per party, as stored."""

    store: ShardStore
    outputs: Outputs
    envelopes: Envelopes
    cases: Cases
    assigned: dict[str, int]
    confirmed: dict[str, int] = field(default_factory=dict)
    handed: dict[str, int] = field(default_factory=dict)
    _found: dict[str, int] = field(default_factory=dict)
    """The last number per party that was given out before: an earlier owner may have sent it, unconfirmed."""
    _sent_empty: dict[str, set[int]] = field(default_factory=dict)
    """The numbers that named nothing when they left; a few bytes each, where the store keeps rows of it."""
    _stored: dict[str, int] = field(default_factory=dict)
    _unsent_since: dict[str, float] = field(default_factory=dict)
    _paused_until: dict[str, float] = field(default_factory=dict)
    _progressed_at: dict[str, float] = field(default_factory=dict)
    """When something of a party was confirmed last, or nothing of it was in flight."""
    _on_trial: set[str] = field(default_factory=set)
    """The parties whose sending failed, and of which nothing was confirmed since."""
    _stuck: set[str] = field(default_factory=set)
    """The parties that are given nothing more before something of them is confirmed; as of the last `collect`."""

    def __post_init__(self) -> None:
        self._found = dict(self.assigned)
        self._stored = dict(self.store.send_positions())
        self.confirmed = dict(self._stored)
        self.handed = dict(self._stored)

    def offer(self, records: Iterable[OutputRecord], assigned: Mapping[str, int]) -> None:
        """Hand over fresh records of a stored batch; parties with something left over get theirs from the store."""
        self.assigned = dict(assigned)
        ready: list[OutputRecord] = []
        for record in records:
            if self.handed.get(record.party, 0) == record.number - 1 and record.party not in self._stuck:
                self.handed[record.party] = record.number
                ready.append(record)
        if ready:
            self.outputs.send(ready)

    def collect(self, wait_seconds: float = 0.0) -> None:
        """Take in confirmations, and go back to the send position of every party whose sending failed."""
        for party, number in self.outputs.confirmed(wait_seconds).items():
            self.confirmed[party] = max(number, self.confirmed.get(party, 0))
            # Of a party whose sending failed some may have been under way, and need not be handed over again.
            self.handed[party] = max(self.handed.get(party, 0), self.confirmed[party])
            # The next oldest was given out later; it counts from here, for an age that never overstates.
            self._unsent_since.pop(party, None)
            self._on_trial.discard(party)
            self._progressed_at.pop(party, None)
        now = time.monotonic()
        for party in self.outputs.stalled():
            if self.handed.get(party, 0) > self.confirmed.get(party, 0):
                self.handed[party] = self.confirmed.get(party, 0)
                self._paused_until[party] = now + STALLED_PAUSE_SECONDS
                self._on_trial.add(party)
        self._stuck = self._stuck_at(now)

    def in_flight(self) -> int:
        """How many records were handed over and are not confirmed, those of stuck parties left out."""
        moving = ((party, number) for party, number in self.handed.items() if party not in self._stuck)
        return sum(number - self.confirmed.get(party, 0) for party, number in moving)

    def _stuck_at(self, now: float) -> set[str]:
        stuck: set[str] = set()
        for party, number in self.handed.items():
            if number <= self.confirmed.get(party, 0):
                self._progressed_at.pop(party, None)
            elif party in self._on_trial or now - self._progressed_at.setdefault(party, now) > STUCK_SECONDS:
                stuck.add(party)
        return stuck

    def unsent(self) -> dict[str, tuple[int, float]]:
        """Per party: how many numbers are given out and not confirmed, and the age of the oldest (seconds)."""
        now = time.monotonic()
        unsent: dict[str, tuple[int, float]] = {}
        for party, number in self.assigned.items():
            count = number - self.confirmed.get(party, 0)
            since = self._unsent_since.setdefault(party, now) if count else self._unsent_since.pop(party, now)
            unsent[party] = (count, now - since if count else 0.0)
        return unsent

    def unsent_total(self) -> int:
        """How many numbers are given out and not confirmed, over all parties."""
        return sum(number - self.confirmed.get(party, 0) for party, number in self.assigned.items())

    def save_positions(self) -> None:
        """Store the send positions that have moved."""
        moved = {party: number for party, number in self.confirmed.items() if number != self._stored.get(party, 0)}
        if moved:
            self.store.record_send_positions(moved)
            self._stored.update(moved)

    def send_left_over(self, clock: int) -> bool:
        """Hand over a portion of what is left over, built from the store for `clock`; whether any could be."""
        has_sent = False
        now = time.monotonic()
        left_alone = {*self._stuck, *self.outputs.pausing()}
        for party, last in self.assigned.items():
            after = self.handed.get(party, 0)
            if after < last and self._paused_until.get(party, 0.0) <= now and party not in left_alone:
                # No more than this owner gave out or found: what another stored since is not its to send.
                portion = 1 if party in self._on_trial else LEFT_OVER_NUMBERS_MAX
                numbers = self.store.numbers(party, after, min(last - after, portion))
                numbers = self._settled_ones(numbers, clock)
                if numbers:
                    has_sent = True
                    self.outputs.send(self._rebuilt(party, numbers, clock))
                    self.handed[party] = numbers[-1].originator_version
        return has_sent

    def _settled_ones(self, numbers: Sequence[NumberAssigned], clock: int) -> Sequence[NumberAssigned]:
        """The numbers up to the first of a case that is due: its settlement may take back what the number told."""
        due = self.store.due_of({number.case_id for number in numbers})
        waiting = {case_id for case_id, instant in due.items() if instant <= clock}
        return list(takewhile(lambda number: number.case_id not in waiting, numbers)) if waiting else numbers

    def _rebuilt(self, party: str, numbers: Iterable[NumberAssigned], clock: int) -> list[OutputRecord]:
        by_case: dict[str, list[NumberAssigned]] = {}
        for assigned in numbers:
            by_case.setdefault(assigned.case_id, []).append(assigned)
        records = [
            record
            for case_id, of_case in by_case.items()
            for record in self._rebuilt_of_case(party, case_id, of_case, clock)
        ]
        return sorted(records, key=lambda record: record.number)

    def _rebuilt_of_case(
        self, party: str, case_id: str, numbers: Sequence[NumberAssigned], clock: int
    ) -> list[OutputRecord]:
        """The records of some numbers of one case; where it was erased, in memory or not, they tell nothing."""
        key = self.cases.derived_key(case_id, party)
        try:
            return self._rebuilt_as_decided(party, case_id, key, numbers, clock)
        except Erased:
            return [self.envelopes.empty(party, each.originator_version, key, clock) for each in numbers]

    def _rebuilt_as_decided(
        self, party: str, case_id: str, key: str, numbers: Sequence[NumberAssigned], clock: int
    ) -> list[OutputRecord]:
        held = self.cases.get(case_id)
        self.cases.hold_history(held)
        case = held.timeline
        decided: dict[tuple[int, int], Decision] = {}
        newest: dict[str, int] = {}
        first = min(assigned.decided_version for assigned in numbers)
        for record in self.store.case_records(case_id, after_version=first - 1):
            if isinstance(record, DecisionsRecorded):
                for index, one in enumerate(record.decisions):
                    # On a fact that this case has not got, another owner decided since: none of these numbers is its.
                    if one.party == party and one.number and one.fact_version in case.event_at:
                        decided[record.originator_version, index] = one
                        newest[case.event_at[one.fact_version]] = one.number
        masks: dict[int, tuple[str, int]] = {}
        for assigned in numbers:
            decision = decided.get((assigned.decided_version, assigned.decision_index))
            number = assigned.originator_version
            if decision is None or decision.number != number:
                raise DamagedStore(f"stream `{case_stream(case_id)}` has no decision for number `{number}`")
            event_id = case.event_at[decision.fact_version]
            overtaken = newest[event_id] != number
            masks[number] = event_id, 0 if overtaken else mask_of_shown(decision.shown)
        closed = {event_id for event_id, mask in masks.values() if not mask}
        untold = self._untold(party, case, closed, decided.values(), first) if closed else closed
        rebuilt: list[OutputRecord] = []
        for number, (event_id, mask) in masks.items():
            if not mask and event_id in untold:
                self._sent_empty.setdefault(party, set()).add(number)
                rebuilt.append(self.envelopes.empty(party, number, key, clock))
            else:
                form = self.envelopes.form(case, event_id, party, mask, clock)
                rebuilt.append(self.envelopes.record(case, event_id, party, number, key, form))
        self.cases.let_go()
        return rebuilt

    def _untold(
        self, party: str, case: CaseTimeline, event_ids: set[str], decided: Iterable[Decision], first: int
    ) -> set[str]:
        """Those of `event_ids` of which nothing can have left for `party`. `decided`: from version `first` on."""
        untold = event_ids - self._may_be_told(party, case, decided)
        if not untold:
            return untold
        oldest = min(version for version, event_id in case.event_at.items() if event_id in untold)
        since = self.store.case_records(case.case_id, after_version=oldest)
        before = takewhile(lambda record: record.originator_version < first, since)
        decisions = (one for record in before if isinstance(record, DecisionsRecorded) for one in record.decisions)
        return untold - self._may_be_told(party, case, decisions)

    def _may_be_told(self, party: str, case: CaseTimeline, decisions: Iterable[Decision]) -> set[str]:
        """The events of which some number may have left for `party`, and named them.

        A number beyond those of this owner is another's, who has the shard by now and may have sent ours as well.
        """
        left = max(self._found.get(party, 0), self.outputs.taken().get(party, 0))
        given_out, empty = self.assigned.get(party, 0), self._sent_empty.get(party, set())
        return {
            case.event_at[one.fact_version]
            for one in decisions
            if one.party == party and one.number and one.number not in empty and not left < one.number <= given_out
        }
