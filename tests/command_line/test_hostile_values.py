"""Times, months and agreements that cannot be: each command says which value, what was expected, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.failures import CallerFailure, InvalidFact
from tests.command_line.calls import outcome
from tests.deployment.stored_world import StoredWorld, stored_world
from tests.shard.harness import CASE

AGREEMENT = {
    "kind": "PARTNERSHIP",
    "parties": ["PRI", "A.SOC"],
    "startsOn": "2025-01-01",
    "categories": ["SUBSTANCE"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> StoredWorld:
    return stored_world(tmp_path_factory.mktemp("stored"))


def _failure(world: StoredWorld, *words: str) -> BaseException | None:
    return outcome(list(words), {"HUB_WORLD_DIRECTORY": str(world.directory)}).exception


@pytest.mark.parametrize("time", ["0001-01-01T00:00", "0001-01-01", "1899-12-31T23:59", "2200-01-01", "9999-12-31"])
@pytest.mark.parametrize(
    "words",
    [
        ("case", "timeline", CASE, "--known-at"),
        ("case", "timeline", CASE, "--valid-at"),
        ("continuity", "indicators", "--known-at"),
        ("agreement", "list", "--known-at"),
        ("rules", "rehearse", "DK", "--since"),
    ],
)
def test_a_time_of_no_year_of_the_contracts_is_refused(world: StoredWorld, words: tuple[str, ...], time: str) -> None:
    failure = _failure(world, *words, time)
    assert isinstance(failure, CallerFailure), failure
    assert str(failure).startswith(f"time `{time}`: expected local civil time as `2025-01-25T09:00`, of the years 1900")


@pytest.mark.parametrize("time", ["1900-01-01T00:00", "2199-12-31T23:59:59"])
def test_the_first_and_the_last_time_of_the_contracts_are_taken(world: StoredWorld, time: str) -> None:
    assert _failure(world, "case", "timeline", CASE, "--valid-at", time) is None


def test_what_was_known_is_asked_from_the_first_time_on_as_far_as_the_hub_has_come(world: StoredWorld) -> None:
    asked = "continuity", "indicators", "--known-at"
    assert _failure(world, *asked, "1900-01-01T00:00") is None
    failure = _failure(world, *asked, "2199-12-31T23:59:59")
    assert str(failure).startswith("time `2199-12-31T23:59:59`: the hub has come as far as ")


@pytest.mark.parametrize("month", ["0001-01", "1899-12", "2200-01", "9999-12"])
@pytest.mark.parametrize("command", ["figures", "draw"])
def test_a_month_of_no_year_of_the_contracts_is_refused(world: StoredWorld, command: str, month: str) -> None:
    failure = _failure(world, "governance", command, "--month", month)
    assert isinstance(failure, CallerFailure), failure
    assert str(failure) == f"month `{month}`: expected one of the years 1900 to 2199"


def test_the_first_and_the_last_month_of_the_contracts_are_looked_at(world: StoredWorld) -> None:
    assert _failure(world, "governance", "figures", "--month", "1900-01") is None
    assert "is not over" in str(_failure(world, "governance", "figures", "--month", "2199-12"))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"parties": 5}, "parties"),
        ({"parties": [["PRI"]]}, "parties[0]"),
        ({"parties": [{"PRI": 1}]}, "parties[0]"),
        ({"parties": None}, "parties"),
        ({"costRule": ["x"]}, "costRule"),
        ({"costRule": {}}, "costRule"),
        ({"agreementId": ["x"]}, "agreementId"),
        ({"categories": "SUBSTANCE"}, "categories"),
    ],
)
def test_an_agreement_of_wrong_types_is_refused_naming_the_field(
    world: StoredWorld, tmp_path: Path, wrong: dict[str, object], field: str
) -> None:
    file = tmp_path / "agreement.json"
    file.write_text(json.dumps(AGREEMENT | wrong))
    failure = _failure(world, "agreement", "register", str(file))
    assert isinstance(failure, InvalidFact), failure
    assert failure.field == field
    assert failure.fix
