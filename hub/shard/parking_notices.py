"""Tells a publisher what becomes of its parked records, each on a timeline that is about nobody but that publisher.

Rules:
- Told is the topic on which the record lies, where on it if that is known, its `ce_id` if it can be read, and why it is
  parked: what its publisher knows, and the contracts say. Nothing of its content, of another party, or of a case.
- Told is that it is parked (again too, under its new number), was admitted by a retry, or has expired.
- A timeline for each publisher on each shard, another one after so many records (`hub.identity.pseudonyms`), each under
  a key of its own that leads nowhere: nothing can be stated under it. So a flood of bad records lengthens no other
  timeline, and makes none long.
- A notice is a fact of the hub's own: stored, decided, numbered and sent like every other, to its recipient alone.

From `hub.shard.parking`, into the same batch; the case is settled at its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contracts.cloudevents import claimed_event
from hub.identity.pseudonyms import parking_case
from hub.shard.batch import Batch
from hub.shard.cases import Cases, HeldCase
from hub.shard.stating import hub_event_id, hub_fact, open_about_nobody, put_on_timeline
from hub.store.records import RecordParked

NOTIFIED: Final = "ParkingNotified"
PARKED: Final = "PARKED"
ADMITTED: Final = "ADMITTED"
EXPIRED: Final = "EXPIRED"
OFFSET_UNKNOWN: Final = -1
"""The offset of a record that a merge brought: the case from which it came keeps what was stated, not where it lay."""
_PARTITION_UNKNOWN: Final = -1
"""The partition that a notice names for such a record: the contract asks for a number, and none has this one."""


def place_of(parked: RecordParked) -> tuple[int, int] | None:
    """Partition and offset at which `parked` lies on its publisher's topic; `None` where they are not known."""
    return None if parked.offset == OFFSET_UNKNOWN else (parked.partition, parked.offset)


@dataclass(slots=True)
class ParkingNotices:
    """States the notices of one shard."""

    cases: Cases

    def tell(self, parked: RecordParked, state: str, at: int, batch: Batch) -> None:
        """State that `parked` is in `state` since `at` (milliseconds), where its publisher takes part."""
        party = parked.originator_id.partition(":")[2]
        if party not in self.cases.policies.registry:
            return
        held = self._timeline(party, parked.originator_version, at, batch)
        case, reader = held.timeline, self.cases.reader
        claimed = claimed_event(parked.headers)
        partition, offset = place_of(parked) or (_PARTITION_UNKNOWN, OFFSET_UNKNOWN)
        payload = {
            "occurredAt": at,
            "recipient": party,
            "at": at,
            "state": state,
            "parkedNumber": parked.originator_version,
            "recordTopic": parked.topic,
            "recordPartition": partition,
            "recordOffset": str(offset),
            "targetEventId": claimed[0] if claimed else None,
            "reasonCode": parked.reason,
            "reasonField": parked.field,
            "fix": parked.fix,
        }
        event_id = hub_event_id(self.cases.secret, case, NOTIFIED, str(parked.originator_version), state)
        put_on_timeline(held, *hub_fact(case, NOTIFIED, event_id, payload, at, reader), batch, reader)
        batch.touch(held)

    def _timeline(self, party: str, number: int, at: int, batch: Batch) -> HeldCase:
        held = self.cases.get(parking_case(self.cases.secret, party, self.cases.shard, number))
        open_about_nobody(held, at, self.cases, batch)
        return held
