"""The Kafka adapters against a real broker: order, positions, sending, refusals, a broker that dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import MessageSizeTooLargeError

from contracts.failures import ForeignStore, TransportFailure
from contracts.parties import Party, PartyRegistry
from deploy.local_kafka import LocalKafka
from deploy.world import World
from deploy.world_making import administering
from hub.broker.kafka_cluster import identify_cluster
from hub.broker.kafka_inputs import KafkaInputs, input_topics
from hub.broker.kafka_outputs import KafkaOutputs
from hub.broker.ports import InputRecord, OutputRecord
from tests.broker.conftest import REGISTRY
from tests.broker.freezing import frozen
from tests.conftest import MakeWorld

pytestmark = pytest.mark.kafka


@pytest.fixture
def outputs(world: World) -> Iterator[KafkaOutputs]:
    opened = KafkaOutputs(world.connection(world.names.service("sender")), world.names, 1)
    yield opened
    opened.close()


def publish(world: World, party: str, times: Sequence[int], partition: int = 1) -> None:
    producer = KafkaProducer(**world.connection(world.names.user(party)).producer_options())
    topic = world.names.input(party)
    futures = [
        producer.send(topic, key=b"k", value=str(t).encode(), partition=partition, timestamp_ms=t) for t in times
    ]
    for future in futures:
        future.get(timeout=10)
    producer.close()


def take_all(inputs: KafkaInputs, count: int, limit: int = 1000, seconds: float = 15.0) -> list[InputRecord]:
    deadline = time.monotonic() + seconds
    taken: list[InputRecord] = []
    while len(taken) < count and time.monotonic() < deadline:
        taken += inputs.take(limit, 0.5)
    return taken


def test_the_newest_tick_is_the_newest_though_an_older_record_came_behind_it(world: World, inputs: KafkaInputs) -> None:
    inputs.start({})
    producer = KafkaProducer(**world.connection(world.names.service("reader")).producer_options())
    for instant in (5000, 2000):
        producer.send(world.names.hub_input, value=b"v", partition=1, timestamp_ms=instant)
    producer.flush()
    producer.close()
    assert [found.timestamp for found in take_all(inputs, 2)] == [5000, 2000]
    assert inputs.newest_tick() == 5000


def test_where_the_hubs_own_input_ends_is_said_by_a_start(world: World, inputs: KafkaInputs) -> None:
    before = inputs.start({})
    producer = KafkaProducer(**world.connection(world.names.service("reader")).producer_options())
    sent = producer.send(world.names.hub_input, value=b"v", partition=1, timestamp_ms=1).get(timeout=10)
    producer.close()
    assert sent.offset == before
    assert inputs.start({}) == before + 1


def record(party: str, number: int, value: bytes = b"v") -> OutputRecord:
    return OutputRecord(party, number, b"key", value, (("hub_seq", str(number).encode()),))


def read_output(world: World, party: str, count: int) -> list[int]:
    consumer = KafkaConsumer(**world.connection(world.names.user(party)).consumer_options())
    place = TopicPartition(world.names.output(party), 1)
    consumer.assign([place])
    consumer.seek(place, 0)
    numbers: list[int] = []
    deadline = time.monotonic() + 10
    while len(numbers) < count and time.monotonic() < deadline:
        for rows in consumer.poll(timeout_ms=200).values():
            numbers += [int(dict(row.headers)["hub_seq"]) for row in rows]
    consumer.close()
    return numbers


def test_interleaved_topics_come_in_one_order(world: World, inputs: KafkaInputs) -> None:
    publish(world, "A.SOC", range(0, 4000, 2))
    publish(world, "PSY", range(1, 4000, 2))
    inputs.start({})
    taken = take_all(inputs, 4000, limit=700)
    assert [r.timestamp for r in taken] == list(range(4000))
    assert inputs.lag_records() == 0
    assert {r.partition for r in taken} == {1}


def test_reading_goes_on_from_stored_positions(world: World, inputs: KafkaInputs) -> None:
    publish(world, "A.SOC", [10, 20, 30])
    inputs.start({world.names.input("A.SOC"): 2})
    assert [r.timestamp for r in take_all(inputs, 1)] == [30]
    inputs.start({world.names.input("A.SOC"): 1})
    assert [r.timestamp for r in take_all(inputs, 2)] == [20, 30]


def test_a_position_outside_the_log_is_refused(world: World, inputs: KafkaInputs) -> None:
    publish(world, "PRI", [1])
    with pytest.raises(ForeignStore, match="outside its log"):
        inputs.start({world.names.input("PRI"): 2})
    with pytest.raises(TransportFailure, match="not started"):
        inputs.take(1, 0.1)


def test_a_log_that_lost_what_no_shard_has_stored_is_refused(world: World, inputs: KafkaInputs) -> None:
    publish(world, "PRI", [1, 2])
    place = TopicPartition(world.names.input("PRI"), 1)
    with administering(world.connection(world.names.service("cleaner"))) as cleaner:
        cleaner.delete_records({place: 1})
    with pytest.raises(ForeignStore, match=r"position `0` .* outside its log"):
        inputs.start({})
    inputs.start({place.topic: 1})
    assert [r.timestamp for r in take_all(inputs, 1)] == [2]


def test_a_tick_is_taken_within_50_ms(world: World, inputs: KafkaInputs) -> None:
    inputs.start({})
    ticker = KafkaProducer(**world.connection(world.names.service("reader")).producer_options())
    topic = world.names.hub_input
    ticker.send(topic, value=b"warm", key=b"", partition=1, timestamp_ms=1).get(timeout=10)
    take_all(inputs, 1)
    waits_ms: list[float] = []
    for tick in range(2, 12):
        began = time.monotonic()
        ticker.send(topic, value=b"tick", key=b"", partition=1, timestamp_ms=tick)
        assert [r.timestamp for r in take_all(inputs, 1)] == [tick]
        waits_ms.append((time.monotonic() - began) * 1000)
    ticker.close()
    assert sorted(waits_ms)[len(waits_ms) // 2] < 50


def test_waiting_for_nothing_takes_the_time_given_and_no_more(inputs: KafkaInputs) -> None:
    inputs.start({})
    began = time.monotonic()
    assert inputs.take(10, 0.3) == []
    assert 0.25 < time.monotonic() - began < 1.5


def test_a_joining_party_is_read_from_its_first_record(make_world: MakeWorld) -> None:
    world = make_world(REGISTRY)
    reader = world.connection(world.names.service("reader"))
    publish(world, "A.SOC", [5], partition=0)
    publish(world, "PRI", [6], partition=0)
    before = KafkaInputs(reader, world.names, PartyRegistry.of([Party("PRI"), Party("PSY")]), 0)
    before.start({})
    assert [r.timestamp for r in take_all(before, 1)] == [6]
    before.close()
    joined = KafkaInputs(reader, world.names, REGISTRY, 0)
    joined.start({world.names.input("PRI"): 1, world.names.input("PSY"): 0, world.names.hub_input: 0})
    assert [r.timestamp for r in take_all(joined, 1)] == [5]
    publish(world, "PRI", [7], partition=0)
    assert [r.timestamp for r in take_all(joined, 1)] == [7]
    joined.close()


def test_numbers_are_confirmed_per_party_and_arrive_in_order(world: World, outputs: KafkaOutputs) -> None:
    outputs.send([record(party, number) for number in range(1, 301) for party in ("A.SOC", "PRI")])
    assert outputs.confirmed(10) == {"A.SOC": 300, "PRI": 300}
    assert outputs.confirmed() == {}
    assert outputs.stalled() == []
    assert read_output(world, "PRI", 300) == list(range(1, 301))


def test_a_party_out_of_reach_waits_alone(world: World, outputs: KafkaOutputs) -> None:
    outputs.send([record("A.SOC", 1), record("NOBODY", 1), record("PRI", 1), record("NOBODY", 2)])
    confirmed = dict(outputs.confirmed(10))
    assert confirmed == {"A.SOC": 1, "PRI": 1}
    assert outputs.stalled() == ["NOBODY"]
    outputs.send([record("NOBODY", 3), record("A.SOC", 2)])
    assert outputs.confirmed(10) == {"A.SOC": 2}
    assert outputs.stalled() == ["NOBODY"]


def test_a_refused_record_stops_its_party_and_the_others_go_on(
    world: World, outputs: KafkaOutputs, local_kafka: LocalKafka
) -> None:
    """A batch that the broker refuses leaves the client failing on every topic: a new one must take over."""
    topic = world.names.output("PSY")
    client = KafkaAdminClient(**local_kafka.admin.client_options())
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": "2000"})])
    wait_until_refused(world, topic, random_bytes(50_000))
    outputs.send([record("PSY", 1), record("PSY", 2, random_bytes(50_000)), record("PSY", 3), record("PRI", 1)])
    first = dict(outputs.confirmed(10))
    assert first.get("PSY", 0) < 2
    assert "PSY" in outputs.stalled()
    next_number = first.get("PRI", 0) + 1
    deadline = time.monotonic() + 20
    reached: dict[str, int] = {}
    while "PRI" not in reached and time.monotonic() < deadline:
        outputs.send([record("PRI", number) for number in range(next_number, 4)])
        reached |= outputs.confirmed(1)
    assert reached["PRI"] == 3
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": "200000"})])
    client.close()
    resumed_from = first.get("PSY", 0) + 1
    while reached.get("PSY", 0) < 3 and time.monotonic() < deadline:
        outputs.send([record("PSY", number, random_bytes(50_000)) for number in range(resumed_from, 4)])
        reached |= outputs.confirmed(1)
    assert reached["PSY"] == 3
    assert outputs.stalled() == []
    told = read_output(world, "PSY", 3)
    assert list(dict.fromkeys(told)) == [1, 2, 3], "a receiver refuses what comes after a hole"


@pytest.mark.parametrize("handed_over_first", [200, 60])
def test_nothing_that_follows_a_refused_record_reaches_the_topic(
    world: World, outputs: KafkaOutputs, local_kafka: LocalKafka, handed_over_first: int
) -> None:
    """Many requests are under way when one is refused; a receiver would refuse everything after the hole.

    The library stops in a thread of its own: the next record handed over may be the first to hear of it.
    """
    topic = world.names.output("PSY")
    client = KafkaAdminClient(**local_kafka.admin.client_options())
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": "700000"})])
    client.close()
    wait_until_refused(world, topic, random_bytes(900_000))
    refused = 40
    sizes = {number: 900_000 if number == refused else 20_000 for number in range(1, 201)}
    records = [record("PSY", number, random_bytes(size)) for number, size in sizes.items()]
    outputs.send(records[:handed_over_first])
    time.sleep(1.0 if handed_over_first < len(records) else 0.0)  # nothing is served meanwhile
    outputs.send(records[handed_over_first:])
    confirmed = dict(outputs.confirmed(10)).get("PSY", 0)
    assert confirmed < refused
    assert outputs.stalled() == ["PSY"]
    consumer = KafkaConsumer(**world.connection(world.names.user("PSY")).consumer_options())
    place = TopicPartition(topic, 1)
    assert confirmed <= consumer.end_offsets([place])[place] < refused
    consumer.close()


def test_a_killed_and_restarted_broker_is_met_again(
    world: World, inputs: KafkaInputs, outputs: KafkaOutputs, local_kafka: LocalKafka
) -> None:
    publish(world, "A.SOC", [1, 2])
    inputs.start({})
    assert len(take_all(inputs, 2)) == 2
    outputs.send([record("PRI", 1)])
    assert outputs.confirmed(10) == {"PRI": 1}
    local_kafka.kill()
    try:
        outputs.send([record("PRI", 2)])
        assert outputs.confirmed(0.5) == {}
        assert inputs.take(10, 0.2) == []
    finally:
        local_kafka.start()
    publish(world, "A.SOC", [3])
    positions = {world.names.input("A.SOC"): 2}
    taken: list[InputRecord] = []
    deadline = time.monotonic() + 30
    while not taken and time.monotonic() < deadline:
        try:
            taken = take_all(inputs, 1, seconds=5)
        except TransportFailure:
            inputs.start(positions)
    assert [r.timestamp for r in taken] == [3]
    sent = dict(outputs.confirmed(15))
    while sent.get("PRI") != 2 and time.monotonic() < deadline:
        outputs.send([record("PRI", 2)])
        sent |= outputs.confirmed(2)
    assert sent == {"PRI": 2}


def test_a_look_at_the_ends_counts_from_when_it_was_answered(
    world: World, inputs: KafkaInputs, local_kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.broker.kafka_inputs.IDLE_LOOK_SECONDS", 0.2)

    def oldest_look(seconds: float) -> float:
        ages, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            assert inputs.take(10, 0.1) == []
            ages.append(inputs.seconds_since_look())
        return max(ages)

    inputs.start({})
    assert oldest_look(1.5) < 1.0
    with frozen(local_kafka):
        assert oldest_look(4.0) > 2.5
    until = time.monotonic() + 15
    while inputs.seconds_since_look() > 1.0 and time.monotonic() < until:
        assert inputs.take(10, 0.1) == []
    assert oldest_look(1.5) < 1.0


def test_the_ends_are_looked_at_while_much_is_still_to_be_given_out(
    world: World, inputs: KafkaInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(world, "A.SOC", range(50))
    inputs.start({})
    assert len(take_all(inputs, 1, limit=1)) == 1
    publish(world, "A.SOC", range(100, 150))
    monkeypatch.setattr("hub.broker.kafka_inputs.IDLE_LOOK_SECONDS", 0.0)
    time.sleep(0.3)
    assert len(inputs.take(1, 1.0)) == 1
    assert inputs.lag_records() == 98
    assert inputs.seconds_since_look() < 0.3


def test_a_store_can_be_bound_to_the_cluster(world: World) -> None:
    reader = world.connection(world.names.service("reader"))
    topics = input_topics(world.names, REGISTRY)
    identity = identify_cluster(reader, topics, 2)
    assert set(identity.topic_ids) == set(topics)
    assert len(set(identity.topic_ids.values())) == len(topics)
    assert identity == identify_cluster(reader, topics, 2)
    with pytest.raises(ForeignStore, match="expected `3`"):
        identify_cluster(reader, topics, 3)


def wait_until_refused(world: World, topic: str, value: bytes) -> None:
    """A topic's new limit counts some moments after it was set; partition 0 is nobody's here."""
    connection = world.connection(world.names.service("sender"))
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        producer = KafkaProducer(**connection.producer_options())
        try:
            producer.send(topic, value=value, partition=0).get(timeout=5)
        except MessageSizeTooLargeError:
            return
        finally:
            producer.close(timeout=5)
    raise AssertionError("the broker never refused the record")


def random_bytes(count: int) -> bytes:
    """Bytes that do not compress."""
    return os.urandom(count)
