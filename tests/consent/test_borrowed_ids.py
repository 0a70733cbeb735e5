"""Ids that another party says as well, that are corrected, or that are used again: nobody gains by any of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from contracts.catalogue import catalogue
from contracts.categories import mask_of
from contracts.fact import Fact, outline_of
from hub.consent.decision import Decider, Shown
from hub.consent.standing import Person, Standing, Superseded, derive
from tests.consent.histories import PARTIES, held_by
from tests.consent.test_hostile_facts import ADULT, POLICY, SOUND, at, consent, fact

LATER = "2025-06-01T10:00"
NOON = "2025-05-12T12:00"
ADMITTED = fact("e1", "AdmissionStarted", "PSY", "2025-05-01T10:00", admissionId="a1", legalForm="VOLUNTARY")
TALK = fact("t1", "MotivationTalkHeld", "A.ADD", "2025-03-03T10:00", talkId="m1", setting="PRISON", topics=[])
CHILD = fact("c1", "ChildPerspectiveRecorded", "A.SOC", "2025-03-03T10:00", minorChildren=1)


def shown(facts: Iterable[Fact], of: Fact, receiver: str, time: str = NOON, person: Person = ADULT) -> Shown:
    """What `receiver` is shown of a fact; whatever is corrected or retracted among `facts` is dead."""
    decider = Decider(POLICY, standing_of([*facts, of], time, person))
    return decider.shown(outline_of(of, catalogue().event_types[of.event_type]), receiver)


def standing_of(facts: Iterable[Fact], time: str, person: Person = ADULT) -> Standing:
    stated = list(facts)
    died = {f"{each.party}/{each.payload['targetEventId']}": each.recorded_at for each in stated if _retracts(each)}
    died |= {each.corrects: each.recorded_at for each in stated if each.corrects is not None}
    live = [each for each in stated if each.event_id not in died and not _retracts(each)]
    gone = [Superseded(each, died[each.event_id]) for each in stated if each.event_id in died]
    publishers = frozenset(each.party for each in stated)
    return derive(live, held_by(live), publishers, person, at(time), POLICY, gone)


def _retracts(each: Fact) -> bool:
    return each.event_type == "EventRetracted"


def correction(event_id: str, of: Fact, time: str, **changes: Any) -> Fact:
    return of._replace(
        event_id=f"{of.party}/{event_id}",
        recorded_at=at(time),
        payload={**of.payload, **changes},
        corrects=of.event_id,
    )


def retraction(of: Fact, time: str) -> Fact:
    target = of.event_id.rpartition("/")[2]
    return fact(f"x-{target}", "EventRetracted", of.party, time, targetEventId=target)


# --- emergency access


def asked(event_id: str, party: str, time: str, /, **changes: Any) -> Fact:
    payload = {
        "requestId": "r1", "party": party, "categories": ["MH"], "reason": "OVERDOSE",
        "justification": "x" * 30, "expiresAt": at("2025-05-13T09:00"),
    }  # fmt: skip
    return fact(event_id, "BreakGlassRequested", party, time, **{**payload, **changes})


def granted(party: str | None, time: str = "2025-05-12T10:00") -> Fact:
    return fact(f"g-{party}", "BreakGlassGranted", "PSY", time, requestId="r1", party=party)


FIRST = asked("r1", "KIF", "2025-05-12T09:00")
SECOND = asked("r2", "A.SOC", "2025-05-12T09:05")
GRANTED = granted("KIF")
AGAIN = correction("r1b", FIRST, "2025-05-12T11:00", justification="y" * 40)
BG = (("BG", mask_of(["MH"])),)


def test_a_grant_opens_to_the_party_that_it_names() -> None:
    assert shown([FIRST, SECOND, GRANTED], ADMITTED, "KIF") == BG
    assert shown([FIRST, SECOND, GRANTED], ADMITTED, "A.SOC") == ()
    for other in ("A.SOC", "PSY", None):
        assert shown([FIRST, SECOND, granted(other)], ADMITTED, "KIF") == (), f"granted to {other}"
        assert shown([FIRST, SECOND, granted(other)], ADMITTED, "A.SOC") == (), f"granted to {other}"


def test_a_denial_to_another_party_leaves_a_grant_as_it_is() -> None:
    denied = fact("d", "BreakGlassDenied", "PSY", "2025-05-12T10:30", requestId="r1", party="A.SOC")
    assert shown([FIRST, SECOND, GRANTED, denied], ADMITTED, "KIF") == BG
    meant = denied._replace(payload={**denied.payload, "party": "KIF"})
    assert shown([FIRST, SECOND, GRANTED, meant], ADMITTED, "KIF") == ()


@pytest.mark.parametrize("after", [retraction(FIRST, "2025-05-12T11:00"), AGAIN], ids=["retracted", "corrected"])
@pytest.mark.parametrize("grants", [[GRANTED], [granted("A.SOC")], [GRANTED, granted("A.SOC")]])
def test_nobody_inherits_a_request_that_is_corrected_or_taken_back(after: Fact, grants: list[Fact]) -> None:
    assert shown([FIRST, SECOND, *grants, after], ADMITTED, "A.SOC") == ()


def test_a_corrected_request_keeps_its_place() -> None:
    assert shown([FIRST, SECOND, GRANTED, AGAIN], ADMITTED, "KIF") == BG
    twice = correction("r1c", AGAIN, "2025-05-12T11:30", justification="z" * 40)
    assert shown([FIRST, SECOND, GRANTED, AGAIN, twice], ADMITTED, "KIF") == BG


def test_no_correction_of_a_request_widens_what_was_granted_until_it_is_granted_anew() -> None:
    both = ["MH", "RI"]
    wider = correction("r1b", FIRST, "2025-05-12T11:00", categories=both)
    risky = fact("n1", "RiskNoteRecorded", "PSY", "2025-05-12T09:00", risk="SELF_HARM", validUntil=None)
    talk = fact("n2", "RiskNoteRecorded", "PHE", "2025-05-12T09:00", risk="SELF_HARM", validUntil=None)
    assert shown([FIRST, GRANTED, wider], ADMITTED, "KIF") == BG
    assert shown([FIRST, GRANTED, wider], risky, "KIF") == ()
    again = fact("g2", "BreakGlassGranted", "PSY", "2025-05-12T11:05", requestId="r1", party="KIF")
    assert shown([FIRST, GRANTED, wider, again], risky, "KIF") == (("BG", mask_of(["RI"])),)
    other = fact("g3", "BreakGlassGranted", "PHE", "2025-05-12T11:05", requestId="r1", party="KIF")
    assert shown([FIRST, GRANTED, wider, other], risky, "KIF") == (), "each holder by what it was asked"
    assert shown([FIRST, GRANTED, wider, other], talk, "KIF") == (("BG", mask_of(["RI"])),)
    apart = standing_of([FIRST, GRANTED, wider, other], NOON).open_glass
    assert [glass.sources for glass in apart] == [frozenset({"PSY"}), frozenset({"PHE"})]
    narrower = correction("r1c", wider, "2025-05-12T11:30", categories=["RI"])
    assert shown([FIRST, GRANTED, wider, narrower], ADMITTED, "KIF") == ()


def test_no_correction_of_a_request_prolongs_what_was_granted() -> None:
    later = correction("r1b", FIRST, "2025-05-12T11:00", expiresAt=at("2025-05-14T08:00"))
    moved = later._replace(occurred_at=at("2025-05-13T08:30"))
    for longer in (later, moved):
        assert shown([FIRST, GRANTED, longer], ADMITTED, "KIF", "2025-05-13T08:59") == BG
        assert shown([FIRST, GRANTED, longer], ADMITTED, "KIF", "2025-05-13T09:00") == ()
    assert at("2025-05-13T09:00") in standing_of([FIRST, GRANTED, later], NOON).turning_points


def test_a_request_that_is_complete_only_once_it_is_corrected_counts_from_then_on() -> None:
    short = asked("r1", "KIF", "2025-05-12T09:00", justification="x")
    full = correction("r1b", short, "2025-05-12T11:00", justification="y" * 30)
    assert shown([short, GRANTED], ADMITTED, "KIF") == ()
    assert shown([short, GRANTED, full], ADMITTED, "KIF") == BG


def test_an_answer_that_was_recorded_before_its_request_is_one_to_the_request_as_it_was_first_made() -> None:
    early = granted("KIF", "2025-05-12T08:59")
    assert shown([FIRST, early], ADMITTED, "KIF") == BG
    wider = correction("r1b", FIRST, "2025-05-12T11:00", categories=["MH", "RI"])
    assert [glass.categories for glass in standing_of([FIRST, early, wider], NOON).open_glass] == [mask_of(["MH"])]


def test_a_request_that_was_taken_back_is_not_made_again_under_its_id() -> None:
    anew = asked("r9", "KIF", "2025-05-12T11:30", categories=["MH"])
    assert shown([FIRST, GRANTED, retraction(FIRST, "2025-05-12T11:00"), anew], ADMITTED, "KIF") == ()


def test_a_request_in_anothers_name_takes_no_id_also_once_it_is_corrected() -> None:
    stolen = asked("r0", "A.SOC", "2025-05-12T08:00", party="KIF")
    own = correction("r0b", stolen, "2025-05-12T11:00", party="A.SOC")
    assert shown([stolen, FIRST, GRANTED], ADMITTED, "KIF") == BG
    assert shown([stolen, FIRST, GRANTED, own], ADMITTED, "KIF") == BG
    assert shown([stolen, FIRST, GRANTED, own, granted("A.SOC")], ADMITTED, "A.SOC") == ()


def test_a_request_without_a_reason_opens_nothing() -> None:
    for reason in ("OTHER", "SUICIDE_RISK"):
        assert shown([asked("r1", "KIF", "2025-05-12T09:00", reason=reason), GRANTED], ADMITTED, "KIF") == BG
    assert shown([asked("r1", "KIF", "2025-05-12T09:00", reason=None), GRANTED], ADMITTED, "KIF") == ()
    at_once = asked("r1", "PHE", "2025-05-12T09:00", reason=None)
    assert standing_of([at_once, ADMITTED], NOON).open_glass == ()


def test_who_answers_its_own_request_under_anothers_id_does_not_hear_of_that_one() -> None:
    answer = fact("own", "BreakGlassGranted", "A.JOB", "2025-05-12T10:00", requestId="r1", party="A.JOB")
    for facts in ([FIRST, answer], [FIRST, answer, retraction(FIRST, "2025-05-12T11:00")]):
        assert standing_of(facts, NOON).deciders_of_request("r1") == {"KIF"}
    assert standing_of([FIRST, GRANTED], NOON).deciders_of_request("r1") == {"KIF", "PSY"}


# --- consents


def amended(time: str, event_id: str = "k1b", /, **changes: Any) -> Fact:
    return fact(event_id, "ConsentAmended", "A.SOC", time, **{**SOUND, **changes})


def withdrawn(time: str, consent_id: str = "k1") -> Fact:
    return fact("w", "ConsentWithdrawn", "A.SOC", time, consentId=consent_id)


K1 = consent()
RENAMED = correction("k9", K1, "2025-02-20T10:00", consentId="k9")


@pytest.mark.parametrize("when", ["2025-02-10T10:00", "2025-02-25T10:00"])
def test_another_id_does_not_undo_a_withdrawal(when: str) -> None:
    assert shown([K1, RENAMED], TALK, "FAC") == (("C:k9", mask_of(["SU"])),)
    assert shown([K1, withdrawn(when), RENAMED], TALK, "FAC") == ()
    back = correction("k1c", RENAMED, "2025-02-27T10:00", consentId="k1")
    further = correction("k5", RENAMED, "2025-02-27T10:00", consentId="k5")
    for last in (back, further):
        for consent_id in ("k1", "k9"):
            assert shown([K1, withdrawn(when, consent_id), RENAMED, last], TALK, "FAC") == ()
    assert shown([K1, withdrawn(when), RENAMED, retraction(RENAMED, "2025-02-28T10:00")], TALK, "FAC") == ()


def test_another_id_does_not_undo_what_an_amendment_took_away() -> None:
    less = amended("2025-02-10T10:00", recipients=["MNT"])
    assert shown([K1, less, RENAMED], TALK, "FAC") == ()
    more = amended("2025-02-10T10:00", categories=["SU", "MH", "CU"])
    assert shown([K1, more, RENAMED], TALK, "FAC") == (("C:k9", mask_of(["SU", "CU"])),)


def test_an_amendment_of_the_old_id_after_the_new_one_still_takes_away() -> None:
    less = amended("2025-02-25T10:00", recipients=["MNT"])
    assert shown([K1, RENAMED, less], TALK, "FAC") == ()


def test_an_amendment_does_not_widen_a_consent_that_is_given_later_under_the_same_id() -> None:
    first = consent(categories=["HO"])
    wide = amended("2025-02-05T10:00")
    anew = first._replace(event_id="A.SOC/k2", occurred_at=at("2025-02-12T10:00"), recorded_at=at("2025-02-12T10:00"))
    taken_back = retraction(first, "2025-02-10T10:00")
    assert shown([first, wide], TALK, "FAC") == (("C:k1", mask_of(["SU"])),)
    assert shown([first, wide, taken_back, anew], TALK, "FAC") == ()
    again = correction("k2b", anew, "2025-02-14T10:00")
    assert shown([first, wide, taken_back, anew, again], TALK, "FAC") == ()
    meant = amended("2025-02-13T10:00", "k1c")
    for last in ([], [again]):
        assert shown([first, wide, taken_back, anew, meant, *last], TALK, "FAC") == (("C:k1", mask_of(["SU"])),)


def test_an_end_closes_a_consent_that_is_given_later_under_the_same_id() -> None:
    anew = K1._replace(event_id="A.SOC/k2", occurred_at=at("2025-02-12T10:00"), recorded_at=at("2025-02-12T10:00"))
    assert shown([anew], TALK, "FAC") != ()
    assert shown([K1, withdrawn("2025-02-05T10:00"), retraction(K1, "2025-02-10T10:00"), anew], TALK, "FAC") == ()


def test_an_amendment_that_is_late_in_coming_counts_by_when_it_was_recorded() -> None:
    early = amended("2025-01-20T10:00", categories=["SU", "CU"])
    assert shown([K1, early], TALK, "FAC") == (("C:k1", mask_of(["SU"])),), "recorded before its ConsentGiven"
    late = early._replace(recorded_at=at("2025-02-05T10:00"))
    assert shown([K1, late], TALK, "FAC") == (("C:k1", mask_of(["SU", "CU"])),)


def test_an_amendment_does_not_widen_a_second_consent_under_the_same_id() -> None:
    """Not even once the first is taken back: it was the first that it amended, or nobody can say."""
    other = fact("z", "ConsentGiven", "MNT", "2025-02-02T10:00", **{**SOUND, "categories": ["HO"]})
    wide, taken_back = amended("2025-02-05T10:00"), retraction(K1, "2025-02-10T10:00")
    assert shown([other, taken_back, K1, wide], TALK, "FAC") == ()


@pytest.mark.parametrize("consent_id", ["k1", "k5", "k9"])
def test_whoever_is_named_in_a_consent_hears_of_its_end_whatever_id_the_end_names(consent_id: str) -> None:
    further = correction("k5", RENAMED, "2025-02-27T10:00", consentId="k5")
    more = amended("2025-02-10T10:00", recipients=["PSY"])
    end = withdrawn("2025-03-01T10:00", consent_id)._replace(event_id="A.JOB/w", party="A.JOB")
    facts = [K1, more, RENAMED, further, end]
    told = {party for party in PARTIES if shown(facts, end, party)}
    assert told == {"A.JOB", "A.SOC", "A.ADD", "FAC", "MNT", "PSY"}
    assert not standing_of(facts, NOON).parties_of_consent("k2")


# --- who amends


FIFTEEN, SEVENTEEN, OF_AGE = date(2010, 2, 1), date(2007, 6, 1), date(1990, 5, 5)
FOURTEEN = date(2010, 12, 1)
WIDER: dict[str, Any] = {"categories": ["SU", "CF"], "sources": ["A.ADD", "A.SOC"], "recipients": ["FAC", "MNT", "PSY"]}


@pytest.mark.parametrize(
    ("born", "giver", "amends"),
    [
        (SEVENTEEN, "SUBJECT", "GUARDIAN"),
        (SEVENTEEN, "SUBJECT", "BOTH_GUARDIANS"),
        (SEVENTEEN, "SUBJECT", "LEGAL_REPRESENTATIVE"),
        (FOURTEEN, "GUARDIAN", "SUBJECT"),
        (FOURTEEN, "BOTH_GUARDIANS", "SUBJECT_AND_GUARDIAN"),
        (OF_AGE, "SUBJECT", "GUARDIAN"),
        (OF_AGE, "SUBJECT", "OTHER"),
    ],
)
def test_who_could_not_have_given_it_does_not_widen_a_consent(born: date, giver: str, amends: str) -> None:
    person, given = Person(born, "DK"), consent(givenBy=giver, categories=["SU"])
    wider = amended("2025-02-05T10:00", givenBy=amends, validUntil=at(LATER), **WIDER)
    assert shown([given], TALK, "FAC", person=person) == (("C:k1", mask_of(["SU"])),)
    assert shown([given, wider], TALK, "FAC", person=person) == (("C:k1", mask_of(["SU"])),)
    assert shown([given, wider], TALK, "PSY", person=person) == ()
    assert shown([given, wider], TALK, "PSY", time="2025-02-04T10:00", person=person) == ()


@pytest.mark.parametrize("less", [{"recipients": ["MNT"]}, {"categories": ["HO"]}, {"sources": ["PRI"]},
                                  {"purposes": ["SUPPORT"]}, {"form": "ORAL"}, {"validUntil": at("2025-03-01T00:00")},
                                  {"dataFrom": 20_300}, {"withdrawalExplained": False}])  # fmt: skip
def test_whoever_amends_takes_away(less: dict[str, Any]) -> None:
    assert shown([K1, amended("2025-02-05T10:00", givenBy="GUARDIAN", **less)], TALK, "FAC") == ()


def test_an_earlier_date_does_not_let_a_guardian_widen_what_a_young_person_gave() -> None:
    """Fifteen on the first of February: the amendment is said to be of the week before, and is stated after."""
    given = consent(givenBy="SUBJECT", categories=["HO"])
    dated_back = amended("2025-01-20T10:00", givenBy="GUARDIAN")._replace(recorded_at=at("2025-02-05T10:00"))
    assert shown([given, dated_back], TALK, "FAC", person=Person(FIFTEEN, "DK")) == ()


def test_what_was_taken_away_comes_back_by_who_may_give_it() -> None:
    less = amended("2025-02-05T10:00", givenBy="GUARDIAN", form="ORAL", recipients=["MNT"])
    wider = amended("2025-02-06T10:00", "k1c", givenBy="GUARDIAN")
    assert shown([K1, less, wider], TALK, "FAC") == ()
    assert shown([K1, less, wider, amended("2025-02-07T10:00", "k1d")], TALK, "FAC") == (("C:k1", mask_of(["SU"])),)


def test_an_amendment_that_does_not_say_by_whom_is_the_givers() -> None:
    wider = amended("2025-02-05T10:00", givenBy=None, **WIDER)
    assert shown([K1, wider], TALK, "PSY") != ()


def test_only_who_co_signs_adds_what_is_co_signed_of_a_minor() -> None:
    person, given = Person(SEVENTEEN, "DK"), consent(givenBy="SUBJECT_AND_GUARDIAN", sources=["A.SOC"])
    with_children: dict[str, Any] = {**WIDER, "purposes": ["TREATMENT"]}
    alone = amended("2025-02-05T10:00", givenBy="SUBJECT", **with_children)
    both = amended("2025-02-05T10:00", givenBy="SUBJECT_AND_GUARDIAN", **with_children)
    assert shown([given, both], CHILD, "FAC", person=person) == (("C:k1", mask_of(["CF"])),)
    assert shown([given, alone], CHILD, "FAC", person=person) == ()
    assert shown([given, both, amended("2025-02-06T10:00", "k1c", givenBy="SUBJECT", **with_children)], CHILD, "FAC",
                 person=person) == (("C:k1", mask_of(["CF"])),), "it was there before"  # fmt: skip
    of_age = amended("2025-06-01T10:00", givenBy="SUBJECT", **with_children)
    assert shown([given, of_age], CHILD, "FAC", time="2025-06-02T10:00", person=person) != ()


def test_the_birthday_decides_who_may_amend() -> None:
    """Eighteen on the first of March: from that day on a representative may speak for the citizen."""
    person, given = Person(date(2007, 3, 1), "DK"), consent(givenBy="SUBJECT", categories=["HO"])
    for day, opens in (("2025-02-28T23:59", False), ("2025-03-01T00:00", True)):
        wider = amended(day, givenBy="LEGAL_REPRESENTATIVE")
        assert bool(shown([given, wider], TALK, "FAC", person=person)) is opens
