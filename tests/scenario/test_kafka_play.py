"""Scenarios played through a real Kafka, the hub being a process of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from contracts.failures import SetupFailure
from deploy.local_kafka import LocalKafka
from deploy.scenario.expansion import Playbook, expand
from deploy.scenario.kafka_world import KafkaWorld
from deploy.scenario.player import play
from tests.scenario.vignettes import CONSENT, CUSTODY, good_release, vignette

pytestmark = pytest.mark.kafka


class Worlds:
    """Makes worlds on the broker and closes those that are left."""

    def __init__(self, kafka: LocalKafka, directory: Path) -> None:
        self.kafka = kafka
        self._directory = directory
        self._open: list[KafkaWorld] = []

    def new(self, playbook: Playbook) -> KafkaWorld:
        name = f"scenario-{uuid.uuid4().hex[:8]}"
        world = KafkaWorld(self.kafka.admin, playbook.registry, self._directory / name, name)
        self._open.append(world)
        return world

    def topics(self) -> set[str]:
        client = KafkaAdminClient(**self.kafka.admin.client_options())
        try:
            return set(client.list_topics())
        finally:
            client.close()

    def close(self) -> None:
        for world in self._open:
            world.close()


@pytest.fixture
def worlds(local_kafka: LocalKafka, tmp_path: Path) -> Iterator[Worlds]:
    made = Worlds(local_kafka, tmp_path)
    yield made
    made.close()


def test_good_release_has_every_expected_view(worlds: Worlds) -> None:
    playbook = expand(good_release())
    outcome = play(playbook, worlds.new(playbook))
    assert [difference for view in outcome.views for difference in view.differences] == []
    assert len(outcome.views) == playbook.scenario.view_count == 20
    assert outcome.parked == ()


def test_difference_and_refused_event_are_reported_and_the_world_leaves_the_cluster(worlds: Worlds) -> None:
    amended = "k2 2025-02-11T10:00 A.HSG ConsentAmended(id=k9 cat=[HO] src=[A.HSG] to=[FAC] for=[TREATMENT])"
    playbook = expand(vignette(f"E {CUSTODY} ;; {CONSENT} ;; {amended}", "X 2025-02-12 | A.SOC: e1 CU=S1 PL=S3"))
    before = worlds.topics()
    world = worlds.new(playbook)
    outcome = play(playbook, world)
    assert outcome.views[0].differences == ("e1: expected CU=S1 PL=S3, got CU=S1 PL=S2",)
    assert [line.partition(",")[0] for line in outcome.parked] == ["k2: unknown_consent"]
    assert worlds.topics() > before
    world.close()
    assert worlds.topics() == before


def test_hub_that_ended_is_reported_and_not_waited_for(worlds: Worlds) -> None:
    playbook = expand(vignette(f"E {CUSTODY}", "X 2025-02-05 | A.SOC: e1 CU=S1 PL=S2"))
    world = worlds.new(playbook)
    world.hub.kill()
    with pytest.raises(SetupFailure, match="the hub ended while a scenario was played"):
        play(playbook, world)
