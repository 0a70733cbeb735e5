"""What the group says becomes what is owned: the rules of `hub.broker.kafka_ownership`, on a client that is made up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import OFFSET_END, KafkaError, KafkaException, TopicPartition

from contracts.connection import KafkaConnection
from contracts.failures import BadSetting, TransportRefused
from contracts.topics import Names
from hub.broker import kafka_ownership
from hub.broker.kafka_ownership import KafkaOwnership

NAMES = Names("town")


class FakeConsumer:
    """A client of the group: `says` are the calls that the next `poll` makes."""

    def __init__(self, options: Mapping[str, Any], **_: object) -> None:
        self.options = options
        self.says: list[Callable[[], None]] = []
        self.paused: list[TopicPartition] = []
        self.subscribed: Sequence[str] = ()
        self.closed = threading.Event()

    def subscribe(self, topics: Sequence[str], **callbacks: Any) -> None:
        self.subscribed, self.callbacks = topics, callbacks

    def poll(self, wait_seconds: float) -> None:
        says, self.says = self.says, []
        for say in says:
            say()

    def give(self, *shards: int) -> None:
        self.says.append(lambda: self.callbacks["on_assign"](self, self._places(shards)))

    def take(self, *shards: int, how: str = "on_revoke") -> None:
        self.says.append(lambda: self.callbacks[how](self, self._places(shards)))

    def report(self, join_state: str) -> None:
        statistics = json.dumps({"cgrp": {"state": "up", "join_state": join_state}})
        self.says.append(lambda: self.options["stats_cb"](statistics))

    def fail(self, error: KafkaError) -> None:
        self.says.append(lambda: self.options["error_cb"](error))

    def incremental_assign(self, places: Sequence[TopicPartition]) -> None:
        assert all(place.offset == OFFSET_END for place in places)

    def pause(self, places: Sequence[TopicPartition]) -> None:
        self.paused += places

    def memberid(self) -> None:
        return None

    def close(self) -> None:
        self.closed.set()

    @staticmethod
    def _places(shards: Sequence[int]) -> list[TopicPartition]:
        return [TopicPartition(NAMES.hub_input, shard) for shard in shards]


class Group:
    """An ownership with the clients that it made, and what it gave up."""

    def __init__(self) -> None:
        self.clients: list[FakeConsumer] = []
        self.given_up: list[frozenset[int]] = []
        connection = KafkaConnection("127.0.0.1:1", NAMES.service("reader"), "secret")
        self.ownership = KafkaOwnership(connection, NAMES, "east", 6.0, self._new)
        self.ownership.start(self.given_up.append)

    def _new(self, options: Mapping[str, Any], **arguments: Any) -> FakeConsumer:
        self.clients.append(FakeConsumer(options, **arguments))
        return self.clients[-1]

    @property
    def client(self) -> FakeConsumer:
        return self.clients[-1]


@pytest.fixture
def group() -> Group:
    return Group()


def test_it_joins_one_group_on_one_topic_and_reads_and_commits_nothing(group: Group) -> None:
    options = group.client.options
    assert list(group.client.subscribed) == ["town.in.hub.v1"]
    assert options["group.id"] == "town.hub.workers"
    assert options["group.instance.id"] == "east"
    assert (options["enable.auto.commit"], options["enable.auto.offset.store"]) == (False, False)
    assert options["heartbeat.interval.ms"] * 4 <= options["session.timeout.ms"]
    group.client.give(0, 1)
    group.ownership.look()
    assert [place.partition for place in group.client.paused] == [0, 1]


def test_shards_come_and_go_and_what_goes_is_given_up_before_the_group_hears_of_it(group: Group) -> None:
    told = [group.ownership.was_told]
    group.client.give(0, 1, 2)
    assert group.ownership.look() == {0, 1, 2}
    told.append(group.ownership.was_told)
    assert told == [False, True]
    group.client.take(1)
    group.client.give(5)
    assert group.ownership.look() == {0, 2, 5}
    group.client.take(0, 2, how="on_lost")
    assert group.ownership.look() == {5}
    assert group.given_up == [{1}, {0, 2}]


def test_one_who_is_given_nothing_was_told_all_the_same(group: Group) -> None:
    group.client.give()
    assert group.ownership.look() == frozenset()
    assert group.ownership.was_told


def test_a_group_that_does_not_come_to_rest_is_joined_anew_and_what_is_owned_stays_until_it_says_otherwise(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1e9]
    monkeypatch.setattr("hub.broker.kafka_ownership.time.monotonic", lambda: now[0])
    first = group.client
    first.report("steady")
    first.give(0, 1)
    group.ownership.look()
    for _ in range(3):  # as long as it comes to rest, it is left alone
        now[0] += kafka_ownership.REST_SECONDS_MAX - 1.0
        first.report("steady")
        group.ownership.look()
    first.report("wait-join")
    now[0] += kafka_ownership.REST_SECONDS_MAX + 1.0
    assert group.ownership.look() == {0, 1}
    assert group.ownership.rebuilds == 1
    assert len(group.clients) == 2
    assert first.closed.wait(10.0)
    first.take(0, 1)
    first.poll(0.0)
    assert group.ownership.look() == {0, 1}, "an old client was listened to"
    group.client.give(1, 4)
    assert group.ownership.look() == {1, 4}
    assert group.given_up == [{0}]


@pytest.mark.parametrize(
    "error", [KafkaError(KafkaError.FENCED_INSTANCE_ID, "fenced", fatal=True), KafkaError(KafkaError._FATAL)]
)
def test_one_whose_name_was_taken_joins_anew_at_once_and_ends_where_that_goes_on(
    group: Group, error: KafkaError, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1e9]
    monkeypatch.setattr("hub.broker.kafka_ownership.time.monotonic", lambda: now[0])
    for times in range(1, 4):  # a broker that is away now and then: never enough to end
        group.client.fail(error)
        group.client.fail(error)
        group.ownership.look()
        assert len(group.clients) == times + 1, "joined anew once, at once"
        now[0] += kafka_ownership.FENCED_SECONDS / 2 + 1.0
    now[0] += kafka_ownership.FENCED_SECONDS
    for _ in range(kafka_ownership.FENCED_MAX - 1):
        group.client.fail(error)
        group.ownership.look()
    group.client.fail(error)
    with pytest.raises(BadSetting, match=r"`HUB_WORKER`.*`east`"):
        group.ownership.look()


def test_a_missing_right_ends_the_worker_and_a_broker_that_is_away_does_not(
    group: Group, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        group.client.fail(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    group.ownership.look()
    assert caplog.text.count("_ALL_BROKERS_DOWN") == 1
    group.client.fail(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    with pytest.raises(TransportRefused, match=r"town\.hub\.workers"):
        group.ownership.look()


def test_an_outage_is_said_once_and_its_end_once(group: Group, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger=kafka_ownership.__name__)
    (client,) = group.clients
    for _ in range(3):
        client.fail(KafkaError(KafkaError._TRANSPORT))
        client.fail(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    group.ownership.look()
    assert [message.split("`")[1] for message in caplog.messages] == ["_TRANSPORT", "_ALL_BROKERS_DOWN"]
    for _ in range(2):
        client.report("steady")
    group.ownership.look()
    assert caplog.messages[2:] == ["the group of the workers is at rest again"]
    client.fail(KafkaError(KafkaError._TRANSPORT))
    group.ownership.look()
    assert len(caplog.messages) == 4, "another outage is said again"


def test_a_client_that_stops_while_it_is_given_shards_is_replaced_and_nothing_is_ours_meanwhile(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise KafkaException(KafkaError(KafkaError._FATAL, "stopped", fatal=True))

    first = group.client
    monkeypatch.setattr(first, "incremental_assign", refuse)
    first.give(0, 1)
    assert group.ownership.look() == frozenset()
    assert group.client is not first
    group.client.give(0, 1)
    assert group.ownership.look() == {0, 1}
    assert first.closed.wait(5.0)
