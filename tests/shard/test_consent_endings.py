"""Whoever loses by a consent hears once that it has ended: by whatever it ended, and nothing beyond the own loss."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.civil_time import day_date, start_of_day, zone_of
from contracts.fact import ce_id_of
from hub.case_timeline.timeline import CaseTimeline
from hub.consent import standing
from hub.disclosure import endings
from hub.shard import notices
from hub.shard.stating import hub_event_id
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, ShardUnderTest, consent, imprisonment
from tests.shard.reminding import released
from tests.shard.test_disclosing import CONSENT_ID, SECOND_CONSENT_ID, given, withdrawn

THIRD_CONSENT_ID = "d0000000-0000-4000-8000-000000000003"
PARTIES = ("PRI", "KIF", "PHE", "A.SOC", "A.JOB", "A.ADD", "B.SOC", "B.JOB")


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    return hub


def told_of_endings(hub: ShardUnderTest, party: str) -> list[tuple[str, int]]:
    """(the record that the notice names, when the consent ended for this party) of each notice."""
    return [
        (payload["targetEventId"], payload["at"])
        for _, effect, _, payload in hub.told(party)
        if effect == "disclosed" and payload.get("kind") == "CONSENT_ENDED"
    ]


def amended(hub: ShardUnderTest, **changes: Any) -> None:
    values = consent(hub.now, ["CU", "OF"], ["A.ADD", "B.SOC"]) | {"version": 2} | changes
    hub.state("PRI", "ConsentAmended", values, f"amended {hub.now}")


def invalidated(hub: ShardUnderTest) -> None:
    values = {"consentId": CONSENT_ID, "at": hub.now, "by": "SUBJECT", "reason": "NOT_INFORMED"}
    hub.state("PRI", "ConsentInvalidated", values, "invalidated")


@pytest.mark.parametrize(
    "end",
    [
        withdrawn,
        invalidated,
        lambda hub: amended(hub, recipients=["A.ADD"]),
        lambda hub: amended(hub, categories=["SU"]),
        lambda hub: amended(hub, categories=["CU", "SU"]),
        lambda hub: amended(hub, sources=["A.ADD"]),
        lambda hub: amended(hub, purposes=["TREATMENT"]),
        lambda hub: amended(hub, dataFrom=day_date(hub.now // DAY_MS + 1)),
    ],
    ids=["withdrawn", "invalidated", "party", "categories", "one category", "source", "purpose", "data from"],
)
def test_an_ending_by_a_record_is_told_once_and_dated_by_that_record(
    hub: ShardUnderTest, end: Callable[[ShardUnderTest], object]
) -> None:
    record = given(hub, ["CU", "OF"], ["A.ADD", "B.SOC"])
    hub.settle()
    hub.tick(HOUR_MS)
    end(hub)
    ended = hub.now
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == [(ce_id_of(record), ended)]
    hub.tick(DAY_MS)
    hub.restart()
    hub.settle()
    assert len(told_of_endings(hub, "B.SOC")) == 1
    assert [told_of_endings(hub, party) for party in ("PRI", "A.SOC", "A.JOB", "B.JOB")] == [[]] * 4


def test_a_consent_that_lapses_by_time_alone_is_told_on_the_tick_and_dated_to_the_millisecond(
    hub: ShardUnderTest,
) -> None:
    ends = hub.now + 3 * HOUR_MS
    record = given(hub, ["CU"], ["B.SOC"], validUntil=ends)
    hub.settle()
    hub.tick(3 * HOUR_MS - 1)
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == []
    hub.tick(HOUR_MS)
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == [(ce_id_of(record), ends)]


def test_a_guardians_consent_ends_on_the_birthday_and_any_consent_after_a_year(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol(born=date(2010, 3, 2))
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    by_guardian = given(hub, ["CU"], ["B.SOC"], givenBy="GUARDIAN")
    hub.settle()
    zone = zone_of("DK")
    birthday = start_of_day((date(2025, 3, 2) - date(1970, 1, 1)).days, zone)
    hub.tick(birthday - 1 - hub.now)
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == []
    hub.tick(1)
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == [(ce_id_of(by_guardian), birthday)]
    other = "d0000000-0000-4000-8000-000000000002"
    own = given(hub, ["CU"], ["B.SOC"], consentId=other, dataFrom=date(2025, 1, 1))
    hub.settle()
    year_over = start_of_day((date(2026, 3, 2) - date(1970, 1, 1)).days, zone)
    hub.tick(year_over - hub.now + HOUR_MS)
    hub.settle()
    assert told_of_endings(hub, "B.SOC")[1:] == [(ce_id_of(own), year_over)]


def test_a_recipient_that_loses_the_citizen_by_a_move_is_told_and_the_others_are_not(hub: ShardUnderTest) -> None:
    record = given(hub, ["CU", "OF"], ["A.ADD", "B.SOC"])
    hub.settle()
    hub.tick(HOUR_MS)
    moved = {"fromMunicipality": "A", "toMunicipality": "B", "effectiveDate": date(2025, 1, 6), "ground": "MOVED"}
    hub.state("A.SOC", "ResponsibilityTransferred", moved, "moved")
    hub.settle()
    assert told_of_endings(hub, "A.ADD") == [(ce_id_of(record), hub.now)]
    assert told_of_endings(hub, "B.SOC") == []


def test_what_a_gate_closes_or_another_rule_goes_on_showing_is_no_ending(hub: ShardUnderTest) -> None:
    given(hub, ["CU", "SU"], ["PRI", "A.SOC"])
    treated = {
        "contactId": "c0000000-0000-4000-8000-000000000009",
        "at": hub.now,
        "setting": "STREET",
    }
    outreach = hub.state("A.ADD", "OutreachContactMade", treated, "outreach")
    hub.settle()
    assert outreach in hub.view("PRI")
    hub.tick(HOUR_MS)
    released(hub)
    hub.settle()
    assert outreach not in hub.view("PRI"), "the prison receives while custody is open only"
    assert told_of_endings(hub, "PRI") == []
    hub.tick(HOUR_MS)
    amended(hub, categories=["SU"], recipients=["PRI", "A.SOC"])
    hub.settle()
    assert told_of_endings(hub, "A.SOC") == [], "custody is told to it by law as well"
    assert told_of_endings(hub, "PRI") == [], "it had lost all of it before"


def test_a_consent_after_which_another_went_on_opening_is_told_with_the_loss(hub: ShardUnderTest) -> None:
    records = {
        CONSENT_ID: given(hub, ["CU", "OF"], ["B.SOC"]),
        SECOND_CONSENT_ID: given(hub, ["CU", "OF"], ["B.SOC"], consentId=SECOND_CONSENT_ID),
    }
    hub.settle()
    hub.tick(HOUR_MS)
    withdrawn(hub, CONSENT_ID)
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == [], "the other goes on opening all of it"
    hub.restart()
    hub.tick(HOUR_MS)
    withdrawn(hub, SECOND_CONSENT_ID)
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == [(ce_id_of(each), hub.now) for each in records.values()]
    given(hub, ["CU", "OF"], ["B.SOC"], consentId=THIRD_CONSENT_ID)
    hub.settle()
    hub.tick(HOUR_MS)
    withdrawn(hub, THIRD_CONSENT_ID)
    hub.settle()
    assert len(told_of_endings(hub, "B.SOC")) == 3, "what had ended before ends no second time"


def test_an_ending_that_comes_with_a_correction_of_the_fact_itself_is_told_of_the_rest_only(
    hub: ShardUnderTest,
) -> None:
    record = given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    hub.tick(HOUR_MS)
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now) | {"sentenceDays": 90}, "start", revision=1)
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == []
    hub.tick(HOUR_MS)
    withdrawn(hub)
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == [(ce_id_of(record), hub.now)]


def test_each_ending_of_one_consent_is_told_and_the_newest_record_that_the_party_knows_is_named(
    hub: ShardUnderTest,
) -> None:
    first = given(hub, ["CU", "OF"], ["B.SOC"])
    hub.settle()
    hub.tick(HOUR_MS)
    amended(hub, categories=["CU"], recipients=["B.SOC"])
    first_end = hub.now
    hub.settle()
    hub.tick(HOUR_MS)
    amended(hub, recipients=["A.ADD"])
    second_end = hub.now
    hub.settle()
    amendment = hub.publisher("PRI").event_id("ConsentAmended", f"amended {first_end}")
    # The party was told of the first amendment together with its first loss, of the second one never.
    assert told_of_endings(hub, "B.SOC") == [(ce_id_of(first), first_end), (amendment, second_end)]


@pytest.mark.parametrize("hidden", [False, True])
def test_hidden_facts_of_the_same_batch_do_not_date_an_ending(hub: ShardUnderTest, *, hidden: bool) -> None:
    record = given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    hub.now += HOUR_MS
    withdrawn(hub)
    ended = hub.now
    for minute in range(1, 4 if hidden else 1):
        hub.now += 60_000
        assigned = {"coordinator": f"s{minute}", "party": "A.SOC", "at": hub.now}
        hub.state("A.SOC", "CoordinatorAssigned", assigned, f"hidden {minute}")
    hub.tick()
    hub.settle()
    notice = [(event, payload) for *_, event, payload in hub.told("B.SOC") if payload.get("kind") == "CONSENT_ENDED"]
    assert [payload for _, payload in notice] == [
        {"occurredAt": ended, "at": ended, "kind": "CONSENT_ENDED", "recipient": "B.SOC"}
        | {"targetEventId": ce_id_of(record)}
    ]
    assert notice[0][0] == hub_event_of(hub, ended)


def test_the_ends_of_one_batch_are_each_dated_and_what_the_case_meant_is_derived_once_for_all(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = given(hub, ["CU"], ["B.SOC", "A.ADD"])
    second = given(hub, ["CU"], ["B.JOB", "B.SOC"], consentId=SECOND_CONSENT_ID, purposes=["EMPLOYMENT"])
    hub.settle()
    derived: list[int] = []
    as_known = endings._as_known

    def counting(case: CaseTimeline, at: int, *more: Any) -> Any:
        derived.append(at)
        return as_known(case, at, *more)

    monkeypatch.setattr(endings, "_as_known", counting)
    ends: list[int] = []
    by: list[Callable[[], object]] = [lambda: amended(hub, recipients=["A.ADD"]), lambda: withdrawn(hub)]
    for number, end in enumerate(by):
        for minute in range(20):
            hub.now += 60_000
            assigned = {"coordinator": f"s{minute}", "party": "A.SOC", "at": hub.now}
            hub.state("A.SOC", "CoordinatorAssigned", assigned, f"{number} {minute}")
        hub.now += 1_000
        end()
        ends.append(hub.now)
    hub.now += 1_000
    withdrawn(hub, SECOND_CONSENT_ID)
    ends.append(hub.now)
    hub.tick()
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == [(ce_id_of(first), ends[0])]
    assert [at for _, at in told_of_endings(hub, "A.ADD")] == [ends[1]]
    assert told_of_endings(hub, "B.JOB") == [(ce_id_of(second), ends[2])]
    assert len(derived) == len(set(derived)) <= 2 * 20 + 4


def hub_event_of(hub: ShardUnderTest, ended: int) -> str:
    case = CaseTimeline(CASE)
    return hub_event_id(hub.shard.cases.secret, case, "consent ended", CONSENT_ID, "B.SOC", str(ended))


def test_a_failure_while_an_ending_is_dated_lets_nothing_out_and_the_next_try_tells_it_once(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    hub.tick(HOUR_MS)
    withdrawn(hub)
    ended = hub.now

    def fails(*_: object) -> int:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(notices, "ended_at", fails)
        hub.settle()
        assert told_of_endings(hub, "B.SOC") == []
    hub.tick(2 * 60_000)
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == [(ce_id_of(record), ended)]


def test_a_loss_is_dated_without_deriving_the_case_anew_for_each_record_before_it(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived = 0
    derive = standing.derive

    def counted(*parts: Any) -> Any:
        nonlocal derived
        derived += 1
        return derive(*parts)

    monkeypatch.setattr(endings, "derive", counted)
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    for number in range(200):  # consents that open nothing to anybody who asks, one a millisecond
        hub.now += 1
        hub.broker.clock = hub.now
        of_its_own = {"consentId": f"d1000000-0000-4000-8000-{number:012d}"}
        hub.state("PRI", "ConsentGiven", consent(hub.now, ["HO"], ["C.SOC"]) | of_its_own, f"many {number}")
    hub.now += 1
    hub.broker.clock = hub.now
    withdrawn(hub)
    hub.settle()
    assert [kind for kind, _ in hub.notices("B.SOC")] == ["CONSENT_ENDED"]
    assert derived < 50
