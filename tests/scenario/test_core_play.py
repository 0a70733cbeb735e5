"""Scenarios played through the hub's own code in one process: real shard, store and subscriptions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.fact import Fact
from deploy.scenario import shuffles
from deploy.scenario.comparison import ViewComparison
from deploy.scenario.core_world import CoreWorld
from deploy.scenario.expansion import Playbook, expand
from deploy.scenario.grammar import read_scenarios
from deploy.scenario.player import Outcome, outcome_of, play, steps, terms_in
from deploy.scenario.shuffles import Deck, play_shuffled
from hub.case_timeline.timeline import Reader, fact_recorded
from hub.store.records import FactRecorded
from tests.scenario.vignettes import CONSENT, CUSTODY, all_files, good_release, played, vignette

SHUFFLES = 5


def differences(outcome: Outcome) -> list[str]:
    return [f"{view.party}: {difference}" for view in outcome.views for difference in view.differences]


@pytest.mark.parametrize("path", all_files(), ids=lambda path: path.stem)
def test_every_expected_view_of_every_scenario_is_equal(path: Path) -> None:
    for scenario in read_scenarios(path):
        outcome = played(scenario)
        assert differences(outcome) == []
        assert outcome.parked == ()
        assert len(outcome.views) == scenario.view_count > 0


def test_wrong_expectation_is_reported_with_what_was_got() -> None:
    outcome = played(
        vignette(
            f"E {CUSTODY}",
            "X 2025-02-05 | A.SOC: e1 CU=S1 PL=S3 || A.BEN: nothing || A.JOB: e1 CU=S1",
        )
    )
    assert differences(outcome) == [
        "A.SOC: e1: expected CU=S1 PL=S3, got CU=S1 PL=S2",
        "A.BEN: e1: expected nothing, got CU=S1",
    ]
    assert [view.is_equal for view in outcome.views] == [False, False, True]


def test_event_recorded_at_the_very_instant_counts_and_one_a_second_later_does_not() -> None:
    outcome = played(
        vignette(f"E {CUSTODY}", "X 2025-02-03T08:59:59 | A.SOC: nothing", "X 2025-02-03T09:00 | A.SOC: e1 CU=S1 PL=S2")
    )
    assert differences(outcome) == []


def test_late_event_is_seen_from_its_recorded_time() -> None:
    outcome = played(
        vignette(
            f"E {CUSTODY} rec=2025-02-07T10:00",
            "X 2025-02-07T09:59:59 | A.SOC: nothing",
            "X 2025-02-07T10:00 | A.SOC: e1 CU=S1 PL=S2",
        )
    )
    assert differences(outcome) == []


def test_event_that_arrival_refuses_is_named_with_its_reason() -> None:
    line = "k2 2025-02-11T10:00 A.HSG ConsentAmended(id=k9 cat=[HO] src=[A.HSG] to=[FAC] for=[TREATMENT])"
    outcome = played(vignette(f"E {CONSENT} ;; {line}", "X 2025-02-12 | FAC: nothing"))
    assert [line.partition(",")[0] for line in outcome.parked] == ["k2: unknown_consent"]


def test_views_come_in_the_order_of_the_file() -> None:
    outcome = played(vignette(f"E {CUSTODY}", "X 2025-02-05 | A.SOC: e1 CU=S1 PL=S2", "X 2025-02-04 | A.JOB: e1 CU=S1"))
    assert [view.party for view in outcome.views] == ["A.SOC", "A.JOB"]


def test_scenario_without_events_shows_nobody_anything() -> None:
    assert differences(played(vignette("X 2025-02-05 | A.SOC: nothing"))) == []


@pytest.fixture(scope="module")
def release() -> Iterator[tuple[Playbook, CoreWorld]]:
    playbook = expand(good_release())
    world = CoreWorld(playbook.registry)
    try:
        play(playbook, world)
        yield playbook, world
    finally:
        world.close()


def test_shuffled_orders_of_arrival_give_the_same_views(release: tuple[Playbook, CoreWorld]) -> None:
    playbook, world = release
    deck, terms = Deck.of(world.case_records(), playbook.registry), terms_in(world, playbook)
    for number in range(SHUFFLES):
        views = list(play_shuffled(deck, terms, number, seed=7))
        assert len(views) == playbook.scenario.view_count
        assert [view.differences for view in views if not view.is_equal] == []


def test_shuffle_with_a_fact_left_out_is_noticed(release: tuple[Playbook, CoreWorld]) -> None:
    playbook, world = release
    deck, terms = Deck.of(world.case_records(), playbook.registry), terms_in(world, playbook)
    without_release = Deck(
        deck.enrolled,
        tuple(fact for fact in deck.facts if fact.event_type != "ReleasedOnParole"),
        deck.reader,
        deck.policies,
    )
    assert any(not view.is_equal for view in play_shuffled(without_release, terms, 1, seed=7))


def test_orders_differ_by_number_and_are_drawn_by_seed_and_number_alone(
    release: tuple[Playbook, CoreWorld], monkeypatch: pytest.MonkeyPatch
) -> None:
    playbook, world = release
    deck, terms = Deck.of(world.case_records(), playbook.registry), terms_in(world, playbook)
    folded: list[str] = []

    def noted(record: FactRecorded, reader: Reader) -> Fact:
        folded.append(record.event_id)
        return fact_recorded(record, reader)

    def order(number: int, seed: int) -> list[str]:
        folded.clear()
        list(play_shuffled(deck, terms, number, seed))
        return list(folded)

    monkeypatch.setattr(shuffles, "fact_recorded", noted)
    first = order(1, seed=7)
    assert first == order(1, seed=7)
    assert first != order(2, seed=7)
    assert first != order(1, seed=8)
    assert sorted(first) == sorted(order(2, seed=7))


def test_a_play_can_be_looked_at_on_its_way() -> None:
    playbook = expand(good_release())
    narrowed_at = playbook.scenario.event["k1b"].recorded_at
    world = CoreWorld(playbook.registry)
    held: dict[int, set[str]] = {}
    views: list[ViewComparison] = []
    try:
        for step in steps(playbook, world, [narrowed_at - 1]):
            held[step.at] = {event.event_type for event in world.view("A.SOC")}
            views += step.views
        outcome = outcome_of(playbook, world, views)
    finally:
        world.close()
    assert step.done == step.total == len(held)
    assert held[narrowed_at - 1] - held[narrowed_at] == {"TreatmentStarted"}
    assert [view.line for view in outcome.views] == sorted(view.line for view in views)
    assert all(view.is_equal for view in outcome.views)
