"""The formulas of I12, I14, I15 and I18, part by part, each against what a reader of the text works out by hand.

As in `test_formulas`, custody is s = 2025-01-06T09:00 to r = 2025-07-01T10:00.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from hub.continuity.children import visits
from hub.continuity.consent_health import consent_health
from hub.continuity.episodes import episodes_of
from hub.continuity.measures import releases_of
from hub.continuity.returning import returned_within
from tests.continuity.cases import START, after_custody, at, case_of, differing
from tests.scenario.vignettes import vignette


@pytest.mark.parametrize(
    ("events", "share"),
    [
        # Of ten days: kept open to the end, for four days, for four days after an opening, closed before, twice.
        (["k 2025-02-01T00:00 A.SOC CaseKeptOpen(caseNo=1 keepOpenUntil=2025-03-01)"], "1.000"),
        (["k 2025-02-01T00:00 A.SOC CaseKeptOpen(caseNo=1 keepOpenUntil=2025-02-05)"], "0.400"),
        (
            [
                "o 2025-01-01T00:00 A.SOC CaseOpened(caseNo=1)",
                "k 2025-02-01T00:00 A.SOC CaseKeptOpen(caseNo=1 keepOpenUntil=2025-02-05)",
            ],
            "1.000",
        ),
        (
            [
                "k 2025-02-01T00:00 A.SOC CaseKeptOpen(caseNo=1 keepOpenUntil=2025-03-01)",
                "c 2025-02-03T00:00 A.SOC CaseClosed(caseNo=1)",
            ],
            "0.200",
        ),
        (
            [
                "k 2025-02-01T00:00 A.SOC CaseKeptOpen(caseNo=1 keepOpenUntil=2025-02-03)",
                "l 2025-02-05T00:00 A.SOC CaseKeptOpen(caseNo=1 keepOpenUntil=2025-02-08)",
            ],
            "0.500",
        ),
        (
            [
                "k 2025-02-01T00:00 A.SOC CaseKeptOpen(caseNo=1 keepOpenUntil=2025-03-01)",
                "l 2025-02-03T00:00 A.SOC CaseKeptOpen(caseNo=1 keepOpenUntil=2025-02-05)",
            ],
            "0.400",
        ),
        (
            [
                "o 2025-02-01T00:00 A.SOC CaseOpened(caseNo=1)",
                "p 2025-02-05T00:00 A.SOC CaseReopened(caseNo=1)",
            ],
            "1.000",
        ),
        (
            [
                "k 2025-02-01T00:00 A.SOC CaseKeptOpen(caseNo=1 keepOpenUntil=2025-02-05)",
                "o 2025-02-03T00:00 A.SOC CaseOpened(caseNo=2)",
                "c 2025-02-09T00:00 A.SOC CaseClosed(caseNo=2)",
            ],
            "0.800",
        ),
    ],
)
def test_i12_a_case_that_is_only_kept_open_is_open_until_its_day(events: list[str], share: str) -> None:
    custody = (
        "E s 2025-02-01T00:00 PRI ImprisonmentStarted(custodyId=c1 legalStatus=CONVICTED homeMunicipality=A) ;; "
        "r 2025-02-11T00:00 PRI ReleasedOnParole(custodyId=c1)"
    )
    assert differing(" ;; ".join([custody, *events]), f"I I12(A.SOC)={share}") == []


def test_i14_counts_the_visits_of_the_episode_for_each_thirty_days() -> None:
    visit = "A.CHI Visit{}(childRef=one form=VIDEO)"
    released = "r 2025-03-07T09:00 PRI ReleasedOnParole(custodyId=c1)"  # 60 days
    lines = [
        f"a 2025-01-06T09:00 {visit.format('Arranged')}",
        f"b 2025-02-01T10:00 {visit.format('Arranged')}",
        f"c 2025-02-01T10:00 {visit.format('Held')}",
        f"d 2025-02-02T10:00 {visit.format('Cancelled')}",
        f"e 2025-03-07T09:00 {visit.format('Held')}",
    ]
    case = case_of(vignette(" ;; ".join([f"E {START}", released, *lines])))
    (episode,) = episodes_of(case)
    found = visits(case, episode)
    assert found is not None
    assert (found.held, found.arranged) == (1, 2)
    assert (found.held_per_period, found.arranged_per_period) == (Fraction(1, 2), Fraction(1))
    (release,) = releases_of(case, "x")
    assert (release.spreads["I14_visits_held"], release.spreads["I14_visits_arranged"]) == (Fraction(1, 2), Fraction(1))
    (release,) = releases_of(case_of(vignette(after_custody())), "x")
    assert release.spreads["I14_visits_held"] is release.spreads["I14_visits_arranged"] is None


def test_i14_a_concern_counts_as_seeing_the_child() -> None:
    cared = START.replace("planDuty=true", "planDuty=true caresForChild=true")
    concern = "c 2025-01-08T09:00 A.SOC ChildConcernNotified(to=A.CHI concern=NEGLECT)"
    assert differing(f"E {cared} ;; {concern}", "I I14_childHours=48") == []


def test_i15_counts_each_consent_once() -> None:
    given = "ConsentGiven(by=SUBJECT form=WRITTEN cat=[SU] src=[A.ADD] to=[A.SOC] for=[SOCIAL_SUPPORT])"
    lines = [
        f"k1 2025-01-10T10:00 A.ADD {given}",
        f"k2 2025-01-11T10:00 A.ADD {given}",
        "w1 2025-03-01T10:00 A.ADD ConsentWithdrawn(id=k1)",
        "w2 2025-03-02T10:00 A.ADD ConsentWithdrawn(id=k1)",
        "f 2025-03-03T10:00 A.ADD ConsentRefused(cat=[SU] src=[A.ADD] to=[A.BEN] for=[BENEFIT])",
    ]
    found = consent_health(case_of(vignette("E " + " ;; ".join(lines))))
    assert (found.active, found.given, found.refused, found.withdrawn, found.lapsed, found.void) == (1, 2, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("", set()),
        ("k 2025-12-01T10:00 A.ADD {given}", {"active"}),
        ("k 2025-06-10T10:00 A.ADD {given} ;; w 2025-07-01T10:00 A.ADD ConsentWithdrawn(id=k)", {"withdrawn"}),
        ("k 2025-01-10T10:00 A.ADD {given}", {"lapsed"}),
        ("k 2025-02-10T10:00 A.ADD {given}", {"active", "lapsing"}),
        ("k 2025-06-10T10:00 A.ADD {void}", {"void"}),
        ("k 2025-06-10T10:00 A.ADD ConsentRefused(cat=[SU] src=[A.ADD] to=[A.BEN] for=[BENEFIT])", {"refused"}),
    ],
)
def test_i15_is_asked_of_every_release(line: str, answers: set[str]) -> None:
    given = "ConsentGiven(by=SUBJECT form=WRITTEN cat=[SU] src=[A.ADD] to=[A.SOC] for=[SOCIAL_SUPPORT])"
    facts = line.format(given=given, void=given.replace("SUBJECT", "GUARDIAN"))
    case = case_of(vignette(after_custody(*([facts] if facts else []))), at("2026-01-20T10:00"))
    (release,) = releases_of(case, "x")
    asked = ("active_consent", "lapsing", "refused", "withdrawn", "lapsed", "void")
    assert {name.partition("_")[0] for name in asked if release.bands[f"I15_{name}"] == 0} == answers


@pytest.mark.parametrize(
    "back",
    [
        "PRI RemandStarted(custodyId=c9 restrictions=false homeMunicipality=A)",
        "PRI ImprisonmentStarted(custodyId=c9 legalStatus=CONVICTED homeMunicipality=A)",
        "KIF RecalledToPrison(supervisionId=s1)",
    ],
)
@pytest.mark.parametrize(
    ("when", "within"),
    [("2026-07-01T10:00", [False, True, True]), ("2026-07-01T10:00:01", [False, False, True])],
)
def test_i18_every_kind_of_return(back: str, when: str, within: list[bool]) -> None:
    """r + 365 days is 1 July 2026."""
    case = case_of(vignette(after_custody(f"b {when} {back}")))
    first = episodes_of(case)[0]
    assert first.end is not None
    assert [returned_within(case, first.end, period) for period in case.terms.returned_within] == within
    assert next(releases_of(case, "x")).bands["I18_returned"] == within.index(True)


def test_i18_two_years_and_what_is_no_return() -> None:
    late = "b 2027-07-01T10:00{} PRI RemandStarted(custodyId=c9 restrictions=false homeMunicipality=A)"
    for seconds, expected in (("", True), (":01", False)):
        case = case_of(vignette(after_custody(late.format(seconds))))
        end = episodes_of(case)[0].end
        assert end is not None
        assert returned_within(case, end, case.terms.returned_within[2]) is expected
    breach = "b 2025-08-01T10:00 KIF ParoleBreachReported(supervisionId=s1 breach=NO_SHOW)"
    case = case_of(vignette(after_custody(breach)))
    assert next(releases_of(case, "x")).bands["I18_returned"] == 3
