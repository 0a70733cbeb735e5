"""Says through the shard's own input that a promise is kept, once the broker has confirmed all that it rests on.

Rules:
- What is promised is stored with the settlement that promises it, so a restart knows it.
- Confirmations are no recorded input; the record on `in.hub.v1` is. What follows from it is decided like all else.
- It may be said twice (a restart, an answer that was lost): the second time changes nothing.
- A broker that does not answer is left alone a while.

From `hub.shard.sending`, which knows what was confirmed; to `hub.shard.admission`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contracts.fact import ce_id_of, party_of
from contracts.failures import TransportFailure
from hub.broker.ports import HubInput
from hub.shard.pausing import Pause
from hub.shard.withdrawals import DELIVERED
from hub.store.ports import Promise, ShardStore

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Promises:
    """The promises of one shard that are not known to be kept, by the event id of the withdrawal."""

    store: ShardStore
    channel: HubInput
    shard: int
    waiting: dict[str, tuple[Promise, ...]] = field(init=False)
    _said: set[str] = field(default_factory=set)
    pause: Pause = field(default_factory=Pause)

    def __post_init__(self) -> None:
        self.waiting = dict(self.store.promises())

    def stored(self, changed: Mapping[str, tuple[Promise, ...]]) -> None:
        """Take in what a stored batch promised, and what it knows to be kept."""
        for event_id, promised in changed.items():
            self._said.discard(event_id)
            if promised:
                self.waiting[event_id] = promised
            else:
                self.waiting.pop(event_id, None)

    def say_kept(self, confirmed: Mapping[str, int]) -> bool:
        """Publish which promises are kept by now; return whether any was."""
        if not self.waiting or not self.pause.is_over:
            return False
        kept = [
            promised
            for event_id, promised in self.waiting.items()
            if event_id not in self._said and _is_kept(promised, confirmed)
        ]
        try:
            for promised in kept:
                self._publish(promised[0])
                self._said.add(promised[0].event_id)
                self.pause.succeeded()
        except TransportFailure as failure:
            log.warning("an acknowledgement waits for the hub's own input: %s", failure)
            self.pause.failed()
        return bool(kept)

    def _publish(self, promise: Promise) -> None:
        withdrawal = {"party": party_of(promise.event_id), "targetEventId": ce_id_of(promise.event_id)}
        self.channel.publish(self.shard, DELIVERED, {"caseId": promise.case_id, **withdrawal})


def _is_kept(promised: Sequence[Promise], confirmed: Mapping[str, int]) -> bool:
    return all(confirmed.get(promise.party, 0) >= promise.number for promise in promised)
