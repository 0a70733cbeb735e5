"""The difference between what may be seen now and what was told: what is recorded, what is sent, in which order."""

from __future__ import annotations

from datetime import date

import pytest

from contracts.categories import mask_of
from contracts.civil_time import day_number
from contracts.failures import DamagedStore
from contracts.parties import Party, PartyRegistry
from hub.case_timeline.timeline import CORRECTED, RETRACTED, CaseTimeline, Death, timeline_of
from hub.consent.policy import load_policy
from hub.disclosure.settlement import Change, decisions_on, differences, mask_of_shown, renewed, rights_in
from hub.store.records import CitizenEnrolled, Decision, DecisionsRecorded, case_stream
from tests.case_timeline.histories import CASE, NOW, event_id, fact, folded, reader, stored

POLICY = load_policy("DK", PartyRegistry.of(Party(party) for party in ("PRI", "A.SOC", "A.JOB")))
SEVENTEEN = day_number(date(2007, 6, 1))
CA, CU = mask_of(["CA"]), mask_of(["CU"])


def told(*decisions: Decision) -> CaseTimeline:
    """A case of one live fact of A.SOC, and what was told of it."""
    record = DecisionsRecorded(case_stream(CASE), 3, NOW, "rules", "registry", decisions)
    return timeline_of(CASE, [*stored([fact(1)]), record], reader())


@pytest.mark.parametrize(
    ("shown", "before", "sent"),
    [
        ((("S1", CU),), (), True),
        ((), (("S1", CU),), True),
        ((("S2", CU),), (("S1", CU),), False),
        ((("S1", CU), ("S2", CA)), (("S1", CU | CA),), False),
        ((("S1", CU),), (("S1", CU | CA),), True),
        ((("OWN", 0),), (), False),
    ],
)
def test_only_a_change_that_the_receiver_can_see_is_sent(
    shown: tuple[tuple[str, int], ...], before: tuple[tuple[str, int], ...], sent: bool
) -> None:
    assert Change("e", "PRI", shown, before).is_sent is sent


def test_the_categories_shown_are_those_of_all_bases() -> None:
    assert mask_of_shown((("S1", CU), ("C:1", CA))) == CU | CA
    assert mask_of_shown(()) == 0


def test_whoever_is_no_candidate_any_more_but_was_told_is_taken_back_from() -> None:
    case = told(
        Decision(2, "A.JOB", (("S11", CA),), 1), Decision(2, "GONE", (("S11", CA),), 2), Decision(2, "PRI", (), 3)
    )
    changes = differences(case, rights_in(case, NOW, POLICY).decider, case.facts)
    assert [(change.party, change.shown) for change in changes if not change.shown] == [("A.JOB", ()), ("GONE", ())]


def test_nothing_differs_once_everything_is_told() -> None:
    case = told(Decision(2, "A.SOC", (("OWN", CA),), 1))
    assert differences(case, rights_in(case, NOW, POLICY).decider, case.facts) == []


def test_what_is_taken_back_comes_before_what_is_disclosed() -> None:
    records = stored([fact(1), fact(2), fact(3, corrects=2)])
    told_of_old = DecisionsRecorded(
        case_stream(CASE), 5, NOW, "rules", "registry", (Decision(3, "A.SOC", (("OWN", CA),), 1),)
    )
    case = timeline_of(CASE, [*records, told_of_old], reader())
    changes = differences(case, rights_in(case, NOW, POLICY).decider, case.facts)
    assert [(change.event_id, bool(change.shown)) for change in changes] == [
        (event_id("A.SOC", 2), False),
        (event_id("A.SOC", 1), True),
        (event_id("A.SOC", 3), True),
    ]


@pytest.mark.parametrize(
    ("death", "receivers"), [(None, {"A.SOC", "A.JOB"}), (Death(RETRACTED, 1), {"A.SOC"}), (Death(CORRECTED, 1), set())]
)
def test_a_corrected_fact_is_shown_to_nobody_and_a_retracted_one_to_its_publisher(
    death: Death | None, receivers: set[str]
) -> None:
    case = folded([fact(1), fact(2, "A.JOB")])
    outline = case.facts[event_id("A.SOC", 1)].outline
    assert set(decisions_on(outline, death, rights_in(case, NOW, POLICY).decider)) == receivers


def test_the_hub_is_told_nothing_of_its_own_facts() -> None:
    case = folded([fact(1, "HUB", "ConsentWithdrawn")])
    outline = case.facts[event_id("HUB", 1)].outline
    decider = rights_in(case, NOW, POLICY).decider
    assert "HUB" not in decisions_on(outline, None, decider)
    assert decisions_on(outline, Death(RETRACTED, 1), decider) == {}


def test_rights_hold_until_an_input_changes_or_their_time_has_come() -> None:
    case = folded([fact(1)])
    case.enrolled = CitizenEnrolled(case_stream(CASE), 1, 1_000, SEVENTEEN, "DK")
    rights = rights_in(case, NOW, POLICY)
    assert rights.hold(case, NOW + 1)
    assert renewed(case, rights, NOW + 1, POLICY) == (rights, False)
    assert rights.until is not None
    assert rights.hold(case, rights.until - 1)
    assert not rights.hold(case, rights.until)
    other = folded([fact(1), fact(2, "PRI", "ReleaseDateSet")])
    assert not rights.hold(other, NOW)


def test_equal_rights_keep_the_compiled_decider_and_count_as_unchanged() -> None:
    case = folded([fact(1)])
    rights = rights_in(case, NOW, POLICY)
    case.standing_inputs += 1
    again, changed = renewed(case, rights, NOW, POLICY)
    assert (changed, again.decider is rights.decider, again.standing_inputs) == (False, True, case.standing_inputs)


def test_without_rights_before_everything_counts_as_changed() -> None:
    case = folded([fact(1)])
    assert renewed(case, None, NOW, POLICY)[1] is True


def test_a_case_without_enrolment_has_no_rights() -> None:
    with pytest.raises(DamagedStore):
        rights_in(CaseTimeline(CASE), NOW, POLICY)
