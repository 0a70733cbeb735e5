"""What a second reader of the specification's text expects of the views: events, and what the line then says."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.board import board_of
from consumers.views.choice import VIEWS
from consumers.visible import VisibleEvent
from contracts.civil_time import zone_of
from tests.consumers.simulated_topic import name
from tests.consumers.test_views import A_DAY, HOUR_MS, START, event, line

REMAND = event("RemandStarted", 0, custodyId="c0")
SENTENCE = event("ImprisonmentStarted", 20, custodyId="c1", priorCustodyId="c0")
ANOTHER = event("ImprisonmentStarted", 20, custodyId="c1")
OUT = event("ReleasedOnParole", 40, custodyId="c1")
CARING = event("RemandStarted", 0, custodyId="c0", caresForChild=True)
ASKED = event("TreatmentRequested", 1, "A.ADD", treatmentId=name("t"), guaranteeDate=A_DAY)
RUNS = event("TreatmentStarted", 1, "A.ADD", treatmentId=name("t"))
OVER = event("TreatmentCompleted", 5, "PHE", treatmentId=name("u"))
COURSE = event("EducationStarted", 1, "A.YTH", activityId=name("d"))
DRUGS = [event("MedicationAgreementMade", at, "PHE", episodeId=name(drug)) for at, drug in ((1, "m"), (2, "n"))]
HANDED = event("MedicationHandedOver", 4, "PHE", episodeId=name("m"), to="PSY")
OURS = event("CaseOpened", 0, "A.SOC", caseNo="1")
CARE = event("TreatmentStarted", 10, "A.ADD", treatmentId=name("t"), activityId=name("a"))
WORK = event("EmploymentStarted", 10, "A.JOB", activityId=name("w"))
PLACED = [event("ChildPlaced", at, "A.CHI", childRef=child) for at, child in ((1, "one"), (2, "two"))]
VISIT = event("VisitArranged", 4, "A.CHI", visitId=name("v"), childRef="one")
J1, J2 = (event("JointPlanAgreed", at, "A.SOC", planId=name(at), followUpDate=A_DAY + at) for at in (1, 2))


@pytest.mark.parametrize(
    ("view", "events", "column", "expected"),
    [
        # A case is open until it is closed itself: the case of another department does not close it.
        ("social", [OURS], "case", "CaseOpened"),
        ("social", [OURS, event("CaseOpened", 1, "A.JOB", caseNo="1"), event("CaseClosed", 2, "A.JOB", caseNo="1")],
         "case", "CaseOpened"),
        ("social", [OURS, event("CaseOpened", 1, "A.SOC", caseNo="2"), event("CaseClosed", 2, "A.SOC", caseNo="2")],
         "case", "CaseOpened"),
        ("social", [OURS, event("CaseClosed", 2, "A.SOC", caseNo="1")], "case", "CaseClosed"),
        ("social", [OURS, event("CaseClosed", 2, "A.SOC", caseNo="1"), event("CaseReopened", 3, "A.SOC", caseNo="1")],
         "case", "CaseReopened"),
        ("social", [OURS, event("CaseOpened", 1, "B.SOC", caseNo="1"), event("CaseClosed", 2, "B.SOC", caseNo="1")],
         "case", "CaseClosed"),
        ("child_family", [event("CaseOpened", 0, "A.CHI", caseNo="1"), event("CaseClosed", 2, "A.JOB", caseNo="9")],
         "case", "CaseOpened"),
        # A remand that goes over into a sentence is one time in custody (4.9.3); an unchained start is another.
        ("prison", [REMAND, event("ReleaseDateSet", 5, releaseDate=A_DAY), SENTENCE], "planned_release", A_DAY),
        ("prison", [REMAND, event("ReleaseDateSet", 5, releaseDate=A_DAY), ANOTHER], "planned_release", None),
        ("cohort", [REMAND, SENTENCE, OUT], "custody_at", START),
        ("cohort", [REMAND, ANOTHER, OUT], "custody_at", START + 20 * HOUR_MS),
        ("cohort", [REMAND, CARE, SENTENCE, OUT], "went_on", "NO"),
        ("cohort", [REMAND, CARE, ANOTHER, OUT], "went_on", None),
        # What the start of the remand said holds until the sentence says otherwise.
        ("child_family", [CARING, SENTENCE], "cares_for_child", "YES"),
        ("child_family", [CARING, event("ImprisonmentStarted", 20, custodyId="c1", priorCustodyId="c0",
                                        caresForChild=False)], "cares_for_child", "NO"),
        ("child_family", [CARING, ANOTHER], "cares_for_child", None),
        ("prison", [event("ImprisonmentStarted", 0, custodyId="c0", earliestParole=A_DAY), SENTENCE],
         "earliest_parole", A_DAY),
        # A treatment's guarantee holds though a later word on it does not repeat it.
        ("addiction", [ASKED, event("TreatmentAssessed", 2, "A.ADD", treatmentId=name("t"))], "guarantee", A_DAY),
        ("addiction", [ASKED, event("TreatmentAssessed", 2, "A.ADD", treatmentId=name("t"), guaranteeDate=A_DAY + 1)],
         "guarantee", A_DAY + 1),
        ("addiction", [ASKED, event("TreatmentRequested", 2, "A.ADD", treatmentId=name("u"))], "guarantee", None),
        # What ended is not the last word while something of its kind goes on.
        *((view, [RUNS, OVER], "treatment", "TreatmentStarted")
          for view in ("addiction", "social", "psychiatry", "prison_health", "placement")),
        ("addiction", [RUNS, OVER], "treatment_at", START + HOUR_MS),
        ("addiction", [OVER], "treatment", "TreatmentCompleted"),
        ("addiction", [RUNS, OVER, event("TreatmentInterrupted", 6, "A.ADD", treatmentId=name("t"))],
         "treatment", "TreatmentInterrupted"),
        ("addiction", [RUNS, event("TreatmentReferred", 6, "A.ADD", treatmentId=name("u"), to="FAC")],
         "treatment", "TreatmentReferred"),
        ("addiction", [RUNS, event("TreatmentTransferred", 6, "A.ADD", treatmentId=name("u"), to="FAC")],
         "treatment", "TreatmentTransferred"),
        ("youth_guidance", [COURSE, event("EducationInterrupted", 6, "A.YTH", activityId=name("e"))],
         "education", "EducationStarted"),
        ("youth_guidance", [COURSE, event("EducationInterrupted", 6, "A.YTH", activityId=name("d"))],
         "education", "EducationInterrupted"),
        # Of several medications the one that is due first.
        *((view, [event("MedicationAgreementMade", 1, "PHE", episodeId=name("m"), nextDispense=A_DAY),
                  event("MedicationAgreementMade", 2, "PHE", episodeId=name("n"), nextDispense=A_DAY + 9), *more],
           "next_dispense", A_DAY + days)
          for view in ("prison_health", "psychiatry")
          for more, days in (([], 0), ([event("MedicationAgreementEnded", 5, "PHE", episodeId=name("m"))], 9))),
        # Medication is handed over when all that the prison's doctors prescribe is.
        ("prison_health", [*DRUGS, HANDED], "handed_over_at", None),
        ("prison_health", [*DRUGS, HANDED, event("MedicationHandedOver", 5, "PHE", episodeId=name("n"), to="PSY")],
         "handed_over_at", START + 5 * HOUR_MS),
        ("prison_health", [*DRUGS, HANDED, event("MedicationAgreementEnded", 5, "PHE", episodeId=name("n"))],
         "handed_over_at", START + 4 * HOUR_MS),
        ("prison_health", [DRUGS[0], HANDED, event("MedicationAgreementMade", 3, "PSY", episodeId=name("o"))],
         "handed_over_at", START + 4 * HOUR_MS),
        # I1 and I2 as the hub counts them.
        ("cohort", [REMAND, CARE, SENTENCE, OUT, event("TreatmentResumed", 50, "A.ADD", treatmentId=name("t"))],
         "went_on", "YES"),
        ("cohort", [REMAND, CARE, event("TreatmentCompleted", 30, "A.ADD", treatmentId=name("t")), SENTENCE, OUT],
         "went_on", None),
        ("cohort", [REMAND, WORK, event("EmploymentEnded", 30, "A.JOB", activityId=name("w"), reason="COMPLETED"),
                    SENTENCE, OUT], "went_on", None),
        ("cohort", [REMAND, WORK, event("EmploymentEnded", 30, "A.JOB", activityId=name("w"), reason="LEFT"),
                    SENTENCE, OUT], "went_on", "NO"),
        ("cohort", [event("EmploymentStarted", -9, "A.JOB", activityId=name("w")), REMAND, WORK, SENTENCE, OUT],
         "went_on", None),
        ("cohort", [REMAND, SENTENCE, OUT, event("MunicipalContactHeld", 40, "A.SOC", attendance="ATTENDED")],
         "first_contact", START + 40 * HOUR_MS),
        ("cohort", [REMAND, SENTENCE, event("MunicipalContactHeld", 39, "A.SOC", attendance="ATTENDED"), OUT],
         "first_contact", None),
        # A plan that ended and was agreed again is in force; the end of another does not end it.
        ("social", [J1, event("JointPlanEnded", 5, "A.SOC", planId=name(1))], "plan", None),
        ("social", [J1, event("JointPlanEnded", 5, "A.SOC", planId=name(1)),
                    event("JointPlanAgreed", 9, "A.SOC", planId=name(1))], "plan", "JointPlanAgreed"),
        ("social", [J1, J2, event("JointPlanEnded", 5, "A.SOC", planId=name(1))], "follow_up", A_DAY + 2),
        # Of children who are placed the one that is seen least (I14): a visit to one is none to the other.
        ("child_family", [*PLACED, VISIT], "visit_arranged", None),
        ("child_family", [*PLACED, VISIT, event("VisitArranged", 5, "A.CHI", visitId=name("w"), childRef="two")],
         "visit_arranged", START + 4 * HOUR_MS),
        ("child_family", [*PLACED, VISIT, event("VisitHeld", 5, "A.CHI", visitId=name("w"), childRef="two")],
         "last_visit", START + 5 * HOUR_MS),
        ("child_family", [*PLACED, event("VisitHeld", 5, "A.CHI", visitId=name("w"), childRef="two")],
         "last_visit", None),
        ("child_family", [*PLACED, event("VisitHeld", 5, "A.CHI", visitId=name("w"), childRef="one")],
         "last_visit", None),
        ("child_family", [PLACED[0], VISIT], "visit_arranged", START + 4 * HOUR_MS),
        ("child_family", [VISIT], "visit_arranged", START + 4 * HOUR_MS),
        # A benefit that began again.
        ("social", [event("BenefitGranted", 1, "A.BEN", benefitId=name("b")),
                    event("BenefitStopped", 2, "A.BEN", benefitId=name("b")),
                    event("BenefitGranted", 3, "A.BEN", benefitId=name("b"))], "income", ["BenefitGranted"]),
    ],
)  # fmt: skip
def test_a_line_says_what_its_events_hold(view: str, events: list[VisibleEvent], column: str, expected: Any) -> None:
    assert line(view, *events).get(column) == expected


@pytest.mark.parametrize(
    ("view", "list_name", "events"),
    [
        ("prison_health", "risks_in_force", [event("RiskNoteRecorded", 0, riskKind="SUICIDE", validUntil=A_DAY)]),
        ("psychiatry", "risks_in_force", [event("RiskNoteRecorded", 0, riskKind="SUICIDE", validUntil=A_DAY)]),
        ("probation", "police_cooperation", [REMAND, event("KspActivated", 1, endsOn=A_DAY)]),
    ],
)
def test_what_ends_on_a_day_is_in_force_until_that_day_begins(
    view: str, list_name: str, events: list[VisibleEvent]
) -> None:
    made = VIEWS[view]
    held = {column.name: None for column in made.columns} | {"key": events[0].key} | line(view, *events)
    for day, there in ((A_DAY - 1, 1), (A_DAY, 0), (A_DAY + 1, 0)):
        (found,) = [
            each for each in board_of(made, "X", [held], day, zone_of("DK")).lists if each.list.name == list_name
        ]
        assert len(found.lines) == there, day - A_DAY
