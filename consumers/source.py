"""Where a subscription's records come from: the port. On Kafka in `consumers.kafka_source`, in memory in tests.

Rules:
- Reading starts at the positions that the party's own store holds, never at positions the broker keeps.
- Bytes only: nothing is decoded, dropped or mended on the way.
- Records of one partition come in the order of their offsets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ReceivedRecord:
    """One record of the party's `out` topic, as the broker holds it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class LogSpan:
    """What of one partition can be read: from offset `first` on, up to before `end` when it was looked at."""

    first: int
    end: int


class Source(Protocol):
    """One party's `out` topic, all partitions."""

    def start(self, positions: Mapping[int, int]) -> Mapping[int, LogSpan]:
        """Read from `positions` (next offset by partition); a partition not named is read from its beginning.

        So is one whose position was deleted: what it means that records are gone is the reader's to say. Returns
        what of every partition can be read. May be called again: reading then starts afresh.
        Raises `TransportFailure`, and `ForeignStore` where a position lies behind the end of the log.
        """

    def poll(self, limit: int, wait_seconds: float) -> Sequence[ReceivedRecord]:
        """Return up to `limit` records; wait at most `wait_seconds` for the first. Raises `TransportFailure`."""

    def confirm(self, positions: Mapping[int, int]) -> None:
        """Tell the broker up to where all is stored here (next offset by partition): it may be deleted there.

        Only a hint to whoever cleans up: nothing is read from it, it may get lost, it never fails and never waits
        long. Given again with the same positions it costs nothing once they are there.
        """

    def close(self) -> None:
        """Release the connection."""
