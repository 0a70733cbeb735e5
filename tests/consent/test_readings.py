"""Readings of the rules that the oracle scenarios do not pin: the vignettes of `readings.md`."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.scenario.grammar import read_scenarios
from deploy.scenario.scenario import Scenario
from tests.consent.scenario_cases import PlayedCase
from tests.consent.test_oracle_views import readable

SCENARIOS = read_scenarios(Path(__file__).with_name("readings.md"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.id} {scenario.title[:40]}")
def test_each_view_is_as_the_rules_read(scenario: Scenario) -> None:
    case = PlayedCase.of(scenario)
    for expectation in scenario.expectations:
        standing = case.standing(expectation.at)
        for party, expected in expectation.views.items():
            got = readable(case.view(expectation.at, party, standing))
            assert got == readable(expected), f"line {expectation.line}, {party}"
