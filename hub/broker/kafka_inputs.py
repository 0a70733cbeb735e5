"""Kafka as a shard's inputs: partition k of `in.hub.v1` and of every party's input topic.

Rules:
- Positions come from the store and are sought; committed offsets and consumer groups play no part here.
- No deserializers: bytes come as they are, refusing one is arrival's business.
- The ends of the logs are asked over a connection of their own: on the reading one the question would wait behind
  a fetch that waits for records.
- The ends are looked at when all that lay below the last look is in hand, and every few seconds whatever comes: whether
  anything lies there unread is known only as of the last look that was answered (`seconds_since_look`).
- An input with much in hand is paused until half of it is given out.
- A consumer that met a damaged batch or makes no progress is thrown away (it would spin for ever); the caller gets
  `TransportFailure`, or `StalledInput`, and starts again from its stored positions. That there is something to read is
  never left to the reading consumer to say: where it brings nothing, the ends of the logs are looked at all the same.
- A position outside its log means another cluster or a lost log: `ForeignStore`, nothing is read. So does a log that
  does not begin at 0 where no position is stored: nothing but retention deletes what no shard has stored.
- Recorded time is the broker's. A record that the broker did not stamp (its topic has another setting than the world
  was made with, or had it then) is not refused: it would stand in its log for good, and nothing behind it would be
  read. Nor does its sender's time count, which could lie before a withdrawal: it is dated by the newest tick that had
  come when it was read. That is counted and said.
- The ticks give the time: where the end of the hub's own input is not stamped, nothing is read until a tick is.

Records come from the agencies' producers and go to the shard's batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, NoOffsetForPartitionError, OffsetOutOfRangeError

from contracts.connection import KafkaConnection
from contracts.failures import ForeignStore, StalledInput, TransportFailure
from contracts.parties import PartyRegistry
from contracts.topics import Names
from hub.broker.merge import Merge
from hub.broker.ports import TAKEN_BYTES_MAX, InputRecord, Positions
from hub.broker.record_reading import NO_TIMESTAMP, read_compiled

HAND_RECORDS_MAX: Final = 10_000
HAND_BYTES_MAX: Final = 8 * 1024 * 1024
FETCH_WAIT_MS: Final = 100
ENDS_WAIT_MS: Final = 2_000
START_WAIT_MS: Final = 15_000
FILL_SECONDS_MAX: Final = 0.2
PROGRESS_SECONDS_MAX: Final = 30.0
IDLE_LOOK_SECONDS: Final = 10.0
STAMPED: Final = 1
"""How the client library marks a record whose time is the broker's."""
_STAMP: Final = "set `message.timestamp.type=LogAppendTime` there; `hub deploy topics --check` names every topic"

log = logging.getLogger(__name__)


class KafkaInputs:
    """Implements `hub.broker.ports.Inputs`. `connection` is the hub reader's.

    `count_unstamped` is told how many records came that the broker did not stamp. `None` is for a played world, whose
    records have times of their own.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        names: Names,
        registry: PartyRegistry,
        partition: int,
        count_unstamped: Callable[[int], None] | None = None,
    ) -> None:
        self._connection = connection
        self._names = names
        self._topics = input_topics(names, registry)
        self._partition = partition
        self._count_unstamped = count_unstamped
        self._said_unstamped: set[str] = set()
        self._reader: KafkaConsumer | None = None
        self._ends: KafkaConsumer | None = None
        self._merge = Merge({})
        self._paused: set[str] = set()
        self._progressed_at = 0.0
        self._looked_at = 0.0
        self._seen_at = 0.0
        self._newest_tick = 0

    def start(self, positions: Positions) -> int:
        """Read from `positions`, a topic not named from offset 0; return where the hub's own input ends.

        May be called again, after a failure too: everything in hand is dropped. Raises `ForeignStore` where a
        position lies outside its log, `TransportFailure` where the cluster does not answer or does not stamp the ticks.
        """
        self.close()
        self._seen_at = time.monotonic()
        with self._answering():
            self._ends = KafkaConsumer(**self._options())
            starts, ends = self._checked_starts(self._topics, positions)
            self._newest_tick = self._last_timestamp(self._names.hub_input)
            self._reader = KafkaConsumer(**self._options())
            read_compiled(self._reader, must_be_stamped=self._count_unstamped is not None)
            self._merge = Merge(starts, self._names.hub_input)
            # Whoever starts is not up to date before it has been given all that lies there now.
            self._merge.cut(ends)
            self._paused = set()
            self._assign(starts)
        self._progressed_at = self._looked_at = time.monotonic()
        return ends[self._names.hub_input]

    def take(self, limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        """Return up to `limit` records in order; see `Inputs`."""
        deadline = time.monotonic() + wait_seconds
        with self._answering():
            while True:
                self._fill(limit, deadline)
                taken = self._merge.take(limit, TAKEN_BYTES_MAX)
                self._resume_drained()
                if taken:
                    self._progressed_at = time.monotonic()
                    return taken
                self._watch()
                if time.monotonic() >= deadline:
                    return []

    def newest_tick(self) -> int:
        """The newest timestamp on the hub's own input, as last seen; 0 where there is none."""
        return self._newest_tick

    def lag_records(self) -> int:
        """How many records lie between what was taken and the ends of the logs, as last seen."""
        return self._merge.behind

    def seconds_since_look(self) -> float:
        """How long ago the ends of the logs were last seen."""
        return time.monotonic() - self._seen_at

    def close(self) -> None:
        """Release both connections; what is in hand is dropped and will be read again."""
        for client in (self._reader, self._ends):
            if client is not None:
                client.close(autocommit=False, timeout_ms=1000)
        self._reader = self._ends = None

    def _fill(self, limit: int, deadline: float) -> None:
        """Poll until a cut is open and `limit` of it (or all of it) is in hand, or time is up."""
        if not self._merge.open:
            if not self._merge.beyond_cut:
                self._poll(limit, deadline - time.monotonic())
            if not (self._merge.beyond_cut or self._must_look()) or not self._look_at_ends():
                return
        elif self._must_look():
            self._look_at_ends()
        filled_by = min(deadline, time.monotonic() + FILL_SECONDS_MAX)
        while not self._merge.ready(limit) and not (self._paused and not self._merge.waited_for):
            left = filled_by - time.monotonic()
            got_some = self._poll(limit, left)
            if left <= 0 or (not got_some and not self._merge.waited_for):
                return

    def _poll(self, limit: int, wait_seconds: float) -> bool:
        reader = self._started(self._reader)
        polled = reader.poll(timeout_ms=max(0, int(wait_seconds * 1000)), max_records=max(limit, 1))
        for place, records in polled.items():
            if place.topic == self._names.hub_input:
                # The last one is not always the newest: a shard's promise is as old as what it had handled by then.
                self._newest_tick = max(self._newest_tick, *(record.timestamp for record in records))
            self._merge.add(place.topic, self._dated(place.topic, records))
            self._pause_full(place.topic)
        for topic in self._merge.waited_for:
            self._merge.fetched_to(topic, self._position(reader, topic))
        return bool(polled)

    def _dated(self, topic: str, records: Sequence[InputRecord]) -> Sequence[InputRecord]:
        """Date what the broker did not stamp by the newest tick; raise `TransportFailure` where there is none yet."""
        if self._count_unstamped is None:
            return records
        unstamped = sum([record.timestamp == NO_TIMESTAMP for record in records])
        if not unstamped:
            return records
        if not self._newest_tick:
            self.close()
            raise _unstamped_ticks(self._names.hub_input)
        if topic not in self._said_unstamped:
            self._said_unstamped.add(topic)
            log.error(
                "records on `%s` have no time of the broker's and are dated by the newest tick; %s", topic, _STAMP
            )
        self._count_unstamped(unstamped)
        newest = self._newest_tick
        return [one._replace(timestamp=newest) if one.timestamp == NO_TIMESTAMP else one for one in records]

    def _must_look(self) -> bool:
        """Whether the ends were not looked at for so long that more may lie there than anything has shown."""
        return time.monotonic() - self._looked_at > IDLE_LOOK_SECONDS

    def _look_at_ends(self) -> bool:
        self._looked_at = time.monotonic()
        try:
            found = self._started(self._ends).end_offsets(self._places(self._topics), timeout_ms=ENDS_WAIT_MS)
        except KafkaTimeoutError:
            return False
        self._merge.cut({place.topic: offset for place, offset in found.items()})
        self._seen_at = self._looked_at
        return True

    def _pause_full(self, topic: str) -> None:
        records, size = self._merge.in_hand(topic)
        if topic not in self._paused and (records >= HAND_RECORDS_MAX or size >= HAND_BYTES_MAX):
            self._started(self._reader).pause(TopicPartition(topic, self._partition))
            self._paused.add(topic)

    def _resume_drained(self) -> None:
        for topic in list(self._paused):
            records, size = self._merge.in_hand(topic)
            if records <= HAND_RECORDS_MAX // 2 and size <= HAND_BYTES_MAX // 2:
                self._started(self._reader).resume(TopicPartition(topic, self._partition))
                self._paused.discard(topic)

    def _watch(self) -> None:
        if not self._merge.open and not self._merge.beyond_cut:
            self._progressed_at = time.monotonic()
        elif time.monotonic() - self._progressed_at > PROGRESS_SECONDS_MAX:
            waited_for = ", ".join(self._merge.waited_for) or "the ends of the logs"
            self.close()
            raise StalledInput(
                f"nothing of `{waited_for}` came for `{PROGRESS_SECONDS_MAX:.0f}` s although there is something: "
                "the consumer was thrown away, start again from the stored positions"
            )

    def _checked_starts(self, topics: Iterable[str], positions: Positions) -> tuple[dict[str, int], dict[str, int]]:
        """Where each topic is read from, and where it ends."""
        places = self._places(topics)
        ends_reader = self._started(self._ends)
        firsts = ends_reader.beginning_offsets(places, timeout_ms=START_WAIT_MS)
        ends = ends_reader.end_offsets(places, timeout_ms=START_WAIT_MS)
        starts: dict[str, int] = {}
        for place in places:
            start = positions.get(place.topic, 0)
            if not firsts[place] <= start <= ends[place]:
                raise ForeignStore(
                    f"position `{start}` of `{place.topic}` partition `{place.partition}` is outside its log "
                    f"(`{firsts[place]}` to `{ends[place]}`): expected the cluster this store was made for; "
                    "do not start this shard until it is known what was lost"
                )
            starts[place.topic] = start
        return starts, {place.topic: end for place, end in ends.items()}

    def _last_timestamp(self, topic: str) -> int:
        """Look at the last record of `topic`; 0 where it has none, or none that comes within the time for it."""
        ends_reader, place = self._started(self._ends), TopicPartition(topic, self._partition)
        end = ends_reader.end_offsets([place], timeout_ms=START_WAIT_MS)[place]
        first = ends_reader.beginning_offsets([place], timeout_ms=START_WAIT_MS)[place]
        if end <= first:
            return 0
        ends_reader.assign([place])
        ends_reader.seek(place, end - 1)
        deadline = time.monotonic() + START_WAIT_MS / 1000
        while time.monotonic() < deadline:
            for records in ends_reader.poll(timeout_ms=500).values():
                ends_reader.unsubscribe()
                last = records[-1]
                if self._count_unstamped is not None and last.timestamp_type != STAMPED:
                    self.close()
                    raise _unstamped_ticks(topic)
                return int(last.timestamp)
        raise TransportFailure(f"the last record of `{topic}` did not come: start again from the stored positions")

    def _assign(self, starts: Mapping[str, int]) -> None:
        reader = self._started(self._reader)
        reader.assign(self._places(starts))
        for topic, offset in starts.items():
            reader.seek(TopicPartition(topic, self._partition), offset)

    def _position(self, reader: KafkaConsumer, topic: str) -> int:
        position: int = reader.position(TopicPartition(topic, self._partition), timeout_ms=ENDS_WAIT_MS)
        return position

    def _places(self, topics: Iterable[str]) -> list[TopicPartition]:
        return [TopicPartition(topic, self._partition) for topic in topics]

    def _options(self) -> dict[str, Any]:
        return self._connection.consumer_options() | {"fetch_max_wait_ms": FETCH_WAIT_MS}

    def _started(self, client: KafkaConsumer | None) -> KafkaConsumer:
        if client is None:
            raise TransportFailure("the inputs are not started: call `start` with the stored positions")
        return client

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
            self.close()
            raise ForeignStore(
                f"a log no longer holds the next record to read (`{type(error).__name__}`): expected records to stay "
                "until they are stored; do not start this shard until it is known what was lost"
            ) from error
        except KafkaError as error:
            self.close()
            raise TransportFailure(
                f"reading from `{self._connection.bootstrap}` failed with `{type(error).__name__}`: the consumer was "
                "thrown away, start again from the stored positions"
            ) from error
        except ForeignStore:
            self.close()
            raise


def _unstamped_ticks(topic: str) -> TransportFailure:
    return TransportFailure(
        f"the broker does not stamp what comes on `{topic}`, so no tick tells the time: {_STAMP}; the hub goes on by "
        "itself at the next tick after that"
    )


def input_topics(names: Names, registry: PartyRegistry) -> list[str]:
    """The input topics of a hub: its own, then each party's."""
    return [names.hub_input, *(names.input(party.id) for party in registry)]
