"""Values that a second reader worked out from the specification's text alone (`second_reading.md`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.scenario.grammar import read_scenarios
from deploy.scenario.scenario import Scenario
from tests.continuity.cases import compared

CASES = read_scenarios(Path(__file__).with_name("second_reading.md"))


@pytest.mark.parametrize("scenario", CASES, ids=lambda scenario: f"{scenario.id}, {scenario.title}")
def test_as_the_text_says(scenario: Scenario) -> None:
    values = compared(scenario)
    assert values
    assert [f"{each.stated.label}: {each.got}, {each.stated.expected}" for each in values if not each.is_equal] == []
