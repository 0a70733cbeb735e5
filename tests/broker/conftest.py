"""A world of three parties on the real broker, and its inputs of one partition."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.parties import Party, PartyRegistry
from deploy.world import World
from hub.broker.kafka_inputs import KafkaInputs
from tests.conftest import MakeWorld

REGISTRY = PartyRegistry.of([Party("A.SOC"), Party("PRI"), Party("PSY")])


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(REGISTRY, partitions=2)


@pytest.fixture
def inputs(world: World) -> Iterator[KafkaInputs]:
    opened = KafkaInputs(world.connection(world.names.service("reader")), world.names, REGISTRY, 1)
    yield opened
    opened.close()
