"""Nothing is loaded that is not used: a command, or a worker after a crash, is there as soon as what it needs is.

What takes longest to load are the clients of databases and of Kafka. Each program is run as a process of its own and
asked what it has loaded at its end.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

from tests.deployment.conftest import ROOT
from tests.deployment.stored_world import StoredWorld, stored_world

POSTGRES: Final = frozenset({"psycopg", "psycopg_pool", "psycopg_binary"})
KAFKA: Final = frozenset({"kafka", "confluent_kafka"})
METRICS: Final = frozenset({"prometheus_client"})
LOADED_LAST: Final = """
import json, sys
def tell_what_is_loaded():
    print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
COMMAND: Final = """
from deploy import command_line
sys.argv[0] = "hub"
code = command_line.run()
tell_what_is_loaded()
sys.exit(code)
"""
WORKER: Final = """
import hub.__main__
from contextlib import closing
from pathlib import Path
from deploy.hub_places import world_stores
from deploy.world import World
world = World.open(Path(sys.argv[1]))
place = world_stores(world)
with closing(place.open_keys(world.master_key)) as keys:
    with closing(place.open_for_reading(0, keys)) as reader:
        identity = reader.identity()
    with closing(place.open_store(identity, keys)) as store:
        assert store.head().batch > 0
tell_what_is_loaded()
"""
PLACE_IN_DATABASES: Final = """
from pathlib import Path
from hub.store.places import place_of
place_of(Path(), "postgresql://hub@db/shards", "postgresql://hub@db/keys")
tell_what_is_loaded()
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> StoredWorld:
    return stored_world(tmp_path_factory.mktemp("loading"))


def loaded(program: str, *arguments: str) -> set[str]:
    """The packages that `program` has loaded at its end, which must be a good one."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED_LAST + program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_list_of_commands_loads_no_command() -> None:
    packages = loaded(COMMAND, "--help")
    assert "click" in packages
    assert (
        packages & (POSTGRES | KAFKA | METRICS | {"hub", "consumers", "producers", "pydantic", "cryptography"}) == set()
    )


@pytest.mark.parametrize(
    "command",
    [
        ["parked", "list"],
        ["publishers"],
        ["withdrawals", "list"],
        ["emergency", "list"],
        ["store", "check"],
        ["keys", "list"],
        ["agreement", "list"],
        ["governance", "figures"],
        ["continuity", "indicators"],
    ],
    ids=" ".join,
)
def test_a_command_that_reads_stores_in_files_loads_no_other_database_and_no_client_of_kafka(
    world: StoredWorld, command: list[str]
) -> None:
    packages = loaded(COMMAND, *command, "--world", str(world.directory))
    assert {"hub", "sqlite3"} <= packages
    assert packages & (POSTGRES | KAFKA | METRICS) == set()


def test_the_contracts_are_listed_without_any_part_of_a_hub() -> None:
    packages = loaded(COMMAND, "contracts", "list")
    assert "contracts" in packages
    assert packages & (POSTGRES | KAFKA | METRICS | {"hub", "pydantic_settings"}) == set()


@pytest.mark.parametrize("command", ["view", "views"])
def test_the_views_of_an_agency_load_neither(command: str) -> None:
    packages = loaded(COMMAND, command, "--help")
    assert "consumers" in packages
    assert packages & (POSTGRES | KAFKA | METRICS) == set()


def test_a_worker_on_files_loads_no_other_database(world: StoredWorld) -> None:
    packages = loaded(WORKER, str(world.directory))
    assert packages >= KAFKA
    assert packages & POSTGRES == set()


def test_a_hub_in_databases_loads_their_driver_before_it_opens_one() -> None:
    assert "psycopg" in loaded(PLACE_IN_DATABASES)
