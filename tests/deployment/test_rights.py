"""What belongs to the cluster and to nobody but the deployer, worlds beside each other, and strangers.

Which user may do what with topics and groups is tried one by one in `test_acl_matrix`.
"""

from __future__ import annotations

import socket
import struct
import uuid
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
)

from contracts.connection import KafkaConnection
from contracts.failures import BadRegistry, NotFound, TransportFailure
from contracts.parties import Party, PartyRegistry
from contracts.topics import Names
from deploy.local_kafka import LocalKafka
from deploy.rights import check_names, deployer_rights, grant, party_rights
from deploy.rights_check import EVERY_RIGHT
from deploy.users import create_users
from deploy.world import World
from deploy.world_making import create_world
from tests.conftest import MakeWorld
from tests.deployment.attempts import Attempts

REGISTRY = PartyRegistry.of([Party("A.SOC"), Party("PSY")])
USERS = ("a-soc", "psy", "hub-reader", "hub-sender", "hub-operator", "hub-auditor", "hub-cleaner")


@pytest.fixture(scope="module")
def world(make_world: MakeWorld) -> World:
    return make_world(REGISTRY)


def connection(world: World, user: str) -> KafkaConnection:
    return world.connection(world.names.prefix + user)


@pytest.mark.kafka
@pytest.mark.parametrize("user", USERS)
def test_nobody_but_the_deployer_makes_topics_or_sees_rights(world: World, user: str) -> None:
    client = KafkaAdminClient(**connection(world, user).client_options(), request_timeout_ms=2000)
    try:
        with pytest.raises((ClusterAuthorizationFailedError, TopicAuthorizationFailedError)):
            client.create_topics([f"{world.names.prefix}in.{user}-more.v1"])
        with pytest.raises(TopicAuthorizationFailedError):
            client.delete_topics([world.names.checkpoints])
        with pytest.raises(ClusterAuthorizationFailedError):
            client.describe_acls(EVERY_RIGHT)
        with pytest.raises(TransportFailure, match="ClusterAuthorizationFailedError"):
            grant(client, deployer_rights(user))
        with pytest.raises((KafkaError, TransportFailure)):
            create_users(client, {f"{world.names.prefix}more": "password"})
    finally:
        client.close()
    assert reads_metadata(connection(world, "psy"), world.names.checkpoints)


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
def test_worlds_share_a_broker_and_nothing_else(world: World, make_world: MakeWorld) -> None:
    other = make_world(REGISTRY)
    topic, group = world.names.output("PSY"), world.names.party_group("PSY", "views")
    for user in USERS:
        stranger = Attempts(connection(other, user))
        assert stranger.writing([topic, world.names.hub_input]) == set()
        assert stranger.reading([topic]) == set()
        assert stranger.deleting([topic]) == set()
        assert stranger.seeing_groups([group]) == set()
    with pytest.raises(NotFound, match="not of world"):
        other.connection(world.names.user("PSY"))


@pytest.mark.kafka
def test_a_user_that_is_there_without_rights_keeps_its_password(
    local_kafka: LocalKafka, make_world: MakeWorld, tmp_path: Path
) -> None:
    """As a super user has none that a client could see. What a hub of this name left is its own by rights."""

    def make() -> World:
        return create_world(tmp_path / "w", local_kafka.admin, REGISTRY, partitions=1, played=True, world_name=name)

    topic, name = make_world(REGISTRY).names.checkpoints, f"left-{uuid.uuid4().hex[:6]}"
    stranger, password = Names(name).user("PSY"), "password-of-another"
    client = KafkaAdminClient(**local_kafka.admin.client_options())
    try:
        create_users(client, {stranger: password})
        with pytest.raises(BadRegistry, match=f"user `{stranger}` is on the cluster already"):
            make()
        assert not reads_metadata(KafkaConnection(local_kafka.bootstrap, stranger, password), topic)
        grant(client, party_rights(Names(name), "PSY"))
    finally:
        client.close()
    made = make()
    assert reads_metadata(connection(made, "psy"), made.names.checkpoints)


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
    ports = [port for port in local_kafka.ports if not speaks_tls(port)]
    assert len(ports) == 2
    answered = {
        (port, name) for port in ports for key, name in API_NAMES.items() if answers_without_credentials(port, key)
    }
    assert answered == {(port, name) for port in ports for name in ("ApiVersions", "SaslHandshake")}


def speaks_tls(port: int) -> bool:
    """Say whether a listener asks for a TLS handshake first; the answer to anything else is an alert."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
        stranger.sendall(struct.pack(">ihhih", 11, 18, 0, 7, 1) + b"x")
        return stranger.recv(8)[:1] == b"\x15"


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


def reads_metadata(there: KafkaConnection, topic: str) -> bool:
    consumer = KafkaConsumer(**there.consumer_options())
    try:
        return set(consumer.partitions_for_topic(topic) or ()) == {0}
    finally:
        consumer.close()
