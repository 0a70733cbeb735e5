"""Each clock: when it has run out, to the millisecond; what stops it, and what ends it."""

from __future__ import annotations

import pytest

from contracts.civil_time import format_local
from hub.continuity.clocks import CLOCKS, Clock, clocks_of, reads
from hub.continuity.terms import terms
from tests.continuity.cases import START, ZONE, at, case_of
from tests.scenario.vignettes import vignette

STOPPED_PAY = (
    "g 2024-12-01T10:00 A.BEN BenefitGranted(benefitId=u) ;; h 2025-01-10T10:00 A.BEN BenefitStopped(benefitId=u)"
)
CARE = (
    "t 2025-03-03T10:00 A.ADD TreatmentStarted(treatmentId=t activityId=a provider=A.ADD) ;; "
    "u 2025-04-03T10:00 PHE TreatmentStarted(treatmentId=u provider=PHE)"
)
LATE = at("2026-12-01T10:00")
REMAND = "s 2025-01-06T09:00 PRI RemandStarted(custodyId=c0 restrictions=false homeMunicipality=A)"
PAROLE = START.replace("planDuty=true", "planDuty=true earliestParole=2026-06-15")
RELEASE = "r 2025-07-01T10:00 PRI ReleasedOnParole(custodyId=c1 supervision=false)"
OUT = f"{START} ;; {RELEASE}"
TRIAL = "t 2025-05-06T18:00 A.ADD TreatmentTrialStarted(trialId=t1 requestedAt=2025-05-06T14:00 plannedEnd=2025-05-20)"
REQUEST = "q 2025-03-03T15:00 A.ADD TreatmentRequested(treatmentId=q1 provider=A.ADD setting=OUTPATIENT)"
DATE = "d 2025-02-01T10:00 PRI ReleaseDateSet(custodyId=c1 releaseDate=2025-09-01 kind=PAROLE)"
MENTOR = "m 2025-02-03T10:00 A.JOB MentorAssigned(activityId=m1 provider=A.MNT)"
WORK = "w 2025-02-05T16:00 PRI EmploymentStarted(activityId=w1 kind=PRISON_WORK)"
GLASS = (
    "b 2025-05-01T10:00 PSY BreakGlassRequested(requestId=b party=PSY categories=[MH] reason=OVERDOSE "
    "expiresAt=2025-05-02T10:00)"
)
ASKED = (
    "b 2025-05-01T10:00 A.SOC BreakGlassRequested(requestId=b party=A.SOC categories=[RI] reason=OVERDOSE "
    "expiresAt=2025-05-02T09:00)"
)
GRANTED = "g 2025-05-01T11:00 KIF BreakGlassGranted(requestId=b party=A.SOC)"
REVIEW = "BreakGlassReviewed(requestId=b party=PSY outcome=JUSTIFIED"


def clocks(facts: str, cutoff: int = LATE) -> list[Clock]:
    return clocks_of(case_of(vignette(f"E {facts}"), cutoff))


def due(facts: str, kind: str, cutoff: int = LATE) -> list[str]:
    """When the clocks of one kind run out, in local time with milliseconds."""
    found = [clock.due for clock in clocks(facts, cutoff) if clock.kind == kind]
    return [f"{format_local(each, ZONE)}+{each % 1000}" for each in found]


RUN_OUT = [
    ("TRIAL_PRESUMED_LAPSED", TRIAL, "2025-05-21 00:00+0"),
    ("SENTENCE_PLAN_MISSING", START, "2025-02-04 00:00+0"),
    ("CONTACT_BEFORE_PAROLE_MISSING", PAROLE, "2025-06-16 00:00+0"),
    # Less than a year remains at the start: four weeks.
    ("CONTACT_BEFORE_PAROLE_MISSING", PAROLE.replace("2026-06-15", "2026-01-05"), "2025-02-04 00:00+0"),
    ("CONTACT_BEFORE_PAROLE_MISSING", PAROLE.replace("2026-06-15", "2026-01-06"), "2025-01-07 00:00+0"),
    ("TREATMENT_NOT_BEGUN", REQUEST, "2025-03-18 00:00+0"),
    ("COORDINATOR_MISSING", f"{START} ;; {DATE}", "2025-06-03 12:00+0"),
    ("RELEASED_WITHOUT_HOUSING", OUT, "2025-07-01 10:00+0"),
    ("RELEASED_WITHOUT_INCOME", OUT, "2025-07-01 10:00+0"),
    ("RELEASED_WITHOUT_CONTACT", OUT, "2025-07-09 00:00+0"),
    ("EFFORTS_OVERLAP", f"{MENTOR} ;; {WORK}", "2025-02-06 00:00+0"),
    ("REVIEW_OVERDUE", GLASS, "2025-05-08 10:00+1"),
    ("REVIEW_OVERDUE", f"{ASKED} ;; {GRANTED}", "2025-05-08 11:00+1"),
    ("CITIZEN_NOTICE_OVERDUE", GLASS, "2025-05-15 10:00+1"),
]


@pytest.mark.parametrize(("kind", "facts", "when"), RUN_OUT)
def test_a_clock_runs_out_at_one_instant(kind: str, facts: str, when: str) -> None:
    assert due(facts, kind, at("2025-07-15T10:00")) == [when]


def test_every_kind_is_counted_here() -> None:
    assert {kind for kind, *_ in RUN_OUT} == set(CLOCKS)


STOPPED = [
    (
        "TRIAL_PRESUMED_LAPSED",
        TRIAL,
        "x 2025-05-20T10:00 A.ADD TreatmentTrialExtended(trialId=t1 extendedTo=2025-06-20)",
    ),
    ("TRIAL_PRESUMED_LAPSED", TRIAL, "x 2025-06-20T10:00 A.ADD TreatmentTrialLapsed(trialId=t1 lapseReason=LEFT)"),
    ("TRIAL_PRESUMED_LAPSED", TRIAL, "x 2025-06-20T10:00 A.ADD TreatmentTrialConverted(trialId=t1)"),
    ("SENTENCE_PLAN_MISSING", START, "x 2025-03-03T10:00 PRI SentencePlanAgreed(planId=p version=1)"),
    ("SENTENCE_PLAN_MISSING", START, RELEASE),
    ("CONTACT_BEFORE_PAROLE_MISSING", PAROLE, "x 2025-03-03T10:00 A.SOC CoordinatorAssigned(party=A.SOC)"),
    ("CONTACT_BEFORE_PAROLE_MISSING", PAROLE, "x 2025-03-03T10:00 A.SOC MunicipalContactHeld(inCustody=true)"),
    ("CONTACT_BEFORE_PAROLE_MISSING", PAROLE, "x 2025-03-03T10:00 PRI ReleaseMeetingHeld(custodyId=c1)"),
    ("CONTACT_BEFORE_PAROLE_MISSING", PAROLE, RELEASE),
    ("TREATMENT_NOT_BEGUN", REQUEST, "x 2025-04-03T15:00 A.ADD TreatmentStarted(treatmentId=q1 setting=OUTPATIENT)"),
    (
        "TREATMENT_NOT_BEGUN",
        REQUEST,
        "x 2025-04-03T15:00 A.ADD TreatmentStarted(treatmentId=z continuesId=q1 setting=OUTPATIENT)",
    ),
    ("COORDINATOR_MISSING", f"{START} ;; {DATE}", "x 2025-06-20T10:00 A.SOC CoordinatorAssigned(party=A.SOC)"),
    ("COORDINATOR_MISSING", f"{START} ;; {DATE}", RELEASE),
    ("RELEASED_WITHOUT_HOUSING", OUT, "x 2025-07-02T10:00 A.HSG HousingSecured(housingId=h kind=OWN_TENANCY)"),
    (
        "RELEASED_WITHOUT_HOUSING",
        OUT,
        "x 2025-07-02T10:00 PRI ImprisonmentStarted(custodyId=c2 legalStatus=CONVICTED planDuty=false)",
    ),
    ("RELEASED_WITHOUT_INCOME", OUT, "x 2025-07-02T10:00 A.BEN BenefitGranted(benefitId=u kind=CASH_ASSISTANCE)"),
    ("RELEASED_WITHOUT_INCOME", OUT, "x 2025-05-02T10:00 A.JOB EmploymentStarted(activityId=u kind=ORDINARY)"),
    ("RELEASED_WITHOUT_INCOME", f"{OUT} ;; {STOPPED_PAY}", "x 2025-07-02T10:00 A.BEN BenefitGranted(benefitId=u)"),
    ("RELEASED_WITHOUT_CONTACT", OUT, "x 2025-07-01T10:00 A.SOC MunicipalContactHeld(attendance=ATTENDED)"),
    ("RELEASED_WITHOUT_CONTACT", OUT, "x 2025-07-20T10:00 A.JOB JobcenterMeetingHeld(attendance=ATTENDED)"),
    (
        "EFFORTS_OVERLAP",
        f"{MENTOR} ;; {WORK}",
        "x 2025-03-20T10:00 PRI EmploymentEnded(activityId=w1 kind=PRISON_WORK)",
    ),
    (
        "EFFORTS_OVERLAP",
        f"{MENTOR} ;; {WORK}",
        "x 2025-03-20T10:00 A.SOC OverlapResolved(domain=EMPLOYMENT efforts=[m1,w1] resolution=BOTH_JUSTIFIED)",
    ),
    ("EFFORTS_OVERLAP", CARE, "x 2025-05-20T10:00 A.ADD TreatmentCompleted(treatmentId=t)"),
    (
        "EFFORTS_OVERLAP",
        CARE,
        "x 2025-05-20T10:00 A.SOC OverlapResolved(domain=SUBSTANCE efforts=[t,u] resolution=BOTH_JUSTIFIED)",
    ),
    ("REVIEW_OVERDUE", GLASS, f"x 2025-05-20T10:00 KIF {REVIEW})"),
    ("CITIZEN_NOTICE_OVERDUE", GLASS, f"x 2025-05-20T10:00 KIF {REVIEW} subjectNotifiedAt=2025-05-20T09:00)"),
]


@pytest.mark.parametrize(("kind", "facts", "stop"), STOPPED)
def test_what_stops_a_clock_stops_it_early_or_late(kind: str, facts: str, stop: str) -> None:
    cutoff = at("2025-07-25T10:00")
    assert due(facts, kind, cutoff)
    assert due(f"{facts} ;; {stop}", kind, cutoff) == []


def test_every_kind_is_stopped_here() -> None:
    assert {kind for kind, *_ in STOPPED} == set(CLOCKS)


NOT_STOPPED = [
    ("TRIAL_PRESUMED_LAPSED", TRIAL, "x 2025-05-20T10:00 A.ADD TreatmentTrialLapsed(trialId=other lapseReason=LEFT)"),
    ("CONTACT_BEFORE_PAROLE_MISSING", PAROLE, "x 2025-03-03T10:00 PRI CoordinatorAssigned(party=PRI)"),
    ("CONTACT_BEFORE_PAROLE_MISSING", PAROLE, "x 2025-03-03T10:00 A.SOC MunicipalContactHeld(inCustody=false)"),
    ("TREATMENT_NOT_BEGUN", REQUEST, "x 2025-03-02T15:00 A.ADD TreatmentStarted(treatmentId=q1 setting=OUTPATIENT)"),
    ("RELEASED_WITHOUT_HOUSING", OUT, "x 2025-07-02T10:00 A.HSG HousingOffered(housingId=h kind=OWN_TENANCY)"),
    (
        "RELEASED_WITHOUT_HOUSING",
        OUT,
        "x 2025-06-02T10:00 A.HSG HousingSecured(housingId=h kind=OWN_TENANCY) ;; "
        "y 2025-07-03T10:00 A.HSG HousingLost(housingId=h kind=OWN_TENANCY)",
    ),
    ("RELEASED_WITHOUT_CONTACT", OUT, "x 2025-07-03T10:00 A.SOC MunicipalContactHeld(attendance=NO_SHOW)"),
    ("RELEASED_WITHOUT_CONTACT", OUT, "x 2025-07-03T10:00 B.SOC MunicipalContactHeld(attendance=ATTENDED)"),
    ("RELEASED_WITHOUT_CONTACT", OUT, "x 2025-07-01T09:59 A.SOC MunicipalContactHeld(attendance=ATTENDED)"),
    (
        "EFFORTS_OVERLAP",
        f"{MENTOR} ;; {WORK}",
        "x 2025-03-20T10:00 A.SOC OverlapResolved(domain=EMPLOYMENT efforts=[m1,w1] resolution=ONE_LEADS)",
    ),
    ("REVIEW_OVERDUE", GLASS, "x 2025-05-01T11:00 PSY BreakGlassEnded(requestId=b party=PSY)"),
    ("CITIZEN_NOTICE_OVERDUE", GLASS, f"x 2025-05-05T10:00 KIF {REVIEW})"),
]


@pytest.mark.parametrize(("kind", "facts", "other"), NOT_STOPPED)
def test_what_is_something_else_does_not_stop_it(kind: str, facts: str, other: str) -> None:
    assert due(f"{facts} ;; {other}", kind, at("2025-07-25T10:00")) != []


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("SENTENCE_PLAN_MISSING", START.replace("planDuty=true", "planDuty=false")),
        ("SENTENCE_PLAN_MISSING", REMAND),
        (
            "SENTENCE_PLAN_MISSING",
            f"{START} ;; t 2025-01-20T09:00 PRI ImprisonmentStarted(custodyId=c2 priorCustodyId=c1 "
            "legalStatus=CONVICTED planDuty=false)",
        ),
        ("COORDINATOR_MISSING", f"{REMAND} ;; {DATE}"),
        ("CONTACT_BEFORE_PAROLE_MISSING", START),
        ("REVIEW_OVERDUE", ASKED),
        ("EFFORTS_OVERLAP", f"{MENTOR} ;; {MENTOR.replace('m1', 'm2').replace('m ', 'n ')}"),
    ],
)
def test_where_nothing_is_owed_no_clock_runs(kind: str, facts: str) -> None:
    assert due(facts, kind) == []


def test_a_plan_is_owed_from_the_start_that_states_the_duty() -> None:
    sentence = (
        "c 2025-05-05T09:00 PRI ImprisonmentStarted(custodyId=c1 priorCustodyId=c0 legalStatus=CONVICTED planDuty=true)"
    )
    assert due(f"{REMAND} ;; {sentence}", "SENTENCE_PLAN_MISSING") == ["2025-06-03 00:00+0"]


def test_clocks_of_a_release_end_with_its_period_and_income_to_come_ends_its_clock_when_it_begins() -> None:
    until = {clock.kind: format_local(clock.until or 0, ZONE) for clock in clocks(OUT) if clock.until is not None}
    assert until == {
        "RELEASED_WITHOUT_HOUSING": "2026-01-01 10:00",
        "RELEASED_WITHOUT_INCOME": "2026-01-01 10:00",
        "RELEASED_WITHOUT_CONTACT": "2026-01-01 10:00",
    }
    granted = "x 2025-07-02T10:00 A.BEN BenefitGranted(benefitId=u kind=CASH_ASSISTANCE startsOn=2025-08-01)"
    (clock,) = [
        each for each in clocks(f"{OUT} ;; {granted}", at("2025-07-15T10:00")) if each.kind == "RELEASED_WITHOUT_INCOME"
    ]
    assert format_local(clock.until or 0, ZONE) == "2025-08-01 00:00"


@pytest.mark.parametrize(("kind", "facts", "when"), RUN_OUT)
def test_a_clock_rests_on_what_it_names_and_is_read_from_no_other_type(kind: str, facts: str, when: str) -> None:
    """Without any one of the facts that it rests on there is no such clock."""
    case = case_of(vignette(f"E {facts}"), at("2025-07-15T10:00"))
    (clock,) = [each for each in clocks_of(case) if each.kind == kind]
    assert {fact.event_type for fact in clock.rests_on} <= reads(terms())
    for fact in clock.rests_on:
        without = [each for each in case.facts if each != fact]
        left = type(case)(case.at, tuple(without), case.gone, case.person, case.policy, case.terms)
        assert [each for each in clocks_of(left) if each.kind == kind] == []
