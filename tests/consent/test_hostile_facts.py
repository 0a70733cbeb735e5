"""Facts that try to open more than they may, and records of consent that go only to those they concern."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from contracts.catalogue import catalogue
from contracts.categories import BIT, Category, mask_of
from contracts.civil_time import parse_local, zone_of
from contracts.fact import Fact, outline_of
from contracts.failures import BadRuleSet
from hub.consent.decision import Decider, Shown
from hub.consent.policy import load_policy
from hub.consent.standing import Person, Standing, Superseded, derive, next_change
from tests.consent.histories import PARTIES, REGISTRY, held_by

ZONE = zone_of("DK")
POLICY = load_policy("DK", REGISTRY)
ADULT = Person(date(1990, 5, 5), "DK")
SOUND: Mapping[str, Any] = {
    "consentId": "k1",
    "collectedBy": "A.SOC",
    "givenBy": "SUBJECT",
    "form": "WRITTEN",
    "categories": ["SU", "MH"],
    "sources": ["A.ADD"],
    "recipients": ["FAC", "MNT"],
    "purposes": ["TREATMENT"],
    "validFrom": parse_local("2025-02-01T10:00", ZONE),
    "dataFrom": None,
    "withdrawalExplained": True,
    "capacityConfirmed": True,
    "evidenceRef": "x",
}


def at(text: str) -> int:
    return parse_local(text, ZONE)


def fact(event_id: str, event_type: str, party: str, time: str, /, **payload: Any) -> Fact:
    return Fact(f"{party}/{event_id}", event_type, party, at(time), at(time), payload)


def consent(**changes: Any) -> Fact:
    return fact("k1", "ConsentGiven", "A.SOC", "2025-02-01T10:00", **{**SOUND, **changes})


TALK = fact("e1", "MotivationTalkHeld", "A.ADD", "2025-02-03T10:00", talkId="m1", setting="PRISON", topics=[])


def standing_of(facts: list[Fact], time: str, superseded: tuple[Superseded, ...] = ()) -> Standing:
    publishers = frozenset(each.party for each in facts)
    return derive(facts, held_by(facts), publishers, ADULT, at(time), POLICY, superseded)


def shown(facts: list[Fact], of: Fact, receiver: str, time: str = "2025-02-10T10:00") -> Shown:
    decider = Decider(POLICY, standing_of(facts, time))
    return decider.shown(outline_of(of, catalogue().event_types[of.event_type]), receiver)


def test_a_sound_consent_opens_what_it_lists() -> None:
    assert shown([consent(), TALK], TALK, "FAC") == (("C:k1", BIT[Category.SU]),)


@pytest.mark.parametrize(
    "flaw",
    [
        {"purposes": ["OTHER"]},
        {"purposes": ["treatment"]},
        {"purposes": []},
        {"sources": []},
        {"recipients": []},
        {"categories": []},
        {"categories": ["OTHER"]},
        {"categories": ["*"]},
        {"sources": ["*"]},
        {"withdrawalExplained": False},
        {"capacityConfirmed": False},
        {"withdrawalExplained": None},
        {"evidenceRef": ""},
        {"form": "OTHER"},
        {"givenBy": "OTHER"},
        {"givenBy": "GUARDIAN"},
        {"validUntil": at("2025-02-10T10:00")},
        {"validFrom": at("2025-02-10T10:00:01")},
        {"validFrom": at("2023-02-10T10:00")},
    ],
)
def test_a_consent_with_a_flaw_opens_nothing(flaw: dict[str, Any]) -> None:
    assert shown([consent(**flaw), TALK], TALK, "FAC") == ()


@pytest.mark.parametrize(
    ("born", "givers"),
    [
        (date(2010, 2, 2), {"GUARDIAN", "BOTH_GUARDIANS"}),
        (date(2010, 2, 1), {"SUBJECT", "SUBJECT_AND_GUARDIAN"}),
        (date(2007, 2, 2), {"SUBJECT", "SUBJECT_AND_GUARDIAN"}),
        (date(2007, 2, 1), {"SUBJECT", "SUBJECT_AND_GUARDIAN", "LEGAL_REPRESENTATIVE"}),
    ],
)
def test_who_may_give_a_consent_changes_on_the_birthday(born: date, givers: set[str]) -> None:
    """The consent is given at ten on the first of February 2025, and looked at two hours later."""
    talk = fact("e1", "MotivationTalkHeld", "A.ADD", "2025-02-01T11:00", talkId="m1", setting="PRISON", topics=[])
    everybody = ("SUBJECT", "GUARDIAN", "BOTH_GUARDIANS", "SUBJECT_AND_GUARDIAN", "LEGAL_REPRESENTATIVE", "OTHER")
    found: set[str] = set()
    for giver in everybody:
        facts = [consent(givenBy=giver), talk]
        publishers = frozenset(each.party for each in facts)
        standing = derive(facts, held_by(facts), publishers, Person(born, "DK"), at("2025-02-01T12:00"), POLICY)
        outline = outline_of(talk, catalogue().event_types[talk.event_type])
        if Decider(POLICY, standing).shown(outline, "FAC"):
            found.add(giver)
    assert found == givers


def test_an_unsound_amendment_leaves_nothing_open() -> None:
    amended = fact("k1b", "ConsentAmended", "A.SOC", "2025-02-05T10:00")._replace(
        payload={**SOUND, "withdrawalExplained": False, "categories": ["SU", "MH", "CU"]},
    )
    assert shown([consent(), amended, TALK], TALK, "FAC") == ()


def test_no_amendment_mends_a_consent_that_was_never_one() -> None:
    mended = fact("k1b", "ConsentAmended", "A.SOC", "2025-02-05T10:00", **SOUND)
    assert shown([consent(), mended, TALK], TALK, "FAC") != ()
    assert shown([consent(withdrawalExplained=False), mended, TALK], TALK, "FAC") == ()


def test_nobody_takes_over_a_request_for_emergency_access_that_was_granted_to_another() -> None:
    """Not even one that says to have asked before: the id is whoever's request was recorded first."""
    payload = {
        "requestId": "r1",
        "categories": ["MH"],
        "reason": "OVERDOSE",
        "justification": "x" * 500,
        "expiresAt": at("2025-02-10T20:00"),
    }
    asked = fact("g1", "BreakGlassRequested", "A.ADD", "2025-02-10T08:00", party="A.ADD", **payload)
    granted = fact("g2", "BreakGlassGranted", "PSY", "2025-02-10T08:05", requestId="r1", party="A.ADD")
    to_other = granted._replace(payload={**granted.payload, "party": "A.SOC"})
    other = fact("g3", "BreakGlassRequested", "A.SOC", "2025-02-10T07:00", party="A.SOC", **payload)
    late = other._replace(recorded_at=at("2025-02-10T09:00"))
    for facts, requester in (
        ([asked, granted], "A.ADD"),
        ([asked, granted, late], "A.ADD"),
        ([other, to_other], "A.SOC"),
    ):
        opened = standing_of(facts, "2025-02-10T10:00").open_glass
        assert [(glass.requester, glass.sources) for glass in opened] == [(requester, frozenset({"PSY"}))]


def test_who_is_named_in_one_fact_is_told_of_it_after_another_of_its_kind_that_names_nobody() -> None:
    """Facts of one kind are decided once where they are alike; who is named in one makes it another."""
    made = fact("d", "DischargeAgreementMade", "PSY", "2025-02-01T10:00", admissionId="a2", parties=["A.SOC"])
    ends = [fact(name, "AdmissionEnded", "PSY", "2025-02-03T10:00", admissionId=name) for name in ("a1", "a2")]
    decider = Decider(POLICY, standing_of([made, *ends], "2025-02-10T10:00"))
    contract = catalogue().event_types["AdmissionEnded"]
    assert ["A.SOC" in decider.decided(outline_of(each, contract)) for each in ends] == [False, True]


def test_a_second_consent_under_the_same_id_changes_nothing() -> None:
    taken_over = fact("z", "ConsentGiven", "MNT", "2025-02-02T10:00", **{**SOUND, "purposes": ["SUPPORT"]})
    assert shown([consent(), taken_over, TALK], TALK, "MNT") == ()
    assert shown([taken_over, consent(), TALK], TALK, "FAC") == (("C:k1", BIT[Category.SU]),)


def test_an_invalidated_consent_opens_nothing() -> None:
    for event_type in ("ConsentWithdrawn", "ConsentInvalidated", "ConsentExpired"):
        ended = fact("w", event_type, "MNT", "2025-02-04T10:00", consentId="k1")
        assert shown([consent(), ended, TALK], TALK, "FAC") == ()
        unrelated = fact("w", event_type, "MNT", "2025-02-04T10:00", consentId="k2")
        assert shown([consent(), unrelated, TALK], TALK, "FAC") != ()


def test_an_event_of_an_unknown_domain_is_shown_to_its_publisher_only() -> None:
    effort = fact("e2", "EarlierEffortRecorded", "A.ADD", "2025-02-03T10:00", domain="UNHEARD_OF", provider="A.ADD")
    facts = [consent(categories=["SU", "HO", "CU", "RI"]), effort]
    for party in PARTIES:
        assert bool(shown(facts, effort, party)) == (party == "A.ADD")


def test_parties_outside_the_registry_or_in_unknown_roles_see_nothing() -> None:
    facts = [consent(recipients=["POLICE", "EVA", "X.SOC"], purposes=["TREATMENT", "EVALUATION"]), TALK]
    for party in ("POLICE", "EVA", "X.SOC", "HUB", ""):
        assert shown(facts, TALK, party) == ()
        assert shown(facts, facts[0], party) == ()


def test_consent_records_go_to_those_they_name_and_their_end_to_all_ever_named() -> None:
    amended = fact("k1b", "ConsentAmended", "A.SOC", "2025-02-05T10:00")._replace(
        payload={**SOUND, "recipients": ["PSY"]}
    )
    ended = fact("w", "ConsentWithdrawn", "A.JOB", "2025-02-06T10:00", consentId="k1")
    facts = [consent(), amended, ended]
    receivers = {
        record.event_id: {party for party in PARTIES if party != record.party and shown(facts, record, party)}
        for record in facts
    }
    assert receivers["A.SOC/k1"] == {"A.ADD", "FAC", "MNT"}
    assert receivers["A.SOC/k1b"] == {"A.ADD", "PSY"}
    assert receivers["A.JOB/w"] == {"A.SOC", "A.ADD", "FAC", "MNT", "PSY"}


def test_governance_records_go_to_requester_holders_and_those_addressed() -> None:
    """A.ADD has stated something of SU alone, which is not asked for."""
    asked = fact("b1", "BreakGlassRequested", "KIF", "2025-02-03T10:00", requestId="r", party="KIF", categories=["MH"])
    denied = fact("b2", "BreakGlassDenied", "PSY", "2025-02-03T11:00", requestId="r", party="KIF")
    unasked = fact("b3", "BreakGlassDenied", "A.JOB", "2025-02-03T11:30", requestId="r", party="KIF")
    told = fact("n1", "RecipientNotified", "HUB", "2025-02-03T12:00", recipient="A.BEN", targetEventId="x")
    objected = fact("o1", "HealthSharingObjected", "PSY", "2025-02-03T12:00", source="PHE", against="A.ADD")
    retracted = fact("x1", "EventRetracted", "A.JOB", "2025-02-03T12:00", targetEventId="x")
    facts = [asked, denied, unasked, told, objected, retracted, TALK]
    for record, expected in (
        (asked, {"KIF", "PSY", "A.JOB"}),
        (denied, {"KIF", "PSY", "A.JOB"}),
        (told, {"A.BEN"}),
        (objected, {"PSY", "PHE"}),
        (retracted, {"A.JOB"}),
    ):
        assert {party for party in PARTIES if shown(facts, record, party)} == expected, record.event_type


def test_who_broke_the_glass_is_a_candidate() -> None:
    asked = fact(
        "b1",
        "BreakGlassRequested",
        "KIF",
        "2025-02-03T10:00",
        requestId="r",
        party="KIF",
        categories=["RI"],
        reason="OVERDOSE",
        justification="x" * 30,
        expiresAt=at("2025-02-04T10:00"),
    )
    granted = fact("b2", "BreakGlassGranted", "A.SOC", "2025-02-03T10:30", requestId="r", party="KIF")
    note = fact("e1", "RiskNoteRecorded", "A.SOC", "2025-02-03T09:00", level="HIGH")
    outline = outline_of(note, catalogue().event_types["RiskNoteRecorded"])
    pending = Decider(POLICY, standing_of([asked], "2025-02-03T11:00"))
    assert pending.shown(outline, "KIF") == ()
    assert "KIF" not in pending.candidates(outline)
    decider = Decider(POLICY, standing_of([asked, granted], "2025-02-03T11:00"))
    assert decider.shown(outline, "KIF") == (("BG", BIT[Category.RI]),)
    assert "KIF" in decider.candidates(outline)


def test_own_facts_come_back_whole() -> None:
    assert shown([TALK], TALK, "A.ADD") == (("OWN", mask_of(["SU", "CU"])),)


def test_a_fact_that_has_not_occurred_yet_counts_from_its_instant() -> None:
    released = fact("r", "ReleasedOnParole", "PRI", "2025-03-03T10:00", supervision=True)
    started = fact(
        "i", "ImprisonmentStarted", "PRI", "2025-02-03T10:00", custodyId="c", legalStatus="CONVICTED", planDuty=True
    )
    before = standing_of([released, started], "2025-03-03T09:59:59")
    assert before.custody.open
    assert not before.probation_active
    assert next_change(before, at("2025-03-03T09:59:59")) == at("2025-03-03T10:00")
    assert not standing_of([released, started], "2025-03-03T10:00").custody.open


def test_standings_are_equal_when_they_mean_the_same() -> None:
    morning, evening = (standing_of([consent(), TALK], f"2025-02-10T{hour}:00") for hour in ("09", "19"))
    assert morning == evening
    assert hash(morning) == hash(evening)
    assert morning != standing_of([consent(), TALK], "2026-02-01T00:00")
    restated = consent()._replace(event_id="A.SOC/k1-again")
    assert standing_of([restated, TALK], "2025-02-10T09:00") == morning


def test_a_policy_refuses_a_citizen_of_another_jurisdiction() -> None:
    with pytest.raises(BadRuleSet):
        derive([], {}, frozenset(), Person(date(1990, 1, 1), "SE"), 0, POLICY)


def test_explanations_name_law_event_and_what_lacks_but_no_value() -> None:
    started = fact(
        "i",
        "ImprisonmentStarted",
        "PRI",
        "2025-02-03T10:00",
        custodyId="c",
        legalStatus="CONVICTED",
        planDuty=True,
        homeMunicipality="A",
        offenceGroup="ARSON-9",
        sentenceDays=4711,
    )
    decider = Decider(POLICY, standing_of([started, consent()], "2025-02-10T10:00"))
    outline = outline_of(started, catalogue().event_types["ImprisonmentStarted"])
    social = {reason.category: reason for reason in decider.explain(outline, "A.SOC")}
    assert social[Category.CU].basis == "S1"
    assert "Køreplan" in str(social[Category.CU].law)
    assert social[Category.CU].events == ("PRI/i",)
    assert not social[Category.OF].shown
    assert "S3" in social[Category.OF].sentences[0]
    assert "cooperation on persons at risk is activated" in social[Category.OF].sentences[0]
    benefit = {reason.category: reason for reason in decider.explain(outline, "A.BEN")}
    assert "never shows OF to the role BEN" in benefit[Category.OF].sentences[0]
    facility = {reason.category: reason for reason in decider.explain(outline, "FAC")}
    text = " ".join(str(reason) for reasons in (social, benefit, facility) for reason in reasons.values())
    assert "consent `k1` does not open it: it does not cover CU" in str(facility[Category.CU])
    assert "ARSON-9" not in text
    assert "4711" not in text
