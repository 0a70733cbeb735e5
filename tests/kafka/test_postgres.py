"""A hub whose stores lie in PostgreSQL, on the real broker: hub and database are ended at once, nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from deploy.local_postgres import LocalPostgres
from deploy.parked_command import parked_lines
from deploy.store_command import store
from tests.conftest import MakeWorld
from tests.kafka.live_world import PARTITIONS, REGISTRY, LiveWorld, raw
from tests.store.postgres_stores import stores_of_a_world

pytestmark = pytest.mark.kafka


@pytest.fixture
def live_on_postgres(make_world: MakeWorld, local_postgres: LocalPostgres) -> Iterator[LiveWorld]:
    urls, owner = stores_of_a_world(local_postgres)
    world = LiveWorld(make_world(REGISTRY, partitions=PARTITIONS, played=False, **urls), owner)
    yield world
    world.close()


def test_a_hub_on_postgres_loses_and_doubles_nothing_when_it_or_its_database_ends_at_once(
    live_on_postgres: LiveWorld, local_postgres: LocalPostgres
) -> None:
    live = live_on_postgres
    stated: set[str] = set()

    def state(count: int) -> None:
        stated.update(live.publish(live.housing()) for _ in range(count))

    state(20)
    local_postgres.stop_at_once()
    state(20)
    local_postgres.start()
    state(20)
    live.hub.kill()
    state(20)
    live.hub.start()
    live.write(raw(live, live.housing(), value=b"\x00not avro"))
    live.wait_until(lambda: live.seen_by_prison() == stated, "the prison sees what was stated, each once")
    live.wait_until(lambda: len(parked_lines(live.world, "A.SOC")) == 1, "the bad record is parked")
    asked = CliRunner().invoke(store, ["check", "--json", "--world", str(live.world.directory)])
    assert asked.exit_code == 0, asked.output
    reports = json.loads(asked.stdout)
    assert [report["shard"] for report in reports] == list(range(PARTITIONS))
    assert sum(report["rows"] for report in reports) > len(stated)
