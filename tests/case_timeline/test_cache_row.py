"""The cache row of a case: it gives back what an event needs, and nothing once anything about it is stale."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from hub.case_timeline.cache_row import case_from_row, needs_history, row_of
from hub.case_timeline.timeline import CaseTimeline, timeline_of
from hub.store.records import Decision, DecisionsRecorded, FactRecorded, case_stream
from tests.case_timeline.histories import CASE, ENROLLED, NOW, changed, fact, folded, histories, reader, stored


def restored(case: CaseTimeline) -> CaseTimeline:
    row = row_of(case, reader())
    assert row is not None
    back = case_from_row(CASE, row, reader())
    assert back is not None
    return back


@settings(max_examples=100, deadline=None)
@given(histories())
def test_a_row_gives_back_all_that_rights_are_derived_from(facts: list[FactRecorded]) -> None:
    case = folded(facts)
    back = restored(case)
    for name in (
        "version",
        "enrolled",
        "gate_facts",
        "gate_bodies",
        "dead",
        "fact_counts",
        "record_counts",
        "settled",
        "held",
        "publishers",
    ):
        assert getattr(back, name) == getattr(case, name), name
    assert (back.history_held, back.facts, back.told) == (False, {}, {})


@settings(max_examples=100, deadline=None)
@given(histories(), histories())
def test_a_row_and_the_records_after_it_make_the_same_rights_as_all_records(
    before: list[FactRecorded], after: list[FactRecorded]
) -> None:
    renumbered = [changed(each, event_id=f"{each.event_id}-later", corrects=None) for each in after]
    tail = [each for each in renumbered if not needs_history(each)]
    back = restored(folded(before))
    for place, record in enumerate(tail):
        back.fold(changed(record, originator_version=2 + len(before) + place), reader())
    whole = folded([*before, *tail])
    assert (back.gate_facts, back.dead, back.held, back.publishers, back.version) == (
        whole.gate_facts,
        whole.dead,
        whole.held,
        whole.publishers,
        whole.version,
    )


def test_a_row_keeps_when_the_case_was_last_settled() -> None:
    settlement = DecisionsRecorded(case_stream(CASE), 3, NOW + 3, "rules", "registry", (Decision(2, "PRI", (), 1),))
    case = timeline_of(CASE, [*stored([fact(1)]), settlement], reader())
    assert restored(case).settled.at == NOW + 3


def test_a_row_that_other_code_wrote_gives_nothing() -> None:
    row = row_of(folded([fact(1)]), reader())
    assert row is not None
    assert case_from_row(CASE, row, reader("other code")) is None


def test_a_case_without_enrolment_has_no_row() -> None:
    assert row_of(CaseTimeline(CASE), reader()) is None


@pytest.mark.parametrize(
    ("record", "needed"),
    [
        (fact(1), False),
        (fact(2, corrects=1), True),
        (fact(2, retracts=1), True),
        (ENROLLED, False),
        (DecisionsRecorded(case_stream(CASE), 1, 0, "", "", ()), False),
    ],
)
def test_only_what_makes_another_fact_dead_needs_the_history(record: object, needed: bool) -> None:
    assert needs_history(record) is needed
