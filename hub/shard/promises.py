"""Says through the shard's own input that a promise is kept, once the broker has confirmed all that it rests on.

Rules:
- Of a withdrawal it is said to whoever stated it; of what a case takes back in a merge, to the other case.
- What is promised is stored with the settlement that promises it, so a restart knows it.
- A promise is one case's: where its withdrawal goes on to another case, that one promises anew.
- Confirmations are no recorded input; the record on `in.hub.v1` is. What follows from it is decided like all else.
- It may be said twice (a restart, an answer that was lost): the second time changes nothing.
- A few at a time, so that the shard goes on with everything else; a broker that does not answer is left alone a while.
- Where the store went back, a party may show what the lost one told it, of any case: nothing is said to be kept before
  it is sent the mark at which it begins anew, the first number behind what was skipped. Who gets none holds up nothing.
- Many may wait for long: a case asks for its own alone, and a promise is looked at when it is new, and when the number
  that it was found waiting for is confirmed. So a turn costs what has moved, not what waits.

From `hub.shard.sending`, which knows what was confirmed; to `hub.shard.admission`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice
from typing import Any, Final, TypeVar

from contracts.fact import ce_id_of, party_of
from contracts.failures import TransportFailure
from contracts.topics import HUB_PARTY
from hub.broker.ports import HubInput
from hub.shard.batch import Batch
from hub.shard.pausing import Pause
from hub.shard.resyncing import REQUESTED
from hub.shard.withdrawals import DELIVERED, REMOVAL_DELIVERED
from hub.store.ports import BatchWrites, Promise, Removal, ShardStore
from hub.store.records import ResyncStepped

SAID_PER_TURN_MAX: Final = 100

log = logging.getLogger(__name__)

_Row = TypeVar("_Row", Promise, Removal)


@dataclass(slots=True)
class Promises:
    """The promises of one shard that are not known to be kept.

    `waiting` are those of withdrawals, by event id; `removing` those of merges, by step.
    """

    store: ShardStore
    channel: HubInput
    shard: int
    waiting: dict[str, tuple[Promise, ...]] = field(init=False)
    removing: dict[str, tuple[Removal, ...]] = field(init=False)
    pause: Pause = field(default_factory=Pause)
    _by_case: dict[str, set[str]] = field(default_factory=dict)
    """Case -> the withdrawals of which it has promised something."""
    _to_look_at: dict[str, None] = field(default_factory=dict)
    """The promises that are new, or whose number was confirmed."""
    _waiting_for: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Party -> heap of (number, promise): each waits for one number at a time."""
    _kept: dict[str, None] = field(default_factory=dict)
    """The promises that are kept and were not said to be."""
    _skipped: dict[str, int] = field(init=False)
    """Party -> up to which number it was told by a store that is lost, and nothing since."""

    def __post_init__(self) -> None:
        sent = self.store.send_positions()
        self._skipped = {party: number for party, number in sent.items() if self.store.was_skipped(party, number)}
        self.waiting = dict(self.store.promises())
        self.removing = dict(self.store.removals())
        for event_id, promised in self.waiting.items():
            self._by_case.setdefault(promised[0].case_id, set()).add(event_id)
        self._to_look_at = dict.fromkeys((*self.waiting, *self.removing))

    def stored(self, writes: BatchWrites) -> None:
        """Take in what a stored batch promised, and what it knows to be kept."""
        for event_id, promised in writes.promises.items():
            if before := self.waiting.get(event_id):
                of_case = self._by_case[before[0].case_id]
                of_case.remove(event_id)
                if not of_case:
                    del self._by_case[before[0].case_id]
            if promised:
                self._by_case.setdefault(promised[0].case_id, set()).add(event_id)
        _take_in(self.waiting, writes.promises)
        _take_in(self.removing, writes.removals)
        for name in (*writes.promises, *writes.removals):
            self._kept.pop(name, None)
            self._to_look_at[name] = None

    def of_case(self, case_id: str, batch: Batch) -> Mapping[str, tuple[Promise, ...]]:
        """What a case has promised about withdrawals, as `batch` leaves it, by event id."""
        before = self._by_case.get(case_id, ())
        current = {event_id: self.waiting[event_id] for event_id in before} | batch.writes.promises
        return {event_id: rows for event_id, rows in current.items() if rows and rows[0].case_id == case_id}

    def of_withdrawal(self, event_id: str, case_id: str, batch: Batch) -> Sequence[Promise]:
        """What a case has promised about one withdrawal, as `batch` leaves it; nothing where it is not promised."""
        rows = batch.writes.promises.get(event_id, self.waiting.get(event_id, ()))
        return rows if rows and rows[0].case_id == case_id else ()

    def say_kept(self, confirmed: Mapping[str, int]) -> bool:
        """Publish of a few promises that they are kept by now; return whether any was."""
        self._look(confirmed)
        if not self._kept or not self.pause.is_over or not self._have_begun_anew(confirmed):
            return False
        try:
            for name in list(islice(self._kept, SAID_PER_TURN_MAX)):
                self._publish(*self._word_on(name))
                del self._kept[name]
                self.pause.succeeded()
        except TransportFailure as failure:
            log.warning("an acknowledgement waits for the hub's own input: %s", failure)
            self.pause.failed()
        return True

    def _have_begun_anew(self, confirmed: Mapping[str, int]) -> bool:
        """Whether every party that a lost store had told more, and that will be told anew, was sent the mark for it."""
        if self._skipped:
            resyncs = self.store.resyncs()
            self._skipped = {
                party: number
                for party, number in self._skipped.items()
                if confirmed.get(party, 0) <= number and _has_its_mark_ahead(resyncs.get(party), number)
            }
        return not self._skipped

    def _publish(self, event_type: str, payload: Mapping[str, Any]) -> None:
        self.channel.publish(self.shard, event_type, payload)

    def _look(self, confirmed: Mapping[str, int]) -> None:
        """Find what is kept by now, among what is new and what waited for a number that is confirmed."""
        for party, waiting in self._waiting_for.items():
            while waiting and waiting[0][0] <= confirmed.get(party, 0):
                self._to_look_at[heappop(waiting)[1]] = None
        for name in self._to_look_at:
            promised = self.waiting.get(name) or self.removing.get(name, ())
            missing = _first_missing(promised, confirmed)
            if missing is None and promised:
                self._kept[name] = None
            elif missing is not None and missing.party != HUB_PARTY:  # what waits for the hub is promised anew
                heappush(self._waiting_for.setdefault(missing.party, []), (missing.number, name))
        self._to_look_at.clear()

    def _word_on(self, name: str) -> tuple[str, Mapping[str, Any]]:
        """The record that says that a promise is kept."""
        if promised := self.waiting.get(name):
            withdrawal = {"party": party_of(name), "targetEventId": ce_id_of(name)}
            return DELIVERED, {"caseId": promised[0].case_id, **withdrawal}
        one = self.removing[name][0]
        merge = {"other": one.other, "otherShard": one.other_shard, "change": one.change}
        return REMOVAL_DELIVERED, {"caseId": one.case_id, **merge}


def _has_its_mark_ahead(resync: ResyncStepped | None, number: int) -> bool:
    return resync is not None and (resync.step == REQUESTED or resync.number > number)


def _take_in(waiting: dict[str, tuple[_Row, ...]], changed: Mapping[str, tuple[_Row, ...]]) -> None:
    for name, promised in changed.items():
        if promised:
            waiting[name] = promised
        else:
            waiting.pop(name, None)


def _first_missing(promised: Iterable[Promise | Removal], confirmed: Mapping[str, int]) -> Promise | Removal | None:
    """What of a promise is not confirmed yet."""
    return next((one for one in promised if one.number > confirmed.get(one.party, 0)), None)
