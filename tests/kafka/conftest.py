"""The hub at work that the tests of this room share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from tests.conftest import MakeWorld
from tests.kafka.live_world import PARTITIONS, REGISTRY, LiveWorld
from tests.kafka.schema_registry import schema_registry


@pytest.fixture(scope="package")
def live(make_world: MakeWorld) -> Iterator[LiveWorld]:
    """One hub that is never restarted: whatever a test does to it, the next one finds it at work."""
    world = LiveWorld(make_world(REGISTRY, partitions=PARTITIONS, played=False))
    yield world
    world.close()


@pytest.fixture(scope="module")
def registry() -> Iterator[SchemaRegistryClient]:
    """A stock client of a schema registry that has the contracts' schemas."""
    with schema_registry() as address:
        client = SchemaRegistryClient({"url": address})
        yield client
        client.close()
