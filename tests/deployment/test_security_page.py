"""SECURITY.md is true: every test and command that it names is there."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests.deployment.conftest import ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`(tests/[a-z_/]+(?:\.py)?)`", PAGE)))
COMMANDS = sorted(set(re.findall(r"`python -m (tests\.[a-z_]+)", PAGE)))


@pytest.mark.parametrize("place", PLACES)
def test_a_test_that_it_names_is_there(place: str) -> None:
    assert (ROOT / place).exists()


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_that_it_names_can_be_run(module: str) -> None:
    assert importlib.util.find_spec(f"{module}.__main__") is not None


def test_it_names_some_of_both() -> None:
    assert len(PLACES) > 15
    assert len(COMMANDS) > 4


def test_a_row_has_four_cells() -> None:
    _, _, rows = PAGE.partition("| fault or attack |")
    table = [line for line in rows.splitlines()[1:] if line.startswith("|")]
    assert len(table) > 20
    assert {line.count("|") for line in table} == {5}
