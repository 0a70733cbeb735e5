"""A party's `out` topic in memory: implements the real port, and plays the hub's part in filling it.

Rules:
- Keys lie on the partition that the real partitioner gives; numbers are dense per partition, as the hub gives them.
- Values and headers are those of the real contracts.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from consumers.source import LogSpan, ReceivedRecord
from contracts.catalogue import catalogue
from contracts.cloudevents import DisclosureAttributes, disclosed_headers
from contracts.codec import codec
from contracts.failures import TransportFailure
from contracts.partitioning import partition_of
from contracts.schema_ids import schema_ids

PARTITIONS = 3


def name(*parts: object) -> str:
    """A UUID that is the same for the same words."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(map(str, parts))))


KEYS = tuple(name("citizen", number) for number in range(6))


class SimulatedTopic:
    """Implements `consumers.source.Source`; `disclose` and `retract` append what the hub would send."""

    def __init__(self, partitions: int = PARTITIONS) -> None:
        self.partitions = partitions
        self.logs: list[list[ReceivedRecord]] = [[] for _ in range(partitions)]
        self.numbers = [0] * partitions
        self.first = [0] * partitions
        self.fail_next_poll = False
        self.confirmed: dict[int, int] = {}
        self._next: list[int] | None = None

    def disclose(
        self, key: str, event: str, event_type: str, payload: Mapping[str, Any], *, party: str = "PRI", **links: str
    ) -> None:
        """Append a disclosure; `payload` needs `occurredAt`, and what is missing is closed."""
        self._append(key, event, event_type, party, payload, links)

    def resync(self, partition: int, events: Iterable[tuple[str, str, str, str, Mapping[str, Any]]]) -> None:
        """Append a whole resync: marks, and between them `events` as (key, party, event, event type, payload)."""
        self.mark(partition, "BEGUN")
        for key, party, event, event_type, payload in events:
            if partition_of(key.encode(), self.partitions) == partition:
                self.disclose(key, event, event_type, payload, party=party)
        self.mark(partition, "COMPLETED")

    def mark(self, partition: int, state: str, party: str = "HUB") -> None:
        """Append the mark of a resync, under the key of its own that the partition has for it."""
        keys = (name("marks", number) for number in range(1_000))
        key = next(each for each in keys if partition_of(each.encode(), self.partitions) == partition)
        payload = {"occurredAt": 0, "at": 0, "recipient": "PRI", "state": state, "requestId": name("request")}
        self.disclose(key, name("mark", partition, self.numbers[partition]), "ResyncNotified", payload, party=party)

    def retract(self, key: str, event: str, event_type: str, *, party: str = "PRI") -> None:
        """Append a retraction."""
        self._append(key, event, event_type, party, None, {})

    def _append(
        self,
        key: str,
        event: str,
        event_type: str,
        party: str,
        payload: Mapping[str, Any] | None,
        links: Mapping[str, str],
    ) -> None:
        partition = partition_of(key.encode(), self.partitions)
        self.numbers[partition] += 1
        attributes = DisclosureAttributes(
            event,
            party,
            catalogue().event_types[event_type].ce_type,
            0 if payload is None else payload["occurredAt"] + 1_000,
            self.numbers[partition],
            "retracted" if payload is None else "disclosed",
            name("decision", partition, self.numbers[partition]),
            **links,
        )
        value = None if payload is None else codec().encode(schema_ids().disclosed(event_type), dict(payload))
        self.put(partition, key.encode(), value, disclosed_headers(attributes))

    def put(self, partition: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
        """Append any record at all."""
        log = self.logs[partition]
        log.append(ReceivedRecord(partition, len(log), key, value, tuple(headers)))

    def repeat(self, partition: int, count: int) -> None:
        """Append the last `count` records of a partition again, as a sender does after a lost acknowledgement."""
        for record in self.logs[partition][-count:] if count else []:
            self.put(partition, record.key, record.value, record.headers)

    def delete_before(self, partition: int, offset: int) -> None:
        """Delete what lies before `offset`, as the cleaner and time do."""
        self.first[partition] = offset

    def start(self, positions: Mapping[int, int]) -> Mapping[int, LogSpan]:
        self._next = [max(positions.get(each, 0), self.first[each]) for each in range(self.partitions)]
        return {each: LogSpan(self.first[each], len(self.logs[each])) for each in range(self.partitions)}

    def poll(self, limit: int, wait_seconds: float) -> Sequence[ReceivedRecord]:
        if self.fail_next_poll:
            self.fail_next_poll = False
            raise TransportFailure("simulated: the broker cannot be reached")
        assert self._next is not None, "polled before it was started"
        found: list[ReceivedRecord] = []
        for partition, log in enumerate(self.logs):
            at = self._next[partition]
            taken = log[at : at + limit - len(found)]
            self._next[partition] = at + len(taken)
            found += taken
        return found

    def confirm(self, positions: Mapping[int, int]) -> None:
        self.confirmed = dict(positions)

    def close(self) -> None:
        self._next = None
