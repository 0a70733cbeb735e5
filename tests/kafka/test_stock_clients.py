"""An agency that uses none of our code: librdkafka, Confluent's Avro serialiser and a CloudEvents library.

It publishes by the wire page alone, and reads back what the hub sends.
"""

from __future__ import annotations

import hashlib
import struct
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import pytest
from cloudevents.core.bindings import kafka as core_binding
from cloudevents.core.formats.base import Format
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import kafka as v1_binding
from cloudevents.v1.http import CloudEvent as CloudEventOfV1
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient, record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.catalogue import catalogue
from contracts.schema_ids import schema_ids
from tests.kafka.live_world import PARTITIONS, LiveWorld
from tests.kafka.schema_registry import schema_text

pytestmark = pytest.mark.kafka

TYPE: Final = "HousingSecured"
WAIT_SECONDS_MAX: Final = 30.0


class _Bytes(Format):
    """The data of an event as it is: Avro is written and read by the serialiser."""

    def write_data(self, data: Any, datacontenttype: str | None) -> bytes:
        return bytes(data)

    def read_data(self, body: bytes, datacontenttype: str | None) -> Any:
        return body

    def read(self, event_factory: Any, data: Any) -> Any:
        raise NotImplementedError("structured events are not used")

    def write(self, event: Any) -> bytes:
        raise NotImplementedError("structured events are not used")

    def get_content_type(self) -> str:
        return "application/avro"


@pytest.fixture
def value(live: LiveWorld, registry: SchemaRegistryClient) -> bytes:
    """A fact of housing, written by the stock serialiser from plain Python values."""
    options = {"auto.register.schemas": False, "subject.name.strategy": record_subject_name_strategy}
    serialize = AvroSerializer(registry, schema_text(schema_ids().published(TYPE)), conf=options)
    moment = live.moment()
    fact = {"occurredAt": moment, "housingId": uuid.uuid4(), "kind": "OWN_TENANCY", "at": moment, "address": "Nygade 1"}
    written = serialize(fact, SerializationContext(live.world.names.input("A.SOC"), MessageField.VALUE))
    assert isinstance(written, bytes)
    return written


def _attributes(moment: datetime) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "source": "urn:party:A.SOC:stock",
        "type": catalogue().event_types[TYPE].ce_type,
        "time": moment,
        "datacontenttype": "application/avro",
    }


def _signature(
    live: LiveWorld, topic: str, key: bytes, headers: dict[str, bytes], value: bytes
) -> list[tuple[str, bytes]]:
    """The headers of a signature, made as the wire page says it with nothing but a stock library."""
    private = Ed25519PrivateKey.from_private_bytes(live.world.signing_keys["A.SOC"])
    names = ["specversion", "id", "source", "type", "time", "corrects", "correlationid", "causationid"]
    stated = [headers.get(f"ce_{name}", b"") for name in names]
    parts = [b"org.casehub.stated.v1", topic.encode(), key, *stated, value]
    signed = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    public = private.public_key().public_bytes_raw()
    return [("sig_key", hashlib.sha256(public).hexdigest()[:32].encode()), ("sig", private.sign(signed).hex().encode())]


def _publish(live: LiveWorld, headers: dict[str, bytes], value: bytes) -> None:
    names = live.world.names
    connection = live.world.connection(names.user("A.SOC"))
    producer = Producer({**connection.native_producer_options(), "partitioner": "murmur2_random"})
    failures: list[Any] = []
    key = live.keys["A.SOC"].encode()
    producer.produce(
        names.input("A.SOC"),
        value=value,
        key=key,
        headers=[*headers.items(), *_signature(live, names.input("A.SOC"), key, headers, value)],
        on_delivery=lambda error, _: failures.append(error) if error else None,
    )
    assert producer.flush(10.0) == 0
    assert failures == []


def _received(live: LiveWorld, party: str, ce_id: str) -> Message:
    """The record about an event on a party's topic, read with a stock consumer; fails where none comes."""
    names = live.world.names
    options = live.world.connection(names.user(party)).native_client_options()
    consumer = Consumer(
        {**options, "group.id": f"{names.user(party)}.stock", "enable.auto.commit": False, "check.crcs": True}
    )
    topic = names.output(party)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message and message.error() is None and _headers(message).get("ce_id") == ce_id.encode():
                return message
    finally:
        consumer.close()
    raise AssertionError(f"no record about the event came on `{topic}`")


def _headers(message: Message) -> dict[str, bytes | None]:
    return dict(cast(list[tuple[str, bytes | None]], message.headers() or []))


def _check_arrival(live: LiveWorld, registry: SchemaRegistryClient, attributes: dict[str, Any]) -> None:
    """What the publisher gets back and what the prison gets, read with stock clients only."""
    deserialize = AvroDeserializer(registry)
    for party in ("A.SOC", "PRI"):
        message = _received(live, party, attributes["id"])
        content, key = message.value(), message.key()
        assert content is not None and key is not None
        headers = {name: told for name, told in _headers(message).items() if told is not None}
        event = core_binding.from_binary(core_binding.KafkaMessage(headers, key, content), _Bytes())
        assert (event.get_id(), event.get_type()) == (attributes["id"], attributes["type"])
        assert event.get_source() == "urn:party:A.SOC"
        time_told = event.get_time()
        assert time_told is not None and abs(time_told - attributes["time"]) < timedelta(milliseconds=1)
        assert key.decode() == live.keys[party]
        fact = deserialize(content, SerializationContext(live.world.names.output(party), MessageField.VALUE))
        assert isinstance(fact, dict) and fact["kind"] == "OWN_TENANCY"
        assert fact["occurredAt"].tzinfo is not None
        assert headers["hub_effect"] == b"disclosed"


def test_a_stock_agency_of_today_is_understood(live: LiveWorld, registry: SchemaRegistryClient, value: bytes) -> None:
    attributes = _attributes(datetime.now(UTC))
    message = core_binding.to_binary(CloudEvent(attributes=attributes, data=value), _Bytes())
    _publish(live, message.headers, message.value)
    _check_arrival(live, registry, attributes)


def test_an_older_library_that_writes_an_offset_is_understood(
    live: LiveWorld, registry: SchemaRegistryClient, value: bytes
) -> None:
    attributes = _attributes(datetime.now(UTC))
    texts = {**attributes, "time": attributes["time"].isoformat()}
    assert texts["time"].endswith("+00:00")
    message = v1_binding.to_binary(CloudEventOfV1(texts, value), data_marshaller=bytes)
    _publish(live, dict(message.headers), bytes(message.value))  # type: ignore[arg-type]
    _check_arrival(live, registry, attributes)
