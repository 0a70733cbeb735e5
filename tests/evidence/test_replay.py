"""Replay: what was true on V, as known on T, and who was told what of it."""

from __future__ import annotations

import pytest

from contracts.failures import NotFound
from hub.evidence.replay import LATE_MS, ReplayedFact, replay
from tests.evidence.story import CONSENTED, CORRECTED_AT, LATE_OCCURRED, WITHDRAWN_AT, Story
from tests.shard.harness import CASE, START


def names(story: Story, known: int | None = None, valid: int | None = None) -> list[str]:
    short = {event_id: name for name, event_id in story.events.items()}
    return [short.get(fact.event_id, "notice") for fact in story.replay(known, valid).facts]


def test_everything_is_told_in_the_order_in_which_it_occurred(story: Story) -> None:
    assert names(story)[0] == "late"
    assert names(story)[-1] == "withdrawal"
    assert set(names(story)) == {*story.events, "notice"}
    order = [(fact.occurred_at, fact.recorded_at, fact.event_id) for fact in story.replay().facts]
    assert order == sorted(order)


def test_nothing_that_was_recorded_later_is_known(story: Story) -> None:
    assert set(names(story, known=CONSENTED - 1)) == {"start", "date", "child"}
    assert set(names(story, known=CONSENTED)) == {"start", "date", "child", "consent"}
    assert "late" not in names(story, known=CORRECTED_AT - 1)
    assert "late" in names(story, known=CORRECTED_AT)


def test_nothing_that_occurred_later_is_valid_however_early_it_was_recorded(story: Story) -> None:
    assert names(story, valid=START - 1) == ["late"]
    assert names(story, valid=LATE_OCCURRED - 1) == []
    assert names(story, known=CORRECTED_AT - 1, valid=START - 1) == []
    assert set(names(story, valid=START)) == {"late", "start", "date", "child"}


def test_a_corrected_fact_is_live_until_its_correction_was_recorded(story: Story) -> None:
    def of(known: int) -> ReplayedFact:
        return story.replay(known).fact(story.events["date"])

    assert of(CORRECTED_AT - 1).state == "live"
    assert of(CORRECTED_AT).state == "corrected"
    new = story.replay().fact(story.events["new date"])
    assert (new.state, new.corrects, new.payload["releaseDate"]) == ("live", story.events["date"], 20_400)
    assert of(CORRECTED_AT).payload["releaseDate"] == 20_300


def test_only_a_fact_recorded_more_than_a_day_after_it_occurred_is_late(story: Story) -> None:
    late = {fact.event_id for fact in story.replay().facts if fact.is_late}
    assert late == {story.events["late"]}
    on_time = ReplayedFact(
        "e", "CaseOpened", "A.JOB", START, START + LATE_MS, START + LATE_MS, None, "live", None, {}, ()
    )
    assert not on_time.is_late


def test_each_telling_says_to_whom_when_what_and_under_which_number(story: Story) -> None:
    tellings = story.replay().fact(story.events["start"]).tellings
    to_b = [(telling.clock, bool(telling.shown)) for telling in tellings if telling.party == "B.SOC"]
    assert to_b == [(CONSENTED, True), (WITHDRAWN_AT, False)]
    assert all(telling.number and telling.rule_set for telling in tellings)
    numbers = {telling.number for telling in tellings if telling.party == "B.SOC"}
    sent = {number for number, _, event_id, _ in story.hub.told("B.SOC") if event_id == story.events["start"]}
    assert numbers == sent
    known = story.replay(known=CONSENTED).fact(story.events["start"]).tellings
    assert [telling.clock for telling in known if telling.party == "B.SOC"] == [CONSENTED]


def test_a_case_is_unknown_before_its_enrolment(story: Story) -> None:
    with pytest.raises(NotFound, match="no such case"):
        story.replay(known=START - 1)
    with pytest.raises(NotFound, match="no such case"):
        replay([], CASE, story.reader)


def test_a_fact_is_found_by_its_id_with_or_without_its_party_and_by_nothing_less(story: Story) -> None:
    event_id = story.events["start"]
    replayed = story.replay()
    assert replayed.fact(event_id) is replayed.fact(event_id.partition("/")[2])
    for wrong in ("", event_id[-8:], event_id[:-1], "PRI"):
        with pytest.raises(NotFound):
            replayed.fact(wrong)
