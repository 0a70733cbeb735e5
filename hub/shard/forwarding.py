"""Sends what cases have to tell others in merges, through the hub's own input, after it was stored.

Rules:
- In the order of `hub.case_timeline.merges`, one after the other: each is confirmed before the next is sent, and that
  it is confirmed is stored before the one after it. A shard that was killed repeats at most the last one.
- A few at a time, so that the shard goes on with everything else; a broker that does not answer is left alone a while.
- A case that was erased has nothing to tell any more, and holds up no other merge.
- Merges are rare: what is to be sent is read from the case's records when it is, and nothing is held of it.
- With each fact goes whom the case had told of it before the step from which its forwarding follows, and what that
  party holds on consents of whose ending it was not told: whoever goes on with the case tells it (`hub.disclosure`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from contracts.failures import TransportFailure
from hub.arrival.forwarded import HandedOver, forwarded_record
from hub.broker.ports import HubInput
from hub.case_timeline.merges import Message, messages
from hub.case_timeline.timeline import CaseTimeline
from hub.disclosure.handing_over import OpenBases
from hub.shard.cases import Cases
from hub.shard.pausing import Pause
from hub.store.ports import Erased, Forwarding, ShardStore
from hub.store.records import CaseRecord

MESSAGES_PER_TURN_MAX: Final = 100

log = logging.getLogger(__name__)


@dataclass(slots=True)
class MergeForwarding:
    """The sending side of merges in one shard. `shard` is this one's number."""

    store: ShardStore
    channel: HubInput
    cases: Cases
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
            count, now = self._due(forwarding)
        except Erased:
            self.store.record_forwarded(case_id, other, sent, up_to)
            return True
        for message, handed_over in now:
            self._publish(message, handed_over, case_id, other, shard)
            sent += 1
            self.store.record_forwarded(case_id, other, sent, up_to if sent == count else forwarding.done)
        if sent == count:  # also where a late record had nothing to be told
            self.store.record_forwarded(case_id, other, sent, up_to)
        return True

    def _due(self, forwarding: Forwarding) -> tuple[int, list[tuple[Message, HandedOver]]]:
        """Return how many messages there are, and those of this turn with what goes along."""
        case = CaseTimeline(forwarding.case_id)
        records = self._followed(case, self.store.case_records(forwarding.case_id))
        window = range(forwarding.sent, forwarding.sent + MESSAGES_PER_TURN_MAX)
        # Derived once for all that follows from one step: there is none between them.
        bases_before = cache(lambda _version: OpenBases(case, self.cases.policy_in(case)))
        count, due = 0, []
        for message in messages(records, forwarding.other):
            if message.version <= forwarding.up_to:
                if count in window:
                    due.append((message, self._handed_over(case, message, bases_before(message.version))))
                count += 1
        return count, due

    def _followed(self, case: CaseTimeline, records: Iterable[CaseRecord]) -> Iterator[CaseRecord]:
        """Yield `records`; each is folded into `case` when the next is asked for, so that its messages come before."""
        for record in records:
            yield record
            case.fold(record, self.cases.reader)

    def _handed_over(self, case: CaseTimeline, message: Message, bases: OpenBases) -> HandedOver:
        """Whom the case had told of a fact before the record from which the message follows."""
        # Whoever was told of a fact that is corrected or retracted by now has the notice of that: it goes along.
        if message.fact is None or message.fact.event_id in case.dead:
            return HandedOver()
        event_id = message.fact.event_id
        parties = sorted(case.told.get(event_id, ()))
        return HandedOver(message.version, tuple((each, bases.of(event_id, each)) for each in parties))

    def _publish(self, message: Message, handed_over: HandedOver, case_id: str, other: str, shard: int) -> None:
        fact = message.fact
        if fact is not None:
            value, headers = forwarded_record(
                fact, other, case_id, self.cases.reader.codec, was_judged=message.was_judged, handed_over=handed_over
            )
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
