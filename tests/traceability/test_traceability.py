"""Keeps `requirements.toml` true: every row of the seeds names what shows it, and says so where something is missing.

Rules:
- The rows are those of the domain specification, section 3; none disappears. Their ids are pinned here.
- A test that a row names stands in its file (read, not run); a scenario is in the project's own files; an event type,
  a field, its category, a code and a role are those of the catalogue.
- What a row says is carried is played: each of its event types is in one of its scenarios or named in one of its tests.
- A feature is built once it names its tests. A row is open exactly while one of its features is not built.
"""

from __future__ import annotations

import ast
import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import catalogue
from contracts.event_types import ANY_ROLE
from tests.traceability.test_requirements import every_scenario

ROOT = Path(__file__).parents[2]
TABLE = tomllib.loads(Path(__file__).with_name("requirements.toml").read_text(encoding="utf-8"))
ROWS: list[dict[str, Any]] = TABLE["row"]
FEATURES: dict[str, dict[str, Any]] = TABLE["feature"]
ROWS_OF_SEED = {"000": 7, "001": 7, "002": 5, "003": 10, "004": 7}
IDS = [f"{seed}-{place}" for seed, count in ROWS_OF_SEED.items() for place in range(1, count + 1)]
KEYS = {"id", "named", "requirement", "events", "contract", "scenarios", "tests", "features", "open"}

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["id"]))
each_feature = pytest.mark.parametrize("name", FEATURES)


@lru_cache(maxsize=64)
def said_in(file: str) -> dict[str, str]:
    """The tests of a file by name: what each says, together with what the file says outside of functions."""
    path = ROOT / file
    assert file.startswith("tests/") and path.name.startswith("test_"), file
    assert path.is_file(), f"{file} is not there"
    text = path.read_text(encoding="utf-8")
    around, found = [], {}
    for node in ast.parse(text).body:
        segment = ast.get_source_segment(text, node, padded=False) or ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("test_"):
                decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
                found[node.name] = f"{decorators}\n{segment}"
        else:
            around.append(segment)
    return {name: "\n".join([*around, said]) for name, said in found.items()}


def what_says(test: str) -> str:
    """The words of a test named `tests/...::test_name`; fails where it does not exist."""
    file, mark, name = test.partition("::")
    assert mark and name in said_in(file), f"{test} does not exist"
    return said_in(file)[name]


def built(feature: str) -> bool:
    return bool(FEATURES[feature]["shown_by"])


def missing(row: dict[str, Any]) -> list[str]:
    """The features of a row that are not built."""
    return [feature for feature in row.get("features", ()) if not built(feature)]


def test_no_row_disappears() -> None:
    assert [row["id"] for row in ROWS] == IDS
    assert len(IDS) == 36


@each_row
def test_a_row_says_what_is_named_what_it_asks_for_and_what_shows_it(row: dict[str, Any]) -> None:
    assert set(row) <= KEYS
    assert len(row["named"]) > 10 and len(row["requirement"]) > 20
    assert row["events"] and row["contract"]
    assert row["tests"] or row["scenarios"], "nothing shows this row: name a test or a scenario, or write one"
    for test in row["tests"]:
        what_says(test)


@each_row
def test_every_scenario_of_a_row_is_there_and_plays_something_of_it(row: dict[str, Any]) -> None:
    known = {scenario.id: scenario for scenario in every_scenario()}
    for name in row["scenarios"]:
        assert name in known, f"{name} is no scenario of the project"
        assert known[name].view_count > 0
        assert {event.type for event in known[name].events} & set(row["events"]), f"{name} plays no event of the row"


@each_row
def test_every_event_type_of_a_row_exists_and_is_played_or_named_by_what_shows_it(row: dict[str, Any]) -> None:
    assert set(row["events"]) <= set(catalogue().event_types)
    played = {
        event.type for scenario in every_scenario() if scenario.id in row["scenarios"] for event in scenario.events
    }
    said = "\n".join(what_says(test) for test in row["tests"])
    assert [name for name in row["events"] if name not in played and not re.search(rf"\b{name}\b", said)] == []


@each_row
def test_the_contracts_say_what_a_row_needs(row: dict[str, Any]) -> None:
    contracts = catalogue()
    for line in row["contract"]:
        if " by " in line:
            event, _, role = line.partition(" by ")
            stated_by = contracts.event_types[event].stated_by
            assert role in stated_by and ANY_ROLE not in stated_by, line
        elif "=" in line:
            place, _, symbol = line.partition("=")
            event, _, name = place.partition(".")
            field = contracts.event_types[event].field[name]
            assert symbol in contracts.code_lists[field.type_name].symbols, line
        else:
            place, _, category = line.partition(" ")
            event, _, name = place.partition(".")
            assert contracts.event_types[event].field[name].category == category, line


@each_feature
def test_a_built_feature_names_tests_that_exist(name: str) -> None:
    feature = FEATURES[name]
    assert set(feature) == {"what", "shown_by"} and feature["what"]
    for test in feature["shown_by"]:
        said = what_says(test)
        # An indicator is not shown by a test that does not speak of it.
        assert not name[1:].isdigit() or name in said or "continuity" in test, f"{test} does not speak of {name}"
    assert any(name in row.get("features", ()) for row in ROWS), "no row needs this: leave it out"


@each_row
def test_a_row_is_open_exactly_while_a_feature_of_it_is_not_built(row: dict[str, Any]) -> None:
    assert set(row.get("features", ())) <= set(FEATURES)
    if missing(row):
        assert len(row.get("open", "")) > 20, f"{missing(row)} not built: say under `open` what is missing"
    else:
        assert "open" not in row, "nothing is missing any more: take `open` away"


def test_how_many_rows_are_open(capsys: pytest.CaptureFixture[str]) -> None:
    still_open = [row for row in ROWS if "open" in row]
    unbuilt = sorted(name for name in FEATURES if not built(name))
    with capsys.disabled():
        print(f"\n{len(still_open)} of {len(ROWS)} rows of the seeds are open; not built: {', '.join(unbuilt)}")  # noqa: T201
    assert {row["id"] for row in still_open} == {row["id"] for row in ROWS if missing(row)}
    assert bool(still_open) == bool(unbuilt)
