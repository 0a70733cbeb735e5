"""A broker that does not answer: who states something is told so, and nothing is left behind by the attempt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from kafka import KafkaProducer

from contracts.failures import TransportFailure
from contracts.parties import Party, PartyRegistry
from deploy.local_kafka import LocalKafka
from deploy.world import World
from hub.broker.kafka_control import KafkaControl
from producers.kafka_transport import KafkaTransport
from tests.broker.freezing import frozen
from tests.conftest import MakeWorld

pytestmark = pytest.mark.kafka
SECONDS = 2.0
WAIT_SECONDS_MAX = 5.0
TIMES = 2


def waiting_long(**options: Any) -> KafkaProducer:
    """A producer that has not given a record up when whoever states it has."""
    return KafkaProducer(**options | {"delivery_timeout_ms": 120_000, "request_timeout_ms": 60_000})


def states_on_its_topic(world: World) -> tuple[Callable[[], object], Callable[[], None]]:
    connection = world.connection(world.names.user("PRI"))
    transport = KafkaTransport(connection, SECONDS, waiting_long)
    return lambda: transport.send(world.names.input("PRI"), b"key", b"value", []), transport.close


def tells_the_hub(world: World) -> tuple[Callable[[], object], Callable[[], None]]:
    connection = world.connection(world.names.service("reader"))
    control = KafkaControl(connection, world.names, "test", lambda: 1, waiting_long, timeout_seconds=SECONDS)
    return lambda: control.publish(0, "ShardTicked", {}), control.close


def senders() -> int:
    return sum("producer" in thread.name for thread in threading.enumerate())


def senders_come_to(count: int) -> bool:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while senders() > count and time.monotonic() < deadline:
        time.sleep(0.05)
    return senders() <= count


@pytest.mark.parametrize("sender", [states_on_its_topic, tells_the_hub])
def test_whoever_is_not_answered_hears_a_transport_failure_each_time_and_leaves_no_thread_behind(
    make_world: MakeWorld,
    local_kafka: LocalKafka,
    sender: Callable[[World], tuple[Callable[[], object], Callable[[], None]]],
) -> None:
    before = senders()
    send, close = sender(make_world(PartyRegistry.of([Party("PRI")]), partitions=1))
    send()
    for _ in range(TIMES):
        with frozen(local_kafka), pytest.raises(TransportFailure):
            send()
        assert senders_come_to(before)
        send()  # The broker goes on, and so does whoever states.
    close()
    assert senders_come_to(before)
