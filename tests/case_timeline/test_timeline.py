"""The fold of a case: the same facts in any order are the same case, and what is dead stays dead."""

from __future__ import annotations

from functools import reduce
from operator import or_

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.failures import DamagedStore
from hub.case_timeline.cache_row import case_from_row, row_of
from hub.case_timeline.known import known_at
from hub.case_timeline.known_consents import SCOPED
from hub.case_timeline.timeline import ABOUT_RECORDS, CORRECTED, RETRACTED, CaseTimeline, Death, timeline_of
from hub.store.records import Decision, DecisionsRecorded, FactRecorded, case_stream
from tests.case_timeline.histories import CASE, NOW, PARTIES, event_id, fact, folded, histories, reader, stored

OLD, NEW = event_id("A.SOC", 1), event_id("A.SOC", 2)


def meaning(case: CaseTimeline) -> object:
    """All of a case that anything is decided from; versions tell the order of arrival, so they are left out."""
    return (
        case.gate_facts,
        case.dead,
        {event: (entry.outline, case.victim_of(event)) for event, entry in case.facts.items()},
        case.held,
        case.publishers,
        {live.event_id for live in case.live_gate_facts()},
        {dead.event_id: known for dead, known in case.superseded_gate_facts()},
        {event: case.is_live(event, None) for event in case.facts},
    )


@settings(max_examples=150, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_any_order_of_the_same_facts_is_the_same_case(facts: list[FactRecorded], random: object) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert meaning(folded(shuffled)) == meaning(folded(facts))


@settings(max_examples=100, deadline=None)
@given(histories())
def test_who_holds_what_is_told_by_the_live_facts_that_are_no_records(facts: list[FactRecorded]) -> None:
    case = folded(facts)
    live = [each for each in facts if each.event_id not in case.dead]
    types = reader().catalogue.event_types
    assert case.publishers == {each.party for each in live if each.event_type not in ABOUT_RECORDS}
    facts_of = {
        party: [each for each in live if each.party == party and types[each.event_type].anchor != "CO"]
        for party in {each.party for each in live}
    }
    masks = {party: [case.facts[each.event_id].outline.categories for each in of] for party, of in facts_of.items()}
    assert case.held == {party: reduce(or_, of_party) for party, of_party in masks.items() if of_party}


@settings(max_examples=200, deadline=None)
@given(histories(), st.booleans())
def test_consents_are_known_to_whom_live_records_name(facts: list[FactRecorded], from_row: bool) -> None:
    case = folded(facts)
    if from_row and (row := row_of(case, reader())) is not None:
        restored = case_from_row(CASE, row, reader())
        assert restored is not None
        case = restored
    scopes = [fact for fact in case.live_gate_facts() if fact.event_type in SCOPED]
    named = {
        name
        for fact in scopes
        for name in (fact.party, fact.payload["collectedBy"], *fact.payload["sources"], *fact.payload["recipients"])
    }
    is_given = any(fact.event_type == "ConsentGiven" for fact in scopes)
    for party in (*PARTIES, "CITIZEN"):
        expected = is_given and (party in named or party == "CITIZEN")
        assert case.consent_known_to(CASE, party) == expected


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_correction_kills_what_it_corrects_whichever_comes_first(order: tuple[int, int]) -> None:
    facts = [fact(1, recorded_at=NOW), fact(2, recorded_at=NOW + 5, corrects=1)]
    case = folded([facts[place] for place in order])
    assert case.dead == {OLD: Death(CORRECTED, NOW + 5)}
    assert (case.is_live(OLD, None), case.is_live(NEW, "CaseOpened")) == (False, True)
    assert case.is_live(NEW, "CaseClosed") is False


def test_a_fact_dies_when_that_was_first_recorded_and_corrected_stands_above_retracted() -> None:
    facts = [
        fact(1),
        fact(2, recorded_at=NOW + 9, corrects=1),
        fact(3, recorded_at=NOW + 4, retracts=1),
        fact(4, recorded_at=NOW + 7, retracts=1),
    ]
    assert folded(facts).dead[OLD] == folded(facts[::-1]).dead[OLD] == Death(CORRECTED, NOW + 4)
    assert folded([facts[0], *facts[2:]]).dead[OLD] == Death(RETRACTED, NOW + 4)


def test_retracting_a_correction_does_not_bring_back_what_it_corrected() -> None:
    case = folded([fact(1), fact(2, corrects=1), fact(3, retracts=2)])
    assert set(case.dead) == {OLD, NEW}
    # Only the retraction itself is left, and that is no record of the citizen.
    assert (case.held, case.publishers) == ({}, frozenset())


@pytest.mark.parametrize("said", [fact(1, "PRI", "RemovalReceipted"), fact(1, "PRI", retracts=9)])
def test_who_only_says_something_about_another_record_has_no_record_in_the_case(said: FactRecorded) -> None:
    assert said.event_type in ABOUT_RECORDS
    withdrawal, taken_back = fact(2, "PRI", "ConsentWithdrawn"), fact(3, "PRI", retracts=2)
    assert (folded([said]).publishers, folded([said]).held) == (frozenset(), {})
    assert folded([said, withdrawal]).publishers == folded([withdrawal, said]).publishers == {"PRI"}
    assert folded([said, withdrawal, taken_back]).publishers == frozenset()
    assert folded([withdrawal, said, fact(3, "PRI", retracts=1)]).publishers == {"PRI"}


def test_a_party_cannot_kill_another_partys_fact_of_the_same_id() -> None:
    case = folded([fact(1, "PRI", "ReleaseDateSet"), fact(2, "A.SOC", retracts=1)])
    assert case.is_live(event_id("PRI", 1), None)


def test_what_changes_no_right_counts_as_no_change_of_the_standings_inputs() -> None:
    housing = [fact(number, event_type="HousingApplied") for number in (1, 2)]
    first, both = folded(housing[:1]), folded(housing)
    assert first.standing_inputs == both.standing_inputs
    assert folded([*housing, fact(3, retracts=1)]).standing_inputs > both.standing_inputs


@pytest.mark.parametrize(("record", "named"), [(fact(1), "A.SOC"), (fact(1, "PRI", "ReleaseDateSet"), "PRI")])
def test_the_first_and_the_last_live_fact_of_a_party_change_the_inputs(record: FactRecorded, named: str) -> None:
    assert folded([record]).standing_inputs > folded([]).standing_inputs
    gone = folded([record, fact(2, named, corrects=1, event_type="ConsentWithdrawn")])
    assert named not in gone.held
    assert named in gone.publishers


def test_a_version_that_is_not_the_next_is_damage() -> None:
    records = stored([fact(1), fact(2)])
    for wrong in (records[:1] + records[2:], [*records, records[-1]], records[1:]):
        with pytest.raises(DamagedStore, match="expected version"):
            timeline_of(CASE, wrong, reader())


def decided(version: int, clock: int, *decisions: Decision) -> DecisionsRecorded:
    return DecisionsRecorded(case_stream(CASE), version, clock, "rules", "registry", decisions)


def test_the_newest_decision_per_party_and_fact_is_what_was_told() -> None:
    shown = (("S1", 2),)
    records = stored([fact(1), fact(2)])
    records.append(decided(4, NOW, Decision(2, "PRI", shown, 1), Decision(3, "PRI", shown, 2)))
    records.append(decided(5, NOW + 7, Decision(2, "PRI", (), 3)))
    case = timeline_of(CASE, records, reader())
    assert case.told == {OLD: {"PRI": ()}, NEW: {"PRI": shown}}
    assert case.settled.at == NOW + 7


def test_a_decision_on_what_is_no_fact_is_damage() -> None:
    for version in (1, 9):
        with pytest.raises(DamagedStore, match="no fact"):
            timeline_of(CASE, [*stored([fact(1)]), decided(3, NOW, Decision(version, "PRI", (), 1))], reader())


def test_what_an_event_replaces_or_takes_back_is_its_victim() -> None:
    case = folded([fact(1), fact(2, corrects=1), fact(3, retracts=2)])
    assert [case.victim_of(event_id("A.SOC", number)) for number in (1, 2, 3)] == [None, OLD, NEW]


def test_known_at_holds_back_what_was_recorded_or_decided_later() -> None:
    records = [*stored([fact(1, recorded_at=NOW)]), decided(3, NOW + 5, Decision(2, "PRI", (), 1))]
    assert [len(list(known_at(records, NOW + after))) for after in (-1, 0, 4, 5)] == [1, 2, 2, 3]
    assert list(known_at(records, 999)) == []


@settings(max_examples=50, deadline=None)
@given(histories(), st.sampled_from(PARTIES))
def test_counts_never_fall_below_zero(facts: list[FactRecorded], party: str) -> None:
    case = folded(facts)
    assert min([0, *case.fact_counts.values(), *case.record_counts.values()]) == 0


def test_bases_are_kept_for_what_is_still_shown_and_for_what_was_taken_back() -> None:
    def lines(*shown: tuple[tuple[str, int], ...]) -> tuple[object, ...]:
        decisions = [decided(3 + place, NOW + place, Decision(2, "PRI", now, 1)) for place, now in enumerate(shown)]
        former = timeline_of(CASE, [*stored([fact(1)]), *decisions], reader()).former_bases
        again = former.shown_again.get((OLD, "PRI"), {})
        return former.kept.get((OLD, "PRI")), former.taken_back.get((OLD, "PRI")), again

    first, second = (("C:k", 6),), (("S1", 2),)
    assert lines(first) == (None, None, {})
    assert lines(first, second) == ({"C:k": 2}, {"C:k": 4}, {})
    assert lines(first, second, ()) == (None, {"C:k": 6, "S1": 2}, {})
    assert lines(first, second, (), second) == (None, {"C:k": 4}, {(5, NOW + 2): {"C:k": 2, "S1": 2}})
    assert lines(first, second, first) == ({"C:k": 2, "S1": 2}, None, {(4, NOW + 1): {"C:k": 4}})
    assert lines(first, (), first, ()) == (None, {"C:k": 6}, {})
    assert lines((), first) == (None, None, {})
