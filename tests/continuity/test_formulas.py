"""The formulas of section 6, part by part, each against what a reader of the text works out by hand.

`test_boundaries` has the edges of time; here are the parts of each formula: which events count, under which ids, whose.
Custody is s = 2025-01-06T09:00 to r = 2025-07-01T10:00 (176 days).
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from hub.continuity.case import Share
from hub.continuity.coordinators import without_coordinator_before_release
from hub.continuity.episodes import episodes_of
from hub.continuity.measures import NOT_STATED, releases_of
from hub.continuity.trials import lapse_share, trials
from tests.continuity.cases import CUSTODY, START, after_custody, case_of, differing
from tests.scenario.vignettes import vignette

REMAND = "s 2025-01-06T09:00 PRI RemandStarted(custodyId=c1 restrictions=false homeMunicipality=A)"


# --- I1: continued after release


@pytest.mark.parametrize(
    ("begun", "went_on"),
    [
        ("A.ADD TreatmentStarted(treatmentId=t1 setting=PRISON)", "A.ADD TreatmentResumed(treatmentId=t1)"),
        (
            "A.ADD TreatmentStarted(treatmentId=t1 setting=PRISON)",
            "B.ADD TreatmentStarted(treatmentId=t2 continuesId=t1)",
        ),
        (
            "PRI ProgrammeStarted(activityId=p1 domain=EDUCATION)",
            "A.YTH EducationStarted(activityId=e1 continuesId=p1)",
        ),
        ("PRI EducationStarted(activityId=e1)", "A.YTH EducationStarted(activityId=e1)"),
        ("PRI EmploymentStarted(activityId=w1)", "A.JOB EmploymentStarted(activityId=w2 continuesId=w1)"),
        ("A.SOC DebtAdviceStarted(activityId=d1)", "A.SOC DebtAdviceStarted(activityId=d1)"),
        ("A.JOB MentorAssigned(activityId=m1)", "MNT MentorContactHeld(activityId=m1 attendance=ATTENDED)"),
        ("A.SOC VolunteerAssigned(activityId=v1)", "VOL VolunteerContactHeld(activityId=v1)"),
    ],
)
def test_i1_every_kind_of_start_goes_on_by_its_own_id_or_as_what_it_continues(begun: str, went_on: str) -> None:
    inside, outside = f"a 2025-02-03T10:00 {begun}", "b 2025-07-{:02}T10:00 " + went_on
    assert differing(after_custody(inside, outside.format(11)), "I I1_activity(30)=1/1(10d) I1_person(30)=1/1") == []
    # The same an hour before release is no continuation; under an id of its own it is one more activity of custody.
    activities = 2 if "continuesId" in went_on else 1
    before = outside.format(1).replace("T10", "T09")
    assert differing(after_custody(inside, before), f"I I1_activity(180)=0/{activities}") == []


def test_i1_what_is_no_start_no_session_and_another_activity_do_not_count() -> None:
    begun = "a 2025-02-03T10:00 A.YTH GuidanceStarted(activityId=g1)"
    for other in (
        "b 2025-07-05T10:00 A.YTH GuidanceEnded(activityId=g1 reason=LEFT)",
        "b 2025-07-05T10:00 A.YTH GuidanceSessionHeld(activityId=g2)",
        "b 2025-07-05T10:00 A.YTH EducationApplied(activityId=g1)",
    ):
        assert differing(after_custody(begun, other), "I I1_activity(180)=0/1") == []


@pytest.mark.parametrize(("days", "last"), [(90, "2025-09-29"), (180, "2025-12-28")])
def test_i1_ninety_and_a_hundred_and_eighty_days(days: int, last: str) -> None:
    """r + 90 days is 29 September, r + 180 days 28 December, at the local time of r: clocks change in October."""
    begun = "a 2025-02-03T10:00 A.YTH GuidanceStarted(activityId=g1)"
    held = "b {}T10:00{} A.YTH GuidanceSessionHeld(activityId=g1)"
    assert differing(after_custody(begun, held.format(last, "")), f"I I1_activity({days})=1/1({days}d)") == []
    assert differing(after_custody(begun, held.format(last, ":01")), f"I I1_activity({days})=0/1") == []


def test_i1_counts_activities_and_persons_apart() -> None:
    three = [f"a{n} 2025-02-0{n}T10:00 A.YTH GuidanceStarted(activityId=g{n})" for n in (1, 2, 3)]
    one = "b 2025-07-05T10:00 A.YTH GuidanceSessionHeld(activityId=g2)"
    assert differing(after_custody(*three, one), "I I1_activity(30)=1/3 I1_person(30)=1/1") == []


# --- I3, I4


def test_i3_a_joint_plan_stands_for_the_municipal_plan_also_when_it_is_older_and_a_proposed_one_does_not() -> None:
    prison = "p 2025-02-01T10:00 PRI SentencePlanAgreed(planId=p1 version=1 items=[HOUSING])"
    joint = "j 2025-02-02T10:00 A.SOC JointPlan{}(planId=j1 version=1 consentId=k items=[HOUSING])"
    own = "m 2025-02-03T10:00 A.SOC MunicipalPlanAgreed(planId=m1 version=1 items=[FINANCE])"
    assert differing(after_custody(prison, joint.format("Agreed"), own), "I I3(2025-02-04)=0") == []
    assert differing(after_custody(prison, joint.format("Proposed"), own), "I I3(2025-02-04)=1") == []
    revised = "q 2025-02-05T10:00 PRI SentencePlanRevised(planId=p1 version=2 items=[HOUSING,FINANCE,FAMILY])"
    facts = after_custody(prison, joint.format("Agreed"), revised)
    assert differing(facts, "I I3(2025-02-04)=0 I3(2025-02-05)=0.67") == []  # of three domains one in common


@pytest.mark.parametrize(
    ("handed", "before"),
    [
        ("A.ADD TreatmentReferred(treatmentId=t1 setting=PRISON to=A.ADD)", "true"),
        ("A.ADD TreatmentTransferred(treatmentId=t1 setting=PRISON to=A.ADD)", "true"),
        ("A.ADD TreatmentTransferred(treatmentId=t1 setting=PRISON)", "false"),
        ("PHE MedicationHandedOver(episodeId=e1 to=A.ADD)", "true"),
        ("A.ADD TreatmentAssessed(treatmentId=t1 to=A.ADD)", "false"),
    ],
)
def test_i4_what_is_a_hand_over_before_release(handed: str, before: str) -> None:
    started = "t 2025-02-03T10:00 A.ADD TreatmentStarted(treatmentId=t1 setting=PRISON)"
    assert differing(after_custody(started, f"x 2025-06-30T10:00 {handed}"), f"I I4_beforeRelease={before}") == []


def test_i4_a_treatment_goes_on_by_its_activity_too_and_the_first_continuation_counts() -> None:
    started = "t 2025-02-03T10:00 A.ADD TreatmentStarted(treatmentId=t1 activityId=a1 setting=PRISON)"
    later = "{0} 2025-07-{1} B.ADD TreatmentStarted(treatmentId={0} continuesId=a1 setting=OUTPATIENT)"
    after = later.format("t2", "08T10:00")
    facts = after_custody(started, after, later.format("t3", "03T23:00"))
    assert differing(facts, "I I4_handoverDays=2") == []
    interrupted = "i 2025-06-01T10:00 A.ADD TreatmentInterrupted(treatmentId=t1)"
    resumed = "u 2025-06-02T10:00 A.ADD TreatmentResumed(treatmentId=t1 setting=PRISON)"
    assert differing(after_custody(started, interrupted, after), "I I4_handoverDays=none(censored)") == []
    assert differing(after_custody(started, interrupted, resumed, after), "I I4_handoverDays=7") == []


# --- I5, I6, I7


def test_i5_counts_inside_the_window_only() -> None:
    assigned = "CoordinatorAssigned(party={} coordinator={})"
    before = f"a 2025-01-05T09:00 A.SOC {assigned.format('A.SOC', 'one')}"
    first = f"b 2025-02-03T09:00 A.SOC {assigned.format('A.SOC', 'two')}"
    # r + 180 days is 28 December 10:00.
    last = f"c 2025-12-28T10:00{{}} A.JOB {assigned.format('A.JOB', 'three')}"
    assert differing(after_custody(before, first), "I I5_changes=0") == []
    assert differing(after_custody(before, first, last.format("")), "I I5_changes=1 I5_jointHandovers=0/1") == []
    assert differing(after_custody(before, first, last.format(":01")), "I I5_changes=0") == []


def test_i5_a_hand_over_is_of_quality_if_all_changes_were_made_in_a_joint_meeting() -> None:
    first = "a 2025-02-03T09:00 A.SOC CoordinatorAssigned(party=A.SOC coordinator=one caseload=9)"
    handed = "{} 2025-{} A.SOC CoordinatorHandedOver(party=A.SOC coordinator={} jointHandoverMeeting={} caseload={})"
    joint = handed.format("b", "03-03T09:00", "two", "true", 12)
    alone = handed.format("c", "04-03T09:00", "one", "false", 7)
    for facts, band, caseload in [
        ([first], None, 9),
        ([first, joint], 0, 12),
        ([first, joint, alone], 1, 7),
        ([], None, None),
    ]:
        (release,) = releases_of(case_of(vignette(after_custody(*facts))), "x")
        assert (release.bands["I5_joint_handover"], release.spreads["I5_caseload"]) == (band, caseload)


def test_i6_remand_is_reported_apart() -> None:
    released = "r 2025-07-01T10:00 PRI ReleasedFromRemand(custodyId=c1 noticeHours=48)"
    for lines, shown, left_out in [
        (f"E {REMAND} ;; {released}", "I6_no_coordinator_remand", "I6_no_coordinator"),
        (f"E {CUSTODY}", "I6_no_coordinator", "I6_no_coordinator_remand"),
    ]:
        case = case_of(vignette(lines))
        (episode,) = episodes_of(case)
        assert without_coordinator_before_release(case, episode) is True
        (release,) = releases_of(case, "x")
        assert (release.bands[shown], release.bands[left_out]) == (0, None)


@pytest.mark.parametrize(
    ("contact", "judged"),
    [
        ("A.SOC CoordinatorAssigned(party=A.SOC)", "met(10d)"),
        ("PRI CoordinatorAssigned(party=PRI)", "missed"),
        ("A.SOC JointPlanProposed(planId=j1 version=1 consentId=k)", "met(10d)"),
        ("PRI JointPlanAgreed(planId=j1 version=1 consentId=k)", "met(10d)"),
        ("A.SOC MunicipalContactHeld(inCustody=true attendance=NO_SHOW)", "met(10d)"),
        ("A.SOC MunicipalContactHeld(inCustody=false attendance=ATTENDED)", "missed"),
        ("PRI ReleaseMeetingHeld(custodyId=c1)", "met(10d)"),
        ("A.JOB JobcenterMeetingHeld(attendance=ATTENDED)", "missed"),
    ],
)
def test_i7_what_is_a_contact(contact: str, judged: str) -> None:
    start = START.replace("planDuty=true", "planDuty=true earliestParole=2025-07-01")
    facts = f"E {start} ;; x 2025-01-16T10:00 {contact} ;; r 2025-07-01T10:00 PRI ReleasedOnParole(custodyId=c1)"
    assert differing(facts, f"I I7_contact={judged}") == []


def test_i7_the_first_of_several_counts_and_only_a_parole_date_is_a_decision() -> None:
    plan = "p{0} 2025-0{0}-03T10:00 PRI SentencePlanAgreed(planId=p1 version=1 items=[HOUSING])"
    assert differing(after_custody(plan.format(2), plan.format(3)), "I I7_plan=met(28d)") == []
    dated = "d 2025-05-01T10:00 PRI ReleaseDateSet(custodyId=c1 releaseDate=2025-07-01 kind={})"
    assert differing(after_custody(dated.format("END_OF_SENTENCE")), "I I7_decision=missed") == []
    assert differing(after_custody(dated.format("PAROLE")), "I I7_decision=met(61d)") == []
    ended = f"E {START} ;; r 2025-07-01T10:00 PRI ReleasedAtEndOfSentence(custodyId=c1)"
    (release,) = releases_of(case_of(vignette(ended)), "x")
    assert release.bands["I7_decision"] is None


# --- I8, I9, I10


def test_i8_a_resumed_treatment_is_open_again() -> None:
    trial = "b 2025-02-02T10:00 B.ADD TreatmentTrialStarted(trialId=r1 facility=FAC plannedEnd=2025-12-31)"
    started = "a 2025-02-01T10:00 A.ADD TreatmentStarted(treatmentId=t1 provider=A.ADD)"
    stopped = "c 2025-02-10T10:00 A.ADD TreatmentInterrupted(treatmentId=t1 provider=A.ADD)"
    resumed = "d 2025-02-20T10:00 A.ADD TreatmentResumed(treatmentId=t1 provider=A.ADD)"
    late = "X 2025-03-01 | KIF: nothing"
    both = f"E {started} ;; {trial}"
    assert differing(both, late, "I I8_overlaps=1") == []
    assert differing(f"{both} ;; {stopped}", late, "I I8_overlaps=0") == []
    assert differing(f"{both} ;; {stopped} ;; {resumed}", late, "I I8_overlaps=1") == []
    assert differing(f"{both} ;; {stopped} ;; {resumed}", "X 2025-02-20T20:00 | KIF: nothing", "I I8_overlaps=0") == []


@pytest.mark.parametrize(
    ("other", "count"),
    [
        ("VOL HousingSocialEffortStarted(activityId=o2)", 1),
        ("A.SOC DebtAdviceStarted(activityId=o2)", 0),
        ("A.HSG HousingSocialEffortStarted(activityId=o2)", 0),
    ],
)
def test_i8_asks_domain_and_provider(other: str, count: int) -> None:
    one = "a 2025-02-03T10:00 A.HSG HousingSocialEffortStarted(activityId=o1 masterPlan=north)"
    facts = f"E {one} ;; b 2025-02-03T10:00 {other}"
    assert differing(facts, "X 2025-03-01 | KIF: nothing", f"I I8_overlaps={count}") == []


def test_i8_is_asked_by_area() -> None:
    north = "a 2025-02-03T10:00 A.HSG HousingSocialEffortStarted(activityId=o1 masterPlan=north)"
    south = "b 2025-02-03T10:00 VOL HousingSocialEffortStarted(activityId=o2 masterPlan=south)"
    for facts, group in [
        ([], NOT_STATED),
        ([north], "north"),
        ([north, south], "north + south"),
        ([north, "c 2025-03-01T10:00 A.HSG HousingSocialEffortEnded(activityId=o1 masterPlan=north)"], NOT_STATED),
    ]:
        (release,) = releases_of(case_of(vignette(after_custody(*facts))), "x")
        assert release.groups["I8_area"] == group


def test_i9_by_funding_and_the_last_word_on_a_trial_counts() -> None:
    trial = "TreatmentTrial{}(trialId={} requestedAt=2025-05-06T14:00 plannedEnd=2025-05-20 funding={})"
    lines = [
        f"a 2025-05-06T15:30 A.ADD {trial.format('Started', 'r1', 'TRIAL_BUDGET')}",
        f"b 2025-05-19T10:00 A.ADD {trial.format('Extended', 'r1', 'ORDINARY_TREATMENT')}",
        f"c 2025-05-19T11:00 A.ADD {trial.format('Converted', 'r1', 'ORDINARY_TREATMENT')}",
        f"d 2025-05-07T14:00 A.ADD {trial.format('Started', 'r2', 'ORDINARY_TREATMENT')}",
        f"e 2025-05-20T10:00 A.ADD {trial.format('Lapsed', 'r2', 'ORDINARY_TREATMENT')}",
    ]
    found = trials(case_of(vignette("E " + " ;; ".join(lines))))
    assert [(each.hours, each.funding, each.outcome) for each in found] == [
        (Fraction(3, 2), "TRIAL_BUDGET", "CONVERTED"),
        (Fraction(24), "ORDINARY_TREATMENT", "LAPSED"),
    ]
    assert lapse_share(found) == Share(1, 2)
    (release,) = releases_of(case_of(vignette(after_custody(*lines))), "x")
    assert release.groups["I9_funding"] == "ORDINARY_TREATMENT + TRIAL_BUDGET"
    (without,) = releases_of(case_of(vignette(after_custody())), "x")
    assert "I9_funding" not in without.groups
    assert without.bands["I9_lapsed"] is None


def test_i10_by_project_target_group_and_age() -> None:
    talk = "a 2025-02-01T10:00 A.ADD MotivationTalkHeld(talkId=m1 nextStep=TREATMENT_OFFERED{})"
    referred = "b 2025-02-02T10:00 A.ADD TreatmentReferred(treatmentId=t1 targetGroup=CANNABIS_MIXED)"
    (release,) = releases_of(case_of(vignette(after_custody(talk.format(" project=walls"), referred))), "x")
    grouped = {name: group for name, group in release.groups.items() if name.startswith("I10")}
    assert grouped == {"I10_project": "walls", "I10_target_group": "CANNABIS_MIXED", "I10_age_band": "25–39"}
    (release,) = releases_of(case_of(vignette(after_custody(talk.format("")))), "x")
    assert (release.groups["I10_project"], release.groups["I10_target_group"]) == (NOT_STATED, NOT_STATED)
    (release,) = releases_of(case_of(vignette(after_custody())), "x")
    assert not any(name.startswith("I10") for name in release.groups)
