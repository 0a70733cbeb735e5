"""What the monthly tables count of a case: each thing once, in its month, by the words of its own contract."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.civil_time import day_number, zone_of
from contracts.fact import Fact
from contracts.failures import BadRuleSet
from contracts.parties import Party, PartyRegistry
from hub.consent.agreements import Agreements
from hub.consent.policy import load_policy
from hub.consent.standing import Person
from hub.continuity.case import Known, KnownCase
from hub.continuity.costs import cost_rules, read_cost_rules
from hub.continuity.figures import Counting, Month, Tally, anonymous_contacts, tallies_of
from hub.continuity.suppression import TOTAL
from hub.continuity.terms import terms

ZONE = zone_of("DK")
MONTH = Month.of(date(2025, 3, 1), ZONE)
HOUR = 3_600_000
DAY = 24 * HOUR
AGREEMENT = "a1"
POLICY = load_policy("DK", PartyRegistry.of([Party("PRI"), Party("K.ADD"), Party("A.SOC")]))


def fact(number: int, party: str, event_type: str, at: int, **payload: Any) -> Fact:
    return Fact(f"{party}/{number}", event_type, party, at, at, {"at": at, **payload})


def treatment(number: int, event_type: str, at: int, **more: Any) -> Fact:
    said = {"treatmentId": "t1", "targetGroup": "SUBSTITUTION", "funding": "PARTNERSHIP", "provider": "K.ADD"}
    return fact(number, "K.ADD", event_type, at, **{**said, **more})


def case(*facts: Fact, month: Month = MONTH) -> KnownCase:
    known = (Known(each) for each in facts)
    return KnownCase.of(known, Person(date(1990, 1, 1), "DK"), month.end, POLICY, terms())


def agreements(cost_rule: str | None = None, ends_on: date | None = None) -> Agreements:
    values = {
        "agreementId": AGREEMENT,
        "kind": "PARTNERSHIP",
        "parties": ["PRI", "K.ADD"],
        "startsOn": day_number(date(2024, 1, 1)),
        "endsOn": None if ends_on is None else day_number(ends_on),
        "costRule": cost_rule,
        "categories": ["SU"],
    }
    return Agreements.of([Fact("HUB/a", "AgreementRegistered", "HUB", 0, 0, values)], ZONE, 0)


def counted(known: KnownCase, of: Agreements | None = None, month: Month = MONTH) -> Counter[Tally]:
    return Counter(tallies_of(known, month, (of or agreements()).registered(month.end)))


def test_a_month_begins_and_ends_in_local_time() -> None:
    assert MONTH.start == (day_number(date(2025, 3, 1)) * 24 - 1) * HOUR
    assert MONTH.end == (day_number(date(2025, 4, 1)) * 24 - 2) * HOUR, "summer time has begun"
    assert MONTH.earlier(3) == Month.of(date(2024, 12, 1), ZONE)
    assert (MONTH.has(MONTH.start - 1), MONTH.has(MONTH.start), MONTH.has(MONTH.end - 1), MONTH.has(MONTH.end)) == (
        False, True, True, False,
    )  # fmt: skip


@pytest.mark.parametrize(("at", "times"), [(-1, 0), (0, 1), (31 * DAY - HOUR - 1, 1), (31 * DAY - HOUR, 0)])
def test_a_treatment_is_counted_in_the_month_in_which_it_first_began(at: int, times: int) -> None:
    begun = treatment(1, "TreatmentStarted", MONTH.start + at)
    again = treatment(2, "TreatmentStarted", MONTH.start + at + 1)
    assert counted(case(begun, again))[Tally("TREATMENTS", "SUBSTITUTION", "PARTNERSHIP")] == times


def test_each_treatment_is_counted_in_one_drawing_only() -> None:
    begun = treatment(1, "TreatmentStarted", MONTH.start + DAY)
    months = [Month.of(date(2025, number, 1), ZONE) for number in range(1, 13)]
    found = [counted(case(begun, month=month), month=month) for month in months]
    assert sum(each[Tally("TREATMENTS", "SUBSTITUTION", "PARTNERSHIP")] for each in found) == 1


def test_efforts_under_way_are_by_domain_and_provider_until_they_end() -> None:
    begun = treatment(1, "TreatmentStarted", MONTH.start - 90 * DAY)
    place = Tally("ACTIVE_EFFORTS", "SUBSTANCE", "K.ADD")
    assert counted(case(begun))[place] == 1
    assert counted(case(begun, treatment(2, "TreatmentCompleted", MONTH.end - 1)))[place] == 0


def test_trials_are_counted_a_month_later_by_their_funding_and_end() -> None:
    began = MONTH.earlier(1).start + DAY
    trial = {"trialId": "x", "requestedAt": began - HOUR, "facility": "FAC", "plannedEnd": began // DAY + 14}
    started = fact(1, "K.ADD", "TreatmentTrialStarted", began, funding="TRIAL_BUDGET", **trial)
    lapsed = fact(2, "K.ADD", "TreatmentTrialLapsed", began + 5 * DAY, lapseReason="NO_FUNDING", trialId="x")
    assert counted(case(started, lapsed))[Tally("TRIALS", "TRIAL_BUDGET", "LAPSED")] == 1
    assert counted(case(started))[Tally("TRIALS", "TRIAL_BUDGET", "PRESUMED_LAPSED")] == 1
    assert not [each for each in counted(case(started, lapsed), month=MONTH.earlier(1)) if each.table == "TRIALS"]


def test_what_a_scheme_achieved_is_counted_in_the_month_of_its_end_and_no_other() -> None:
    cited = treatment(1, "TreatmentStarted", MONTH.start - 200 * DAY, agreementId=AGREEMENT)
    completed = treatment(2, "TreatmentCompleted", MONTH.start - 100 * DAY)
    other = treatment(3, "TreatmentStarted", MONTH.start - 200 * DAY, treatmentId="t2", agreementId="another")
    over = agreements(ends_on=date(2025, 3, 15))
    found = counted(case(cited, completed, other), over)
    assert {each: number for each, number in found.items() if each.table == "SCHEME"} == {
        Tally("SCHEME", AGREEMENT, "COMPLETED"): 1
    }
    for of in (agreements(), agreements(ends_on=date(2025, 4, 1)), agreements(ends_on=date(2025, 2, 28))):
        assert not [each for each in counted(case(cited, completed), of) if each.table.startswith("SCHEME")]


@pytest.mark.parametrize(
    ("rule", "released", "bearer", "phase"),
    [
        ("PARTNERSHIP_THEN_HOME", False, "PARTNERSHIP", "IN_CUSTODY"),
        ("PARTNERSHIP_THEN_HOME", True, "A", "AFTER_RELEASE"),
        ("HOST_BEARS", False, "K", "IN_CUSTODY"),
        ("HOST_BEARS", True, "K", "AFTER_RELEASE"),
        ("AS_FUNDED", True, "PARTNERSHIP", "AFTER_RELEASE"),
        (None, True, "NOT_COVERED", "AFTER_RELEASE"),
        ("WRITTEN_NOWHERE", False, "NOT_COVERED", "IN_CUSTODY"),
    ],
)
def test_the_cost_rule_of_the_agreement_says_who_bears_a_treatment(
    rule: str | None, released: bool, bearer: str, phase: str
) -> None:
    custody = {"custodyId": "c", "startedAt": 0, "institution": "PRI", "legalStatus": "CONVICTED", "planDuty": True}
    inside = fact(1, "PRI", "ImprisonmentStarted", MONTH.start - 90 * DAY, homeMunicipality="A", **custody)
    out = fact(2, "PRI", "ReleasedOnParole", MONTH.start, custodyId="c", releasedAt=MONTH.start, supervision=False)
    begun = treatment(3, "TreatmentStarted", MONTH.start + DAY, agreementId=AGREEMENT)
    facts = [inside, begun, *([out] if released else [])]
    found = [each for each in counted(case(*facts), agreements(rule)) if each.table == "COSTS"]
    assert found == [Tally("COSTS", bearer, phase)]
    uncited = treatment(3, "TreatmentStarted", MONTH.start + DAY)
    assert not [each for each in counted(case(inside, uncited), agreements(rule)) if each.table == "COSTS"]


@pytest.mark.parametrize(("begun_days", "phase"), [(-1, "IN_CUSTODY"), (0, "AFTER_RELEASE"), (1, "AFTER_RELEASE")])
def test_of_two_custodies_the_release_ends_both(begun_days: int, phase: str) -> None:
    """A second start that names no prior custody begins an episode while another is open (4.9.3)."""
    release = MONTH.start + 9 * DAY
    starts = [
        fact(
            number, "PRI", "ImprisonmentStarted", MONTH.start - days * DAY, custodyId=f"c{number}", homeMunicipality="A"
        )
        for number, days in ((1, 90), (2, 30))
    ]
    out = fact(3, "PRI", "ReleasedOnParole", release, custodyId="c2", supervision=False)
    begun = treatment(4, "TreatmentStarted", release + begun_days * DAY, agreementId=AGREEMENT)
    known = case(*starts, out, begun)
    assert [each.column for each in counted(known, agreements("HOST_BEARS")) if each.table == "COSTS"] == [phase]


def test_every_cost_rule_says_who_bears_each_known_funding(tmp_path: Path) -> None:
    for code, rule in cost_rules().items():
        assert rule.in_custody.keys() == rule.after_release.keys(), code
    broken = tmp_path / "costs.toml"
    for text in (
        "",
        "x = 1",
        '[cost_rule.A]\ntitle = "t"',
        '[cost_rule.A]\ntitle="t"\nin_custody={LUCK="HOME"}\nafter_release={}',
    ):
        broken.write_text(text)
        with pytest.raises(BadRuleSet, match=r"costs\.toml"):
            read_cost_rules(broken)


def test_anonymous_contacts_are_summed_by_setting_and_month() -> None:
    def counts(day: date, contacts: int, setting: str = "CONSUMPTION_ROOM") -> Fact:
        return Fact("K.ADD/1", "AnonymousOutreachCounted", "K.ADD", 0, 0, {
            "date": day_number(day), "setting": setting, "contacts": contacts,
        })  # fmt: skip

    found = anonymous_contacts(
        [
            counts(date(2025, 3, 1), 14), counts(date(2025, 3, 31), 3), counts(date(2025, 4, 1), 99),
            counts(date(2025, 2, 28), 99), counts(date(2025, 3, 5), 4, "STREET"),
        ],
        MONTH,
        5,
    )  # fmt: skip
    assert [(cell.row, cell.column, cell.count) for cell in found.cells] == [("CONSUMPTION_ROOM", TOTAL, 17)]


def test_the_tables_hold_no_row_of_fewer_citizens_than_allowed() -> None:
    counting = Counting()
    for number in range(6):
        counting.take(f"p{number}", [Tally("TREATMENTS", "ALCOHOL", "STATE")] * 2)
    for number in range(4):
        counting.take(f"p{number}", [Tally("TREATMENTS", "SUBSTITUTION", "STATE")] * 9)
    (table,) = [table for table in counting.tables(5) if table.name == "TREATMENTS"]
    assert [(cell.row, cell.column, cell.count) for cell in table.cells] == [
        ("ALCOHOL", "STATE", 12),
        ("ALCOHOL", TOTAL, 12),
    ]
