"""`hub view board`, and `hub views list`, `status` and `rebuild`."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from consumers import store_file
from consumers.store import store_path
from consumers.views.choice import VIEWS
from contracts.failures import CallerFailure
from contracts.parties import Party, PartyRegistry
from deploy.view_command import view
from deploy.views_command import views
from deploy.world import World
from tests.consumers.test_board import CITIZENS, filled


@pytest.fixture
def world_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    registry = PartyRegistry.of([Party("PRI"), Party("GOV")])
    World(tmp_path, registry, "w", "127.0.0.1:1", "SASL_PLAINTEXT", None, 3, True, {}, bytes(32), bytes(32)).write()
    for party_id in ("PRI", "GOV"):
        filled(store_path(tmp_path, party_id), party_id).close()
    monkeypatch.setenv("HUB_WORLD_DIRECTORY", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("world_directory")
def test_view_board_prints_the_board_of_a_day() -> None:
    run = CliRunner().invoke
    text = run(view, ["board", "PRI", "--as-of", "2025-11-03", "--language", "da", "--known", "0"])
    assert text.exit_code == 0, text.output
    assert "Løslades inden 30 dage, noget er ikke kendt her (1)" in text.output
    assert f"* {CITIZENS[1]}" in text.output
    assert "*" not in run(view, ["board", "PRI", "--as-of", "2025-11-03"]).output
    values = json.loads(run(view, ["board", "PRI", "--as-of", "2025-11-03", "--json"]).output)
    assert [line["key"] for line in values["lists"]["left"]] == [CITIZENS[3]]
    today = json.loads(run(view, ["board", "PRI", "--json"]).output)
    assert today["as_of"] != values["as_of"]


@pytest.mark.usefixtures("world_directory")
def test_who_sees_counts_only_is_shown_no_line() -> None:
    run = CliRunner().invoke
    text = run(view, ["board", "GOV"]).output
    assert not any(citizen in text for citizen in CITIZENS)
    for arguments in (["show", "GOV"], ["show", "GOV", CITIZENS[3]]):
        refused = run(view, arguments)
        assert isinstance(refused.exception, CallerFailure)
        assert refused.output == ""


@pytest.mark.usefixtures("world_directory")
def test_views_are_listed_told_and_rebuilt_by_command() -> None:
    run = CliRunner().invoke
    listed = json.loads(run(views, ["list", "--json"]).output)
    assert {one["view"] for one in listed} == set(VIEWS)
    assert "steering        GOV OPS  counts only" in run(views, ["list"]).output
    before = json.loads(run(views, ["status", "PRI", "--json"]).output)
    assert [(one["version"], one["built_from"]) for one in before["versions"]] == [(1, {})]
    assert run(views, ["rebuild", "PRI"]).output.endswith("version 2 of prison is live: 4 lines\n")
    after = json.loads(run(views, ["status", "PRI", "--json"]).output)
    (live,) = after["versions"]
    assert (live["version"], live["built_from"], live["stale"]) == (2, before["read_to"], False)
    text = run(views, ["status", "PRI"]).output
    assert "version 2 of prison, live: 4 lines, 0 waiting" in text
    assert not any(citizen in text for citizen in CITIZENS)


def test_a_rebuild_that_cannot_write_says_that_the_live_view_stands(
    world_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_file, "_BUSY_TIMEOUT_MS", 20)
    writer = sqlite3.connect(store_path(world_directory, "PRI"), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    refused = CliRunner().invoke(views, ["rebuild", "PRI"])
    writer.close()
    assert isinstance(refused.exception, CallerFailure)
    assert "the live view stands" in str(refused.exception)
    assert CliRunner().invoke(views, ["rebuild", "PRI"]).exit_code == 0
