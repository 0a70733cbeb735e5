"""What scenario text cannot say: items of plans, facts outside any case, decisions, staff, and the terms themselves."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import catalogue
from contracts.categories import Category, mask_of
from contracts.civil_time import Period
from contracts.fact import Fact
from contracts.failures import BadRuleSet
from hub.continuity.activities import continuation
from hub.continuity.case import Known, Share
from hub.continuity.children import visits
from hub.continuity.consent_health import barriers
from hub.continuity.coordinators import caseloads
from hub.continuity.efforts import overlaps
from hub.continuity.emergency import Request, alerts
from hub.continuity.episodes import episodes_of, latest_episode
from hub.continuity.measures import KIND_BOUND, SPREADS, band_labels, releases_of
from hub.continuity.organisation import evaluation_coverage
from hub.continuity.outreach import funnel
from hub.continuity.plans import goal_mismatch, mismatch
from hub.continuity.terms import TERMS_FILE, read_terms, terms
from tests.continuity.cases import CUSTODY, START, at, case_of, known_case
from tests.scenario.vignettes import good_release, vignette

DAY_MS = 86_400_000
EPOCH_DAY = {day: at(f"{day}T12:00") // DAY_MS for day in ("2025-01-01", "2025-07-01", "2025-07-30", "2025-07-31")}
CONTINUED = "x 2025-07-05T10:00 A.YTH GuidanceSessionHeld(activityId=g1 setting=OUTPATIENT)"


def fact(event_type: str, when: str, payload: Mapping[str, Any], party: str = "PRI", recorded: str = "") -> Known:
    instant = at(when)
    stated = Fact(f"{party}/{event_type}/{when}", event_type, party, instant, at(recorded or when), payload)
    return Known(stated)


def item(domain: str, goal: str = "x", status: str = "PLANNED", **more: object) -> dict[str, object]:
    return {"domain": domain, "goal": goal, "status": status, **more}


def plan(event_type: str, when: str, *items: Mapping[str, object]) -> Known:
    return fact(event_type, when, {"version": 1, "items": list(items)})


# --- plans


def test_dropped_items_do_not_count_and_goals_are_compared_by_domain() -> None:
    case = known_case(
        [
            plan(
                "SentencePlanAgreed",
                "2025-02-01T10:00",
                item("HOUSING", "own"),
                item("FINANCE", "debt"),
                item("FAMILY", status="DROPPED"),
                item("OFFENDING"),
            ),
            plan("MunicipalPlanAgreed", "2025-02-01T10:00", item("HOUSING", "any"), item("FINANCE", "debt")),
        ],
        at("2025-03-01T10:00"),
    )
    assert mismatch(case, case.at) == 0
    assert goal_mismatch(case, case.at) == Share(1, 2)


def test_goals_are_compared_on_the_day_of_release() -> None:
    custody = {"custodyId": "c1", "legalStatus": "CONVICTED", "planDuty": True, "homeMunicipality": "A"}
    facts = [
        fact("ImprisonmentStarted", "2025-01-06T09:00", custody),
        plan("SentencePlanAgreed", "2025-02-01T10:00", item("HOUSING", "own"), item("FINANCE", "debt"), item("FAMILY")),
        plan(
            "MunicipalPlanAgreed", "2025-02-01T10:00", item("HOUSING", "any"), item("FINANCE", "debt"), item("FAMILY")
        ),
        fact("ReleasedOnParole", "2025-07-01T10:00", {"custodyId": "c1", "supervision": False}),
        plan("SentencePlanRevised", "2025-07-02T10:00", item("HOUSING", "any")),
    ]
    (release,) = releases_of(known_case(facts, at("2025-09-01T10:00")), "x")
    assert release.spreads["I3_goals_differing"] == Fraction(1, 3)
    (release,) = releases_of(known_case([facts[0], facts[3]], at("2025-09-01T10:00")), "x")
    assert release.spreads["I3_goals_differing"] is None


def test_two_empty_plans_match() -> None:
    empty = [plan(name, "2025-02-01T10:00") for name in ("SentencePlanAgreed", "MunicipalPlanAgreed")]
    assert mismatch(known_case(empty, at("2025-03-01T10:00")), at("2025-03-01T10:00")) == Fraction(0)


@pytest.mark.parametrize(("planned_start", "counted"), [("2025-07-30", 1), ("2025-07-31", 1), ("2025-08-01", 0)])
def test_an_activity_planned_soon_after_release_counts(planned_start: str, counted: int) -> None:
    start_day = at(f"{planned_start}T12:00") // DAY_MS
    planned = plan(
        "SentencePlanRevised", "2025-06-01T10:00", item("EDUCATION", activityId="g1", plannedStart=start_day)
    )
    session = fact("GuidanceSessionHeld", "2025-07-05T10:00", {"activityId": "g1", "setting": "OUTPATIENT"})
    case = known_case([planned, session], at("2026-01-01T10:00"))
    found = continuation(case, at("2025-01-06T09:00"), at("2025-07-01T10:00"))
    assert found.within(case, Period(days=30)) == Share(counted, counted)


def test_an_activity_without_planned_start_is_not_planned_soon() -> None:
    planned = plan("SentencePlanAgreed", "2025-06-01T10:00", item("EDUCATION", activityId="g1"))
    case = known_case([planned], at("2026-01-01T10:00"))
    assert continuation(case, at("2025-01-06T09:00"), at("2025-07-01T10:00")).first_continued == {}


# --- episodes


def test_a_chained_remand_is_one_episode_and_an_unchained_start_another() -> None:
    remand = "s 2025-01-06T09:00 PRI RemandStarted(custodyId=c1 restrictions=false homeMunicipality=A)"
    sentence = (
        "t 2025-02-06T09:00 PRI ImprisonmentStarted(custodyId=c2 priorCustodyId=c1 legalStatus=CONVICTED planDuty=true)"
    )
    end = "r 2025-07-01T10:00 PRI ReleasedAtEndOfSentence(custodyId=c2)"
    (one,) = episodes_of(case_of(vignette(f"E {remand} ;; {sentence} ;; {end}")))
    assert (one.start, one.end, one.kind, one.convicted) == (
        at("2025-01-06T09:00"),
        at("2025-07-01T10:00"),
        "END_OF_SENTENCE",
        True,
    )
    unchained = sentence.replace(" priorCustodyId=c1", "")
    first, second = episodes_of(case_of(vignette(f"E {remand} ;; {unchained} ;; {end}")))
    assert (first.end, first.convicted) == (None, False)
    assert (second.start, second.end) == (at("2025-02-06T09:00"), at("2025-07-01T10:00"))


def test_of_two_releases_the_last_one_counts_and_a_recall_begins_another_episode() -> None:
    again = "q 2025-07-02T10:00 PRI ReleasedOnOtherGround(custodyId=c1)"
    recall = "b 2025-09-01T10:00 KIF RecalledToPrison(supervisionId=s1)"
    first, second = episodes_of(case_of(vignette(f"E {CUSTODY} ;; {again} ;; {recall}")))
    assert (first.end, first.kind) == (at("2025-07-02T10:00"), "OTHER")
    assert (second.start, second.end, second.convicted) == (at("2025-09-01T10:00"), None, True)


def test_a_release_without_any_start_is_no_episode() -> None:
    assert episodes_of(case_of(vignette("E r 2025-07-01T10:00 PRI ReleasedOnParole(custodyId=c1)"))) == ()


def test_a_case_without_facts_has_no_releases() -> None:
    case = known_case([], at("2025-07-01T10:00"))
    assert latest_episode(case) is None
    assert list(releases_of(case, "x")) == []


# --- the other families


def test_efforts_in_the_domain_that_they_name() -> None:
    programme = {"activityId": "p1", "domain": "EMPLOYMENT", "programme": "x"}
    work = {"activityId": "w1", "kind": "ORDINARY"}
    facts = [
        fact("ProgrammeStarted", "2025-02-01T10:00", programme),
        fact("EmploymentStarted", "2025-02-02T10:00", work, "A.JOB"),
        fact("DebtAdviceStarted", "2025-02-02T10:00", {"activityId": "d1"}, "A.SOC"),
    ]
    ((one, other),) = overlaps(known_case(facts, at("2025-03-01T10:00")))
    assert (one.provider, other.provider, one.domain) == ("PRI", "A.JOB", "EMPLOYMENT")


def test_outreach_counts_in_project_target_group_and_age_band() -> None:
    talk = "a 2025-02-01T10:00 A.ADD MotivationTalkHeld(talkId=m1 nextStep=TREATMENT_OFFERED project=walls)"
    referred = "b 2025-02-02T10:00 A.ADD TreatmentReferred(treatmentId=t1 targetGroup=SUBSTITUTION)"
    found = funnel(case_of(vignette(f"E {talk} ;; {referred}")))
    assert found is not None
    assert (found.steps, found.project, found.target_group, found.age_band) == (3, "walls", "SUBSTITUTION", "25–39")


def test_months_of_an_agreement_with_a_snapshot() -> None:
    agreement = {"startsOn": EPOCH_DAY["2025-01-01"], "endsOn": EPOCH_DAY["2025-07-01"]}
    governance = [
        fact("AgreementRegistered", "2025-01-01T10:00", agreement, "HUB").fact,
        *(
            fact("EvaluationSnapshotTaken", when, {}, "HUB").fact
            for when in ("2025-01-31T23:00", "2025-02-01T00:00", "2025-02-15T00:00", "2025-07-01T00:00")
        ),
        fact("EvaluationSnapshotTaken", "2025-03-15T00:00", {}, "HUB", recorded="2025-12-01T00:00").fact,
    ]
    assert evaluation_coverage(known_case([], at("2025-09-01T10:00")), governance) == Share(2, 6)
    assert evaluation_coverage(known_case([], at("2025-02-10T10:00")), governance) == Share(2, 2)


def test_the_last_caseload_of_each_coordinator() -> None:
    assigned = "CoordinatorAssigned(party=A.SOC coordinator={} caseload={})"
    lines = [f"a{n} 2025-02-0{n}T10:00 A.SOC {assigned.format(who, n)}" for n, who in enumerate("xyx", start=1)]
    assert caseloads(case_of(vignette("E " + " ;; ".join(lines)))) == {("A.SOC", "x"): 3, ("A.SOC", "y"): 2}


def test_visits_for_each_thirty_days() -> None:
    visit = "VisitArranged(childRef=one form=VIDEO)"
    end = "r 2025-03-07T09:00 PRI ReleasedOnParole(custodyId=c1)"
    case = case_of(
        vignette(f"E {START} ;; v 2025-02-01T10:00 A.CHI {visit} ;; w 2025-02-02T10:00 A.CHI {visit} ;; {end}")
    )
    (episode,) = episodes_of(case)
    found = visits(case, episode)
    assert found is not None
    assert (found.held, found.arranged, found.arranged_per_period) == (0, 2, Fraction(1))


def test_users_who_ask_too_often() -> None:
    def asked(days: list[int], user: str = "u") -> list[Request]:
        fact = Fact("KIF/1", "BreakGlassRequested", "KIF", 0, 0, {})
        return [Request("KIF", user, day * DAY_MS, None, False, False, fact, None) for day in days]

    assert alerts(asked([0, 10, 20, 30]), 3, 30) == 1
    assert alerts(asked([0, 10, 20, 31]), 3, 30) == 0
    assert alerts(asked([0, 10, 20]), 3, 30) == 0
    assert alerts(asked([40, 0, 10]) + asked([20], "v"), 3, 30) == 0


def test_what_parties_of_the_case_are_not_shown_is_counted_by_category_and_role() -> None:
    case = case_of(
        vignette(f"E {START} ;; a 2025-01-08T10:00 A.SOC CaseOpened() ;; b 2025-01-09T10:00 A.ADD CaseOpened()")
    )
    told = {"PRI/s": {"A.SOC": (("S1", mask_of(["CU"])), ("S2", mask_of(["PL"])))}}
    found = barriers(case, told, catalogue().event_types)
    assert found[Category.CU, "SOC"] == found[Category.PL, "SOC"] == 0
    assert found[Category.CU, "ADD"] == found[Category.PL, "ADD"] == 1
    assert found[Category.CA, "PRI"] == 2
    assert not any(role == "JOB" for _, role in found)


def test_a_release_says_what_its_case_says() -> None:
    (release,) = releases_of(case_of(good_release()), "x")
    assert (release.municipality, release.kind, release.month) == ("A", "PAROLE", "2025-11")
    assert release.bands["I1_person"] == 0
    assert release.bands["I2_contact"] == 0
    assert release.bands["I7_contact"] == 1
    assert release.bands["I11_without_notice"] is None
    assert release.spreads["I2_days"] == 1
    assert release.bands.keys() == band_labels(terms()).keys() >= KIND_BOUND
    assert tuple(release.spreads) == SPREADS


# --- terms


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("guarantee_days = 14", "guarantee_days = -1", "`guarantee_days`"),
        ("guarantee_days = 14", "", "`guarantee_days` is unknown or missing"),
        ("small_cell = 5", "small_cell = 1", "`small_cell` is `1`"),
        ("small_cell = 5", "small_cell = 5\nsurprise = 1", "`surprise` is unknown"),
        ('planned_within = "P30D"', 'planned_within = "30 days"', "`planned_within`"),
        ('"MentorAssigned", ', '"MentorAsigned", ', "`MentorAsigned`, which no contract has"),
        ('ended_by = ["GuidanceEnded"]', 'ended_by = ["GuidanceEnd"]', "`GuidanceEnd`"),
        ("[[effort]]", "[[effort", "is not TOML"),
    ],
)
def test_terms_that_cannot_hold_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = TERMS_FILE.read_text(encoding="utf-8")
    assert old in text
    broken = tmp_path / "terms.toml"
    broken.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadRuleSet, match=said.replace("[", r"\[")):
        read_terms(broken)
