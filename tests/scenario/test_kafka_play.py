"""Scenarios played through a real Kafka, the hub being a process of its own: all of the project, views and values."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from kafka.admin import KafkaAdminClient

from contracts.failures import SetupFailure
from deploy.local_kafka import LocalKafka
from deploy.scenario.expansion import Playbook, expand
from deploy.scenario.grammar import read_scenarios
from deploy.scenario.indicators import stated_indicators
from deploy.scenario.kafka_world import KafkaWorld
from deploy.scenario.player import Outcome, play
from deploy.scenario.scenario import Scenario
from tests.scenario.second_reading import UNUSUAL, second_reading
from tests.scenario.vignettes import CONSENT, CUSTODY, all_files, vignette

pytestmark = pytest.mark.kafka

PLAYERS: Final = 3
"""Worlds at once: most of a play is waiting for the hub's process to start and for the broker."""


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


def played(kafka: LocalKafka, directory: Path, scenario: Scenario) -> Outcome:
    playbook = expand(scenario)
    world = KafkaWorld(kafka.admin, playbook.registry, directory / scenario.id, f"scenario-{uuid.uuid4().hex[:8]}")
    try:
        return play(playbook, world)
    finally:
        world.close()


def test_every_scenario_of_the_project_has_every_view_and_every_value(local_kafka: LocalKafka, tmp_path: Path) -> None:
    scenarios = [scenario for path in all_files() for scenario in read_scenarios(path)]
    scenarios += [scenario for scenario in second_reading() if scenario.id in UNUSUAL]
    with ThreadPoolExecutor(PLAYERS) as players:
        outcomes = list(players.map(lambda scenario: played(local_kafka, tmp_path, scenario), scenarios))
    for scenario, outcome in zip(scenarios, outcomes, strict=True):
        assert [f"{scenario.id} {view.party}: {view.differences}" for view in outcome.views if not view.is_equal] == []
        assert [f"{scenario.id} {each.stated.label}" for each in outcome.indicators if not each.is_equal] == []
        assert len(outcome.views) == scenario.view_count > 0
        assert len(outcome.indicators) == len(stated_indicators(scenario.indicators, scenario.id))
    assert sum(len(outcome.indicators) for outcome in outcomes) >= 45


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
