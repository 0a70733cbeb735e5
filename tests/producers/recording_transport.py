"""The transport port in memory: keeps what was sent, on the partition of its key, and can be told to fail."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.failures import TransportFailure
from contracts.partitioning import partition_of
from producers.transport import OutgoingRecord, Position

PARTITIONS = 8


class RecordingTransport:
    """Stores records; while `failing`, stores nothing and raises."""

    def __init__(self) -> None:
        self.records: list[OutgoingRecord] = []
        self.failing = False

    def send(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        timestamp_ms: int | None = None,
    ) -> Position:
        return self.send_many([OutgoingRecord(topic, key, value, headers, timestamp_ms)])[0]

    def send_to_all(self, topic: str, value: bytes, headers: Sequence[tuple[str, bytes]]) -> list[Position]:
        self.send_many([OutgoingRecord(topic, b"", value, headers)] * PARTITIONS)
        return [Position(topic, partition, 0) for partition in range(PARTITIONS)]

    def send_many(self, records: Sequence[OutgoingRecord]) -> list[Position]:
        if self.failing:
            raise TransportFailure("the test broker is down: state it again")
        positions = []
        for record in records:
            positions.append(Position(record.topic, partition_of(record.key, PARTITIONS), len(self.records)))
            self.records.append(record)
        return positions
