"""Single Kafka requests of everybody are delayed, held, repeated or cut before the broker: nothing is lost or doubled.

The hub, the agency and the prison's subscription are the real ones, and all of them reach the real broker by the proxy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import pytest

from contracts.failures import TransportFailure
from deploy.local_kafka import LocalKafka
from deploy.stores import opened_stores
from tests.conftest import MakeWorld
from tests.kafka.live_world import PARTITIONS, REGISTRY, WAIT_SECONDS_MAX, LiveWorld
from tests.kafka.out_topics import number_faults, sent_to
from tests.kafka_proxy.proxy import Fault, KafkaProxy, Kind

pytestmark = pytest.mark.kafka

STATED_AT_ONCE = 5
HELD_SECONDS = 1.5
SENDER = "rdkafka"
"""How the library names itself with which the hub alone sends."""
CASES: list[tuple[str, Kind, str]] = [
    ("Produce", "cut answer", SENDER),
    ("Produce", "cut request", SENDER),
    ("Produce", "repeat", SENDER),
    ("Produce", "delay", SENDER),
    ("Produce", "hold", SENDER),
    ("Produce", "cut answer", "kafka-python"),
    ("Produce", "repeat", "kafka-python"),
    ("Fetch", "cut answer", ""),
    ("Fetch", "repeat", ""),
    ("Fetch", "hold", ""),
    ("ListOffsets", "cut answer", ""),
    ("ListOffsets", "hold", ""),
    ("OffsetCommit", "cut answer", ""),
    ("OffsetCommit", "repeat", ""),
    ("Heartbeat", "cut answer", ""),
]
Told = TypeVar("Told")


@dataclass
class Proxied:
    """A hub at work behind the proxy, and what was stated so far."""

    live: LiveWorld
    proxy: KafkaProxy
    stated: set[str] = field(default_factory=set)

    def state(self, count: int) -> None:
        for _ in range(count):
            self.stated.add(_until_it_answers(partial(self.live.publish, self.live.housing())))

    def all_is_seen(self) -> bool:
        return _until_it_answers(self.live.seen_by_prison) == self.stated


@pytest.fixture(scope="module")
def proxied(make_world: MakeWorld, local_kafka: LocalKafka) -> Iterator[Proxied]:
    with KafkaProxy(int(local_kafka.bootstrap.rpartition(":")[2])) as proxy:
        world = replace(make_world(REGISTRY, partitions=PARTITIONS, played=False), bootstrap=proxy.bootstrap)
        live = LiveWorld(world)
        try:
            yield Proxied(live, proxy)
        finally:
            proxy.release()
            live.close()


@pytest.mark.parametrize(("api", "kind", "client"), CASES, ids=lambda part: part.replace(" ", "-") or "any")
def test_a_request_that_goes_wrong_loses_and_doubles_nothing(
    proxied: Proxied, api: str, kind: Kind, client: str
) -> None:
    live = proxied.live
    fault = Fault(api, kind, client)
    proxied.state(STATED_AT_ONCE)
    proxied.proxy.arm(fault)
    proxied.state(1 if kind == "hold" else STATED_AT_ONCE)
    if kind == "hold":
        _wait_until(lambda: fault.met > 0, live)
        time.sleep(HELD_SECONDS)
        proxied.proxy.release()
        proxied.state(STATED_AT_ONCE)
    _wait_until(lambda: proxied.all_is_seen() and fault.met > 0, live)
    assert live.parked() == []
    with opened_stores(live.world) as stores:
        last = {shard: numbers["PRI"] for shard, store in enumerate(stores) if (numbers := store.head().numbers)}
        assert number_faults(sent_to(live.world, "PRI"), last) == []


def _wait_until(condition: Callable[[], bool], live: LiveWorld) -> None:
    live.wait_until(condition, "the fault is met and the prison sees what was stated, each once")


def _until_it_answers(ask: Callable[[], Told]) -> Told:
    """What a client is told that goes on after trouble, as a real one does."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        try:
            return ask()
        except TransportFailure:
            assert time.monotonic() < deadline
            time.sleep(0.1)
