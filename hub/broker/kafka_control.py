"""Control records to the shards, on Kafka: `hub.broker.ports.ControlChannel` as a named principal of the hub.

Rules:
- A record goes to the explicit partition of its shard of `in.hub.v1`; it has no key, since it is no party's.
- It counts as stored only when its own future returned the broker's metadata. After any failure the producer is
  thrown away: kafka-python's idempotent producer goes on failing with the first refusal.
- The record carries the time of `clock`: it counts in a played world, elsewhere the broker stamps its own.
- With a signing key every record is signed, as `hub.arrival.keyring` wants it.
- No failure shows the record.

Records come from `hub.identity` and the operator's commands; `hub.arrival` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import AuthorizationError, KafkaError, KafkaTimeoutError
from kafka.producer.future import RecordMetadata

from contracts.closing import close_producer
from contracts.connection import KafkaConnection
from contracts.failures import TransportFailure, TransportRefused
from contracts.signatures import SigningKey
from contracts.topics import Names
from hub.broker.control_records import control_record, signed_control
from hub.broker.ports import Headers

TIMEOUT_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 2.0


class KafkaControl:
    """Publishes control records. `principal` names who speaks (`identity`, `operator`) in the record's source."""

    def __init__(
        self,
        connection: KafkaConnection,
        names: Names,
        principal: str,
        clock: Callable[[], int],
        new_producer: Callable[..., Any] = KafkaProducer,
        signing_key: SigningKey | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        timeout_ms = int(timeout_seconds * 1000)
        self._options = connection.producer_options() | {
            "delivery_timeout_ms": timeout_ms,
            "request_timeout_ms": timeout_ms // 2,
            "max_block_ms": timeout_ms,
            "bootstrap_timeout_ms": timeout_ms,
        }
        self._topic = names.hub_input
        self._principal = principal
        self._clock = clock
        self._new_producer = new_producer
        self._signing_key = signing_key
        self._timeout_seconds = timeout_seconds
        self._producer: Any = None

    def publish(self, partition: int, event_type: str, payload: Mapping[str, Any]) -> None:
        """Store one control record on `partition`; see `ControlChannel`."""
        now = self._clock()
        value, headers = control_record(self._principal, event_type, payload, now)
        self._store(partition, value, headers, now)

    def publish_record(self, partition: int, value: bytes, headers: Headers) -> None:
        """Store one record on `partition`; see `ControlChannel`."""
        self._store(partition, value, headers, self._clock())

    def _store(self, partition: int, value: bytes, headers: Headers, now: int) -> None:
        try:
            if self._producer is None:
                self._producer = self._new_producer(**self._options)
            signed = signed_control(self._signing_key, self._topic, value, headers)
            future = self._producer.send(
                self._topic, value=value, headers=list(signed), partition=partition, timestamp_ms=now
            )
            answer = future.get(timeout=self._timeout_seconds)
        except KafkaError as error:
            self.close()
            raise _failure_of(error, self._topic) from None
        if not isinstance(answer, RecordMetadata):
            raise TransportFailure(f"topic `{self._topic}` gave no record metadata: ask again")

    def close(self) -> None:
        """Release the connection; a later call opens a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer, CLOSE_SECONDS, KafkaTimeoutError)


def _failure_of(error: KafkaError, topic: str) -> TransportFailure:
    name = type(error).__name__
    if isinstance(error, AuthorizationError):
        return TransportRefused(f"topic `{topic}` refused this user (`{name}`): act as the hub's operator")
    return TransportFailure(f"topic `{topic}` did not confirm (`{name}`): is the broker up; ask again, nothing is lost")
