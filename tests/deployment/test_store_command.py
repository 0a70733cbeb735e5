"""`hub store check` on the stores of a world."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.hub_places import shard_path
from deploy.store_command import store
from deploy.world import World
from tests.deployment.stored_world import stored_world


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = stored_world(tmp_path_factory.mktemp("world")).directory
    shard_path(World.open(made), 0).chmod(0o600)
    return made


def check(directory: Path, *words: str) -> Result:
    return CliRunner().invoke(store, ["check", "--world", str(directory), *words])


def test_whole_stores_safely_kept_are_said_to_be_so(directory: Path) -> None:
    done = check(directory)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("shard 0: whole; ")
    (report,) = json.loads(check(directory, "--json").stdout)
    assert report["faults"] == []
    assert report["batches"] > 0


def test_a_file_that_others_can_read_is_told(directory: Path) -> None:
    file = shard_path(World.open(directory), 0)
    file.chmod(0o644)
    try:
        done = check(directory)
    finally:
        file.chmod(0o600)
    assert done.exit_code == 1
    assert "chmod 600" in done.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [("ORIGINATOR_ID_TYPE", "uuid"), ("POSTGRES_ENABLE_DB_FUNCTIONS", "yes"), ("SINGLE_ROW_TRACKING", "no")],
)
def test_an_unsafe_setting_of_the_library_is_told(
    directory: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    done = check(directory)
    assert done.exit_code == 1
    assert f"`{name}`" in done.stdout
