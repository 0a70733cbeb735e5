"""Parked records of one line: what waits and what never does, what a retry takes with it, when one expires.

The line is the prison's about one citizen. Most records are parked since the hub does not know the citizen yet.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.fact import ce_id_of
from contracts.failures import StoreUnavailable
from contracts.reasons import Reason
from hub.arrival.gate import CLOCK_SKEW_MS_MAX
from hub.case_timeline.timeline import CaseTimeline
from hub.continuity.clock_terms import clock_terms
from hub.shard import retrying
from hub.shard.retrying import RETRY
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, OTHER_CASE, PARTIES, ShardUnderTest, consent, imprisonment
from tests.shard.test_control_records import outcomes
from tests.shard.test_disclosing import given, withdrawn
from tests.shard.test_signatures import FIRST, case_opened, register

KEPT_MS = clock_terms().parked_for_seconds * 1_000


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, parties=(*PARTIES, "C.SOC"))
    hub.settle()
    return hub


def retry(hub: ShardUnderTest, number: int, party: str = "PRI") -> None:
    hub.control.publish(0, RETRY, {"party": party, "parkedNumber": number})
    hub.settle()


def waiting(hub: ShardUnderTest, party: str = "PRI") -> list[tuple[int, str]]:
    """Number and reason of what is open."""
    return [(one.originator_version, one.reason) for one, resolved in hub.store.parked(party) if resolved is None]


def early_consent(hub: ShardUnderTest, **more: str) -> str:
    """A consent to C.SOC seeing custody and housing, stated an hour too early: parked, and sound in an hour."""
    at = hub.now + HOUR_MS
    values = consent(at, ["CU", "HO"], ["C.SOC"])
    return hub.state("PRI", "ConsentGiven", values, "given", occurred_at=at, **more)


def amended(hub: ShardUnderTest, recipients: list[str], reference: str = "amended") -> str:
    return hub.state("PRI", "ConsentAmended", consent(hub.now, ["CU", "HO"], recipients), reference)


def taken_back(hub: ShardUnderTest, event_id: str, reference: str = "taken back") -> str:
    values = {"targetEventId": ce_id_of(event_id), "at": hub.now, "reason": "DUPLICATE"}
    return hub.state("PRI", "EventRetracted", values, reference)


# --- what waits, and what never does


def test_an_amendment_waits_for_its_parked_consent_and_comes_with_it(hub: ShardUnderTest) -> None:
    hub.enrol()
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    early_consent(hub)
    amended(hub, ["B.SOC"])
    hub.settle()
    assert waiting(hub) == [(1, Reason.IN_THE_FUTURE), (2, Reason.WAITS_FOR_PARKED)]
    hub.tick(2 * HOUR_MS)
    retry(hub, 1)
    assert waiting(hub) == []
    assert outcomes(hub, "PRI") == ["admitted", "admitted"]
    assert start in hub.view("B.SOC")
    assert start not in {event_id for _, _, event_id, _ in hub.told("C.SOC")}


def test_an_amendment_of_a_consent_that_nobody_stated_waits_for_nothing(hub: ShardUnderTest) -> None:
    hub.enrol()
    amended(hub, ["B.SOC"])
    hub.settle()
    assert waiting(hub) == [(1, Reason.UNKNOWN_CONSENT)]
    given(hub, ["CU"], ["C.SOC"])
    hub.settle()
    assert waiting(hub) == [(1, Reason.UNKNOWN_CONSENT)]


def test_a_consent_that_may_not_be_its_publishers_is_not_read_and_nothing_waits_for_it(hub: ShardUnderTest) -> None:
    hub.enrol()
    register(hub, FIRST, "PRI")
    given(hub, ["CU"], ["C.SOC"])
    hub.sign("PRI", FIRST)
    amended(hub, ["B.SOC"])
    hub.settle()
    assert waiting(hub) == [(1, Reason.UNSIGNED), (2, Reason.UNKNOWN_CONSENT)]


def test_other_cases_and_other_publishers_go_on(hub: ShardUnderTest) -> None:
    hub.enrol()
    hub.enrol(OTHER_CASE)
    early_consent(hub)
    amended(hub, ["B.SOC"])
    hub.settle()
    other = hub.state("PRI", "ConsentGiven", consent(hub.now, ["HO"], ["C.SOC"]), "other", case_id=OTHER_CASE)
    own = hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "one")
    hub.settle()
    assert len(waiting(hub)) == 2
    assert other in hub.held("PRI")
    assert own in hub.held("A.SOC")


def test_a_withdrawal_never_waits_for_its_parked_consent(hub: ShardUnderTest) -> None:
    hub.enrol()
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    early_consent(hub)
    amended(hub, ["C.SOC", "B.SOC"])
    hub.tick(1)
    stated = withdrawn(hub)
    hub.settle()
    assert len(waiting(hub)) == 2
    assert stated in hub.held("PRI")
    hub.tick(2 * HOUR_MS)
    retry(hub, 1)
    assert waiting(hub) == []
    for party in ("C.SOC", "B.SOC"):
        assert start not in {event_id for _, _, event_id, _ in hub.told(party)}


@pytest.mark.parametrize("how", ["corrected", "taken back"])
@pytest.mark.parametrize("restarted", [False, True])
def test_what_ends_a_parked_record_is_admitted_at_once_and_ends_it_when_it_comes(
    hub: ShardUnderTest, how: str, restarted: bool
) -> None:
    hub.enrol()
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    consent_event = early_consent(hub)
    if how == "corrected":
        hub.state("PRI", "ConsentGiven", consent(hub.now, ["CU", "HO"], ["B.SOC"]), "given", revision=1)
    else:
        taken_back(hub, consent_event)
    hub.settle()
    assert waiting(hub) == [(1, Reason.IN_THE_FUTURE)]
    assert (start in hub.held("B.SOC")) == (how == "corrected")
    hub.tick(2 * HOUR_MS)
    if restarted:
        hub.restart()
    retry(hub, 1)
    assert outcomes(hub, "PRI") == ["admitted"]
    assert start not in {event_id for _, _, event_id, _ in hub.told("C.SOC")}
    assert (start in hub.held("B.SOC")) == (how == "corrected")


def test_a_parked_record_is_ended_once(hub: ShardUnderTest) -> None:
    hub.enrol()
    consent_event = early_consent(hub)
    taken_back(hub, consent_event)
    taken_back(hub, consent_event, "again")
    hub.state("PRI", "ConsentGiven", consent(hub.now, ["CU"], ["B.SOC"]), "given", revision=1)
    hub.settle()
    assert [reason for _, reason in waiting(hub)] == [Reason.IN_THE_FUTURE, *[Reason.CORRECTS_NOTHING] * 2]


def test_a_record_of_another_line_or_type_is_not_what_a_correction_names(hub: ShardUnderTest) -> None:
    hub.enrol()
    hub.enrol(OTHER_CASE)
    early_consent(hub, case_id=OTHER_CASE)
    hub.state("PRI", "ConsentGiven", consent(hub.now, ["CU"], ["B.SOC"]), "given", revision=1)
    hub.settle()
    late = hub.now + HOUR_MS
    hub.state("PRI", "ImprisonmentStarted", imprisonment(late), "start", occurred_at=late)
    hub.settle()
    record = hub.last_input("PRI")
    ce_id = next(value for name, value in record.headers if name == "ce_id")
    hub.state("PRI", "ReleaseDateSet", {"custodyId": CASE, "releaseDate": date(2025, 8, 1), "kind": "PAROLE"}, "date")
    dated = hub.last_input("PRI")
    hub.append("PRI", dated._replace(headers=[*dated.headers, ("ce_corrects", ce_id)]))
    hub.settle()
    assert [reason for _, reason in waiting(hub)].count(Reason.CORRECTS_NOTHING) == 1
    assert [reason for _, reason in waiting(hub)].count(Reason.SAME_ID_OTHER_BYTES) == 1


# --- what a retry takes with it


def test_a_retry_takes_what_was_parked_behind_it_in_its_order(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["CU", "HO"], ["C.SOC"])
    withdrawn(hub)
    amended(hub, ["B.SOC"])
    hub.settle()
    assert waiting(hub) == [(number, Reason.UNKNOWN_KEY) for number in (1, 2, 3, 4)]
    hub.enrol()
    retry(hub, 2)
    assert outcomes(hub, "PRI") == [None, "admitted", "admitted", "admitted"]
    retry(hub, 1)
    for party in ("C.SOC", "B.SOC"):
        assert not [line for line in hub.told(party) if "custodyId" in line[3]]


def test_a_line_keeps_its_order_where_its_first_record_was_parked_again(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    taken_back(hub, start)
    hub.settle()
    retry(hub, 1)
    assert [number for number, _ in waiting(hub)] == [2, 4]
    hub.restart()
    hub.enrol()
    retry(hub, 4)
    assert waiting(hub) == []
    assert not [line for line in hub.told("C.SOC") if line[2] == start]


def test_what_cannot_enter_yet_stays_as_it_is(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    early_consent(hub)
    hub.state("PRI", "ReleaseDateSet", {"custodyId": CASE, "releaseDate": date(2025, 8, 1), "kind": "PAROLE"}, "date")
    hub.settle()
    hub.enrol()
    retry(hub, 1)
    assert waiting(hub) == [(2, Reason.IN_THE_FUTURE)]


def test_a_retry_ends_what_the_same_batch_parks_behind_it(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    taken_back(hub, start)
    hub.enrol()
    hub.control.publish(0, RETRY, {"party": "PRI", "parkedNumber": 1})
    hub.settle()
    assert waiting(hub) == []
    assert not [line for line in hub.told("C.SOC") if line[2] == start]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_retry_of_a_consents_second_copy_takes_what_was_parked_since_the_first(
    hub: ShardUnderTest, number: int
) -> None:
    hub.enrol()
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    early_consent(hub)
    first = hub.last_input("PRI")
    amended(hub, ["B.SOC"])
    late = hub.now + HOUR_MS
    hub.state("PRI", "ImprisonmentStarted", imprisonment(late), "another", occurred_at=late)
    hub.append("PRI", first)
    hub.settle()
    assert waiting(hub) == [
        (1, Reason.IN_THE_FUTURE),
        (2, Reason.WAITS_FOR_PARKED),
        (3, Reason.IN_THE_FUTURE),
        (4, Reason.IN_THE_FUTURE),
    ]
    hub.tick(2 * HOUR_MS)
    retry(hub, number)
    assert waiting(hub) == []
    assert start in hub.view("B.SOC")
    assert start not in {event_id for _, _, event_id, _ in hub.told("C.SOC")}


def test_a_retry_of_a_records_second_copy_takes_what_ended_the_first(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    first = hub.last_input("PRI")
    given(hub, ["CU", "HO"], ["C.SOC"])
    taken_back(hub, start)
    hub.append("PRI", first)
    hub.settle()
    hub.enrol()
    retry(hub, 4)
    assert waiting(hub) == []
    assert not [line for line in hub.told("C.SOC") if line[2] == start]


def test_an_amendment_comes_with_its_consents_second_copy_where_the_first_has_expired(hub: ShardUnderTest) -> None:
    hub.enrol()
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    at = hub.now + 20 * DAY_MS
    hub.state("PRI", "ConsentGiven", consent(at, ["CU", "HO"], ["C.SOC"]), "given", occurred_at=at)
    first = hub.last_input("PRI")
    hub.tick(10 * DAY_MS)
    amended(hub, ["B.SOC"])
    hub.append("PRI", first)
    hub.settle()
    hub.tick(KEPT_MS - 5 * DAY_MS)
    hub.settle()
    assert waiting(hub) == [(2, Reason.WAITS_FOR_PARKED), (3, Reason.IN_THE_FUTURE)]
    retry(hub, 3)
    assert waiting(hub) == []
    assert start not in {event_id for _, _, event_id, _ in hub.told("C.SOC")}


def test_more_than_a_batch_in_one_line_is_retried_from_its_end(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "LINE_MAX", 2)
    for number in range(3):
        case_opened(hub, str(number), None)
    hub.settle()
    hub.enrol()
    retry(hub, 1, "A.SOC")
    assert [parked.field for parked in hub.parked() if parked.originator_id == "parked:HUB"] == ["parkedNumber"]
    retry(hub, 2, "A.SOC")
    retry(hub, 1, "A.SOC")
    assert waiting(hub, "A.SOC") == []


def test_a_batch_that_could_not_be_stored_retried_nothing(hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    hub.enrol()
    hub.control.publish(0, RETRY, {"party": "PRI", "parkedNumber": 1})

    def full(_: object) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(hub.store, "commit", full)
        with pytest.raises(StoreUnavailable):
            hub.settle()
    assert waiting(hub) == [(1, Reason.UNKNOWN_KEY)]
    hub.settle()
    assert waiting(hub) == []
    assert start in hub.held("PRI")


def test_a_retry_is_judged_at_its_own_time(hub: ShardUnderTest) -> None:
    hub.enrol()
    at = hub.now + CLOCK_SKEW_MS_MAX + 10
    hub.state("PRI", "ImprisonmentStarted", imprisonment(at), "start", occurred_at=at)
    hub.settle()
    hub.tick(9)
    hub.control.publish(0, RETRY, {"party": "PRI", "parkedNumber": 1})
    hub.tick(1)  # the batch reaches further than the retry
    hub.settle()
    assert waiting(hub) == [(3, Reason.IN_THE_FUTURE)]
    retry(hub, 3)
    assert waiting(hub) == []


def test_amendments_are_judged_without_reading_every_amendment_before(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    live = CaseTimeline.live_gate_facts

    def counted(case: CaseTimeline) -> Any:
        nonlocal read
        for fact in live(case):
            read += 1
            yield fact

    hub.enrol()
    hub.tick()
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    monkeypatch.setattr(CaseTimeline, "live_gate_facts", counted)
    number = 300
    for each in range(number):
        amended(hub, ["B.SOC"], f"amendment {each}")
    hub.settle()
    assert waiting(hub) == []
    assert read < 20 * number
