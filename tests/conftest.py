"""What every room's tests may ask for: the real broker, once per test process, and worlds of their own on it.

Rule: the tests of a file that ask for a server run in one process, one after the other, so they share its world; each
process has servers of its own. What shares the demo's run stays together too.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator

import pytest

from contracts.parties import PartyRegistry
from deploy.local_kafka import LocalKafka
from deploy.local_postgres import LocalPostgres
from deploy.world import World
from deploy.world_making import create_world
from tests.store.postgres_stores import prepare

MakeWorld = Callable[..., World]


@pytest.hookimpl(tryfirst=True)  # before the plugin that looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "demo_run" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("demo"))
        elif any(item.get_closest_marker(server) for server in ("kafka", "postgres")):
            item.add_marker(pytest.mark.xdist_group(item.location[0]))


@pytest.fixture(scope="session")
def local_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A running broker. A test that kills it starts it again."""
    with LocalKafka(tmp_path_factory.mktemp("kafka"), tuned_for="tests") as kafka:
        yield kafka


@pytest.fixture(scope="session")
def local_postgres() -> Iterator[LocalPostgres]:
    """A running PostgreSQL with the hub's role and databases. A test that ends it starts it again."""
    with LocalPostgres() as server:
        prepare(server)
        yield server


@pytest.fixture(scope="session")
def make_world(local_kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> MakeWorld:
    """`make_world(registry, partitions=1, played=True, store_url=...)` makes a new world on the broker."""
    numbers = itertools.count(1)
    run = uuid.uuid4().hex[:6]

    def make(registry: PartyRegistry, *, partitions: int = 1, played: bool = True, **databases: str) -> World:
        name = f"w{run}-{next(numbers)}"
        directory = tmp_path_factory.mktemp("worlds") / name
        return create_world(
            directory,
            local_kafka.admin,
            registry,
            partitions=partitions,
            played=played,
            world_name=name,
            **databases,
        )

    return make
