"""The transport to a real broker, on kafka-python.

Rules:
- A record counts as stored only when its own future returned the broker's metadata.
- The producer is idempotent and never transactional. After any failure it is thrown away and the next call makes a
  new one: a refused record leaves kafka-python's idempotent producer failing on every topic with that first error.
- A failure says what to do. Keys, values and headers appear in no message.
- The partition is the one that murmur2 gives the key: kafka-python's default partitioner does that.

Records come from `producers.publisher`; they lie on `in.<party>.v1`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    SaslAuthenticationFailedError,
    UnknownTopicOrPartitionError,
)
from kafka.producer.future import RecordMetadata

from contracts.closing import close_producer
from contracts.connection import KafkaConnection
from contracts.failures import TransportFailure, TransportRefused
from producers.transport import OutgoingRecord, Position

TIMEOUT_SECONDS: Final = 30.0
BATCH_BYTES: Final = 256 * 1024
CLOSE_SECONDS: Final = 2.0

_REMEDIES: Final[Sequence[tuple[tuple[type[KafkaError], ...], str]]] = (
    (
        (AuthorizationError,),
        "this user may not write there: check that the party id and the Kafka user belong together",
    ),
    ((SaslAuthenticationFailedError,), "user or password is wrong: ask the hub's operator for new ones"),
    ((UnknownTopicOrPartitionError,), "there is no such topic: has the party joined this hub, and is the world right"),
    ((MessageSizeTooLargeError, RecordListTooLargeError), "the record is larger than the topic takes: shorten it"),
    ((InvalidTimestampError,), "the topic takes no such timestamp: leave it out, or play on topics of a played world"),
)


class KafkaTransport:
    """Sends one party's records; not for use by two threads at once. `connection` authenticates as that party."""

    def __init__(
        self,
        connection: KafkaConnection,
        timeout_seconds: float = TIMEOUT_SECONDS,
        new_producer: Callable[..., Any] = KafkaProducer,
    ) -> None:
        self._options = producer_options(connection, timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._new_producer = new_producer
        self._producer: Any = None

    def send(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        timestamp_ms: int | None = None,
    ) -> Position:
        """Store one record and return where it lies; raises `TransportFailure` or `TransportRefused`."""
        return self.send_many([OutgoingRecord(topic, key, value, headers, timestamp_ms)])[0]

    def send_to_all(self, topic: str, value: bytes, headers: Sequence[tuple[str, bytes]]) -> list[Position]:
        """Store one record without a key on every partition of `topic`; raises as `send` does."""
        try:
            producer = self._connected()
            futures = [
                producer.send(topic, value=value, headers=list(headers), partition=partition)
                for partition in sorted(producer.partitions_for(topic))
            ]
            return [_position(future.get(timeout=self._timeout_seconds)) for future in futures]
        except KafkaError as error:
            self._discard()
            raise failure_of(error, topic) from None

    def send_many(self, records: Sequence[OutgoingRecord]) -> list[Position]:
        """Store `records` in order, in few requests; unless all are stored, raise as `send` does."""
        if not records:
            return []
        topic = records[0].topic
        try:
            producer = self._connected()
            futures = []
            for record in records:
                topic = record.topic
                futures.append(
                    producer.send(
                        topic,
                        key=record.key,
                        value=record.value,
                        headers=list(record.headers),
                        timestamp_ms=record.timestamp_ms,
                    )
                )
            return [_position(future.get(timeout=self._timeout_seconds)) for future in futures]
        except KafkaError as error:
            self._discard()
            raise failure_of(error, topic) from None

    def close(self) -> None:
        """Release the connection; a later call opens a new one."""
        self._discard()

    def _connected(self) -> Any:
        if self._producer is None:
            self._producer = self._new_producer(**self._options)
        return self._producer

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer, CLOSE_SECONDS, KafkaTimeoutError)


def producer_options(connection: KafkaConnection, timeout_seconds: float) -> dict[str, Any]:
    """The options of a party's producer: the project's own, and one limit on all waiting."""
    timeout_ms = int(timeout_seconds * 1000)
    return connection.producer_options() | {
        "delivery_timeout_ms": timeout_ms,
        "request_timeout_ms": max(1, timeout_ms // 2),
        "max_block_ms": timeout_ms,
        "bootstrap_timeout_ms": timeout_ms,
        "batch_size": BATCH_BYTES,
    }


def failure_of(error: KafkaError, topic: str) -> TransportFailure:
    """Return what a Kafka error means for the publisher, without any of the record in it."""
    name = type(error).__name__
    for kinds, remedy in _REMEDIES:
        if isinstance(error, kinds):
            return TransportRefused(f"broker refused a record for topic `{topic}` (`{name}`): {remedy}")
    if isinstance(error, KafkaTimeoutError):
        return TransportFailure(
            f"no answer for topic `{topic}` in time (`{name}`): the broker is down, the address or the password is "
            "wrong, or the topic does not exist; whether the record is stored is unknown, so state it again"
        )
    return TransportFailure(
        f"topic `{topic}` could not be written (`{name}`): state the same facts again, repeats have no effect"
    )


def _position(metadata: object) -> Position:
    if not isinstance(metadata, RecordMetadata):
        raise TransportFailure(
            f"broker client answered `{type(metadata).__name__}`, expected record metadata: state the fact again"
        )
    return Position(metadata.topic, metadata.partition, metadata.offset)
