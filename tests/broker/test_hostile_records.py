"""What a broker takes of a hostile client, and no client library expects: it stops nobody, what follows is read."""

from __future__ import annotations

import struct

import pytest
from kafka import KafkaProducer
from kafka.record.default_records import DefaultRecordBatchBuilder

from deploy.world import World
from hub.broker.kafka_inputs import KafkaInputs
from hub.broker.record_reading import HEADER_COST_BYTES
from tests.broker.test_kafka_adapters import take_all
from tests.broker.test_record_reading import checked, number

pytestmark = pytest.mark.kafka


def test_a_header_name_that_is_not_utf8_stops_nobody(world: World, inputs: KafkaInputs) -> None:
    """A hostile client writes the bytes `ff fe` as a header's name; the record comes through, and so does the next."""

    class Hostile(str):
        __slots__ = ()

        def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
            return b"ce_\xff\xfe"

    producer = KafkaProducer(**world.connection(world.names.user("PSY")).producer_options())
    topic = world.names.input("PSY")
    bad = producer.send(
        topic, key=b"k", value=b"bad", headers=[(Hostile("name"), b"1"), ("ce_id", b"2")], partition=1, timestamp_ms=1
    )
    bad.get(timeout=10)
    producer.send(topic, key=b"k", value=b"good", partition=1, timestamp_ms=2).get(timeout=10)
    producer.close()
    inputs.start({})
    taken = take_all(inputs, 2)
    assert [r.value for r in taken] == [b"bad", b"good"]
    assert list(taken[0].headers) == [("ce_??", b"1"), ("ce_id", b"2")]
    assert [r.header_bytes for r in taken] == [12 + 2 * HEADER_COST_BYTES, 0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"\x00\x02k", b"\x00" + number(1, 0x10) + b"k", id="bits of a length that a broker drops"),
        pytest.param(b"\x00\x02k", b"\x0e\x02k", id="an offset that it has not"),
        pytest.param(b"\x00\x00\x00\x02k", b"\x80\x00\x00\x02k", id="an attribute that there is not"),
    ],
)
def test_what_the_broker_takes_of_a_hostile_client_stops_nobody(
    world: World, inputs: KafkaInputs, monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes
) -> None:
    build = DefaultRecordBatchBuilder.build

    def built_by_hand(self: DefaultRecordBatchBuilder) -> bytearray:
        batch = bytearray(build(self))
        at = batch.index(old, 62)
        batch[at : at + len(old)] = new
        batch[61] += 2 * (len(new) - len(old))
        struct.pack_into(">i", batch, 8, len(batch) - 12)
        return checked(batch)

    topic = world.names.input("PSY")
    producer = KafkaProducer(**world.connection(world.names.user("PSY")).producer_options())
    with monkeypatch.context() as patch:
        patch.setattr(DefaultRecordBatchBuilder, "build", built_by_hand)
        assert producer.send(topic, key=b"k", value=b"bad", partition=1, timestamp_ms=1).get(timeout=10).offset == 0
    producer.send(topic, key=b"k", value=b"good", partition=1, timestamp_ms=2).get(timeout=10)
    producer.close()
    inputs.start({})
    assert [record.offset for record in take_all(inputs, 2)] == [0, 1]
    inputs.start({topic: 1})
    assert [record.value for record in take_all(inputs, 1)] == [b"good"]
