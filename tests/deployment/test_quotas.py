"""Quotas on the real broker: set, read back, compared; and who takes too much waits while others do not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka.admin import KafkaAdminClient

from contracts.failures import BadSetting, TransportFailure
from contracts.parties import Party, PartyRegistry
from contracts.topics import Names
from deploy.deploy_command import deploy
from deploy.local_kafka import LocalKafka
from deploy.quotas import KINDS, quota_differences, quota_table, quotas_of, read_quotas, set_quotas
from deploy.world import World
from producers.kafka_transport import KafkaTransport
from producers.transport import OutgoingRecord
from tests.conftest import MakeWorld

REGISTRY = PartyRegistry.of([Party("A.SOC"), Party("PSY")])
RECORD_BYTES = 20_000
SLOW_BYTES_PER_SECOND = 7_000
"""Kafka counts over ten seconds: the fourth record is too much, and the fifth waits for more than a second."""


@pytest.fixture
def client(local_kafka: LocalKafka) -> Iterator[KafkaAdminClient]:
    deployer = KafkaAdminClient(**local_kafka.admin.client_options())
    yield deployer
    deployer.close()


@pytest.mark.kafka
def test_quotas_are_set_and_read_back(
    make_world: MakeWorld, client: KafkaAdminClient, local_kafka: LocalKafka, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    world = make_world(REGISTRY)
    (tmp_path / "password").write_text(local_kafka.admin.password, encoding="ascii")
    monkeypatch.setenv("HUB_KAFKA", local_kafka.bootstrap)
    monkeypatch.setenv("HUB_DEPLOYER_PASSWORD_FILE", str(tmp_path / "password"))
    words = ("quotas", "--check", "--world", str(world.directory))
    missing = CliRunner().invoke(deploy, words)
    assert (missing.exit_code, missing.output.splitlines()[-1]) == (1, "12 differences")
    set_quotas(client, quotas_of(world.names, REGISTRY))
    set_quotas(client, quotas_of(world.names, REGISTRY))
    done = CliRunner().invoke(deploy, words)
    assert (done.exit_code, done.output.strip()) == (0, "0 differences")
    set_quotas(
        client, {world.names.user("PSY"): {"producer_byte_rate": 1}, world.names.service("reader"): {KINDS[0]: 5}}
    )
    changed = CliRunner().invoke(deploy, words)
    assert changed.exit_code == 1
    assert changed.output.splitlines() == [
        f"{world.names.service('reader')}  producer_byte_rate  expected none, found 5",
        f"{world.names.user('PSY')}  producer_byte_rate  expected 2097152, found 1",
        "2 differences",
    ]


@pytest.mark.kafka
def test_who_writes_too_much_waits_and_nothing_is_lost(make_world: MakeWorld, client: KafkaAdminClient) -> None:
    world = make_world(REGISTRY)
    set_quotas(client, {world.names.user("PSY"): {"producer_byte_rate": SLOW_BYTES_PER_SECOND}})
    assert seconds_to_write(world, "PSY") > 1.0 + seconds_to_write(world, "A.SOC")


def seconds_to_write(world: World, party: str) -> float:
    """How long four records take after a first one; all of them are stored."""
    transport = KafkaTransport(world.connection(world.names.user(party)))
    record = OutgoingRecord(world.names.input(party), b"k", b"v" * RECORD_BYTES, [], 1)
    try:
        transport.send_many([record])
        began = time.monotonic()
        for _ in range(4):
            transport.send_many([record])
        return time.monotonic() - began
    finally:
        transport.close()


@pytest.mark.kafka
def test_only_the_deployer_sets_and_sees_quotas(make_world: MakeWorld) -> None:
    world = make_world(REGISTRY)
    stranger = KafkaAdminClient(**world.connection(world.names.user("PSY")).client_options())
    try:
        with pytest.raises(TransportFailure, match="ClusterAuthorizationFailedError"):
            set_quotas(stranger, {world.names.user("PSY"): {"producer_byte_rate": 10.0**9}})
        with pytest.raises(TransportFailure, match="ClusterAuthorizationFailedError"):
            read_quotas(stranger)
    finally:
        stranger.close()


def test_every_party_has_a_ceiling_and_what_serves_everybody_has_none() -> None:
    quotas = quotas_of(Names(), REGISTRY)
    assert set(quotas) == {"a-soc", "psy", "hub-operator", "hub-auditor"}
    assert all(set(values) == set(KINDS) for values in quotas.values())


def test_another_hubs_users_are_not_compared() -> None:
    quotas = quotas_of(Names(), REGISTRY)
    found = {**quotas, "w1.psy": {"producer_byte_rate": 1.0}}
    assert quota_differences(quotas, found, frozenset(quotas)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[passer-by]\nproducer_byte_rate = 1\n", "no kind of user"),
        ("[party]\nproducer_byte_rate = 1\n", "expected producer_byte_rate, consumer_byte_rate, request_percentage"),
        ("[party]\nproducer_byte_rate = 0\nconsumer_byte_rate = 1\nrequest_percentage = 1\n", "each above 0"),
    ],
)
def test_a_table_that_says_something_else_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "quotas.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadSetting, match=said):
        quota_table(file)
