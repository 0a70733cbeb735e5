"""The rights table tried from outside: every user, operation, topic and group of a world, one by one.

What is allowed is written down here a second time, as sets, apart from `deploy.rights`.
"""

from __future__ import annotations

import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
)

from contracts.connection import KafkaConnection
from contracts.failures import BadRegistry, NotFound, TransportFailure
from contracts.parties import Party, PartyRegistry
from deploy.local_kafka import LocalKafka
from deploy.rights import check_names, create_acls, deployer_acls
from deploy.users import create_users
from deploy.world import World
from tests.conftest import MakeWorld

REGISTRY = PartyRegistry.of([Party("A.SOC"), Party("PSY")])
TOPICS = ("in.a-soc.v1", "in.psy.v1", "in.hub.v1", "out.a-soc.v1", "out.psy.v1", "hub.checkpoints.v1")
GROUPS = ("a-soc.views", "psy.views", "hub.workers", "auditor.desk", "elsewhere")
USERS = ("a-soc", "psy", "hub-reader", "hub-sender", "hub-operator", "hub-auditor", "hub-deployer")

MAY_WRITE = {
    ("a-soc", "in.a-soc.v1"),
    ("psy", "in.psy.v1"),
    ("hub-reader", "in.hub.v1"),
    ("hub-operator", "in.hub.v1"),
    ("hub-sender", "out.a-soc.v1"),
    ("hub-sender", "out.psy.v1"),
    ("hub-sender", "hub.checkpoints.v1"),
}
MAY_READ = {
    ("a-soc", "out.a-soc.v1"),
    ("a-soc", "hub.checkpoints.v1"),
    ("psy", "out.psy.v1"),
    ("psy", "hub.checkpoints.v1"),
    ("hub-reader", "in.a-soc.v1"),
    ("hub-reader", "in.psy.v1"),
    ("hub-reader", "in.hub.v1"),
    ("hub-auditor", "hub.checkpoints.v1"),
}
MAY_JOIN = {
    ("a-soc", "a-soc.views"),
    ("psy", "psy.views"),
    ("hub-reader", "hub.workers"),
    ("hub-auditor", "auditor.desk"),
}

EVERY_RIGHT = ACLFilter(
    None,
    None,
    ACLOperation.ANY,
    ACLPermissionType.ANY,
    ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
)


@pytest.fixture(scope="module")
def world(make_world: MakeWorld) -> World:
    return make_world(REGISTRY)


@pytest.fixture(scope="module")
def filled(world: World) -> World:
    """A denied read is an empty poll, so every topic holds a record that its rightful reader gets."""
    writers = {topic: user for user, topic in sorted(MAY_WRITE)}
    for topic, user in writers.items():
        producer = KafkaProducer(**connection(world, user).producer_options())
        producer.send(world.names.prefix + topic, value=b"v", partition=0, timestamp_ms=1).get(timeout=10)
        producer.close()
    return world


def connection(world: World, user: str, kafka: LocalKafka | None = None) -> KafkaConnection:
    if kafka is not None and user == "hub-deployer":
        return kafka.admin
    return world.connection(world.names.prefix + user)


def writes(there: KafkaConnection, topic: str) -> bool:
    producer = KafkaProducer(**there.producer_options(), max_block_ms=10_000)
    try:
        producer.send(topic, value=b"v", partition=0, timestamp_ms=1).get(timeout=10)
    except TopicAuthorizationFailedError:
        return False
    except KafkaError as error:  # who may write nowhere is refused a producer id already
        if "ClusterAuthorizationFailedError" not in str(error):
            raise
        return False
    finally:
        producer.close(timeout=5)
    return True


def reads(there: KafkaConnection, topic: str, seconds: float) -> bool:
    consumer = KafkaConsumer(**there.consumer_options())
    place = TopicPartition(topic, 0)
    try:
        consumer.assign([place])
        consumer.seek(place, 0)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if consumer.poll(timeout_ms=100):
                return True
    except TopicAuthorizationFailedError:
        return False
    finally:
        consumer.close()
    return False


def joins(there: KafkaConnection, group: str, topic: str) -> bool:
    """Say whether the group answers for `topic`, which its members may see."""
    consumer = KafkaConsumer(**there.consumer_options(), group_id=group)
    try:
        consumer.committed(TopicPartition(topic, 0), timeout_ms=10_000)
    except GroupAuthorizationFailedError:
        return False
    finally:
        consumer.close()
    return True


@pytest.mark.kafka
def test_writing_is_allowed_exactly_where_the_table_says(filled: World, local_kafka: LocalKafka) -> None:
    def attempt(pair: tuple[str, str]) -> bool:
        return writes(connection(filled, pair[0], local_kafka), filled.names.prefix + pair[1])

    assert tried(attempt, [(user, topic) for user in USERS for topic in TOPICS]) == MAY_WRITE


@pytest.mark.kafka
def test_reading_is_allowed_exactly_where_the_table_says(filled: World, local_kafka: LocalKafka) -> None:
    def attempt(pair: tuple[str, str]) -> bool:
        seconds = 15.0 if pair in MAY_READ else 1.5
        return reads(connection(filled, pair[0], local_kafka), filled.names.prefix + pair[1], seconds)

    assert tried(attempt, [(user, topic) for user in USERS for topic in TOPICS]) == MAY_READ


@pytest.mark.kafka
def test_groups_are_open_exactly_to_those_the_table_names(world: World, local_kafka: LocalKafka) -> None:
    def attempt(pair: tuple[str, str]) -> bool:
        seen = next((topic for user, topic in sorted(MAY_READ) if user == pair[0]), "in.hub.v1")
        names = world.names.prefix
        return joins(connection(world, pair[0], local_kafka), names + pair[1], names + seen)

    assert tried(attempt, [(user, group) for user in USERS for group in GROUPS]) == MAY_JOIN


@pytest.mark.kafka
@pytest.mark.parametrize("user", [user for user in USERS if user != "hub-deployer"])
def test_nobody_but_the_deployer_makes_topics_or_sees_rights(world: World, user: str) -> None:
    client = KafkaAdminClient(**connection(world, user).client_options(), request_timeout_ms=2000)
    try:
        with pytest.raises((ClusterAuthorizationFailedError, TopicAuthorizationFailedError)):
            client.create_topics([f"{world.names.prefix}in.{user}-more.v1"])
        with pytest.raises(TopicAuthorizationFailedError):
            client.delete_topics([f"{world.names.prefix}out.psy.v1"])
        with pytest.raises(ClusterAuthorizationFailedError):
            client.describe_acls(EVERY_RIGHT)
        with pytest.raises(TransportFailure, match="ClusterAuthorizationFailedError"):
            create_acls(client, deployer_acls(user))
        with pytest.raises((KafkaError, TransportFailure)):
            create_users(client, {f"{world.names.prefix}more": "password"})
    finally:
        client.close()
    reader = connection(world, "psy")
    assert reads_metadata(reader, f"{world.names.prefix}out.psy.v1")


@pytest.mark.kafka
@pytest.mark.parametrize("user", ["a-soc", "hub-sender"])
def test_nobody_has_a_transactional_id(world: World, user: str) -> None:
    options = connection(world, user).producer_options() | {"transactional_id": f"{world.names.prefix}{user}.t"}
    producer = KafkaProducer(**options, max_block_ms=10_000)
    try:
        with pytest.raises(TransactionalIdAuthorizationFailedError):
            producer.init_transactions()
    finally:
        producer.close(timeout=2)


@pytest.mark.kafka
def test_worlds_share_a_broker_and_nothing_else(filled: World, make_world: MakeWorld) -> None:
    other = make_world(REGISTRY)
    topic = f"{filled.names.prefix}out.psy.v1"
    assert not writes(connection(other, "hub-sender"), topic)
    assert not reads(connection(other, "psy"), topic, 1.0)
    assert not joins(connection(other, "psy"), f"{filled.names.prefix}psy.views", topic)
    with pytest.raises(NotFound, match="not of world"):
        other.connection(filled.names.user("PSY"))


@pytest.mark.kafka
def test_a_wrong_password_gets_nowhere(world: World) -> None:
    right = connection(world, "psy")
    wrong = KafkaConnection(right.bootstrap, right.user, "not-the-password")
    with pytest.raises(KafkaTimeoutError):
        KafkaConsumer(**wrong.consumer_options(), bootstrap_timeout_ms=1500)


API_NAMES = {
    0: "Produce",
    1: "Fetch",
    3: "Metadata",
    10: "FindCoordinator",
    17: "SaslHandshake",
    18: "ApiVersions",
    19: "CreateTopics",
    32: "DescribeConfigs",
    50: "DescribeUserScramCredentials",
    52: "Vote",
    55: "DescribeQuorum",
    59: "FetchSnapshot",
    60: "DescribeCluster",
    62: "BrokerRegistration",
}


@pytest.mark.kafka
def test_no_listener_answers_a_stranger_more_than_versions_and_the_handshake(local_kafka: LocalKafka) -> None:
    answered = {
        (port, name)
        for port in local_kafka.ports
        for key, name in API_NAMES.items()
        if answers_without_credentials(port, key)
    }
    assert answered == {(port, name) for port in local_kafka.ports for name in ("ApiVersions", "SaslHandshake")}


def answers_without_credentials(port: int, api_key: int) -> bool:
    """Send one request as a stranger and say whether anything but a closed connection comes back."""
    body = struct.pack(">h", 13) + b"SCRAM-SHA-512" if api_key == 17 else b"\0" * 64
    version = 1 if api_key == 17 else 0
    request = struct.pack(">hhih", api_key, version, 7, 1) + b"x" + (b"" if api_key == 18 else body)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
        stranger.sendall(struct.pack(">i", len(request)) + request)
        stranger.settimeout(5)
        try:
            head = stranger.recv(8)
        except ConnectionResetError:
            return False
        return len(head) == 8 and struct.unpack(">ii", head)[1] == 7


@pytest.mark.parametrize("name", ["HUB", "HUB.READER", "hub.sender", "AUDITOR", "IN", "broker"])
def test_a_party_that_could_pass_for_the_hub_is_refused(name: str) -> None:
    with pytest.raises(BadRegistry, match="name of the hub's own"):
        check_names(PartyRegistry.of([Party(name)]))


def tried(attempt: object, pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """The pairs for which `attempt` succeeds; several at a time, since a denied read has to be waited for."""
    assert callable(attempt)
    with ThreadPoolExecutor(6) as pool:
        return {pair for pair, done in zip(pairs, pool.map(attempt, pairs), strict=True) if done}


def reads_metadata(there: KafkaConnection, topic: str) -> bool:
    consumer = KafkaConsumer(**there.consumer_options())
    try:
        return set(consumer.partitions_for_topic(topic) or ()) == {0}
    finally:
        consumer.close()
