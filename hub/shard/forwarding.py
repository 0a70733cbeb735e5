"""Sends what cases have to tell others in merges, through the hub's own input, after it was stored.

Rules:
- In the order of `hub.case_timeline.merges`, one after the other: each is confirmed before the next is sent, and that
  it is confirmed is stored before the one after it. A shard that was killed repeats at most the last one.
- A few at a time, so that the shard goes on with everything else; a broker that does not answer is left alone a while.
- A case that was erased has nothing to tell any more, and holds up no other merge.
- Merges are rare: what is to be sent is read from the case's records when it is, and nothing is held of it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from contracts.codec import Codec
from contracts.failures import TransportFailure
from hub.arrival.forwarded import forwarded_record
from hub.broker.ports import HubInput
from hub.case_timeline.merges import Message, messages
from hub.shard.pausing import Pause
from hub.store.ports import Erased, Forwarding, ShardStore

MESSAGES_PER_TURN_MAX: Final = 100

log = logging.getLogger(__name__)


@dataclass(slots=True)
class MergeForwarding:
    """The sending side of merges in one shard. `shard` is this one's number."""

    store: ShardStore
    channel: HubInput
    codec: Codec
    shard: int
    waiting: Sequence[Forwarding] = field(init=False)
    """What is stored and not all confirmed."""
    pause: Pause = field(default_factory=Pause)

    def __post_init__(self) -> None:
        self.look_again()

    def look_again(self) -> None:
        """Read from the store what is waiting: after a batch that added to it."""
        self.waiting = self.store.forwardings()

    def send(self) -> bool:
        """Send a few messages; return whether any was confirmed."""
        if not self.waiting or not self.pause.is_over:
            return False
        first, *others = self.waiting
        try:
            sent = self._send(first)
        except TransportFailure as failure:
            log.warning("a merge waits for the hub's own input: %s", failure)
            self.pause.failed()
            # Another merge may go to a partition that answers.
            self.waiting = [*others, first]
            return False
        self.pause.succeeded()
        self.look_again()
        return sent

    def _send(self, forwarding: Forwarding) -> bool:
        case_id, other, shard, up_to, sent, _ = forwarding
        try:
            told = [each for each in messages(self.store.case_records(case_id), other) if each.version <= up_to]
        except Erased:
            self.store.record_forwarded(case_id, other, sent, up_to)
            return True
        for message in islice(told, sent, sent + MESSAGES_PER_TURN_MAX):
            self._publish(message, case_id, other, shard)
            sent += 1
            self.store.record_forwarded(case_id, other, sent, up_to if sent == len(told) else forwarding.done)
        if sent == len(told):  # also where a late record had nothing to be told
            self.store.record_forwarded(case_id, other, sent, up_to)
        return True

    def _publish(self, message: Message, case_id: str, other: str, shard: int) -> None:
        fact = message.fact
        if fact is not None:
            value, headers = forwarded_record(fact, other, case_id, self.codec, was_judged=message.was_judged)
            self.channel.publish_record(shard, value, headers)
            return
        payload = {
            "caseId": other,
            "other": case_id,
            "otherShard": self.shard,
            "change": message.change,
            "recordVersion": message.version,
        }
        self.channel.publish(shard, message.kind, payload)
