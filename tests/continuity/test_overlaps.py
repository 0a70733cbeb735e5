"""Overlapping efforts: the indicator counts all pairs; clocks tell of each provider once, and of every pair in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.fact import Fact
from contracts.parties import Party, PartyRegistry
from hub.consent.policy import load_policy
from hub.consent.standing import Person
from hub.continuity.case import Known, KnownCase
from hub.continuity.clocks import clocks_of
from hub.continuity.efforts import OpenEffort, first_overlaps, open_efforts, overlaps
from hub.continuity.terms import terms
from tests.continuity.cases import at
from tests.work import lines_run

DAY_MS = 86_400_000
POLICY = load_policy("DK", PartyRegistry.of([Party("A.SOC")]))
BEGIN, CUTOFF = at("2025-02-01T10:00"), at("2025-06-01T10:00")

efforts = st.lists(
    st.tuples(st.sampled_from("PQR"), st.sampled_from(("MentorAssigned", "VolunteerAssigned")), st.integers(0, 5)),
    max_size=9,
)
resolutions = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=4), max_size=5)


def effort(number: int, provider: str, event_type: str = "MentorAssigned", day: int = 0) -> Fact:
    when = BEGIN + day * DAY_MS
    return Fact(f"e{number:05}", event_type, "A.SOC", when, when, {"activityId": f"a{number:05}", "provider": provider})


def resolved(number: int, *of: int, how: str = "BOTH_JUSTIFIED") -> Fact:
    payload = {"efforts": [f"a{each:05}" for each in of], "resolution": how}
    return Fact(f"r{number:05}", "OverlapResolved", "A.SOC", BEGIN, BEGIN, payload)


def case_with(facts: Sequence[Fact]) -> KnownCase:
    return KnownCase.of(map(Known, facts), Person(date(1990, 5, 5), "DK"), CUTOFF, POLICY, terms())


def pairs_of(case: KnownCase) -> list[tuple[OpenEffort, OpenEffort]]:
    """Every pair that was not resolved, each asked of each fact: the text as it stands."""
    together = [
        set(fact.payload["efforts"])
        for fact in case.of_types("OverlapResolved")
        if fact.payload["resolution"] == "BOTH_JUSTIFIED"
    ]
    return [
        (one, other)
        for one, other in combinations(sorted(open_efforts(case), key=lambda each: (each.since, each.effort_id)), 2)
        if (one.domain, one.provider) != (other.domain, other.provider)
        and one.domain == other.domain
        and not any({one.effort_id, other.effort_id} <= pair for pair in together)
    ]


def told(case: KnownCase) -> dict[str, Any]:
    """What is told of: of the clocks of a group the first."""
    first: dict[str, Any] = {}
    for clock in clocks_of(case):
        first.setdefault(clock.group, clock)
    return first


def drawn(stated: Sequence[tuple[str, str, int]], justified: Sequence[Sequence[int]]) -> list[Fact]:
    facts = [effort(number, *each) for number, each in enumerate(stated)]
    return facts + [resolved(number, *each) for number, each in enumerate(justified)]


@settings(max_examples=300, deadline=None)
@given(efforts, resolutions)
def test_each_effort_is_paired_where_any_pair_has_it_later_and_each_provider_is_told_of_from_its_first(
    stated: list[tuple[str, str, int]], justified: list[list[int]]
) -> None:
    case = case_with(drawn(stated, justified))
    pairs = pairs_of(case)
    found, by_later = list(first_overlaps(case)), sorted(pairs, key=_later)
    assert all(pair in pairs for pair in found)
    assert [other.effort_id for _, other in found] == list(dict.fromkeys(_later(pair)[1] for pair in by_later))
    groups: dict[str, int] = {}
    for _, other in pairs:
        group = f"{other.domain} {other.provider}"
        groups[group] = min(groups.get(group, other.since), other.since)
    assert {group: clock.since for group, clock in told(case).items()} == groups
    assert overlaps(case) == pairs


def _later(pair: tuple[OpenEffort, OpenEffort]) -> tuple[int, str]:
    return pair[1].since, pair[1].effort_id


@settings(max_examples=100, deadline=None)
@given(efforts, resolutions)
def test_whoever_resolves_what_is_told_of_is_told_of_every_pair(
    stated: list[tuple[str, str, int]], justified: list[list[int]]
) -> None:
    facts = drawn(stated, justified)
    waiting = {frozenset(each.effort_id for each in pair) for pair in pairs_of(case_with(facts))}
    for number in range(100, 100 + len(waiting)):
        clock = next(iter(told(case_with(facts)).values()))
        pair = frozenset(fact.payload["activityId"] for fact in clock.rests_on)
        waiting.remove(pair)
        facts.append(resolved(number, *(int(each[1:]) for each in pair)))
    assert not waiting
    assert not told(case_with(facts))


@pytest.mark.parametrize("providers", [2, 400])
def test_clocks_are_no_more_than_efforts_and_those_told_of_no_more_than_providers(providers: int) -> None:
    case = case_with([effort(number, f"P{number % providers}") for number in range(400)])
    assert len(clocks_of(case)) < 400
    assert len(told(case)) <= providers


@pytest.mark.parametrize("providers", [2, 1000])
@pytest.mark.parametrize("how", ["nothing", "each", "next"])
def test_what_is_asked_of_a_case_grows_as_what_was_stated_in_it(providers: int, how: str) -> None:
    def work(count: int) -> int:
        facts = [effort(number, f"P{number % providers}") for number in range(count)]
        if how == "each":
            facts += [resolved(number, number) for number in range(count)]
        if how == "next":
            facts += [resolved(number, number, number + 1) for number in range(count)]
        case = case_with(facts)
        return lines_run(lambda: list(first_overlaps(case)))

    assert work(400) < 2.5 * work(200)


def test_a_request_of_treatment_is_looked_for_once() -> None:
    def work(count: int) -> int:
        requests = [
            Fact(f"q{number}", "TreatmentRequested", "A.ADD", BEGIN, BEGIN, {"treatmentId": f"t{number}"})
            for number in range(count)
        ]
        starts = [
            Fact(
                f"s{number}", "TreatmentStarted", "A.ADD", BEGIN, BEGIN, {"treatmentId": f"x{number}", "provider": "P"}
            )
            for number in range(count)
        ]
        case = case_with(requests + starts)
        return lines_run(lambda: clocks_of(case))

    assert work(400) < 2.5 * work(200)
