"""Every expected view of the oracle scenarios, against the decision alone."""

from __future__ import annotations

import random

import pytest

from contracts.categories import text_of
from deploy.scenario.scenario import Scenario
from tests.consent.scenario_cases import PlayedCase, View, all_scenarios

SCENARIOS = all_scenarios()


def readable(view: View) -> list[str]:
    return sorted(f"{event} {text_of(mask)}={basis}" for event, shown in view.items() for basis, mask in shown.items())


def test_the_oracle_is_there() -> None:
    assert len(SCENARIOS) >= 22
    assert sum(scenario.view_count for scenario in SCENARIOS) >= 200


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_each_view_equals_the_oracle(scenario: Scenario) -> None:
    case = PlayedCase.of(scenario)
    for expectation in scenario.expectations:
        standing = case.standing(expectation.at)
        for party, expected in expectation.views.items():
            got = readable(case.view(expectation.at, party, standing))
            assert got == readable(expected), f"line {expectation.line}, {party}"


def test_two_hundred_shuffles_of_the_facts_give_one_standing() -> None:
    scenario = next(each for each in SCENARIOS if each.id == "SC1")
    case, order = PlayedCase.of(scenario), random.Random(20250106)
    for expectation in scenario.expectations:
        standing = case.standing(expectation.at)
        for _ in range(200 // len(scenario.expectations) + 1):
            shuffled = case.standing(expectation.at, lambda facts: order.sample(facts, len(facts)))
            assert shuffled == standing
            assert shuffled.turning_points == standing.turning_points
