"""What a holder grants of an emergency request, and for how long: never more than it decided, whatever is corrected."""

from __future__ import annotations

import pytest

from contracts.categories import mask_of
from contracts.fact import Fact
from tests.consent.test_borrowed_ids import (
    ADMITTED,
    BG,
    FIRST,
    GRANTED,
    NOON,
    asked,
    correction,
    retraction,
    shown,
    standing_of,
)
from tests.consent.test_hostile_facts import at, fact

BOTH = asked("r1", "KIF", "2025-05-12T09:00", categories=["MH", "RI"])
RISK = fact("n1", "RiskNoteRecorded", "PSY", "2025-05-12T08:00", riskKind="SUICIDE", validUntil=None)
RI = (("BG", mask_of(["RI"])),)


def granted(time: str = "2025-05-12T10:00", event_id: str = "g1", /, **payload: object) -> Fact:
    return fact(event_id, "BreakGlassGranted", "PSY", time, requestId="r1", party="KIF", **payload)


# --- the categories that an answer lists


@pytest.mark.parametrize(
    ("listed", "health", "risk"),
    [
        (None, BG, RI),
        (["MH", "RI"], BG, RI),
        (["MH"], BG, ()),
        (["RI"], (), RI),
        (["MH", "SU", "OF", "CU"], BG, ()),
        (["OTHER"], (), ()),
        ([], (), ()),
    ],
)
def test_a_grant_that_lists_categories_opens_these_of_what_was_asked(
    listed: list[str] | None, health: object, risk: object
) -> None:
    facts = [BOTH, granted(categories=listed)]
    assert shown(facts, ADMITTED, "KIF") == health
    assert shown(facts, RISK, "KIF") == risk


def test_each_holder_opens_what_it_lists_itself() -> None:
    other = granted(categories=["RI"])._replace(event_id="PHE/g1", party="PHE")
    opened = standing_of([BOTH, granted(categories=["MH"]), other], NOON).open_glass
    assert {(glass.categories, glass.sources) for glass in opened} == {
        (mask_of(["MH"]), frozenset({"PSY"})),
        (mask_of(["RI"]), frozenset({"PHE"})),
    }


def test_what_psychiatry_asks_for_itself_is_opened_at_once_whatever_an_answer_lists() -> None:
    own = asked("r1", "PSY", "2025-05-12T09:00", categories=["RI"])
    note = RISK._replace(event_id="A.SOC/n1", party="A.SOC")
    answer = fact("g1", "BreakGlassGranted", "A.SOC", NOON, requestId="r1", party="PSY", categories=["MH"])
    assert shown([own, answer], note, "PSY") == RI


# --- corrections of the answer


def test_who_corrects_its_grant_grants_no_more_than_was_asked_when_it_first_answered() -> None:
    wider = correction("r1b", FIRST, "2025-05-12T11:00", categories=["MH", "RI"])
    shorter = correction("g1b", GRANTED, "2025-05-12T11:30", expiresAt=at("2025-05-12T20:00"))
    assert shown([FIRST, GRANTED, wider, shorter], ADMITTED, "KIF") == BG
    assert shown([FIRST, GRANTED, wider, shorter], RISK, "KIF") == ()
    again = correction("g1c", shorter, "2025-05-12T11:45", expiresAt=at("2025-05-12T21:00"))
    assert shown([FIRST, GRANTED, wider, shorter, again], RISK, "KIF") == ()
    anew = granted("2025-05-12T11:50", "g2")
    assert shown([FIRST, GRANTED, wider, shorter, again, anew], RISK, "KIF") == RI


def test_an_answer_recorded_in_the_instant_of_a_correction_is_one_to_what_was_asked_before() -> None:
    wider = correction("r1b", FIRST, "2025-05-12T10:00", categories=["MH", "RI"])
    assert shown([FIRST, GRANTED, wider], ADMITTED, "KIF") == BG
    assert shown([FIRST, GRANTED, wider], RISK, "KIF") == ()


def test_a_grant_that_is_taken_back_opens_nothing_and_leaves_another_as_it_is() -> None:
    assert shown([BOTH, granted(), retraction(granted(), "2025-05-12T11:00")], ADMITTED, "KIF") == ()
    before = granted("2025-05-12T09:30", "g0", categories=["MH"])
    facts = [BOTH, before, granted(), retraction(granted(), "2025-05-12T11:00")]
    assert shown(facts, ADMITTED, "KIF") == BG
    assert shown(facts, RISK, "KIF") == ()


# --- how long a request lasts


@pytest.mark.parametrize("party", ["PSY", "KIF"])
def test_no_correction_carries_a_request_beyond_its_hours_from_when_it_was_first_recorded(party: str) -> None:
    """Also where it is granted at once, and where the holder answered one that was not complete yet."""
    first = asked("r1", party, "2025-05-12T09:00", categories=["RI"], justification="x" * (30 if party == "PSY" else 9))
    note = RISK._replace(event_id="PHE/n1", party="PHE")
    answer = fact("g1", "BreakGlassGranted", "PHE", "2025-05-12T10:00", requestId="r1", party=party)
    full = correction("r1b", first, "2025-05-13T08:00", justification="y" * 30, expiresAt=at("2025-05-14T08:00"))
    later = full._replace(occurred_at=at("2025-05-13T08:00"))
    for longer in (full, later):
        assert shown([first, answer, longer], note, party, "2025-05-13T08:59") == RI
        assert shown([first, answer, longer], note, party, "2025-05-13T09:00") == ()
        assert at("2025-05-13T09:00") in standing_of([first, answer, longer], "2025-05-13T08:30").turning_points
    further = correction("r1c", later, "2025-05-13T08:30", expiresAt=at("2025-05-14T08:30"))
    assert shown([first, answer, later, further], note, party, "2025-05-13T09:00") == ()


def test_an_admission_after_a_request_was_made_does_not_make_it_last_longer() -> None:
    first = asked("r1", "PSY", "2025-05-12T09:00", categories=["RI"])
    note = RISK._replace(event_id="PHE/n1", party="PHE")
    admitted = fact("e2", "AdmissionStarted", "PSY", "2025-05-13T07:00", admissionId="a2", legalForm="VOLUNTARY")
    moved = correction("r1b", first, "2025-05-13T08:00", expiresAt=at("2025-05-15T08:00"))
    moved = moved._replace(occurred_at=at("2025-05-13T08:00"))
    assert shown([first, moved, admitted], note, "PSY", "2025-05-13T08:59") == RI
    assert shown([first, moved, admitted], note, "PSY", "2025-05-13T09:00") == ()


def test_a_request_that_was_dated_wrongly_lasts_from_when_it_was_made() -> None:
    """Typed as the day before, and corrected at once: the hours run from the day that is right."""
    wrong = asked("r1", "PSY", "2025-05-11T09:00", categories=["RI"])._replace(recorded_at=at("2025-05-12T09:01"))
    right = correction("r1b", wrong, "2025-05-12T09:05")._replace(occurred_at=at("2025-05-12T09:00"))
    note = RISK._replace(event_id="PHE/n1", party="PHE")
    assert shown([wrong], note, "PSY", NOON) == ()
    assert shown([wrong, right], note, "PSY", "2025-05-13T08:59") == RI
    assert shown([wrong, right], note, "PSY", "2025-05-13T09:00") == ()


# --- who reads why somebody asks


IN_PRISON = fact(
    "i", "ImprisonmentStarted", "PRI", "2024-02-03T10:00", custodyId="c", legalStatus="CONVICTED", planDuty=True,
    homeMunicipality="B",
)  # fmt: skip
RELEASED = fact("r", "ReleasedAtEndOfSentence", "PRI", "2024-05-03T10:00", supervision=False)
MET_LONG_AGO = fact("m", "MunicipalContactHeld", "B.SOC", "2024-02-05T10:00", channel="OFFICE", inCustody=False)
CHILD_CASE = fact("c", "CaseOpened", "A.CHI", "2024-07-03T10:00", caseNo="1")
NOTE = fact("e", "MedicationAgreementMade", "PHE", "2024-03-03T10:00", episodeId="e", atcGroup="N05A")
BY_PSYCHIATRY = asked("r1", "PSY", "2025-05-12T09:00", reason="SUICIDE_RISK")


@pytest.mark.parametrize(
    ("party", "reads"), [("PRI", False), ("B.SOC", False), ("A.CHI", False), ("PHE", True), ("PSY", True)]
)
@pytest.mark.parametrize("request_now", [BY_PSYCHIATRY, correction("r1b", BY_PSYCHIATRY, NOON, categories=["RI"])])
def test_who_holds_nothing_of_what_is_asked_does_not_read_why(party: str, reads: bool, request_now: Fact) -> None:
    """Prison health alone has stated something of MH; it has been asked, also where the request is corrected since."""
    facts = [IN_PRISON, RELEASED, MET_LONG_AGO, CHILD_CASE, NOTE, BY_PSYCHIATRY]
    assert bool(shown(facts, request_now, party)) is reads
    ended = fact("x", "BreakGlassEnded", "PSY", NOON, requestId="r1", party="PSY")
    assert bool(shown([*facts, request_now], ended, party)) is reads
