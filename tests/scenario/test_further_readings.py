"""The rules and the grammar read a second and a third time: every view and value, through the whole hub in one process.

The expected lines were written from the text of the domain specification before the code was read. Where they
differed from the hub, the text decided.
"""

from __future__ import annotations

import pytest

from contracts.catalogue import catalogue
from contracts.categories import Category
from deploy.scenario.indicators import stated_indicators
from deploy.scenario.scenario import Scenario
from tests.scenario import second_reading as second
from tests.scenario import third_reading as third
from tests.scenario.vignettes import played

SCENARIOS = [*second.second_reading(), *third.third_reading()]
REFUSED = {**second.REFUSED, **third.REFUSED}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.id} {scenario.title[:40]}")
def test_every_view_and_every_value_is_as_the_text_says(scenario: Scenario) -> None:
    outcome = played(scenario)
    assert [f"{view.party}: {difference}" for view in outcome.views for difference in view.differences] == []
    assert [f"{each.stated.label}: {each.got}" for each in outcome.indicators if not each.is_equal] == []
    assert len(outcome.views) == scenario.view_count > 0
    assert len(outcome.indicators) == len(stated_indicators(scenario.indicators, scenario.id))
    reasons = (line.replace(",", ":").split(":")[:2] for line in outcome.parked)
    assert {event: reason.strip() for event, reason in reasons} == REFUSED.get(scenario.id, {})


def test_each_scenario_has_a_name_of_its_own() -> None:
    assert len({scenario.id for scenario in SCENARIOS}) == len(SCENARIOS)
    assert REFUSED.keys() <= {scenario.id for scenario in SCENARIOS}


def test_the_readings_are_wide() -> None:
    """Every basis that there is, every category, both countries, and boundaries to the second."""
    shown = [
        (basis.partition(":")[0], mask)
        for scenario in SCENARIOS
        for expectation in scenario.expectations
        for view in expectation.views.values()
        for granted in view.values()
        for basis, mask in granted.items()
    ]
    statutory = {f"S{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14)}
    assert {basis for basis, _ in shown} == statutory | {"C", "BG"}
    seen = 0
    for _, mask in shown:
        seen |= mask
    assert seen.bit_count() == len(set(Category) - {Category.CO, Category.ID})
    assert {scenario.jurisdiction for scenario in SCENARIOS} == {"DK", "SE"}
    assert sum(scenario.view_count for scenario in SCENARIOS) > 1_400
    stated = [each for scenario in SCENARIOS for each in stated_indicators(scenario.indicators, scenario.id)]
    assert len(stated) > 120
    assert {event.type for scenario in SCENARIOS for event in scenario.events} <= set(catalogue().event_types)
