"""Resyncs of one shard: a receiver that lost what it was sent is told all that it may see now, under new numbers.

Rules:
- A resync begins with a mark on the party's topic and ends with one. Between them every case of which the party has a
  key is settled once with all that the party may see in it; what happens meanwhile is told as ever, in between.
- Nothing is taken from what was sent before: each case is decided afresh at its turn, so a withdrawal always wins.
- Cases come in the order of the party's own keys, so many per batch, and whether something else touches them moves none
  of them: what the party may not see changes neither what comes nor the order in which it comes.
- Other work goes first: while more is due than one batch settles, no resync goes on. One case that cannot be decided
  holds up no other; the resync waits for it, and is not completed before.
- A request while a resync of the party runs begins anew. The same request again has no effect.
- The marks are facts of the hub's own on a timeline that is about nobody but that party, and are never told again.

How far a resync has come is the last record of the party's stream, stored with the decisions of the batch. From
`hub.shard.admission` and `hub.shard.settling`, into the batch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from contracts.failures import Refused
from contracts.parties import PartyRegistry
from contracts.reasons import Reason
from hub.identity.pseudonyms import parking_cases, resync_case
from hub.shard.batch import Batch
from hub.shard.cases import Cases, HeldCase
from hub.shard.stating import hub_event_id, hub_fact, open_about_nobody, put_on_timeline
from hub.store.ports import ShardStore
from hub.store.records import ResyncStepped, resync_stream

REQUEST: Final = "ResyncRequested"
NOTIFIED: Final = "ResyncNotified"
BEGUN_MARK: Final = "BEGUN"
COMPLETED_MARK: Final = "COMPLETED"

REQUESTED: Final = "requested"
BEGUN: Final = "begun"
WENT_ON: Final = "went_on"
LEFT_OVER: Final = "left_over"
"""All cases have had their turn, but for those that could not be decided."""
COMPLETED: Final = "completed"
GIVEN_UP: Final = "given_up"
"""No mark reaches the party: it takes part no more, or no rule lets it be told."""
OPEN: Final = frozenset({REQUESTED, BEGUN, WENT_ON, LEFT_OVER})

RESYNC_CASES_MAX: Final = 100
"""How many cases one batch tells again, over all parties."""


class Portion(NamedTuple):
    """What one batch tells `party` again: `cases`, after which all up to `reached` had their turn."""

    party: str
    cases: tuple[str, ...]
    reached: str
    is_last: bool


@dataclass(slots=True)
class Resyncs:
    """Runs the resyncs of one shard; where each stands is in the batch (`ShardState.resyncs`)."""

    store: ShardStore
    cases: Cases
    registry: PartyRegistry

    def request(self, payload: Mapping[str, Any], recorded_at: int, batch: Batch) -> None:
        """Take a request; raise `Refused` where nobody is there to be told."""
        party, request = payload["party"], payload["requestId"]
        if party not in self.registry:
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "party", "name a party of the registry")
        last = batch.after.resyncs.get(party)
        if (last is not None and last.request == request) or self._was_begun(party, request):
            batch.passed_over += 1
            return
        _note(requested(party, last, request, payload["occurredAt"], recorded_at), batch)

    def _was_begun(self, party: str, request: str) -> bool:
        case = self.cases.get(resync_case(self.cases.secret, party, self.cases.shard)).timeline
        return hub_event_id(self.cases.secret, case, NOTIFIED, request, BEGUN_MARK) in case.facts

    def wanting(self, mark: str, batch: Batch, resting: Collection[str]) -> list[ResyncStepped]:
        """The resyncs of which the next thing to do is this mark, by party; where it could not be decided, not yet."""
        return [
            last
            for _, last in sorted(batch.after.resyncs.items())
            if _next_mark(last) == mark and self._marks(last) not in resting
        ]

    def mark(self, last: ResyncStepped, state: str, batch: Batch) -> tuple[HeldCase, str]:
        """State that a resync is in `state`, if that is not stated yet; return the timeline to settle, and the mark."""
        party, clock = party_of(last), batch.after.clock
        held = self.cases.get(self._marks(last))
        open_about_nobody(held, clock, self.cases, batch)
        case, reader = held.timeline, self.cases.reader
        event_id = hub_event_id(self.cases.secret, case, NOTIFIED, last.request, state)
        if event_id not in case.facts:
            said = {"occurredAt": last.asked_at, "at": last.asked_at, "recipient": party}
            payload = {**said, "state": state, "requestId": last.request}
            put_on_timeline(held, *hub_fact(case, NOTIFIED, event_id, payload, clock, reader), batch, reader)
        return held, event_id

    def _marks(self, last: ResyncStepped) -> str:
        return resync_case(self.cases.secret, party_of(last), self.cases.shard)

    def begin(self, last: ResyncStepped, number: int, batch: Batch) -> None:
        """Note that a resync has begun with the mark `number`. What is told under keys never issued comes first."""
        party = party_of(last)
        parking = parking_cases(self.cases.secret, party, self.cases.shard, batch.after.parked.get(party, 0))
        known = set(parking).intersection(self.store.cases()) if parking else ()
        _step(last, BEGUN, batch, number=number, left=tuple(case_id for case_id in parking if case_id in known))

    def portions(self, batch: Batch, resting: Collection[str]) -> list[Portion]:
        """What this batch tells again, of every running resync; cases that are `resting` wait."""
        running = [(party, last) for party, last in sorted(batch.after.resyncs.items()) if _has_cases(last)]
        limit = max(1, RESYNC_CASES_MAX // len(running)) if running else 0
        return [self._portion(party, last, limit, resting) for party, last in running]

    def _portion(self, party: str, last: ResyncStepped, limit: int, resting: Collection[str]) -> Portion:
        again = [case_id for case_id in last.left if case_id not in resting][:limit]
        if last.step == LEFT_OVER:
            return Portion(party, tuple(again), last.reached, is_last=True)
        if len(again) == limit:
            return Portion(party, tuple(again), last.reached, is_last=False)
        fresh, is_last = self._next_cases(party, last.reached, limit)
        reached = fresh[-1] if fresh else last.reached
        return Portion(party, (*again, *fresh), reached, is_last)

    def _next_cases(self, party: str, reached: str, limit: int) -> tuple[list[str], bool]:
        """The next cases in the order of the party's keys, and whether they are the last.

        A key that a merge left behind leads to a case that is told under its own.
        """
        after = self.cases.derived_key(reached, party) if reached else ""
        fresh: list[str] = []
        while True:
            rows = self.store.keys_of(party, after, limit)
            fresh += [case_id for key, case_id in rows if self.cases.derived_key(case_id, party) == key]
            if len(rows) < limit:
                return fresh, True
            if fresh:
                return fresh, False
            after = rows[-1][0]

    def went_on(self, portion: Portion, undecided: Collection[str], batch: Batch) -> None:
        """Note what of a portion was told."""
        last = batch.after.resyncs[portion.party]
        waiting = dict.fromkeys(last.left, True) | {case_id: case_id in undecided for case_id in portion.cases}
        left = tuple(case_id for case_id, waits in waiting.items() if waits)
        step = LEFT_OVER if portion.is_last else WENT_ON
        if (step, portion.reached, left) != (last.step, last.reached, last.left):
            _step(last, step, batch, reached=portion.reached, left=left)

    def can_go_on(self, resyncs: Mapping[str, ResyncStepped], resting: Collection[str]) -> bool:
        """Whether a batch would find something to do."""
        return any(self._has_work(last, resting) for last in resyncs.values())

    def _has_work(self, last: ResyncStepped, resting: Collection[str]) -> bool:
        if _next_mark(last):
            return self._marks(last) not in resting
        return last.step in (BEGUN, WENT_ON) or (last.step == LEFT_OVER and not set(last.left) <= set(resting))


def _next_mark(last: ResyncStepped) -> str:
    """The mark that comes next; empty where none does, or cases come before it."""
    if last.step == REQUESTED:
        return BEGUN_MARK
    return COMPLETED_MARK if last.step == LEFT_OVER and not last.left else ""


def _has_cases(last: ResyncStepped) -> bool:
    return last.step in (BEGUN, WENT_ON) or (last.step == LEFT_OVER and bool(last.left))


def end(last: ResyncStepped, step: str, batch: Batch) -> None:
    """Note that a resync is `COMPLETED` or `GIVEN_UP`."""
    _step(last, step, batch, left=())


def requested(party: str, last: ResyncStepped | None, request: str, asked_at: int, recorded_at: int) -> ResyncStepped:
    """Return the first step of a resync of `party`, after the `last` one of the resync before."""
    version = last.originator_version + 1 if last else 1
    return ResyncStepped(resync_stream(party), version, recorded_at, REQUESTED, request, asked_at)


def party_of(last: ResyncStepped) -> str:
    """The party whose resync it is."""
    return last.originator_id.partition(":")[2]


def open_resyncs(resyncs: Mapping[str, ResyncStepped], clock: int) -> Iterator[tuple[str, int]]:
    """Every party with an open resync, and how long ago that was asked for (milliseconds)."""
    return ((party, max(0, clock - last.asked_at)) for party, last in resyncs.items() if last.step in OPEN)


def _step(last: ResyncStepped, step: str, batch: Batch, **changes: Any) -> None:
    version = last.originator_version + 1
    _note(last._replace(originator_version=version, recorded_at=batch.after.clock, step=step, **changes), batch)


def _note(record: ResyncStepped, batch: Batch) -> None:
    batch.after.resyncs[party_of(record)] = record
    batch.writes.records.append(record)
