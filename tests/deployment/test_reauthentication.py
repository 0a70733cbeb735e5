"""An open connection is looked at again: who stays a user stays connected, who was locked is thrown out in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
from kafka.admin import KafkaAdminClient

from contracts.connection import KafkaConnection
from contracts.failures import TransportFailure
from contracts.parties import Party, PartyRegistry
from deploy.kafka.configuration import REAUTHENTICATION_MS
from deploy.local_kafka import LocalKafka
from deploy.users import lock_users
from deploy.world import World
from deploy.world_making import create_world
from producers.kafka_transport import KafkaTransport

PERIOD_SECONDS: Final = 2.5
"""Kafka takes no second authentication within a second of the first."""
TIMEOUT_SECONDS: Final = 5.0
PARTIES: Final = ("A.SOC", "PSY", "PRI", "A.JOB")
LOCKED: Final = ("A.SOC", "PSY")
OVER_TLS: Final = ("PSY", "A.JOB")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker of its own: the period is a setting that only a start reads."""
    directory = tmp_path_factory.mktemp("short-period")
    with LocalKafka(directory, reauthentication_ms=int(PERIOD_SECONDS * 1000)) as broker:
        yield broker


@pytest.fixture(scope="module")
def world(kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> World:
    registry = PartyRegistry.of([Party(party) for party in PARTIES])
    return create_world(tmp_path_factory.mktemp("world") / "w", kafka.admin, registry, partitions=1, played=True)


def connection(world: World, kafka: LocalKafka, party: str) -> KafkaConnection:
    """By password in the open, or over TLS."""
    plain = world.connection(world.names.user(party))
    if party not in OVER_TLS:
        return plain
    return replace(
        plain,
        bootstrap=kafka.bootstrap_for("SASL_SSL"),
        security_protocol="SASL_SSL",
        ca_file=str(kafka.authority.file),
    )


def writes(transport: KafkaTransport, world: World, party: str) -> bool:
    try:
        write(transport, world, party)
    except TransportFailure:
        return False
    return True


def write(transport: KafkaTransport, world: World, party: str) -> None:
    transport.send(world.names.input(party), b"k", b"v", [], timestamp_ms=1)


@pytest.mark.kafka
def test_locked_users_are_thrown_out_of_open_connections_and_others_are_not(kafka: LocalKafka, world: World) -> None:
    transports = {party: KafkaTransport(connection(world, kafka, party), TIMEOUT_SECONDS) for party in PARTIES}
    try:
        started = time.monotonic()
        while time.monotonic() < started + 2.2 * PERIOD_SECONDS:
            for party in PARTIES:
                write(transports[party], world, party)
            time.sleep(0.1)
        administrator = KafkaAdminClient(**kafka.admin.client_options())
        lock_users(administrator, [world.names.user(party) for party in LOCKED])
        administrator.close()
        locked_at = time.monotonic()
        inside = set(LOCKED)
        while inside:
            assert time.monotonic() < locked_at + PERIOD_SECONDS + TIMEOUT_SECONDS, f"{inside} write on and on"
            inside = {party for party in inside if writes(transports[party], world, party)}
        for party in set(PARTIES) - set(LOCKED):
            write(transports[party], world, party)
    finally:
        for transport in transports.values():
            transport.close()


def test_the_period_of_a_local_broker_is_five_minutes(kafka: LocalKafka) -> None:
    assert REAUTHENTICATION_MS == 300_000
    properties = (kafka.log_file.parent / "server.properties").read_text(encoding="utf-8")
    assert f"connections.max.reauth.ms={int(PERIOD_SECONDS * 1000)}\n" in properties
