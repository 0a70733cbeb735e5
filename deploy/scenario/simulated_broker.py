"""A broker in memory that implements the real ports: for `--core` worlds and for tests of the rooms above Kafka.

Rules:
- One log per topic and partition: append only, dense offsets, the timestamp that the sender gave (CreateTime).
- Inputs are merged by (timestamp, topic, offset), exactly as on Kafka; a key lies where murmur2 puts it.
- Nothing waits: all runs in one thread, so what is not there now does not come while one waits.
- A topic that was not created refuses, as `auto.create.topics.enable=false` does. What is `unreachable` refuses too: a
  topic, or one partition of it.

Producers write through `SimulatedTransport`, a shard reads and sends through `SimulatedInputs` and
`SimulatedOutputs`, a subscription reads through `SimulatedSource`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from consumers.source import LogSpan, ReceivedRecord
from contracts.cloudevents import claimed_number
from contracts.failures import ForeignStore, TransportFailure
from contracts.parties import PartyRegistry
from contracts.partitioning import partition_of
from contracts.signatures import SigningKey
from contracts.topics import Names
from hub.broker.control_records import control_record, signed_control
from hub.broker.ports import LAST_RECORDS, Headers, InputRecord, OutputRecord, Positions
from producers.transport import OutgoingRecord, Position


class SimulatedBroker:
    """The logs of all topics. `clock` (milliseconds) dates a record whose sender gives no timestamp."""

    def __init__(self, partitions: int, clock: int = 0) -> None:
        self.partitions = partitions
        self.clock = clock
        self.unreachable: set[str | tuple[str, int]] = set()
        self._logs: dict[str, list[list[InputRecord]]] = {}

    def create_topics(self, names: Names, registry: PartyRegistry) -> None:
        """Create the input and output topics of every party, and the hub's own input."""
        parties = [party.id for party in registry]
        for topic in [names.hub_input, *map(names.input, parties), *map(names.output, parties)]:
            self._logs.setdefault(topic, [[] for _ in range(self.partitions)])

    def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        timestamp_ms: int | None = None,
    ) -> int:
        """Append one record, whatever it holds, and return its offset; raise `TransportFailure` where refused."""
        log = self.log(topic, partition)
        if topic in self.unreachable or (topic, partition) in self.unreachable:
            raise TransportFailure(f"topic `{topic}` is unreachable: expected a broker that answers; try again")
        timestamp = self.clock if timestamp_ms is None else timestamp_ms
        log.append(InputRecord(topic, partition, len(log), timestamp, key, value, tuple(headers)))
        return len(log) - 1

    def has(self, topic: str) -> bool:
        """Whether a topic was created."""
        return topic in self._logs

    def log(self, topic: str, partition: int) -> list[InputRecord]:
        """Return the log of one partition; raise `TransportFailure` for one that was not created."""
        if topic not in self._logs or not 0 <= partition < self.partitions:
            raise TransportFailure(f"topic `{topic}`, partition `{partition}`: not created; create it first")
        return self._logs[topic][partition]


class SimulatedTransport:
    """A publisher's way into the broker (`producers.transport.Transport`)."""

    def __init__(self, broker: SimulatedBroker) -> None:
        self._broker = broker

    def send(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        timestamp_ms: int | None = None,
    ) -> Position:
        """Append one record to the partition of its key."""
        partition = partition_of(key, self._broker.partitions)
        return Position(topic, partition, self._broker.append(topic, partition, key, value, headers, timestamp_ms))

    def send_to_all(self, topic: str, value: bytes, headers: Sequence[tuple[str, bytes]]) -> Sequence[Position]:
        """Append one record without a key to every partition, at the broker's clock."""
        return [
            Position(topic, partition, self._broker.append(topic, partition, None, value, headers, self._broker.clock))
            for partition in range(self._broker.partitions)
        ]

    def send_many(self, records: Sequence[OutgoingRecord]) -> Sequence[Position]:
        """Append records in order."""
        return [self.send(each.topic, each.key, each.value, each.headers, each.timestamp_ms) for each in records]


class SimulatedControl:
    """The hub's way of telling a shard something (`hub.broker.ports.ControlChannel`), at the broker's clock."""

    def __init__(
        self, broker: SimulatedBroker, names: Names, principal: str, signing_key: SigningKey | None = None
    ) -> None:
        self._broker = broker
        self._topic = names.hub_input
        self._principal = principal
        self._signing_key = signing_key

    def publish(self, partition: int, event_type: str, payload: Mapping[str, Any]) -> None:
        """Append one control record."""
        now = self._broker.clock
        value, headers = control_record(self._principal, event_type, payload, now)
        self._append(partition, value, headers, now)

    def publish_record(self, partition: int, value: bytes, headers: Headers) -> None:
        """Append one record of the hub's own."""
        self._append(partition, value, headers, self._broker.clock)

    def _append(self, partition: int, value: bytes, headers: Headers, now: int) -> None:
        signed = signed_control(self._signing_key, self._topic, value, headers)
        self._broker.append(self._topic, partition, None, value, signed, now)

    def close(self) -> None:
        """Nothing is held."""


class SimulatedInputs:
    """All inputs of one shard (`hub.broker.ports.Inputs`)."""

    def __init__(self, broker: SimulatedBroker, names: Names, registry: PartyRegistry, partition: int) -> None:
        self._broker = broker
        self._partition = partition
        self._hub_input = names.hub_input
        self._topics = sorted([names.hub_input, *(names.input(party.id) for party in registry)])
        self._next: dict[str, int] = dict.fromkeys(self._topics, 0)
        self._newest_tick = self._ticks_seen = 0

    def start(self, positions: Positions) -> int:
        """Read from `positions`, and return where the hub's own input ends; a topic not read any more is skipped.

        Raises `ForeignStore` where a position lies outside its log.
        """
        for topic, offset in positions.items():
            if topic in self._next and not 0 <= offset <= len(self._log(topic)):
                raise ForeignStore(
                    f"position `{offset}` of topic `{topic}` lies outside its log: the store belongs to another world"
                )
        self._next = {topic: positions.get(topic, 0) for topic in self._topics}
        return len(self._log(self._hub_input))

    def take(self, limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        """Return up to `limit` records of all inputs in order; never waits."""
        del wait_seconds
        merged = heapq.merge(
            *(self._ahead(topic) for topic in self._topics),
            key=lambda record: (record.timestamp, record.topic != self._hub_input, record.topic, record.offset),
        )
        taken = list(islice(merged, limit))
        for record in taken:
            self._next[record.topic] = record.offset + 1
        return taken

    def newest_tick(self) -> int:
        """The newest timestamp on the hub's own input, 0 where there is none."""
        log = self._log(self._hub_input)
        # Only what came since: asked at every step, the whole log would take longer than the step.
        for offset in range(self._ticks_seen, len(log)):
            self._newest_tick = max(self._newest_tick, log[offset].timestamp)
        self._ticks_seen = len(log)
        return self._newest_tick

    def lag_records(self) -> int:
        """How many records lie ahead."""
        return sum(len(self._log(topic)) - offset for topic, offset in self._next.items())

    def seconds_since_look(self) -> float:
        """None: the logs are in memory, and `lag_records` looks at them."""
        return 0.0

    def close(self) -> None:
        """Nothing is held."""

    def _log(self, topic: str) -> list[InputRecord]:
        return self._broker.log(topic, self._partition)

    def _ahead(self, topic: str) -> Iterator[InputRecord]:
        log = self._log(topic)
        return (log[offset] for offset in range(self._next[topic], len(log)))


def numbers_told(broker: SimulatedBroker, names: Names, partition: int, parties: Iterable[str]) -> dict[str, int]:
    """The highest number on the topic of each of `parties`, as `hub.broker.ports.Outputs.last_numbers` has them."""
    told: dict[str, int] = {}
    for party in parties:
        log = broker.log(names.output(party), partition) if broker.has(names.output(party)) else ()
        for record in log[-LAST_RECORDS:]:
            told[party] = max(claimed_number(record.headers) or 0, told.get(party, 0))
    return {party: number for party, number in told.items() if number}


class SimulatedOutputs:
    """The sender of one shard (`hub.broker.ports.Outputs`)."""

    def __init__(self, broker: SimulatedBroker, names: Names, partition: int) -> None:
        self._broker = broker
        self._names = names
        self._partition = partition
        self._confirmed: dict[str, int] = {}
        self._taken: dict[str, int] = {}
        self._stalled: dict[str, None] = {}

    def last_numbers(self, parties: Iterable[str]) -> Mapping[str, int]:
        """Return the highest number at the end of each party's topic."""
        return numbers_told(self._broker, self._names, self._partition, parties)

    def send(self, records: Sequence[OutputRecord]) -> None:
        """Append `records`; a party whose topic refuses is stalled, and its later records are dropped until then."""
        for record in records:
            if record.party in self._stalled:
                continue
            topic = self._names.output(record.party)
            try:
                self._broker.append(topic, self._partition, record.key, record.value, record.headers)
            except TransportFailure:
                self._stalled[record.party] = None
            else:
                self._confirmed[record.party] = record.number
                self._taken[record.party] = max(record.number, self._taken.get(record.party, 0))

    def taken(self) -> Mapping[str, int]:
        """Return the highest number appended per party: what was refused has not left."""
        return self._taken

    def confirmed(self, wait_seconds: float = 0.0) -> Mapping[str, int]:
        """Return the highest number appended per party since the last call."""
        del wait_seconds
        confirmed, self._confirmed = self._confirmed, {}
        return confirmed

    def stalled(self) -> Sequence[str]:
        """Return the parties that refused since the last call."""
        stalled, self._stalled = list(self._stalled), {}
        return stalled

    def pausing(self) -> Sequence[str]:
        """None: whoever refuses is tried again at once."""
        return ()

    def close(self) -> None:
        """Nothing is held."""


class SimulatedSource:
    """One party's output topic, all partitions (`consumers.source.Source`)."""

    def __init__(self, broker: SimulatedBroker, names: Names, party_id: str) -> None:
        self._broker = broker
        self._topic = names.output(party_id)
        self._next = dict.fromkeys(range(broker.partitions), 0)

    def start(self, positions: Mapping[int, int]) -> Mapping[int, LogSpan]:
        """Read from `positions` (by partition); return what of each partition can be read: nothing is ever deleted."""
        for partition, offset in positions.items():
            if not 0 <= offset <= len(self._broker.log(self._topic, partition)):
                raise ForeignStore(
                    f"position `{offset}` of topic `{self._topic}` lies outside its log: the store belongs to "
                    "another world"
                )
        self._next = dict.fromkeys(range(self._broker.partitions), 0) | dict(positions)
        ends = {each: len(self._broker.log(self._topic, each)) for each in range(self._broker.partitions)}
        return {partition: LogSpan(0, end) for partition, end in ends.items()}

    def poll(self, limit: int, wait_seconds: float) -> Sequence[ReceivedRecord]:
        """Return up to `limit` records of the first partition that has some; never waits."""
        del wait_seconds
        for partition, offset in self._next.items():
            log = self._broker.log(self._topic, partition)
            if offset < len(log):
                records = log[offset : offset + limit]
                self._next[partition] = offset + len(records)
                return [
                    ReceivedRecord(partition, record.offset, record.key, record.value, record.headers)
                    for record in records
                ]
        return []

    def confirm(self, positions: Mapping[int, int]) -> None:
        """Nothing is ever deleted here."""

    def close(self) -> None:
        """Nothing is held."""
