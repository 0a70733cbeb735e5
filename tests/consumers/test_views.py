"""What each agency's view makes of what it was sent; retractions leave no trace; closed looks as absent."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from consumers.store import PartyStore
from consumers.subscription import Subscription
from consumers.views.base import View
from consumers.views.choice import VIEWS, view_of
from consumers.visible import VisibleEvent
from contracts.catalogue import catalogue
from tests.consumers.histories import drain
from tests.consumers.simulated_topic import KEYS, SimulatedTopic, name

START = 1_736_150_400_000
HOUR_MS = 3_600_000
A_DAY = 20_395


def event(event_type: str, hours: int = 0, stated_by: str = "PRI", /, **payload: Any) -> VisibleEvent:
    at = START + hours * HOUR_MS
    assert set(payload) <= set(catalogue().event_types[event_type].field), event_type
    return VisibleEvent(
        KEYS[0], name(event_type, hours, stated_by), stated_by, event_type, at, at, {"occurredAt": at} | payload
    )


def line(view: str, *events: VisibleEvent) -> dict[str, Any]:
    """What is known in the line of `view`."""
    folded = VIEWS[view].fold(sorted(events, key=lambda one: one.order))
    assert folded is not None
    return {column: value for column, value in folded.items() if value not in (None, [])}


PRISON = (
    event("ImprisonmentStarted", institution="PRI", earliestParole=A_DAY),
    event("ReleaseDateSet", 1, releaseDate=A_DAY, kind="PAROLE"),
    event("SentencePlanAgreed", 2, planId=name("p")),
    event("CoordinatorAssigned", 3, "A.SOC", party="A.SOC"),
    event("HousingSecured", 4, "A.SOC", housingId=name("h"), kind="PENSION", startsOn=A_DAY),
    event("BenefitGranted", 5, "A.BEN", benefitId=name("b"), kind="CASH_ASSISTANCE"),
    event("CaseKeptOpen", 6, "A.SOC", keepOpenUntil=A_DAY + 1),
)


def test_the_release_board_shows_what_is_in_place_and_what_is_not_known() -> None:
    assert line("prison", *PRISON) == {
        "custody": "IMPRISONED",
        "since": START,
        "institution": "PRI",
        "earliest_parole": A_DAY,
        "planned_release": A_DAY,
        "plan": "SentencePlanAgreed",
        "coordinator": "A.SOC",
        "housing": "PENSION",
        "housing_from": A_DAY,
        "income": ["BenefitGranted"],
        "kept_open_until": A_DAY + 1,
    }
    assert line("prison", PRISON[0])["missing"] == ["RELEASE_DATE", "PLAN", "COORDINATOR", "HOUSING", "INCOME"]


def test_release_ends_custody_and_the_list_of_what_is_missing() -> None:
    released = line("prison", *PRISON, event("ReleasedOnParole", 9))
    assert (released["custody"], released["release_kind"]) == ("RELEASED", "ReleasedOnParole")
    assert released["released_at"] == START + 9 * HOUR_MS
    assert "missing" not in released
    again = line("prison", *PRISON, event("ReleasedOnParole", 9), event("RemandStarted", 10, institution="PRI"))
    assert (again["custody"], again["since"]) == ("REMAND", START + 10 * HOUR_MS)
    assert "planned_release" not in again, "the date was set for the earlier time in custody"


def test_a_citizen_without_visible_custody_is_not_on_the_release_board() -> None:
    assert VIEWS["prison"].fold([event("CoordinatorAssigned", party="A.SOC")]) is None


def test_what_was_lost_stopped_or_vacated_is_not_in_place() -> None:
    known = line(
        "prison",
        *PRISON,
        event("HousingLost", 7, "A.SOC", housingId=name("h")),
        event("BenefitStopped", 7, "A.BEN", benefitId=name("b")),
        event("CoordinatorVacated", 7, "A.SOC", party="A.SOC"),
    )
    assert known["missing"] == ["COORDINATOR", "HOUSING", "INCOME"]
    other = line(
        "prison",
        *PRISON,
        event("HousingLost", 7, "A.SOC", housingId=name("other")),
        event("CoordinatorVacated", 7, "A.JOB", party="A.JOB"),
    )
    assert "missing" not in other


def test_a_transfer_moves_the_citizen_to_the_other_prison() -> None:
    moved = line(
        "prison", PRISON[0], event("TransferredBetweenPrisons", 1, fromParty="PRI", toParty="dk.kf.sonder.PRI")
    )
    assert moved["institution"] == "dk.kf.sonder.PRI"


def test_probation_shows_supervision_conditions_and_danger() -> None:
    known = line(
        "probation",
        event("ReleasedOnParole", 0, conditions=["SUPERVISION", "RESIDENCE"]),
        event("SupervisionStarted", 1, "KIF", supervisionId=name("s"), until=A_DAY),
        event("KspActivated", 2, endsOn=A_DAY + 5),
        event("MunicipalContactHeld", 3, "A.SOC"),
    )
    assert known["supervised_since"] == START + HOUR_MS
    assert known["supervised_until"] == A_DAY
    assert known["conditions"] == ["SUPERVISION", "RESIDENCE"]
    assert known["danger_until"] == A_DAY + 5
    assert known["last_contact"] == START + 3 * HOUR_MS
    ended = line(
        "probation",
        event("ReleasedOnParole", 0),
        event("SupervisionStarted", 1, supervisionId=name("s")),
        event("SupervisionEnded", 2, supervisionId=name("s")),
        event("KspEnded", 3, endsOn=A_DAY),
    )
    assert not {"supervised_since", "danger_until"} & set(ended)


def test_the_social_service_shows_case_treatment_and_contact() -> None:
    known = line(
        "social",
        event("CaseOpened", 0, "A.SOC"),
        event("TreatmentStarted", 1, "A.ADD"),
        event("MunicipalContactHeld", 2, "A.SOC"),
        event("JointPlanAgreed", 3, "A.SOC", planId=name("j")),
    )
    assert (known["case"], known["treatment"], known["plan"]) == ("CaseOpened", "TreatmentStarted", "JointPlanAgreed")
    assert known["missing"] == ["COORDINATOR", "HOUSING", "INCOME"]
    ended = line("social", event("JointPlanAgreed", 0, planId=name("j")), event("JointPlanEnded", 1, planId=name("j")))
    assert "PLAN" in ended["missing"]


def test_the_job_centre_shows_work_programme_mentor_and_follow_up() -> None:
    events = (
        event("ProgrammeStarted", 0, activityId=name("a"), domain="EMPLOYMENT"),
        event("EmploymentStarted", 1, "A.JOB", activityId=name("b"), kind="WAGE_SUBSIDY"),
        event("MentorAssigned", 2, "A.JOB", activityId=name("c"), provider="MNT"),
        event("JointPlanAgreed", 3, "A.SOC", planId=name("j"), followUpDate=A_DAY),
        event("JobcenterMeetingHeld", 4, "A.JOB"),
    )
    known = line("job", *events)
    assert (known["programme"], known["employment"], known["mentor"]) == ("EMPLOYMENT", "WAGE_SUBSIDY", "MNT")
    assert (known["follow_up"], known["last_meeting"]) == (A_DAY, START + 4 * HOUR_MS)
    ended = line(
        "job",
        *events,
        event("EmploymentEnded", 5, "A.JOB", activityId=name("b")),
        event("ProgrammeCompleted", 5, activityId=name("a")),
        event("MentorEnded", 5, activityId=name("c")),
    )
    assert not {"programme", "employment", "mentor"} & set(ended)


def test_the_benefit_office_shows_what_is_paid_and_what_is_asked_for() -> None:
    events = (
        event("BenefitApplied", 0, "A.BEN", benefitId=name("b"), kind="CASH_ASSISTANCE"),
        event("BenefitApplied", 1, "A.BEN", benefitId=name("c"), kind="RELEASE_GRANT"),
        event("BenefitGranted", 2, "A.BEN", benefitId=name("b"), kind="CASH_ASSISTANCE"),
    )
    known = line("benefit", *events)
    assert (known["benefits"], known["applied_for"]) == (["CASH_ASSISTANCE"], ["RELEASE_GRANT"])
    stopped = line(
        "benefit",
        *events,
        event("BenefitStopped", 3, "A.BEN", benefitId=name("b")),
        event("BenefitRefused", 3, "A.BEN", benefitId=name("c")),
    )
    assert not {"benefits", "applied_for"} & set(stopped)
    assert stopped["stopped_at"] == START + 3 * HOUR_MS


def test_the_addiction_centre_shows_where_treatment_and_trial_stand() -> None:
    known = line(
        "addiction",
        event("TreatmentStarted", 0, "A.ADD", treatmentId=name("t"), kind="SOCIAL", setting="PRISON", provider="A.ADD"),
        event("TreatmentResumed", 5, "A.ADD", treatmentId=name("t"), kind="SOCIAL", setting="OUTPATIENT"),
        event("TreatmentTrialStarted", 1, "A.ADD", trialId=name("r"), plannedEnd=A_DAY),
        event("TreatmentTrialExtended", 2, "A.ADD", trialId=name("r"), plannedEnd=A_DAY, extendedTo=A_DAY + 9),
        event("MotivationTalkHeld", 6, "A.ADD"),
    )
    assert (known["treatment"], known["setting"]) == ("TreatmentResumed", "OUTPATIENT")
    assert (known["trial_until"], known["last_contact"]) == (A_DAY + 9, START + 6 * HOUR_MS)
    lapsed = line(
        "addiction",
        event("TreatmentTrialStarted", 1, trialId=name("r"), plannedEnd=A_DAY),
        event("TreatmentTrialLapsed", 2, trialId=name("r")),
    )
    assert "trial_until" not in lapsed


def test_youth_guidance_shows_guide_target_plan_and_education() -> None:
    known = line(
        "youth_guidance",
        event("YouthContactPersonAssigned", 0, "A.YTH", staff="s1"),
        event("GuidanceStarted", 1, "A.YTH", activityId=name("g")),
        event("GuidanceSessionHeld", 2, "A.YTH", activityId=name("g")),
        event("YouthTargetGroupAssessed", 3, "A.YTH", result="FGU"),
        event("EducationPlanAgreed", 4, "A.YTH", goal="EUD"),
        event("EducationStarted", 5, "A.YTH", activityId=name("e"), level="ISCED3"),
    )
    assert known == {
        "contact_person": "s1",
        "guided_since": START + HOUR_MS,
        "last_session": START + 2 * HOUR_MS,
        "target_group": "FGU",
        "education_goal": "EUD",
        "education": "EducationStarted",
        "level": "ISCED3",
    }


def test_psychiatry_shows_admission_medication_agreement_and_risk() -> None:
    events = (
        event("AdmissionStarted", 0, "PSY", admissionId=name("a"), legalForm="VOLUNTARY"),
        event("OutpatientEpisodeStarted", 1, "PSY", episodeId=name("o")),
        event("MedicationAgreementMade", 2, "PHE", episodeId=name("m"), atcGroup="N05A", nextDispense=A_DAY),
        event("MedicationHandedOver", 3, "PHE", episodeId=name("m"), to="PSY"),
        event("DischargeAgreementMade", 4, "PSY", admissionId=name("a"), endsOn=A_DAY + 2),
        event("RiskNoteRecorded", 5, "PRI", noteId=name("r"), riskKind="SELF_HARM", validUntil=A_DAY + 3),
    )
    known = line("psychiatry", *events)
    assert (known["admitted_since"], known["legal_form"]) == (START, "VOLUNTARY")
    assert (known["medication"], known["next_dispense"]) == (["N05A"], A_DAY)
    assert (known["agreement_until"], known["risks"], known["risk_until"]) == (A_DAY + 2, ["SELF_HARM"], A_DAY + 3)
    ended = line(
        "psychiatry",
        *events,
        event("AdmissionEnded", 6, "PSY", admissionId=name("a")),
        event("MedicationAgreementEnded", 6, "PHE", episodeId=name("m")),
        event("RiskNoteLifted", 6, "PRI", noteId=name("r")),
    )
    assert not {"admitted_since", "legal_form", "medication", "risks", "risk_until"} & set(ended)


@pytest.mark.parametrize(
    ("party", "view"),
    [
        ("PRI", "prison"),
        ("dk.kf.vestre.PRI", "prison"),
        ("KIF", "probation"),
        ("A.SOC", "social"),
        ("A.JOB", "job"),
        ("A.BEN", "benefit"),
        ("A.ADD", "addiction"),
        ("A.YTH", "youth_guidance"),
        ("PSY", "psychiatry"),
        ("PHE", "prison_health"),
        ("H.FAC", "placement"),
        ("A.CHI", "child_family"),
        ("A.HSG", "housing"),
        ("MNT", "support"),
        ("VOL", "support"),
        ("EVA", "cohort"),
        ("GOV", "steering"),
        ("OPS", "steering"),
        ("AUD", "summary"),
    ],
)
def test_the_role_chooses_the_view(party: str, view: str) -> None:
    assert view_of(party).name == view


@pytest.mark.parametrize("view", VIEWS.values(), ids=lambda view: view.name)
def test_a_view_reads_existing_event_types_and_folds_any_of_them_alone_or_bare(view: View) -> None:
    types = view.event_types or frozenset({"CaseOpened"})
    assert types <= set(catalogue().event_types)
    columns = {column.name for column in view.columns}
    assert len(columns) == len(view.columns)
    for first, second in itertools.product(sorted(types), repeat=2):
        folded = view.fold([event(first), event(second, 1)])
        assert folded is None or set(folded) <= columns
        for column in view.columns:
            value = (folded or {}).get(column.name)
            assert column.is_list or not isinstance(value, list), column.name


def received(tmp_path: Path, label: str, payload: dict[str, Any]) -> tuple[Any, Any]:
    topic = SimulatedTopic()
    topic.disclose(KEYS[0], name("e"), "ImprisonmentStarted", payload)
    with PartyStore.create(tmp_path / f"{label}.db", "PRI") as store:
        drain(Subscription("PRI", topic, store))
        return store.visible(), store.view_lines()


def test_a_closed_field_and_an_absent_one_are_the_same_to_the_receiver(tmp_path: Path) -> None:
    absent = {"occurredAt": START, "institution": "PRI"}
    closed = absent | {"earliestParole": None, "offenceGroup": None, "planDuty": None}
    assert received(tmp_path, "absent", absent) == received(tmp_path, "closed", closed)


def test_a_closed_field_of_a_list_item_is_not_there(tmp_path: Path) -> None:
    topic = SimulatedTopic()
    topic.disclose(
        KEYS[0],
        name("e"),
        "IntakeInterviewHeld",
        {"occurredAt": START, "needs": [{"domain": "HOUSING", "level": "ACUTE", "note": None}]},
    )
    with PartyStore.create(tmp_path / "s.db", "PRI") as store:
        drain(Subscription("PRI", topic, store))
        assert store.visible()[0].payload["needs"] == [{"domain": "HOUSING", "level": "ACUTE"}]


def test_a_retraction_takes_its_part_of_the_line_with_it(tmp_path: Path) -> None:
    topic = SimulatedTopic()
    topic.disclose(KEYS[0], name("e1"), "ImprisonmentStarted", {"occurredAt": START, "institution": "PRI"})
    with PartyStore.create(tmp_path / "s.db", "PRI") as store:
        subscription = Subscription("PRI", topic, store)
        drain(subscription)
        before = store.view_lines()
        topic.disclose(KEYS[0], name("e2"), "ReleaseDateSet", {"occurredAt": START, "releaseDate": A_DAY})
        drain(subscription)
        assert store.view_lines()[0]["planned_release"] == A_DAY
        topic.retract(KEYS[0], name("e2"), "ReleaseDateSet")
        drain(subscription)
        assert store.view_lines() == before
        topic.retract(KEYS[0], name("e1"), "ImprisonmentStarted")
        drain(subscription)
        assert store.view_lines() == []
