"""Control records of a world's operator, many at once: signed and sent as its channels do it one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from contracts.failures import TransportFailure
from deploy.world import OPERATOR_KEY, World
from hub.arrival.principals import CONTROL_RECORDS, IDENTITY, OPERATOR
from hub.broker.control_records import control_record, signed_control

SEND_SECONDS = 10.0


class OperatorRecords:
    """Sends to the hub's own input of `world`. After any failure the next call makes a new client."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._signing_key = world.signing_key(OPERATOR_KEY)
        self._producer: KafkaProducer | None = None

    def send(self, records: Sequence[tuple[int, str, Mapping[str, Any]]], at: int) -> None:
        """Store (shard, event type, payload) of each, published at `at`; raise `TransportFailure` unless all are."""
        limits = dict.fromkeys(("delivery_timeout_ms", "max_block_ms", "bootstrap_timeout_ms"), 10_000)
        topic = self._world.names.hub_input
        try:
            if self._producer is None:
                operator = self._world.connection(self._world.names.service("operator"))
                self._producer = KafkaProducer(**operator.producer_options() | limits, request_timeout_ms=5_000)
            futures = []
            for shard, event_type, payload in records:
                principal = IDENTITY if event_type in CONTROL_RECORDS[IDENTITY] else OPERATOR
                value, unsigned = control_record(principal, event_type, payload, at)
                headers = list(signed_control(self._signing_key, topic, value, unsigned))
                futures.append(self._producer.send(topic, value, None, headers, shard, at))
            for future in futures:
                future.get(timeout=SEND_SECONDS)
        except KafkaError as error:
            self.close()
            raise TransportFailure(f"control records: `{type(error).__name__}`") from error

    def close(self) -> None:
        """Release the client."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=2.0)
