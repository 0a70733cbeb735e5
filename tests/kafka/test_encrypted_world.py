"""The whole way over TLS: published, decided and received, by password and by certificate; and who is kept out."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer
from kafka.errors import KafkaTimeoutError

from contracts.connection import KafkaConnection, SecurityProtocol
from contracts.failures import BadSetting
from contracts.topics import Names
from deploy.kafka.certificate_files import CertificateFiles, certificate_files
from deploy.kafka.certificates import Authority
from deploy.kafka.node_state import private_directory
from deploy.local_kafka import LocalKafka
from deploy.world import World
from tests.conftest import MakeWorld
from tests.deployment.attempts import Attempts
from tests.encrypted_world import NOW, encrypted
from tests.kafka.live_world import PARTITIONS, REGISTRY, LiveWorld

WAIT_SECONDS_MAX: Final = 15.0


@pytest.mark.kafka
@pytest.mark.parametrize("security_protocol", ["SASL_SSL", "SSL"])
def test_a_fact_is_published_disclosed_and_received_over_tls(
    local_kafka: LocalKafka, make_world: MakeWorld, security_protocol: SecurityProtocol
) -> None:
    world = make_world(REGISTRY, partitions=PARTITIONS, played=False)
    live = LiveWorld(encrypted(world, local_kafka, security_protocol))
    try:
        stated = live.publish(live.housing())
        live.wait_until(lambda: stated in live.seen_by_prison(), "the fact is disclosed to the prison")
    finally:
        live.close()


@pytest.fixture(scope="module")
def world(local_kafka: LocalKafka, make_world: MakeWorld) -> World:
    return encrypted(make_world(REGISTRY), local_kafka, "SSL")


def connects(connection: KafkaConnection) -> bool:
    """Say whether the broker and a librdkafka client accept each other."""
    errors: list[object] = []
    client = AdminClient(connection.native_client_options() | {"error_cb": errors.append, "log_level": 0})
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not errors:
        assert time.monotonic() < deadline, "neither accepted nor refused"
        try:
            return bool(client.list_topics(timeout=0.2).brokers)
        except KafkaException:
            client.poll(0)
    return False


def python_client_connects(connection: KafkaConnection, seconds: float) -> bool:
    """The same with kafka-python, which only ever says that no broker answered in time."""
    try:
        KafkaConsumer(**connection.consumer_options(), bootstrap_timeout_ms=int(seconds * 1000)).close()
    except KafkaTimeoutError:
        return False
    return True


def by_certificate(world: World, files: CertificateFiles) -> KafkaConnection:
    user = world.names.user("PRI")
    return replace(world.connection(user), certificate_file=str(files.certificate), key_file=str(files.key))


@pytest.mark.kafka
def test_the_certificates_name_is_the_user_whatever_the_settings_say(world: World, local_kafka: LocalKafka) -> None:
    of_others = world.certificate(world.names.user("A.SOC"))
    assert of_others is not None
    attempts = Attempts(by_certificate(world, of_others))
    names = world.names
    assert attempts.writing([names.input("A.SOC"), names.input("PRI")]) == {names.input("A.SOC")}


@pytest.mark.kafka
@pytest.mark.parametrize("common_name", ["broker", "Broker", "A-SOC", "a soc", "*", ""])
def test_a_name_that_is_no_users_is_refused_although_the_authority_signed_it(
    world: World, local_kafka: LocalKafka, tmp_path: Path, common_name: str
) -> None:
    files = certificate_files(tmp_path, "other")
    local_kafka.authority.issue_to_client(files, common_name or " ", NOW)
    assert not connects(by_certificate(world, files))


@pytest.mark.kafka
def test_a_certificate_must_be_the_authoritys_and_valid_today(
    world: World, local_kafka: LocalKafka, tmp_path: Path
) -> None:
    user, files = world.names.user("PRI"), certificate_files(tmp_path, "client")
    local_kafka.authority.issue_to_client(files, user, NOW)
    assert connects(by_certificate(world, files))
    local_kafka.authority.issue_to_client(files, user, NOW - timedelta(days=10), days=9)
    assert not connects(by_certificate(world, files))
    local_kafka.authority.issue_to_server(files, [user], NOW)
    assert not connects(by_certificate(world, files))
    private_directory(tmp_path / "foreign")
    Authority.create(tmp_path / "foreign", "authority of a local hub", NOW).issue_to_client(files, user, NOW)
    assert not connects(by_certificate(world, files))


@pytest.mark.kafka
@pytest.mark.parametrize("security_protocol", ["SASL_SSL", "SSL"])
def test_a_broker_must_prove_itself_under_the_name_it_was_called_by(
    world: World, local_kafka: LocalKafka, tmp_path: Path, security_protocol: SecurityProtocol
) -> None:
    right = replace(
        world.connection(world.names.user("PRI")),
        bootstrap=local_kafka.bootstrap_for(security_protocol),
        security_protocol=security_protocol,
    )
    port = right.bootstrap.partition(":")[2]
    private_directory(tmp_path / "foreign")
    foreign = Authority.create(tmp_path / "foreign", "another authority", NOW)
    # The same address written otherwise: it is reached, and is no name of the certificate.
    wrong = (
        replace(right, bootstrap=f"127.1:{port}"),
        replace(right, ca_file=str(foreign.file)),
        replace(right, ca_file=None),
    )
    assert connects(right)
    assert connects(replace(right, bootstrap=f"localhost:{port}"))
    assert [connects(connection) for connection in wrong] == [False] * 3
    assert python_client_connects(right, WAIT_SECONDS_MAX)
    assert [python_client_connects(connection, 0.5) for connection in wrong] == [False] * 3


@pytest.mark.kafka
def test_each_listener_takes_its_own_proof_alone(world: World, local_kafka: LocalKafka) -> None:
    user = world.names.user("PRI")
    certified = world.connection(user)
    password = replace(certified, security_protocol="SASL_SSL", certificate_file=None, key_file=None)
    assert not connects(password)
    assert not connects(replace(certified, bootstrap=local_kafka.bootstrap_for("SASL_SSL")))
    assert not connects(replace(password, security_protocol="SASL_PLAINTEXT"))


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        ({"security_protocol": "PLAINTEXT", "password": "x"}, "security protocol `PLAINTEXT`"),
        ({"security_protocol": "SSL", "password": "x"}, "expected a certificate file and a key file"),
        ({"security_protocol": "SSL", "certificate_file": "x"}, "expected a certificate file and a key file"),
        ({"security_protocol": "SASL_SSL", "certificate_file": "x", "key_file": "x"}, "expected a password"),
        ({}, "expected a password"),
    ],
)
def test_nobody_connects_without_a_proof(proof: dict[str, str], said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        KafkaConnection("127.0.0.1:1", Names().user("PRI"), **proof)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    connection = KafkaConnection("127.0.0.1:1", "pri", "x", "SASL_SSL", ca_file=str(tmp_path / "absent.pem"))
    for options in (connection.client_options, connection.native_client_options):
        with pytest.raises(BadSetting, match=r"ca file `.*absent.pem` of user `pri` is not there"):
            options()
