"""A hub on the real broker that is started again: with one more party, then with other rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.kafka_source import KafkaSource
from consumers.store import PartyStore, store_path
from consumers.subscription import Subscription
from contracts.failures import BadRegistry
from contracts.parties import Party, PartyRegistry
from deploy.hub_process import HubProcess
from deploy.identity_command import opened_identity
from deploy.local_kafka import LocalKafka
from deploy.world_making import extend_world
from hub.consent.rule_reader import RULES_FOLDER
from tests.conftest import MakeWorld
from tests.kafka.live_world import NATIONAL_ID, PARTITIONS, REGISTRY, TICK_SECONDS, LiveWorld

pytestmark = pytest.mark.kafka
WITH_JOBCENTRE = PartyRegistry.of([*REGISTRY, Party("A.JOB")])


@pytest.fixture
def live(make_world: MakeWorld) -> Iterator[LiveWorld]:
    world = LiveWorld(make_world(REGISTRY, partitions=PARTITIONS, played=False))
    yield world
    world.close()


def test_who_joins_is_served_and_other_rules_take_back(live: LiveWorld, local_kafka: LocalKafka) -> None:
    with pytest.raises(BadRegistry, match=r"A\.BEN"):
        extend_world(live.world, local_kafka.admin, PartyRegistry.of([Party("A.SOC"), Party("PRI")]))
    world = extend_world(live.world, local_kafka.admin, WITH_JOBCENTRE)
    live.hub.stop()
    live.hub = HubProcess(world, tick_seconds=TICK_SECONDS)
    live.hub.start()
    store = PartyStore.create(store_path(world.directory, "A.JOB"), "A.JOB")
    source = KafkaSource(world.connection(world.names.user("A.JOB")), world.names, "A.JOB")
    subscription = Subscription("A.JOB", source, store)

    def seen() -> list[str]:
        subscription.advance(0.05)
        return [event.event_type for event in store.visible()]

    try:
        live.wait_until(lambda: seen() == ["ImprisonmentStarted"], "the job centre that joined is told of custody (S1)")
        with opened_identity(world) as identity:
            key = identity.key_for(NATIONAL_ID, "A.JOB")
        assert {event.key for event in store.visible()} == {key}
        _without_custody_notice(world.directory)
        live.hub.stop()
        live.hub = HubProcess(world, tick_seconds=TICK_SECONDS)
        live.hub.start()
        live.wait_until(lambda: seen() == [], "custody is taken back from the job centre under the new rules")
    finally:
        live.hub.stop()
        subscription.close()
        store.close()


def _without_custody_notice(directory: Path) -> None:
    folder = directory / "rules"
    folder.mkdir()
    for file in RULES_FOLDER.glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        if file.name == "DK-1.toml":
            text = text.replace('id = "DK-1"', 'id = "DK-2"').replace('"ImprisonmentStarted", "RemandStarted",', "")
        (folder / file.name).write_text(text, encoding="utf-8")
