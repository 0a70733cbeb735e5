"""What was told last is read from the ends of the output topics, on the real broker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from kafka import TopicPartition
from kafka.admin import ACLOperation, KafkaAdminClient, ResourceType

from contracts.failures import TransportFailure, TransportRefused
from contracts.parties import Party, PartyRegistry
from deploy.local_kafka import LocalKafka
from deploy.rights import Right
from deploy.world import World
from deploy.world_making import administering
from hub.broker.kafka_outputs import KafkaOutputs
from hub.broker.ports import LAST_RECORDS, OutputRecord
from tests.conftest import MakeWorld

pytestmark = pytest.mark.kafka

PARTITION = 1
PARTIES = ("A.SOC", "PRI", "PSY")


def sender(world: World, partition: int = PARTITION) -> KafkaOutputs:
    return KafkaOutputs(world.connection(world.names.service("sender")), world.names, partition)


def send(world: World, party: str, numbers: Sequence[int], value: bytes = b"v") -> None:
    """Send as several clients would, one after the other: a client must close no hole."""
    outputs = sender(world)
    headers = [(("hub_seq", str(number).encode()),) for number in numbers]
    outputs.send([OutputRecord(party, place, b"key", value, each) for place, each in enumerate(headers, 1)])
    assert outputs.confirmed(10) == {party: len(numbers)}
    outputs.close()


def last_numbers(world: World, partition: int = PARTITION) -> Mapping[str, int]:
    return sender(world, partition).last_numbers(PARTIES)


def test_the_highest_number_at_the_end_of_each_topic_is_read(world: World) -> None:
    assert last_numbers(world) == {}
    send(world, "A.SOC", range(1, 3 * LAST_RECORDS))
    send(world, "PRI", [1, 2, 3])
    assert last_numbers(world) == {"A.SOC": 3 * LAST_RECORDS - 1, "PRI": 3}
    assert last_numbers(world, 0) == {}


def test_numbers_that_were_sent_again_hide_none_before_them(world: World) -> None:
    send(world, "PRI", range(1, 41))
    send(world, "PRI", range(21, 31))
    assert last_numbers(world) == {"PRI": 40}


def test_large_records_are_read_too(world: World) -> None:
    send(world, "A.SOC", range(1, 6), b"v" * 400_000)
    send(world, "PSY", range(1, 6), b"v" * 400_000)
    assert last_numbers(world) == {"A.SOC": 5, "PSY": 5}


def test_a_topic_that_is_emptied_or_not_there_says_nothing(world: World) -> None:
    send(world, "A.SOC", [1, 2])
    send(world, "PRI", [1])
    with administering(world.connection(world.names.service("cleaner"))) as cleaner:
        cleaner.delete_records({TopicPartition(world.names.output("A.SOC"), PARTITION): 2})
    assert sender(world).last_numbers([*PARTIES, "NOBODY"]) == {"PRI": 1}
    assert sender(world, 7).last_numbers(PARTIES) == {}


def test_a_broker_that_does_not_answer_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.broker.last_numbers.LOOK_MS_MAX", 1_000)
    connection = replace(world.connection(world.names.service("sender")), bootstrap="127.0.0.1:1")
    with pytest.raises(TransportFailure) as failure:
        KafkaOutputs(connection, world.names, PARTITION).last_numbers(PARTIES)
    assert failure.value.retriable


def test_a_sender_without_the_right_to_read_is_told_so(make_world: MakeWorld, local_kafka: LocalKafka) -> None:
    world = make_world(PartyRegistry.of([Party("A.SOC")]), partitions=2)
    send(world, "A.SOC", [1])
    user, prefix = world.names.service("sender"), f"{world.names.prefix}out."
    client = KafkaAdminClient(**local_kafka.admin.client_options())
    reading = Right(user, ACLOperation.READ, ResourceType.TOPIC, prefix, by_prefix=True).acl()
    client.delete_acls([reading])
    client.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            last_numbers(world)
        except TransportRefused as refused:
            assert "hub deploy rights" in str(refused)
            return
    raise AssertionError("it was read without the right")


def test_a_look_over_many_parties_takes_less_than_half_a_second(make_world: MakeWorld) -> None:
    parties = [f"P{number}" for number in range(22)]
    world = make_world(PartyRegistry.of([Party(party) for party in parties]), partitions=2)
    for party in parties:
        send(world, party, range(1, 201), b"v" * 500)
    took = []
    for _ in range(5):
        began = time.monotonic()
        assert sender(world).last_numbers(parties) == dict.fromkeys(parties, 200)
        took.append(time.monotonic() - began)
    assert min(took) < 0.5
