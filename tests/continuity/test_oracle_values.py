"""Every indicator value that the scenario files state follows from their facts, in any order of arrival."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.scenario.indicators import compared_indicators, stated_indicators
from deploy.scenario.scenario import Scenario
from hub.continuity.case import KnownCase
from hub.continuity.measures import releases_of
from hub.continuity.terms import terms
from tests.consent.scenario_cases import PlayedCase, all_scenarios
from tests.continuity.cases import compared, recorded

STATING = [scenario for scenario in all_scenarios() if scenario.indicators]
PLAYED = [PlayedCase.of(scenario) for scenario in all_scenarios()]


@pytest.mark.parametrize("scenario", STATING, ids=lambda scenario: scenario.id)
def test_every_stated_value_follows_from_the_facts(scenario: Scenario) -> None:
    values = compared(scenario)
    assert [f"{each.stated.label}: {each.got}" for each in values if not each.is_equal] == []
    assert len(values) == len(stated_indicators(scenario.indicators, scenario.id)) > 0


def test_the_scenario_files_state_values_of_most_indicators() -> None:
    stated = [each for scenario in STATING for each in stated_indicators(scenario.indicators, scenario.id)]
    assert len(stated) == 45
    families = {each.name.partition("_")[0] for each in stated}
    assert families >= {"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9", "I11", "I12", "I13", "I14", "I15", "I16"}


@pytest.mark.parametrize("scenario", STATING, ids=lambda scenario: scenario.id)
def test_no_value_is_equal_by_accident(scenario: Scenario) -> None:
    stated = stated_indicators(scenario.indicators, scenario.id)
    values = compared(replace(scenario, indicators=tuple(f"{each.label}={_next(each.expected)}" for each in stated)))
    assert len(values) == len(stated)
    assert [each.stated.label for each in values if each.is_equal] == []


def _next(value: str) -> str:
    """Another value of the same form: the last digit counted up, or the other answer."""
    if value in ("true", "false"):
        return "false" if value == "true" else "true"
    digits = [place for place, sign in enumerate(value) if sign.isdigit()]
    if not digits:
        return "0"
    last = digits[-1]
    return f"{value[:last]}{(int(value[last]) + 1) % 10}{value[last + 1 :]}"


@settings(max_examples=40, deadline=None)
@given(played=st.sampled_from(PLAYED), draw=st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(played: PlayedCase, draw: Random) -> None:
    facts = recorded(played)
    shuffled = list(facts)
    draw.shuffle(shuffled)
    assert compared_indicators(played.playbook, shuffled) == compared_indicators(played.playbook, facts)
    cutoff = max(fact.recorded_at for fact, _ in facts) if facts else 0
    first, second = (
        list(releases_of(KnownCase.of(each, played.person, cutoff, played.policy, terms()), "x"))
        for each in (facts, shuffled)
    )
    assert first == second


@settings(max_examples=40, deadline=None)
@given(played=st.sampled_from(PLAYED), back=st.integers(0, 400 * 24))
def test_what_is_recorded_after_the_cut_off_changes_nothing(played: PlayedCase, back: int) -> None:
    facts = recorded(played)
    cutoff = max(fact.recorded_at for fact, _ in facts) - back * 3_600_000
    known_then = [
        each._replace(until=each.until if each.until is not None and each.until <= cutoff else None)
        for each in facts
        if each.fact.recorded_at <= cutoff
    ]
    first, second = (KnownCase.of(each, played.person, cutoff, played.policy, terms()) for each in (facts, known_then))
    assert first == second
    assert list(releases_of(first, "x")) == list(releases_of(second, "x"))
