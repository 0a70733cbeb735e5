"""What shard and worker ask of a broker; implemented on Kafka here, and in memory by the scenario player.

Rules:
- Inputs are read from positions that the store holds, never from the broker's committed offsets.
- Records of all inputs come merged by (timestamp, topic, offset), the hub's own input first at equal times. While an
  input has records before its end offset and none in hand, nothing is given out: naive order would stamp half of
  them late.
- A number counts as sent only when the broker has confirmed that very record. Per party in order; a party that
  cannot be reached waits alone.
- No number is sent before it is stored. So a topic that has a higher one than the store shows that the store went back.
- Whose a shard is, somebody else says. It is no more than that: what may be stored, the fence in the store decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

Headers = Sequence[tuple[str, bytes]]
Positions = Mapping[str, int]
"""Next offset to read, by topic, of one partition."""
LAST_RECORDS: Final = 100
"""How many records at the end of an output topic are looked at for the last number told."""
GiveUp = Callable[[frozenset[int]], None]
"""Closes these shards; once it has returned, somebody else may be given them."""


TAKEN_BYTES_MAX: Final = 4 * 1024 * 1024
"""What is handled at a time: a batch holds each of its records several times over until it is stored."""


class InputRecord(NamedTuple):
    """One record as the broker holds it. `timestamp` is milliseconds and becomes the recorded time."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    signature_holds: bool | None = None
    """Whether its signature holds under the key that it names, where that was worked out ahead; else `None`."""
    header_bytes: int = 0
    """What its headers take in memory, for the bounds of what is in hand."""

    @property
    def size_bytes(self) -> int:
        """What the record takes in memory, near enough."""
        return len(self.value or b"") + len(self.key or b"") + self.header_bytes

    def judged(self, signature_holds: bool | None) -> InputRecord:
        """Return this record with a verdict on its signature."""
        topic, partition, offset, timestamp, key, value, headers, _, header_bytes = self
        return InputRecord(
            topic, partition, offset, timestamp, key, value, headers, signature_holds, header_bytes
        )  # by place: `_replace` costs four times as much, for each record that comes


class OutputRecord(NamedTuple):
    """One record for one party's topic. `number` is the party's dense number in this shard."""

    party: str
    number: int
    key: bytes
    value: bytes | None
    headers: Headers


class Inputs(Protocol):
    """All inputs of one shard: partition k of `in.hub.v1` and of every party's input topic."""

    def start(self, positions: Positions) -> int:
        """Read from `positions`; a topic not named is read from its first record.

        Returns where the hub's own input ends now: what lies there from that offset on is stamped after this call.
        Raises `ForeignStore` where a position lies outside the log.
        """

    def take(self, limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        """Return up to `limit` records in order, fewer where they are large; wait at most `wait_seconds` for the first.

        What is returned takes about `TAKEN_BYTES_MAX`, or is one record.
        """

    def newest_tick(self) -> int:
        """The newest timestamp on the hub's own input, as last seen; 0 where there is none.

        Looked up once by `start`, before anything is taken, so a shard knows how far behind it is.
        """

    def lag_records(self) -> int:
        """How many records lie between what was taken and the ends of the logs, as last seen; `start` looks first."""

    def seconds_since_look(self) -> float:
        """How long ago the ends of the logs were last seen: of what was stored since, nothing is known."""

    def close(self) -> None:
        """Release the connection."""


class Outputs(Protocol):
    """The sender of one shard."""

    def last_numbers(self, parties: Iterable[str]) -> Mapping[str, int]:
        """Return the highest number among the last `LAST_RECORDS` that lie on the topic of each of `parties`.

        Who has no such topic, or nothing on it, is not named. What no number can be read of is passed over.
        """

    def send(self, records: Sequence[OutputRecord]) -> None:
        """Hand over `records`, in number order per party; returns before they are confirmed."""

    def taken(self) -> Mapping[str, int]:
        """Return, per party, the highest number that may have left: it may lie on the topic, or still arrive there.

        What was handed over and dropped, as that of a stalled party is, has not left.
        """

    def confirmed(self, wait_seconds: float = 0.0) -> Mapping[str, int]:
        """Return, per party, the highest number up to which all is confirmed since the last call.

        With `wait_seconds`, wait at most so long for everything handed over to be confirmed.
        """

    def stalled(self) -> Sequence[str]:
        """Parties whose sending failed; the shard hands over again from their send position."""

    def pausing(self) -> Sequence[str]:
        """Those of the stalled parties that are left alone for now: what is handed over for them is dropped."""

    def close(self) -> None:
        """Flush what can be flushed and release the connection."""


class ControlChannel(Protocol):
    """The hub's way of telling a shard something: a control record on a partition of `in.hub.v1`."""

    def publish(self, partition: int, event_type: str, payload: Mapping[str, Any]) -> None:
        """Store one control record and return when the broker has confirmed it.

        `payload` holds wire values without `occurredAt`, which is the time of publishing. Raises
        `TransportFailure` where it is not certain that the record is stored: it is then published again, so what a
        control record says must hold however often it is said.
        """


class HubInput(ControlChannel, Protocol):
    """A shard's way of telling another one something: control records, and facts on their way."""

    def publish_record(self, partition: int, value: bytes, headers: Headers) -> None:
        """Store one record of the hub's own that is no control record: a fact on its way to another shard.

        Returns and raises as `publish`.
        """

    def close(self) -> None:
        """Release the connection."""


class Ownership(Protocol):
    """Which shards are this worker's now. Used by one thread, between batches; never from inside of one."""

    @property
    def was_told(self) -> bool:
        """Whether anything has been said yet, if only that there is no shard for us."""

    @property
    def rebuilds(self) -> int:
        """How often the connection to whoever says it made no progress, and was made anew."""

    def start(self, give_up: GiveUp) -> None:
        """Ask for shards. From now on `look` calls `give_up` with what is taken from us."""

    def look(self, wait_seconds: float = 0.0) -> frozenset[int]:
        """Take in what was said, waiting at most so long for it, and return the shards owned now.

        Raises `BadSetting` where another worker has our name, `TransportRefused` where a right is missing.
        """

    def close(self) -> None:
        """Own nothing any more; others are given what was ours at once. The shards are closed by now."""
