"""Says through the shard's own input that a promise is kept, once the broker has confirmed all that it rests on.

Rules:
- Of a withdrawal it is said to whoever stated it; of what a case takes back in a merge, to the other case.
- What is promised is stored with the settlement that promises it, so a restart knows it.
- A promise is one case's: where its withdrawal goes on to another case, that one promises anew.
- Confirmations are no recorded input; the record on `in.hub.v1` is. What follows from it is decided like all else.
- It may be said twice (a restart, an answer that was lost): the second time changes nothing.
- A few at a time, so that the shard goes on with everything else; a broker that does not answer is left alone a while.

From `hub.shard.sending`, which knows what was confirmed; to `hub.shard.admission`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar

from contracts.fact import ce_id_of, party_of
from contracts.failures import TransportFailure
from hub.broker.ports import HubInput
from hub.shard.batch import Batch
from hub.shard.pausing import Pause
from hub.shard.withdrawals import DELIVERED, REMOVAL_DELIVERED
from hub.store.ports import BatchWrites, Promise, Removal, ShardStore

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
    _said: set[str] = field(default_factory=set)
    pause: Pause = field(default_factory=Pause)

    def __post_init__(self) -> None:
        self.waiting = dict(self.store.promises())
        self.removing = dict(self.store.removals())

    def stored(self, writes: BatchWrites) -> None:
        """Take in what a stored batch promised, and what it knows to be kept."""
        self._said -= writes.promises.keys() | writes.removals.keys()
        _take_in(self.waiting, writes.promises)
        _take_in(self.removing, writes.removals)

    def of_case(self, case_id: str, batch: Batch) -> Mapping[str, tuple[Promise, ...]]:
        """What a case has promised about withdrawals, as `batch` leaves it, by event id."""
        current = self.waiting | batch.writes.promises
        return {event_id: rows for event_id, rows in current.items() if rows and rows[0].case_id == case_id}

    def of_withdrawal(self, event_id: str, case_id: str, batch: Batch) -> Sequence[Promise]:
        """What a case has promised about one withdrawal, as `batch` leaves it; nothing where it is not promised."""
        rows = batch.writes.promises.get(event_id, self.waiting.get(event_id, ()))
        return rows if rows and rows[0].case_id == case_id else ()

    def say_kept(self, confirmed: Mapping[str, int]) -> bool:
        """Publish of a few promises that they are kept by now; return whether any was."""
        if not (self.waiting or self.removing) or not self.pause.is_over:
            return False
        kept = list(islice(self._kept(confirmed), SAID_PER_TURN_MAX))
        try:
            for name, event_type, payload in kept:
                self._publish(event_type, payload)
                self._said.add(name)
                self.pause.succeeded()
        except TransportFailure as failure:
            log.warning("an acknowledgement waits for the hub's own input: %s", failure)
            self.pause.failed()
        return bool(kept)

    def _publish(self, event_type: str, payload: Mapping[str, Any]) -> None:
        self.channel.publish(self.shard, event_type, payload)

    def _kept(self, confirmed: Mapping[str, int]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Of every promise that is kept and was not said to be: its name, and the record that says so."""
        for event_id, promised in self.waiting.items():
            if event_id not in self._said and _is_kept(promised, confirmed):
                withdrawal = {"party": party_of(event_id), "targetEventId": ce_id_of(event_id)}
                yield event_id, DELIVERED, {"caseId": promised[0].case_id, **withdrawal}
        for step, removing in self.removing.items():
            if step not in self._said and _is_kept(removing, confirmed):
                one = removing[0]
                merge = {"other": one.other, "otherShard": one.other_shard, "change": one.change}
                yield step, REMOVAL_DELIVERED, {"caseId": one.case_id, **merge}


def _take_in(waiting: dict[str, tuple[_Row, ...]], changed: Mapping[str, tuple[_Row, ...]]) -> None:
    for name, promised in changed.items():
        if promised:
            waiting[name] = promised
        else:
            waiting.pop(name, None)


def _is_kept(promised: Sequence[Promise | Removal], confirmed: Mapping[str, int]) -> bool:
    return all(confirmed.get(promise.party, 0) >= promise.number for promise in promised)
