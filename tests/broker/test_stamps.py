"""Recorded time is the broker's: what it does not stamp never has its sender's time, and stops nobody for good."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from contracts.failures import TransportFailure
from deploy.local_kafka import LocalKafka
from deploy.world import World
from hub.broker.kafka_inputs import KafkaInputs
from tests.broker.conftest import REGISTRY
from tests.broker.test_kafka_adapters import publish, take_all
from tests.conftest import MakeWorld

pytestmark = pytest.mark.kafka
YEAR_MS = 365 * 24 * 60 * 60 * 1000


@pytest.fixture
def stamped(make_world: MakeWorld) -> World:
    return make_world(REGISTRY, partitions=2, played=False)


@pytest.fixture
def counted() -> list[int]:
    return []


@pytest.fixture
def inputs(stamped: World, counted: list[int]) -> Iterator[KafkaInputs]:
    reader = stamped.connection(stamped.names.service("reader"))
    opened = KafkaInputs(reader, stamped.names, REGISTRY, 1, counted.append)
    yield opened
    opened.close()


def stamp(local_kafka: LocalKafka, world: World, user: str, topic: str, kind: str) -> None:
    """Have the records of `topic` dated by their broker (`LogAppendTime`) or their sender (`CreateTime`).

    Returns when that holds, as `user` sees who writes to the partition that nobody reads here.
    """
    client = KafkaAdminClient(**local_kafka.admin.client_options())
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"message.timestamp.type": kind})])
    client.close()
    deadline = time.monotonic() + 20
    while (written(world, user, topic, 1, partition=0) == 1) != (kind == "CreateTime"):
        assert time.monotonic() < deadline, f"{topic} is not dated by {kind}"


def written(world: World, user: str, topic: str, at: int, partition: int = 1) -> int:
    """Write a record that says `at`; return the time that it got."""
    producer = KafkaProducer(**world.connection(user).producer_options())
    given: int = producer.send(topic, value=b"tick", partition=partition, timestamp_ms=at).get(timeout=10).timestamp
    producer.close()
    return given


def tick(world: World, at: int) -> int:
    """Write a tick that says `at`; return the time that it got."""
    return written(world, world.names.service("reader"), world.names.hub_input, at)


@pytest.mark.parametrize("ahead_ms", [-YEAR_MS, 30_000])
def test_a_record_that_the_broker_did_not_stamp_is_dated_by_the_newest_tick(
    local_kafka: LocalKafka,
    stamped: World,
    inputs: KafkaInputs,
    counted: list[int],
    caplog: pytest.LogCaptureFixture,
    ahead_ms: int,
) -> None:
    told = tick(stamped, 1)
    user, topic = stamped.names.user("PSY"), stamped.names.input("PSY")
    stamp(local_kafka, stamped, user, topic, "CreateTime")
    publish(stamped, "PSY", [told + ahead_ms])
    stamp(local_kafka, stamped, user, topic, "LogAppendTime")
    publish(stamped, "PSY", [told + ahead_ms])
    with caplog.at_level(logging.ERROR, "hub.broker.kafka_inputs"):
        inputs.start({})
        ours = [one for one in take_all(inputs, 3) if one.topic == topic]
    assert ours[0].timestamp == told
    assert abs(ours[1].timestamp - time.time_ns() // 1_000_000) < 20_000
    assert counted == [1]
    (line,) = [each.getMessage() for each in caplog.records if each.name.startswith("hub.")]
    assert topic in line
    assert "hub deploy topics --check" in line


def test_without_stamped_ticks_nothing_is_read_until_there_is_one(
    local_kafka: LocalKafka, stamped: World, inputs: KafkaInputs
) -> None:
    user, topic = stamped.names.service("reader"), stamped.names.hub_input
    inputs.start({})
    stamp(local_kafka, stamped, user, topic, "CreateTime")
    tick(stamped, 1)
    with pytest.raises(TransportFailure, match="does not stamp"):
        take_all(inputs, 1)
    with pytest.raises(TransportFailure, match=r"message\.timestamp\.type=LogAppendTime"):
        inputs.start({})
    stamp(local_kafka, stamped, user, topic, "LogAppendTime")
    told = tick(stamped, 1)
    inputs.start({})
    assert inputs.newest_tick() == told
    assert [one.timestamp for one in take_all(inputs, 2)] == [told, told]


def test_a_clock_that_the_broker_no_longer_tells_stands_still(
    local_kafka: LocalKafka, stamped: World, inputs: KafkaInputs, counted: list[int]
) -> None:
    told = tick(stamped, 1)
    inputs.start({})
    stamp(local_kafka, stamped, stamped.names.service("reader"), stamped.names.hub_input, "CreateTime")
    tick(stamped, told + 30_000)
    assert [one.timestamp for one in take_all(inputs, 2)] == [told, told]
    assert (inputs.newest_tick(), counted) == (told, [1])
