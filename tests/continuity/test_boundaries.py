"""Each formula at its edges: the last instant that counts, and the first that does not."""

from __future__ import annotations

import pytest

from hub.continuity.episodes import episodes_of
from hub.continuity.returning import returned_within
from tests.continuity.cases import CUSTODY, RELEASE, START, after_custody, case_of, differing
from tests.scenario.vignettes import vignette

GUIDANCE = f"E {CUSTODY} ;; g 2025-02-03T10:00 A.YTH GuidanceStarted(activityId=g1 setting=PRISON)"
TREATMENT = f"E {CUSTODY} ;; t 2025-02-03T10:00 A.ADD TreatmentStarted(treatmentId=t1 setting=PRISON)"
SESSION = "GuidanceSessionHeld(activityId=g1 setting=OUTPATIENT"
CONTACT = "MunicipalContactHeld(channel=OFFICE inCustody=false attendance="
TRIAL = "TreatmentTrialStarted(trialId=r1 requestedAt=2025-05-06T14:00 plannedEnd=2025-05-20 funding=TRIAL_BUDGET)"
CONSENT = "ConsentGiven(by=SUBJECT form=WRITTEN cat=[SU] src=[A.ADD] to=[A.SOC] for=[SOCIAL_SUPPORT])"
REQUEST = (
    "b 2025-05-01T10:00 PSY BreakGlassRequested(requestId=b party=PSY categories=[MH] reason=OVERDOSE "
    "expiresAt=2025-05-02T10:00)"
)
ASSIGNED = "CoordinatorAssigned(party=A.SOC)"


@pytest.mark.parametrize(
    ("facts", "values"),
    [
        (f"{GUIDANCE} ;; x 2025-07-31T10:00 A.YTH {SESSION})", "I1_activity(30)=1/1(30d) I1_person(30)=1/1"),
        (f"{GUIDANCE} ;; x 2025-07-31T10:00:01 A.YTH {SESSION})", "I1_activity(30)=0/1 I1_activity(90)=1/1"),
        (f"{GUIDANCE} ;; x 2025-07-01T10:00 A.YTH {SESSION})", "I1_activity(180)=0/1"),
        (f"{GUIDANCE} ;; x 2025-07-05T10:00 A.YTH {SESSION} attendance=NO_SHOW)", "I1_activity(30)=0/1"),
        (f"{GUIDANCE} ;; x 2025-07-05T10:00 A.YTH {SESSION} attendance=ATTENDED)", "I1_activity(30)=1/1(4d)"),
        (
            f"{GUIDANCE} ;; x 2025-06-01T10:00 A.YTH GuidanceEnded(activityId=g1 setting=PRISON reason=COMPLETED)",
            "I1_activity(30)=0/0 I1_person(30)=0/0",
        ),
        (
            f"{GUIDANCE} ;; x 2025-06-01T10:00 A.YTH GuidanceEnded(activityId=g1 setting=PRISON reason=LEFT)",
            "I1_activity(30)=0/1",
        ),
        (after_custody("g 2025-01-06T08:59:59 A.YTH GuidanceStarted(activityId=g1)"), "I1_activity(30)=0/0"),
        (after_custody("g 2025-01-06T09:00 A.YTH GuidanceStarted(activityId=g1)"), "I1_activity(30)=0/1"),
        (after_custody("g 2025-07-01T10:00 A.YTH GuidanceStarted(activityId=g1)"), "I1_activity(30)=0/0"),
    ],
)
def test_continued_after_release(facts: str, values: str) -> None:
    assert differing(facts, f"I {values}") == []


@pytest.mark.parametrize(
    ("facts", "values"),
    [
        (after_custody(f"x 2025-07-01T10:00 A.SOC {CONTACT}ATTENDED)"), "I2=0"),
        (after_custody(f"x 2025-07-01T09:59:59 A.SOC {CONTACT}ATTENDED)"), "I2=none(censored)"),
        (after_custody(f"x 2025-07-02T00:00 A.SOC {CONTACT}ATTENDED)"), "I2=1"),
        (after_custody(f"x 2025-07-02T09:00 A.SOC {CONTACT}NO_SHOW)"), "I2=none(censored)"),
        (after_custody(f"x 2025-07-02T09:00 B.SOC {CONTACT}ATTENDED)"), "I2=none(censored)"),
        (after_custody("x 2025-07-03T09:00 A.JOB JobcenterMeetingHeld(attendance=ATTENDED)"), "I2=2"),
        (
            f"E {START} ;; x 2025-07-03T09:00 A.JOB JobcenterMeetingHeld(attendance=ATTENDED)",
            "I2=none(no such episode)",
        ),
    ],
)
def test_first_municipal_contact(facts: str, values: str) -> None:
    assert differing(facts, f"I {values}") == []


def test_plans() -> None:
    prison = "p 2025-02-01T10:00 PRI SentencePlanAgreed(planId=p1 version=1 items=[HOUSING,SUBSTANCE,OFFENDING])"
    own = "m 2025-02-03T12:00 A.SOC MunicipalPlanAgreed(planId=m1 version=1 items=[HOUSING,EMPLOYMENT])"
    joint = "j 2025-02-10T12:00:01 A.SOC JointPlanAgreed(planId=j1 version=1 consentId=k items=[HOUSING,SUBSTANCE])"
    ended = "z 2025-06-30T13:00 A.SOC JointPlanEnded(planId=j1 version=2 consentId=k items=[HOUSING])"
    stated = "I3(2025-01-31)=0 I3(2025-02-02)=1 I3(2025-02-03)=0.67 I3(2025-02-10)=0.67 I3(2025-02-11)=0"
    # 1 and 2 February against no plan, 3 to 10 February against the municipal plan, 1 July not in custody at 12:00.
    assert differing(after_custody(prison, own, joint, ended), f"I {stated} I3_mismatchDays=10") == []
    assert differing(after_custody(prison, own, joint, ended), "I I3(2025-06-30)=0 I3(2025-07-01)=0.67") == []


@pytest.mark.parametrize(
    ("facts", "values"),
    [
        (f"{TREATMENT} ;; x 2025-07-04T10:00 A.ADD TreatmentResumed(treatmentId=t1 setting=PRISON)", "none(censored)"),
        (f"{TREATMENT} ;; x 2025-07-04T10:00 A.ADD TreatmentResumed(treatmentId=t1 setting=OUTPATIENT)", "3"),
        (f"{TREATMENT} ;; x 2025-07-01T10:00 B.ADD TreatmentStarted(continuesId=t1 setting=OUTPATIENT)", "0"),
        (
            f"{TREATMENT} ;; x 2025-06-04T10:00 A.ADD TreatmentCompleted(treatmentId=t1) ;; "
            "y 2025-07-04T10:00 A.ADD TreatmentResumed(treatmentId=t1 setting=OUTPATIENT)",
            "none(censored)",
        ),
    ],
)
def test_treatment_is_handed_over(facts: str, values: str) -> None:
    assert differing(facts, f"I I4_handoverDays={values} I4_beforeRelease=false") == []


def test_treatment_before_release_and_host_cost() -> None:
    referred = "x {} A.ADD TreatmentReferred(treatmentId=t1 setting=PRISON to=FAC)"
    assert differing(f"{TREATMENT} ;; {referred.format('2025-07-01T09:59:59')}", "I I4_beforeRelease=true") == []
    assert differing(f"{TREATMENT} ;; {referred.format('2025-07-01T10:00')}", "I I4_beforeRelease=false") == []
    for party, funding, count in [
        ("B.ADD", "PARTNERSHIP", 1),
        ("B.ADD", "HOME_MUNICIPALITY", 0),
        ("A.ADD", "PARTNERSHIP", 0),
        ("PHE", "PARTNERSHIP", 0),
        ("B.ADD", "ORDINARY_TREATMENT", 1),
    ]:
        event = f"x 2025-07-02T10:00 {party} TreatmentStarted(treatmentId=t2 funding={funding})"
        assert differing(after_custody(event), f"I hostCostEventsAfterRelease={count}") == []


def test_coordinators() -> None:
    first, left = f"a 2025-02-03T09:00 A.SOC {ASSIGNED}", "CoordinatorVacated(party=A.SOC)"
    again = "b 2025-03-03T00:00 A.SOC CoordinatorAssigned(party={})"
    facts = after_custody(first, f"v 2025-03-01T00:00 A.SOC {left}", again.format("A.SOC"))
    assert differing(facts, "I I5_gapDays=2 I5_changes=0") == []
    facts = after_custody(first, f"v 2025-03-01T00:00:01 A.SOC {left}", again.format("A.JOB"))
    assert differing(facts, "I I5_gapDays=1 I5_changes=1 I5_jointHandovers=0/1") == []
    handed = "h 2025-03-01T09:00 A.SOC CoordinatorHandedOver(party=A.SOC coordinator={} jointHandoverMeeting=true)"
    named = "a 2025-02-03T09:00 A.SOC CoordinatorAssigned(party=A.SOC coordinator=one)"
    assert differing(after_custody(named, handed.format("two")), "I I5_changes=1 I5_jointHandovers=1/1") == []
    assert differing(after_custody(named, handed.format("one")), "I I5_changes=0 I5_jointHandovers=0/0") == []
    # The window closes 180 days after release: what is empty after it is not counted.
    facts = after_custody(first, f"v 2025-12-26T12:00 A.SOC {left}")
    assert differing(facts, "X 2026-03-01 | KIF: nothing", "I I5_gapDays=1") == []


def test_coordinator_three_months_before_release() -> None:
    assert differing(after_custody(f"a 2025-04-02T12:00 A.SOC {ASSIGNED}"), "I I6=0") == []
    assert differing(after_custody(f"a 2025-04-02T12:00:01 A.SOC {ASSIGNED}"), "I I6=1") == []
    dated = "d {} PRI ReleaseDateSet(custodyId=c1 releaseDate=2025-08-01 kind=PAROLE)"
    assigned = f"a 2025-05-02T12:00 A.SOC {ASSIGNED}"
    # A date known 90 days before release moves the day that is looked at; one that came later does not.
    assert differing(after_custody(assigned, dated.format("2025-04-02T10:00")), "I I6=0") == []
    assert differing(after_custody(assigned, dated.format("2025-04-02T10:00:01")), "I I6=1") == []
    # Nor does one that was taken back by then; one that was taken back later was still known.
    for taken_back, without in [("2025-04-02T10:00", 1), ("2025-04-02T10:00:01", 0)]:
        retracted = f"x {taken_back} PRI EventRetracted(targetEventId=d reason=NOT_OCCURRED)"
        facts = after_custody(assigned, dated.format("2025-03-01T10:00"), retracted)
        assert differing(facts, f"I I6={without}") == []


PLAN = "SentencePlanAgreed(planId=p1 version={} items=[HOUSING])"
LONG = (
    "s 2025-01-06T09:00 PRI ImprisonmentStarted(custodyId=c1 legalStatus=CONVICTED planDuty=true "
    "earliestParole={} homeMunicipality=A)"
)
MEETING = "ReleaseMeetingHeld(custodyId=c1)"
DATE = "ReleaseDateSet(custodyId=c1 releaseDate=2025-07-01 kind=PAROLE)"


@pytest.mark.parametrize(
    ("facts", "values"),
    [
        (after_custody(f"p 2025-02-03T23:59:59 PRI {PLAN.format(1)}"), "I7_plan=met(28d)"),
        (after_custody(f"p 2025-02-04T00:00 PRI {PLAN.format(1)}"), "I7_plan=missed(29d>28d)"),
        (after_custody(f"p 2025-02-03T09:00 PRI {PLAN.format(2)}"), "I7_plan=missed"),
        (f"E {START} ;; x 2025-02-03T23:59:59 A.SOC CaseOpened()", "I7_plan=open"),
        (f"E {START} ;; x 2025-02-04T00:00 A.SOC CaseOpened()", "I7_plan=missed I7_contact=open I7_meeting=open"),
        (f"E {LONG.format('2026-01-06')} ;; x 2025-01-06T10:00 A.SOC {ASSIGNED}", "I7_contact=met(0d)"),
        (f"E {LONG.format('2026-01-06')} ;; x 2025-01-07T10:00 A.SOC {ASSIGNED}", "I7_contact=missed(1d>0d)"),
        (f"E {LONG.format('2026-01-05')} ;; x 2025-02-03T10:00 A.SOC {ASSIGNED}", "I7_contact=met(28d)"),
        (f"E {LONG.format('2026-02-10')} ;; x 2025-02-10T10:00 A.SOC {ASSIGNED}", "I7_contact=met(35d)"),
        (f"E {LONG.format('2026-01-05')} ;; x 2025-02-03T10:00 KIF {ASSIGNED}", "I7_contact=open"),
        (after_custody(f"m 2025-04-02T23:00 PRI {MEETING}"), "I7_meeting=met(90d)"),
        (after_custody(f"m 2025-04-03T01:00 PRI {MEETING}"), "I7_meeting=missed(89d<90d)"),
        (after_custody(f"d 2025-06-03T23:00 PRI {DATE}"), "I7_decision=met(28d)"),
        (after_custody(f"d 2025-06-04T00:00 PRI {DATE}"), "I7_decision=missed(27d<28d)"),
        (f"E {START} ;; d 2025-04-01T09:00 PRI {DATE}", "I7_meeting=open I7_decision=met(91d)"),
        (f"E {START} ;; d 2025-04-03T09:00 PRI {DATE}", "I7_meeting=missed"),
    ],
)
def test_deadlines(facts: str, values: str) -> None:
    assert differing(facts, f"I {values}") == []


def test_overlapping_efforts() -> None:
    one = "a 2025-02-03T10:00 A.HSG HousingSocialEffortStarted(activityId=o1 masterPlan=north)"
    other = "b 2025-02-04T10:00 {} HousingSocialEffortStarted(activityId=o2)"
    two = f"E {one} ;; {other.format('VOL')}"
    assert differing(two, "X 2025-02-05T00:00 | KIF: nothing", "I I8_overlaps=1") == []
    assert differing(two, "X 2025-02-04T23:59:59 | KIF: nothing", "I I8_overlaps=0") == []
    assert differing(f"E {one} ;; {other.format('A.HSG')}", "X 2025-03-05 | KIF: nothing", "I I8_overlaps=0") == []
    ended = "c 2025-03-01T10:00 VOL HousingSocialEffortEnded(activityId=o2)"
    assert differing(f"{two} ;; {ended}", "I I8_overlaps=0") == []
    for resolution, count in [("BOTH_JUSTIFIED", 0), ("ONE_LEADS", 1)]:
        solved = f"c 2025-03-01T10:00 A.SOC OverlapResolved(domain=HOUSING efforts=[o1,o2] resolution={resolution})"
        assert differing(f"{two} ;; {solved}", f"I I8_overlaps={count}") == []


def test_trials() -> None:
    trial = f"E e1 2025-05-06T17:00 A.ADD {TRIAL}"
    running = "I I9_hours(r1)=3.00 I9_presumedLapsed=0 I9_lapseShare=0/1"
    assert differing(trial, "X 2025-05-20T23:59:59 | KIF: nothing", running) == []
    lapsed = "I I9_presumedLapsed=1 I9_lapseShare=1/1 I9_lapsed=0"
    assert differing(trial, "X 2025-05-21T00:00 | KIF: nothing", lapsed) == []
    converted = "e2 2025-05-19T10:00 A.ADD TreatmentTrialConverted(trialId=r1 plannedEnd=2025-05-20)"
    assert (
        differing(f"{trial} ;; {converted}", "X 2025-06-01 | KIF: nothing", "I I9_converted=1 I9_lapseShare=0/1") == []
    )


def test_outreach_leads_step_by_step() -> None:
    steps = [
        "a 2025-02-01T10:00 A.ADD MotivationTalkHeld(talkId=m1 nextStep=NEW_TALK)",
        "b 2025-02-02T10:00 A.ADD MotivationTalkHeld(talkId=m2 nextStep=TREATMENT_OFFERED)",
        "c 2025-02-03T10:00 A.ADD TreatmentReferred(treatmentId=t1 to=A.ADD)",
        "d 2025-02-04T10:00 A.ADD TreatmentStarted(treatmentId=t1 setting=PRISON)",
        "e 2025-07-04T10:00 A.ADD TreatmentResumed(treatmentId=t1 setting=OUTPATIENT)",
    ]
    reached = ["none", "talk", "offered", "referred", "started_inside", "continued"]
    for count, step in enumerate(reached):
        assert differing(after_custody(*steps[:count]), f"I I10={step}") == []
    assert differing(after_custody(steps[0], *steps[2:]), "I I10=talk") == []
    too_early = steps[2].replace("2025-02-03", "2025-02-01")
    assert differing(after_custody(*steps[:2], too_early, steps[3]), "I I10=offered") == []


REMAND = "s 2025-01-06T09:00 PRI RemandStarted(custodyId=c1 restrictions=false homeMunicipality=A)"


@pytest.mark.parametrize(("notice", "without"), [("noticeHours=24", 0), ("noticeHours=23", 1), ("", 1)])
def test_release_without_notice(notice: str, without: int) -> None:
    released = f"r 2025-04-01T10:00 PRI ReleasedFromRemand({notice}) rec=2025-04-01T11:30"
    assert differing(f"E {REMAND} ;; {released}", f"I I11_withoutNotice={without} I11_noticeLagHours=1.5") == []


def test_only_a_release_from_remand_can_lack_notice() -> None:
    assert differing(f"E {CUSTODY}", "I I11_withoutNotice=none(censored)") == []


@pytest.mark.parametrize(
    ("event", "values"),
    [
        ("x 2025-07-01T10:00 A.SOC HousingSecured(housingId=h1 startsOn=2025-07-03)", "WithoutHousing=0"),
        ("x 2025-07-01T10:00:01 A.SOC HousingSecured(housingId=h1)", "WithoutHousing=1"),
        ("x 2025-06-01T10:00 A.BEN BenefitGranted(benefitId=b1 startsOn=2025-07-01)", "WithoutIncome=0"),
        ("x 2025-06-01T10:00 A.BEN BenefitGranted(benefitId=b1 startsOn=2025-07-02)", "WithoutIncome=1"),
        ("x 2025-06-01T10:00 A.JOB EmploymentStarted(activityId=w1)", "WithoutIncome=0"),
    ],
)
def test_ready_at_release(event: str, values: str) -> None:
    assert differing(after_custody(event), f"I I11_released{values}") == []


def test_what_is_lost_before_release_does_not_count_and_nights_are_counted_to_the_first_start() -> None:
    home = "x 2025-06-01T10:00 A.SOC HousingSecured(housingId=h1 startsOn=2025-07-08)"
    sooner = "y 2025-07-02T10:00 A.SOC HousingSecured(housingId=h2 startsOn=2025-07-05)"
    assert differing(after_custody(home), "I I11_housingGapNights=7") == []
    assert differing(after_custody(home, sooner), "I I11_housingGapNights=4") == []
    lost = "z 2025-07-01T10:00 A.SOC HousingLost(housingId=h1)"
    assert (
        differing(after_custody(home, lost), "I I11_releasedWithoutHousing=1 I11_housingGapNights=none(censored)") == []
    )
    paid = "x 2025-06-01T10:00 A.BEN BenefitGranted(benefitId=b1)"
    stopped = "z 2025-07-01T10:00 A.BEN BenefitStopped(benefitId=b1)"
    assert differing(after_custody(paid, stopped), "I I11_releasedWithoutIncome=1") == []


def test_case_kept_open() -> None:
    custody = (
        "E s 2025-02-01T00:00 PRI ImprisonmentStarted(custodyId=c1 legalStatus=CONVICTED homeMunicipality=A) ;; "
        "r 2025-02-11T00:00 PRI ReleasedOnParole(custodyId=c1)"
    )
    opened = "a 2025-01-01T09:00 A.SOC CaseOpened(caseNo={})"
    closed = "b 2025-02-04T00:00 A.SOC CaseClosed(caseNo=1)"
    again = "c 2025-02-09T00:00 A.SOC CaseReopened(caseNo=1)"
    assert differing(f"{custody} ;; {opened.format(1)}", "I I12(A.SOC)=1.000 I12(A.JOB)=0") == []
    assert differing(f"{custody} ;; {opened.format(1)} ;; {closed}", "I I12(A.SOC)=0.300") == []
    assert differing(f"{custody} ;; {opened.format(1)} ;; {closed} ;; {again}", "I I12(A.SOC)=0.500") == []
    assert differing(f"{custody} ;; {opened.format(2)} ;; {closed}", "I I12(A.SOC)=1.000") == []
    elsewhere = closed.replace("A.SOC", "A.JOB")
    assert differing(f"{custody} ;; {opened.format(1)} ;; {elsewhere}", "I I12(A.SOC)=1.000 I12(A.JOB)=0.000") == []


def test_move_between_municipalities_and_vacant_place() -> None:
    moved = "m 2025-03-01T09:00 A.SOC ResponsibilityTransferred(toMunicipality=B effectiveDate=2025-04-01)"
    opened = "o 2025-04-0{}T09:00 B.SOC CaseOpened()"
    assert differing(f"E {START} ;; {moved} ;; {opened.format(4)}", "I I13_municipalGapDays=3") == []
    assert differing(f"E {START} ;; {moved} ;; {opened.format(1)}", "I I13_municipalGapDays=0") == []
    assert (
        differing(f"E {START} ;; {moved}", "X 2025-05-01 | KIF: nothing", "I I13_municipalGapDays=none(censored)") == []
    )
    left = f"a 2025-02-03T09:00 A.SOC {ASSIGNED} ;; v 2025-03-01T09:00 A.SOC CoordinatorVacated(party=A.SOC)"
    for day, count in [("15", 0), ("16", 1)]:
        next_one = f"b 2025-03-{day}T09:00 A.SOC {ASSIGNED}"
        assert differing(f"E {START} ;; {left} ;; {next_one}", f"I I13_vacancies={count}") == []
        assert differing(f"E {START} ;; {left}", f"X 2025-03-{day} | KIF: nothing", f"I I13_vacancies={count}") == []


def test_a_role_of_staff_is_vacant_until_somebody_is_named_for_it() -> None:
    left = "a 2025-03-01T09:00 HUB StaffRoleChanged(party=A.SOC role=PROJECT_LEAD)"
    named = "b 2025-03-{} HUB StaffRoleChanged(party={} role={} staff=two)"
    late = "X 2025-05-01 | KIF: nothing"
    for change, count in [
        (named.format("15T23:00", "A.SOC", "PROJECT_LEAD"), 0),
        (named.format("16T00:00", "A.SOC", "PROJECT_LEAD"), 1),
        (named.format("02T09:00", "A.JOB", "PROJECT_LEAD"), 1),
        (named.format("02T09:00", "A.SOC", "SECRETARY"), 1),
        (left.replace("a 2025-03-01", "b 2025-04-30"), 1),
    ]:
        assert differing(f"E {START} ;; {left} ;; {change}", late, f"I I13_vacancies={count}") == []
    assert differing(f"E {START} ;; {left}", "X 2025-03-15 | KIF: nothing", "I I13_vacancies=0") == []


def test_children() -> None:
    cared = START.replace("planDuty=true", "planDuty=true caresForChild={}")
    seen = "c 2025-01-06T21:00 A.SOC ChildPerspectiveRecorded(minorChildren=1)"
    assert differing(f"E {cared.format('true')} ;; {seen}", "I I14_childHours=12") == []
    assert differing(f"E {cared.format('false')} ;; {seen}", "I I14_childHours=none(censored)") == []
    placed = "p 2025-02-01T10:00 A.CHI ChildPlaced(childRef=one placement=KINSHIP)"
    visit = "v 2025-03-0{}T10:00 A.CHI VisitArranged(childRef={} form=VIDEO)"
    late = "X 2025-05-01 | KIF: nothing"
    assert differing(f"E {placed} ;; {visit.format(3, 'one')}", late, "I I14_placedWithoutVisit=0/1") == []
    assert differing(f"E {placed} ;; {visit.format(4, 'one')}", late, "I I14_placedWithoutVisit=1/1") == []
    assert differing(f"E {placed} ;; {visit.format(3, 'two')}", late, "I I14_placedWithoutVisit=1/1") == []
    assert differing(f"E {placed}", "X 2025-03-03 | KIF: nothing", "I I14_placedWithoutVisit=0/0") == []


def test_consent_health() -> None:
    given = f"E k1 2025-01-10T10:00 A.ADD {CONSENT}"
    for end, values in [
        ("2025-12-10", "I15_active=1 I15_lapsing=0 I15_lapsed=0"),
        ("2025-12-12", "I15_active=1 I15_lapsing=1 I15_lapsed=0"),
        ("2026-01-10T00:00", "I15_active=0 I15_lapsing=0 I15_lapsed=1"),
    ]:
        assert differing(given, f"X {end} | KIF: nothing", f"I {values} I15_void=0 I15_given=1") == []
    withdrawn = "w 2025-03-01T10:00 A.ADD ConsentWithdrawn(id=k1) rec=2025-03-02T22:00"
    late = "X 2026-03-01 | KIF: nothing"
    ended = "I I15_withdrawn=1 I15_exposureHours=36 I15_lapsed=0 I15_active=0"
    assert differing(f"{given} ;; {withdrawn}", late, ended) == []


@pytest.mark.parametrize(
    ("given", "void"),
    [
        (CONSENT, 0),
        (CONSENT.replace("SUBJECT", "GUARDIAN"), 1),
        (CONSENT.replace("SOCIAL_SUPPORT", "TREATMENT"), 1),
        (CONSENT.replace("SOCIAL_SUPPORT", "JOINT_PLANNING"), 0),
        (CONSENT.replace("WRITTEN", "ORAL"), 1),
        (CONSENT.replace("[SU]", "[HO]"), 1),  # of addiction treatment nothing opens without SU (L2)
        (CONSENT.replace("[SU]", "[HO,SU]"), 0),
        (CONSENT.replace("[A.ADD]", "[A.SOC]"), 1),
    ],
)
def test_void_consents(given: str, void: int) -> None:
    assert differing(f"E k1 2025-01-10T10:00 A.ADD {given}", f"I I15_void={void} I15_lapsed=0") == []
    late = "X 2026-03-01 | KIF: nothing"
    assert differing(f"E k1 2025-01-10T10:00 A.ADD {given}", late, f"I I15_void={void} I15_lapsed={1 - void}") == []


def test_break_glass() -> None:
    review = "v 2025-05-0{} HUB BreakGlassReviewed(requestId=b party=PSY outcome=JUSTIFIED)"
    assert differing(f"E {REQUEST} ;; {review.format('8T10:00')}", "I I16_reviewedOnTime=1/1(7.00d)") == []
    assert differing(f"E {REQUEST} ;; {review.format('8T10:00:01')}", "I I16_reviewedOnTime=0/1 I16_granted=1") == []
    assert differing(f"E {REQUEST}", "I I16_reviewedOnTime=0/1 I16_notifiedDays=none(censored)") == []
    asked = REQUEST.replace("PSY", "KIF")
    assert differing(f"E {asked}", "I I16_requested=1 I16_granted=0 I16_denied=0 I16_reviewedOnTime=0/0") == []
    answers = "d 2025-05-01T11:00 PSY BreakGlassDenied(requestId=b party=KIF)"
    assert differing(f"E {asked} ;; {answers}", "I I16_granted=0 I16_denied=1") == []
    granted = "g 2025-05-01T12:00 PHE BreakGlassGranted(requestId=b party=KIF)"
    ended = "z 2025-05-01T13:00 KIF BreakGlassEnded(requestId=b party=KIF)"
    assert (
        differing(f"E {asked} ;; {answers} ;; {granted} ;; {ended}", "I I16_granted=1 I16_denied=0 I16_ended=1") == []
    )


@pytest.mark.parametrize(("day", "breached"), [("15", 0), ("16", 1)])
def test_treatment_guarantee(day: str, breached: int) -> None:
    asked = "a 2025-04-01T10:00 A.ADD TreatmentRequested(treatmentId=t1 setting=PRISON)"
    started = f"b 2025-04-{day}T09:00 A.ADD TreatmentStarted(treatmentId=t1 setting=PRISON)"
    days = int(day) - 1
    assert differing(f"E {asked} ;; {started}", f"I I17_breached={breached} I17_days={days}") == []
    assert differing(f"E {asked}", f"X 2025-04-{day} | KIF: nothing", f"I I17_breached={breached}") == []


def test_return() -> None:
    back = "b {} PRI RemandStarted(custodyId=c9 restrictions=false homeMunicipality=A)"
    released = f"{START} ;; {RELEASE}"
    # The latest episode counts, so the return is looked at from the episode before, by its release.
    for when, expected in [("2025-12-28T10:00", True), ("2025-12-28T10:00:01", False)]:
        case = case_of(vignette(f"E {released} ;; {back.format(when)}"))
        first, second = episodes_of(case)
        assert first.end is not None
        assert second.end is None
        assert returned_within(case, first.end, case.terms.returned_within[0]) is expected
        assert returned_within(case, first.end, case.terms.returned_within[1]) is True
    assert differing(f"E {released}", "I I18(730)=0") == []


def test_custody_in_another_country_is_no_episode_here() -> None:
    abroad = "b 2025-12-01T10:00 se.kv.PRI RemandStarted(custodyId=c9 restrictions=false homeMunicipality=A)"
    assert len(episodes_of(case_of(vignette(f"E {START} ;; {RELEASE} ;; {abroad}")))) == 1
