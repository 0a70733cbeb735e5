"""A resync through the real Kafka: the topic emptied, the store lost, consents end meanwhile, the worker is killed."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from consumers.hub_signatures import HubSignatures
from consumers.kafka_source import KafkaSource
from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.civil_time import instant_of, moment_of
from contracts.failures import MissingNumber
from contracts.parties import Party, PartyRegistry
from deploy.cleaner_command import clean
from deploy.identity_command import opened_identity
from deploy.resync_command import resync
from deploy.world import HUB_KEY
from producers.statement import Statement
from tests.conftest import MakeWorld
from tests.kafka.live_world import PARTITIONS, REGISTRY, LiveWorld
from tests.shard.harness import consent

pytestmark = pytest.mark.kafka

EXTENDED: Final = PartyRegistry.of([*REGISTRY, Party("B.SOC")])
CITIZENS: Final = 24
RECEIVER: Final = "B.SOC"
"""Of another municipality: it sees of a custody what a consent opens, and nothing else."""


@pytest.fixture(scope="module")
def live(make_world: MakeWorld) -> Iterator[LiveWorld]:
    world = LiveWorld(make_world(EXTENDED, partitions=PARTITIONS, played=False))
    yield world
    world.close()


@contextmanager
def receiving(live: LiveWorld, path: Path) -> Iterator[tuple[PartyStore, Subscription]]:
    """A subscription of the receiver on a store of its own."""
    names = live.world.names
    source = KafkaSource(live.world.connection(names.user(RECEIVER)), names, RECEIVER)
    signatures = HubSignatures(names.output(RECEIVER), [live.world.signing_key(HUB_KEY).public])
    with PartyStore.create(path, RECEIVER) as store:
        subscription = Subscription(RECEIVER, source, store, signatures)
        try:
            yield store, subscription
        finally:
            subscription.close()


def consented(live: LiveWorld, national_id: str) -> str:
    """Enrol a citizen, imprison, and let the prison tell the receiver by consent; return the prison's key."""
    with opened_identity(live.world) as identity:
        key = identity.key_for(national_id, "PRI")
    live.imprison(key)
    values = consent(instant_of(live.moment()), ["CU", "OF"], [RECEIVER]) | {"consentId": consent_id(key)}
    timed = {name: moment_of(value) if name in ("at", "validFrom") else value for name, value in values.items()}
    _publish(live, "ConsentGiven", timed, key)
    return key


def consent_id(key: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"consent {key}")


def withdraw(live: LiveWorld, key: str) -> None:
    values = {"consentId": consent_id(key), "at": live.moment(), "by": "SUBJECT"}
    _publish(live, "ConsentWithdrawn", values, key)


def _publish(live: LiveWorld, event_type: str, values: dict[str, Any], key: str) -> None:
    publisher = live.publisher("PRI")
    publisher.publish_many(
        [publisher.prepare(Statement(event_type, values, live.moment()), key=key, source_ref=f"{event_type} {key}")]
    )


def hub_resync(live: LiveWorld, party: str, exit_code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(resync, [party, "--json", "--world", str(live.world.directory)])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return dict(json.loads(result.output)) if exit_code == 0 else {"said": str(result.exception)}


def custodies(store: PartyStore) -> int:
    return sum(event.event_type == "ImprisonmentStarted" for event in store.visible())


def test_a_lost_store_is_whole_again_while_consents_end_and_the_worker_is_killed(
    live: LiveWorld, tmp_path: Path
) -> None:
    keys = [consented(live, f"DK 010190{number:04d}") for number in range(CITIZENS)]
    with receiving(live, tmp_path / "whole.db") as (whole, undisturbed):
        _fill(live, whole, undisturbed, CITIZENS)
        live.wait_until(lambda: _cleaned(live, undisturbed), "what the receiver has confirmed is deleted")
        with receiving(live, tmp_path / "lost.db") as (lost, subscription):
            with pytest.raises(MissingNumber, match="hub resync"):
                for _ in range(100):
                    subscription.advance(0.1)
            assert custodies(lost) == 0
            _resync_under_fire(live, keys)

            def is_there() -> bool:
                for each in (undisturbed, subscription):
                    each.advance(0.05)
                return undisturbed.numbers() == subscription.numbers() and not lost.filling()

            live.wait_until(is_there, "the lost store is whole")
            live.wait_until(lambda: is_there() and custodies(whole) == CITIZENS // 2, "the orders to remove are read")
            assert custodies(lost) == CITIZENS // 2
            assert lost.visible() == whole.visible()
            assert lost.view_lines() == whole.view_lines()
            assert whole.filling() == []


def _fill(live: LiveWorld, store: PartyStore, subscription: Subscription, count: int) -> None:
    def all_there() -> bool:
        subscription.advance(0.05)
        return custodies(store) == count

    live.wait_until(all_there, "the receiver sees every custody")


def _cleaned(live: LiveWorld, subscription: Subscription) -> bool:
    subscription.advance(0.05)
    clean(live.world)
    consumer = KafkaSource(live.world.connection(live.world.names.user(RECEIVER)), live.world.names, RECEIVER)
    try:
        spans = consumer.start({})
    finally:
        consumer.close()
    return all(span.end - span.first == 1 for span in spans.values())  # the last record of each stays


def _resync_under_fire(live: LiveWorld, keys: list[str]) -> None:
    """Ask for the resync; half of the consents end before, beside and after it; the worker is killed twice."""
    ending = keys[: CITIZENS // 2]
    for key in ending[:4]:
        withdraw(live, key)
    failures: list[BaseException] = []

    def asking() -> None:
        try:
            told = hub_resync(live, RECEIVER)
            assert [each["shard"] for each in told["shards"]] == list(range(PARTITIONS))
        except BaseException as failure:
            failures.append(failure)

    asker = threading.Thread(target=asking)
    asker.start()
    try:
        for key in ending[4:8]:
            withdraw(live, key)
        for _ in range(2):
            live.hub.kill()
            live.hub.start()
        for key in ending[8:]:
            withdraw(live, key)
    finally:
        asker.join()
    assert failures == []


def test_a_party_that_is_not_there_is_refused_by_name(live: LiveWorld) -> None:
    said = hub_resync(live, "Z.SOC", exit_code=1)["said"]
    assert "`Z.SOC` is not in the registry" in said


def test_the_metrics_show_no_open_resync_once_all_is_told(live: LiveWorld) -> None:
    hub_resync(live, "A.BEN")
    assert live.metrics()["hub_resyncs_open", 'party="A.BEN",shard="0"'] == 0
    assert live.metrics()["hub_resync_seconds", 'party="A.BEN",shard="0"'] == 0
