"""`hub store check` on the stores of a world, and what `hub store skip` says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.hub_places import shard_path
from deploy.store_command import store
from deploy.world import World
from hub.shard.older_store import Ahead, Skipped
from tests.deployment.stored_world import stored_world


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = stored_world(tmp_path_factory.mktemp("world")).directory
    named(made, "test")
    shard_path(World.open(made), 0).chmod(0o600)
    return made


def named(directory: Path, name: str) -> None:
    """Give a world the name for which its stores were made, or another one."""
    replace(World.open(directory), name=name).write()


def check(directory: Path, *words: str) -> Result:
    return CliRunner().invoke(store, ["check", "--world", str(directory), *words])


def test_whole_stores_safely_kept_are_said_to_be_so(directory: Path) -> None:
    done = check(directory)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("shard 0: whole; ")
    (report,) = json.loads(check(directory, "--json").stdout)
    assert report["faults"] == []
    assert report["batches"] > 0


def test_the_store_of_another_world_is_told(directory: Path) -> None:
    named(directory, "other")
    try:
        done = check(directory)
    finally:
        named(directory, "test")
    assert done.exit_code == 1
    assert "the store is for world `test`, expected `other`" in done.stdout


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


def test_what_was_skipped_is_said_also_where_nobody_was_told_more(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skipped = [Skipped({}, {"A.SOC": 7}, {}), Skipped({"PRI": Ahead(9, 4)}, {}, {"PSY": [2]})]
    monkeypatch.setattr("deploy.hub_process.worker_settings", lambda *_, **__: None)
    monkeypatch.setattr("hub.wiring.skip_told_numbers", lambda _: skipped)
    run = CliRunner().invoke
    assert json.loads(run(store, ["skip", "--json", "--world", str(directory)]).stdout) == [
        {"shard": 1, "party": "PRI", "given": 4, "told": 9},
        {"shard": 0, "party": "A.SOC", "parked": 7},
        {"shard": 1, "party": "PSY", "lost": 2},
    ]
    told, parked, lost, last = run(store, ["skip", "--world", str(directory)]).stdout.splitlines()
    assert told.startswith("shard 1: PRI was told up to 9")
    assert parked.startswith("shard 0: records of A.SOC were parked and resolved up to number 7")
    assert lost.startswith("shard 1: parked record 2 of PSY was resolved since")
    assert last == "start the hub now"
    skipped.clear()
    assert run(store, ["skip", "--world", str(directory)]).stdout.startswith("nothing to skip")
