"""The Kafka source and the whole process against a real broker: positions, refusals, and a graceful stop."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.coordinator.base import BaseCoordinator
from kafka.errors import CoordinatorNotAvailableError, CorruptRecordError

from consumers import kafka_source
from consumers.kafka_source import KafkaSource, keep_contents_out_of_logs
from consumers.source import LogSpan, ReceivedRecord
from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.failures import ForeignStore, TransportFailure
from contracts.parties import Party, PartyRegistry
from deploy.world import World
from tests.conftest import MakeWorld
from tests.consumers.simulated_topic import KEYS, PARTITIONS, SimulatedTopic, name

REGISTRY = PartyRegistry.of([Party("PRI"), Party("A.SOC")])
AT = 1_736_150_400_000
WAIT_SECONDS = 20.0
CONFIRMED_SECONDS_MAX = 6.0
"""One try of a second, on a machine that does other work."""


@pytest.fixture(scope="module")
def world(make_world: MakeWorld) -> World:
    return make_world(REGISTRY, partitions=PARTITIONS)


@pytest.fixture(scope="module")
def sent(world: World) -> SimulatedTopic:
    """Six citizens' disclosures, sent to party PRI by the hub's own user."""
    topic = SimulatedTopic()
    for key in KEYS:
        topic.disclose(key, name("e", key), "CaseOpened", {"occurredAt": AT}, party="A.SOC")
    producer = KafkaProducer(**world.connection(world.names.service("sender")).producer_options())
    for log in topic.logs:
        for record in log:
            producer.send(
                world.names.output("PRI"),
                key=record.key,
                value=record.value,
                headers=list(record.headers),
                partition=record.partition,
            ).get(timeout=10)
    producer.close()
    return topic


@pytest.fixture
def source(world: World) -> Iterator[KafkaSource]:
    opened = KafkaSource(world.connection(world.names.user("PRI")), world.names, "PRI")
    yield opened
    opened.close()


def poll_all(source: KafkaSource, count: int) -> list[ReceivedRecord]:
    deadline = time.monotonic() + WAIT_SECONDS
    found: list[ReceivedRecord] = []
    while len(found) < count and time.monotonic() < deadline:
        found += source.poll(2, 0.5)
    return sorted(found, key=lambda record: (record.partition, record.offset))


@pytest.mark.kafka
def test_without_positions_everything_is_read_as_it_was_sent(source: KafkaSource, sent: SimulatedTopic) -> None:
    assert source.start({}) == {number: LogSpan(0, len(log)) for number, log in enumerate(sent.logs)}
    assert poll_all(source, len(KEYS)) == [record for log in sent.logs for record in log]
    assert source.poll(10, 0.1) == []


@pytest.mark.kafka
def test_reading_goes_on_at_the_stored_positions(source: KafkaSource, sent: SimulatedTopic) -> None:
    full = max(range(PARTITIONS), key=lambda partition: len(sent.logs[partition]))
    assert len(sent.logs[full]) >= 2
    others = {partition: len(log) for partition, log in enumerate(sent.logs)}
    source.start(others | {full: 1})
    assert poll_all(source, len(sent.logs[full]) - 1) == sent.logs[full][1:]


@pytest.mark.kafka
def test_a_position_outside_the_log_or_on_an_unknown_partition_is_refused(
    source: KafkaSource, sent: SimulatedTopic
) -> None:
    with pytest.raises(ForeignStore, match="has read up to offset `99`"):
        source.start({0: 99})
    with pytest.raises(ForeignStore, match="partition `3`"):
        source.start({3: 0})
    assert len(source.start({})) == PARTITIONS


@pytest.mark.kafka
def test_another_partys_topic_is_refused_not_silent(world: World, sent: SimulatedTopic) -> None:
    stranger = KafkaSource(world.connection(world.names.user("A.SOC")), world.names, "PRI")
    with pytest.raises(TransportFailure, match="not there, or user"):
        stranger.start({})
    stranger.close()


@pytest.mark.kafka
def test_a_damaged_record_throws_the_client_away(
    source: KafkaSource, sent: SimulatedTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.start({})
    client = source._consumer
    assert client is not None

    def fail(**_options: object) -> None:
        raise CorruptRecordError("content-of-a-record")

    monkeypatch.setattr(client, "poll", fail)
    with pytest.raises(TransportFailure, match="CorruptRecordError") as caught:
        source.poll(10, 0.1)
    assert "content-of-a-record" not in str(caught.value)
    with pytest.raises(TransportFailure, match="not started"):
        source.poll(10, 0.1)
    source.start({})
    assert len(poll_all(source, len(KEYS))) == len(KEYS)


@pytest.mark.kafka
def test_a_subscription_fills_its_store_from_the_broker_once(
    source: KafkaSource, sent: SimulatedTopic, tmp_path: Path
) -> None:
    for _ in range(2):
        path = tmp_path / "pri.db"
        with PartyStore.open(path, "PRI") if path.exists() else PartyStore.create(path, "PRI") as store:
            subscription = Subscription("PRI", source, store)
            deadline = time.monotonic() + WAIT_SECONDS
            while len(store.keys()) < len(KEYS) and time.monotonic() < deadline:
                subscription.advance(0.5)
            assert store.keys() == sorted(KEYS)
            assert dict(subscription.numbers()) == {p: n for p, n in enumerate(sent.numbers) if n}
            assert subscription.repeats == 0


@pytest.mark.kafka
def test_reading_goes_on_while_the_group_of_confirmations_has_no_coordinator(
    source: KafkaSource, sent: SimulatedTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its coordinator leads a partition of another topic, which may be without a leader where `out` is not."""

    async def fail(_coordinator: object) -> None:
        raise CoordinatorNotAvailableError("simulated")

    monkeypatch.setattr(BaseCoordinator, "_send_group_coordinator_request", fail)
    source.start({})
    assert len(poll_all(source, len(KEYS))) == len(KEYS)
    begun = time.monotonic()
    for offset in range(1, 6):
        source.confirm({0: offset})
    assert time.monotonic() - begun < CONFIRMED_SECONDS_MAX
    assert source.poll(10, 0.1) == []


@pytest.mark.kafka
def test_what_is_confirmed_is_there_for_the_cleaner(
    world: World, source: KafkaSource, sent: SimulatedTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_source, "_CONFIRM_AGAIN_SECONDS", 0.0)
    source.start({})
    options = world.connection(world.names.user("PRI")).consumer_options()
    reader = KafkaConsumer(**options, group_id=world.names.confirmed_group("PRI"))
    place = TopicPartition(world.names.output("PRI"), 0)
    deadline = time.monotonic() + WAIT_SECONDS
    while reader.committed(place) != 1 and time.monotonic() < deadline:
        source.confirm({0: 1})
    committed = reader.committed(place)
    reader.close(autocommit=False)
    assert committed == 1


@pytest.mark.kafka
def test_the_process_receives_and_stops_gracefully(world: World, sent: SimulatedTopic, tmp_path: Path) -> None:
    connection = world.connection(world.names.user("PRI"))
    environment = os.environ | {
        "HUB_CONSUMER_PARTY": "PRI",
        "HUB_CONSUMER_STORE": str(tmp_path / "pri.db"),
        "HUB_CONSUMER_BOOTSTRAP": connection.bootstrap,
        "HUB_CONSUMER_PASSWORD": connection.password,
        "HUB_CONSUMER_WORLD": world.name,
        "HUB_CONSUMER_SECURITY_PROTOCOL": connection.security_protocol,
    }
    command = [sys.executable, "-m", "consumers"]
    subprocess.run([*command, "make-store"], env=environment, check=True, timeout=60)
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    reading = threading.Thread(target=lambda stream: lines.extend(stream), args=(process.stderr,))
    reading.start()
    deadline = time.monotonic() + WAIT_SECONDS
    with PartyStore.open_for_reading(tmp_path / "pri.db", "PRI") as store:
        while len(store.keys()) < len(KEYS) and time.monotonic() < deadline:
            time.sleep(0.1)
        keys = store.keys()
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=WAIT_SECONDS)
    reading.join()
    assert keys == sorted(KEYS)
    assert code == 0
    log = "".join(lines)
    assert "handled" in log
    assert not [key for key in KEYS if key in log]
    assert connection.password not in log


def test_kafkas_debug_log_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("kafka")
    before = logger.level
    try:
        logger.setLevel(logging.DEBUG)
        keep_contents_out_of_logs()
        assert not logging.getLogger("kafka.consumer.fetcher").isEnabledFor(logging.DEBUG)
        logger.setLevel(logging.ERROR)
        keep_contents_out_of_logs()
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)
