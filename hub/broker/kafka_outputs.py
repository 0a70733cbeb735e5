"""Kafka as a shard's outputs: partition k of every party's output topic, sent through librdkafka.

Rules:
- Idempotent producer, never a transaction. A number counts as sent only when the broker's report for that very
  record says so; reports of one party come in the order of its numbers.
- A receiver refuses what comes after a gap. So nothing that follows an unsent number may reach its topic: the
  client stops as a whole at the first record that fails (`enable.gapless.guarantee`), and it never lets a record
  expire by itself. What makes no progress for a while is given up here, together with all that follows it.
- A client that stopped is thrown away, and every party with unconfirmed numbers is handed over again. The party
  whose record failed is tried again after a pause that doubles; nobody else waits for that pause.
- A party is handed to the client only once its topic is there: waiting for one topic is no reason to stop.
- A record may so reach its party twice; the dense number tells it.

Records come from the shard's committed disclosures and go to the parties' subscriptions.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from contracts.connection import KafkaConnection
from contracts.failures import TransportFailure
from contracts.topics import Names
from hub.broker.last_numbers import last_numbers
from hub.broker.ports import OutputRecord

_log: Final = logging.getLogger(__name__)
BATCH_BYTES: Final = 512 * 1024
REQUEST_BYTES_MAX: Final = 2 * 1024 * 1024
QUEUE_RECORDS_MAX: Final = 200_000
QUEUE_KIBIBYTES_MAX: Final = 256 * 1024
TOPICS_SECONDS_MAX: Final = 2.0
PROGRESS_SECONDS_MAX: Final = 30.0
FIRST_PAUSE_SECONDS: Final = 0.5
PAUSE_SECONDS_MAX: Final = 30.0
CLOSE_SECONDS_MAX: Final = 5.0
_SERVE_EVERY: Final = 2_000
"""How many records are handed over before reports are taken in."""

_ANOTHERS_FAULT: Final = frozenset(
    {KafkaError._FATAL, KafkaError._GAPLESS_GUARANTEE, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}
)
"""Reports for records that were sound, in a client that stopped over another record."""


@dataclass(slots=True)
class _Party:
    """The sending to one party: its unconfirmed numbers in order, and the first number that failed.

    `attempt` counts how often it was begun anew: a report of an earlier one is nobody's.
    """

    topic: str
    attempt: int = 0
    unconfirmed: deque[int] = field(default_factory=deque)
    has_progressed: bool = False
    progressed_at: float = 0.0
    failed_number: int | None = None
    tried_again_at: float = 0.0
    pause_seconds: float = 0.0

    def begin_anew(self) -> None:
        """Let nothing follow before what is unconfirmed is handed over again: its client is no more."""
        self.failed_number = self.unconfirmed[0]
        self.tried_again_at = 0.0
        self.unconfirmed.clear()
        self.attempt += 1


class KafkaOutputs:
    """Implements `hub.broker.ports.Outputs`. `connection` is the hub sender's."""

    def __init__(self, connection: KafkaConnection, names: Names, partition: int) -> None:
        self._connection = connection
        self._names = names
        self._partition = partition
        self._parties: dict[str, _Party] = {}
        self._producer: Producer | None = None
        self._failures: dict[str, KafkaError] = {}
        self._has_stopped = False
        self._topics: frozenset[str] = frozenset()
        self._topics_asked_again_at = 0.0
        self._confirmed: dict[str, int] = {}
        self._taken: dict[str, int] = {}

    def last_numbers(self, parties: Iterable[str]) -> Mapping[str, int]:
        """Return the highest number at the end of each party's topic; see `Outputs`, raises as `last_numbers`."""
        return last_numbers(self._connection, self._names, self._partition, parties)

    def send(self, records: Sequence[OutputRecord]) -> None:
        """Hand over `records`, in number order per party; returns before they are confirmed.

        Records of a stalled party are dropped unless they begin again at the number that failed.
        """
        for start in range(0, len(records), _SERVE_EVERY):
            for record in records[start : start + _SERVE_EVERY]:
                party = self._parties.get(record.party)
                if party is None:
                    party = self._parties[record.party] = _Party(self._names.output(record.party))
                if party.failed_number is None or _begins_again(party, record.number):
                    self._hand_over(record.party, party, record)
            self._serve(0.0)

    def taken(self) -> Mapping[str, int]:
        """Return, per party, the highest number that the client took: it does not say of which it sent nothing."""
        return self._taken

    def confirmed(self, wait_seconds: float = 0.0) -> Mapping[str, int]:
        """Return, per party, the highest number up to which all is confirmed since the last call.

        With `wait_seconds`, wait at most so long for everything handed over to be confirmed.
        """
        deadline = time.monotonic() + wait_seconds
        self._serve(0.0)
        while any(party.unconfirmed for party in self._parties.values()) and time.monotonic() < deadline:
            self._serve(max(0.0, deadline - time.monotonic()))
        confirmed, self._confirmed = self._confirmed, {}
        return confirmed

    def stalled(self) -> Sequence[str]:
        """Parties whose sending failed; the shard hands over again from their send position."""
        return sorted(name for name, party in self._parties.items() if party.failed_number is not None)

    def pausing(self) -> Sequence[str]:
        """Those of the stalled parties whose pause is not over: what is handed over for them is dropped."""
        now = time.monotonic()
        return [name for name in self.stalled() if now < self._parties[name].tried_again_at]

    def close(self) -> None:
        """Flush what can be flushed within a few seconds and release the connection."""
        if self._producer is not None:
            with suppress(KafkaException):  # it has stopped: there is nothing to wait for
                self._producer.flush(CLOSE_SECONDS_MAX)
            self._abandon_producer()

    def _hand_over(self, name: str, party: _Party, record: OutputRecord) -> None:
        try:
            producer = self._producer or self._open_producer()
            if party.topic not in self._topics:
                self._require_topic(producer, party.topic)
            producer.produce(
                party.topic,
                value=record.value,
                key=record.key,
                headers=[*record.headers],
                partition=self._partition,
                on_delivery=partial(self._reported, name, party.attempt, record.number),
            )
        except KafkaException as failure:
            error = failure.args[0]
            if error.fatal() or error.code() in _ANOTHERS_FAULT:
                self._throw_producer_away()  # its last reports say whose record it was
            if party.failed_number is None:
                _stall(name, party, record.number, error)
            return
        except BufferError:  # the client's queue is full: this party waits until some of it has left
            _stall(name, party, record.number, KafkaError(KafkaError._QUEUE_FULL))
            return
        if not party.unconfirmed:
            party.progressed_at = time.monotonic()
        party.unconfirmed.append(record.number)
        self._taken[name] = max(record.number, self._taken.get(name, 0))

    def _reported(self, name: str, attempt: int, number: int, error: KafkaError | None, _: Any) -> None:
        """Take in the broker's report for one record; called by the client while it is served, in this thread."""
        party = self._parties[name]
        if attempt != party.attempt or name in self._failures:
            return
        if error is not None:
            self._failures[name] = error
        elif party.unconfirmed and party.unconfirmed[0] == number:
            self._confirmed[name] = party.unconfirmed.popleft()
            party.has_progressed = True
        else:
            raise TransportFailure(
                f"number `{number}` was reported as sent, expected the oldest that is under way: "
                "the client library has changed"
            )

    def _serve(self, wait_seconds: float) -> None:
        """Take in the reports that are there, wait for one at most `wait_seconds`, and deal with what failed."""
        if self._producer is None:
            return
        self._poll(self._producer, wait_seconds)
        now = time.monotonic()
        for name, party in self._parties.items():
            if party.has_progressed:
                party.has_progressed, party.progressed_at, party.pause_seconds = False, now, 0.0
            elif party.unconfirmed and now - party.progressed_at > PROGRESS_SECONDS_MAX:
                self._failures.setdefault(name, KafkaError(KafkaError._MSG_TIMED_OUT))
        if self._failures or self._has_stopped:
            self._throw_producer_away()

    def _poll(self, producer: Producer, wait_seconds: float) -> None:
        """Let the client call `_reported`; it raises only where it has stopped for good."""
        try:
            producer.poll(wait_seconds)
        except KafkaException:
            self._has_stopped = True

    def _open_producer(self) -> Producer:
        self._producer = Producer(
            {
                **self._connection.native_producer_options(),
                "enable.gapless.guarantee": True,
                "message.timeout.ms": 0,
                "batch.size": BATCH_BYTES,
                "message.max.bytes": REQUEST_BYTES_MAX,
                "compression.type": "lz4",
                "queue.buffering.max.messages": QUEUE_RECORDS_MAX,
                "queue.buffering.max.kbytes": QUEUE_KIBIBYTES_MAX,
            },
            logger=_log,
        )
        return self._producer

    def _require_topic(self, producer: Producer, topic: str) -> None:
        """Raise `KafkaException` where `topic` is not there; the cluster is not asked once per party."""
        now = time.monotonic()
        if now >= self._topics_asked_again_at:
            self._topics_asked_again_at = now + TOPICS_SECONDS_MAX + FIRST_PAUSE_SECONDS
            found = producer.list_topics(timeout=TOPICS_SECONDS_MAX).topics
            self._topics_asked_again_at = time.monotonic() + FIRST_PAUSE_SECONDS
            self._topics = frozenset(
                name for name, one in found.items() if one.error is None and self._partition in one.partitions
            )
        if topic not in self._topics:
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))

    def _throw_producer_away(self) -> None:
        """End the client; what is under way and not confirmed by now is handed over again."""
        self._abandon_producer()
        failures, self._failures = self._failures, {}
        at_fault = {name: error for name, error in failures.items() if error.code() not in _ANOTHERS_FAULT}
        for name, party in self._parties.items():
            if not party.unconfirmed:
                continue
            first = party.unconfirmed[0]
            party.begin_anew()
            if name in at_fault or not at_fault:
                _stall(name, party, first, failures.get(name, KafkaError(KafkaError._FATAL)))

    def _abandon_producer(self) -> None:
        """End the client at once and take in its last reports; one that comes later is nobody's."""
        if self._producer is not None:
            self._producer.purge()
            self._poll(self._producer, 0.0)
            self._poll(self._producer, 0.0)  # where the first raised, the reports behind that are still to come
        self._producer = None
        self._has_stopped = False


def _stall(name: str, party: _Party, number: int, error: KafkaError) -> None:
    """Hold back `number` and all that follows until it is handed over again; what is under way before it goes on."""
    party.failed_number = number
    party.pause_seconds = min(max(FIRST_PAUSE_SECONDS, party.pause_seconds * 2), PAUSE_SECONDS_MAX)
    party.tried_again_at = time.monotonic() + party.pause_seconds
    _log.warning(
        "sending to party `%s` stalled at number `%d`: `%s`; tried again in `%.1f` s",
        name, number, error.name(), party.pause_seconds,
    )  # fmt: skip


def _begins_again(party: _Party, number: int) -> bool:
    """Say whether `number` ends the stall; it must close the hole, and the pause must be over."""
    if party.failed_number is None or number > party.failed_number or time.monotonic() < party.tried_again_at:
        return False
    if number < party.failed_number and party.unconfirmed:
        return False  # it is under way, or confirmed
    party.failed_number = None
    return True
