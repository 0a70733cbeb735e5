"""What the seeds ask for and no other scenario plays: `vignettes.md`, against the decision and through the real hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.scenario.core_world import CoreWorld
from deploy.scenario.expansion import expand
from deploy.scenario.grammar import read_scenarios
from deploy.scenario.player import play
from deploy.scenario.scenario import Scenario
from tests.consent.scenario_cases import PlayedCase
from tests.consent.test_oracle_views import readable

VIGNETTES = read_scenarios(Path(__file__).with_name("vignettes.md"))


@pytest.mark.parametrize("scenario", VIGNETTES, ids=lambda scenario: scenario.id)
def test_each_view_is_as_the_seeds_ask(scenario: Scenario) -> None:
    case = PlayedCase.of(scenario)
    assert scenario.view_count > 0
    for expectation in scenario.expectations:
        standing = case.standing(expectation.at)
        for party, expected in expectation.views.items():
            got = readable(case.view(expectation.at, party, standing))
            assert got == readable(expected), f"line {expectation.line}, {party}"


@pytest.mark.parametrize("scenario", VIGNETTES, ids=lambda scenario: scenario.id)
def test_each_view_reaches_its_party_through_the_whole_hub(scenario: Scenario) -> None:
    playbook = expand(scenario)
    world = CoreWorld(playbook.registry)
    try:
        outcome = play(playbook, world)
    finally:
        world.close()
    assert [f"{view.party}: {difference}" for view in outcome.views for difference in view.differences] == []
    assert outcome.parked == ()
    assert len(outcome.views) == scenario.view_count
