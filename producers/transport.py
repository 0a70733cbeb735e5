"""The door through which a publisher's records leave: one port, so that a program is tested without a broker.

Rules:
- `send` returns only when the record is stored for good; anything else raises `TransportFailure`.
- After a failure a record may or may not be stored. Stating it again is always safe: the id is the same.
- A record lies on the partition that murmur2 gives its key (`contracts.partitioning`), as Kafka's own client does it;
  what is about no citizen has no key and lies on every partition.

Records come from `producers.publisher`; `producers.kafka_transport` takes them to Kafka.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record is stored. `offset` is -1 where the broker had it already and did not say where."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """One record, checked and framed. `timestamp_ms` is for played worlds only; else the broker's clock counts."""

    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    timestamp_ms: int | None = None


class Transport(Protocol):
    """Takes records to the hub's input topics."""

    def send(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        timestamp_ms: int | None = None,
    ) -> Position:
        """Store one record and return where; raise `TransportFailure` where that is not certain."""

    def send_to_all(self, topic: str, value: bytes, headers: Sequence[tuple[str, bytes]]) -> Sequence[Position]:
        """Store one record without a key on every partition of `topic`; raise `TransportFailure` unless all are."""

    def send_many(self, records: Sequence[OutgoingRecord]) -> Sequence[Position]:
        """Store `records` in order and return where each lies; raise `TransportFailure` unless all are stored."""
