"""The hub's word to its own shard: enrolments, keys and retries, each said once or several times."""

from __future__ import annotations

from datetime import date

import pytest

from contracts.civil_time import day_number
from contracts.reasons import Reason
from hub.shard.worker import AHEAD_OF_TICK_MS_MAX
from hub.store.records import CitizenEnrolled
from tests.shard.harness import CASE, OTHER_CASE, ShardUnderTest, consent, imprisonment
from tests.shard.test_disclosing import given

UNKNOWN_CASE = "5f0c7d1e-0000-4000-8000-00000000000b"


def park_one(hub: ShardUnderTest) -> None:
    """Let one record of A.SOC be parked, about a citizen whom the hub does not know."""
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "one", case_id=UNKNOWN_CASE)
    hub.settle()


def outcomes(hub: ShardUnderTest, party: str) -> list[str | None]:
    return [resolved.outcome if resolved else None for _, resolved in hub.store.parked(party)]


def test_a_key_that_belongs_to_another_case_is_refused_and_goes_on_leading_where_it_led(hub: ShardUnderTest) -> None:
    pair = ("A.SOC", hub.key("A.SOC"))
    hub.control.publish(0, "KeyIssued", {"caseId": OTHER_CASE, "party": "A.SOC", "key": pair[1]})
    hub.settle()
    assert [(parked.reason, parked.field) for parked in hub.parked()] == [(Reason.VALUE_OUTSIDE_MODEL, "key")]
    assert hub.store.cases_of([pair]) == {pair: CASE}


def test_a_key_for_a_citizen_who_is_not_enrolled_is_refused(hub: ShardUnderTest) -> None:
    key = hub.key("A.SOC", UNKNOWN_CASE)
    hub.control.publish(0, "KeyIssued", {"caseId": UNKNOWN_CASE, "party": "A.SOC", "key": key})
    hub.settle()
    assert [parked.field for parked in hub.parked()] == ["caseId"]
    assert hub.store.cases_of([("A.SOC", key)]) == {}


def test_an_enrolment_and_its_keys_said_twice_have_no_effect(hub: ShardUnderTest) -> None:
    before = list(hub.store.case_records(CASE))
    hub.enrol()
    hub.settle()
    hub.restart()
    hub.enrol()
    hub.settle()
    assert list(hub.store.case_records(CASE)) == before
    assert hub.parked() == []


def test_an_enrolment_under_a_law_without_rules_is_refused(hub: ShardUnderTest) -> None:
    enrolment = {"caseId": UNKNOWN_CASE, "birthDate": day_number(date(1990, 1, 1)), "jurisdiction": "OTHER"}
    hub.control.publish(0, "CitizenEnrolled", enrolment)
    hub.settle()
    assert [parked.field for parked in hub.parked()] == ["jurisdiction"]
    assert not [r for r in hub.store.case_records(UNKNOWN_CASE) if isinstance(r, CitizenEnrolled)]


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_retry_said_several_times_is_done_once(hub: ShardUnderTest, same_batch: bool) -> None:
    park_one(hub)
    for _ in range(3):
        hub.control.publish(0, "ParkedRetried", {"party": "A.SOC", "parkedNumber": 1})
        if not same_batch:
            hub.settle()
    hub.settle()
    assert outcomes(hub, "A.SOC") == ["parked_again", None]
    assert outcomes(hub, "HUB") == []


def test_a_retry_that_is_admitted_said_twice_admits_one_fact(hub: ShardUnderTest) -> None:
    park_one(hub)
    hub.enrol(UNKNOWN_CASE)
    for _ in range(2):
        hub.control.publish(0, "ParkedRetried", {"party": "A.SOC", "parkedNumber": 1})
    hub.settle()
    assert outcomes(hub, "A.SOC") == ["admitted"]
    assert len(hub.view("A.SOC")) == 1


def test_a_retry_of_a_retry_is_refused_and_ends_there(hub: ShardUnderTest) -> None:
    hub.control.publish(0, "ParkedRetried", {"party": "A.SOC", "parkedNumber": 9})
    hub.settle()
    hub.control.publish(0, "ParkedRetried", {"party": "HUB", "parkedNumber": 1})
    hub.settle()
    assert outcomes(hub, "HUB") == [None, None]
    assert {parked.field for parked in hub.parked()} == {"parkedNumber"}


def test_whoever_an_amendment_names_may_amend_again_and_a_stranger_may_not(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["CU"], ["A.JOB"])
    hub.tick(1000)
    hub.state("A.SOC", "ConsentAmended", consent(hub.now, ["CU"], ["A.SOC"]), "stranger")
    hub.state("PRI", "ConsentAmended", consent(hub.now, ["CU"], ["B.SOC"]), "amended")
    hub.tick(1000)
    again = hub.state("B.SOC", "ConsentAmended", consent(hub.now, ["CU", "PL"], ["B.SOC"]), "again")
    hub.settle()
    assert [(parked.originator_id, parked.reason) for parked in hub.parked()] == [
        ("parked:A.SOC", Reason.UNKNOWN_CONSENT)
    ]
    assert again in hub.view("PRI")


def test_a_record_ahead_of_its_time_does_not_carry_the_newest_tick_forward_with_it(hub: ShardUnderTest) -> None:
    start = hub.now
    for step in (1, 2):
        hub.now = start + step * AHEAD_OF_TICK_MS_MAX
        hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": start}, f"ahead-{step}", occurred_at=start)
        hub.now = hub.broker.clock = start + step
        hub.control.publish(0, "ShardTicked", {})
        hub.settle()
    assert hub.shard.state.clock == start + AHEAD_OF_TICK_MS_MAX
    assert len(hub.view("A.SOC")) == 1
