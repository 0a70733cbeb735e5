"""What a publisher hears of its parked records: on its own topic, without content, and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import catalogue
from contracts.fact import ce_id_of
from contracts.models import fault_in
from contracts.reasons import Reason
from hub.continuity.clock_terms import clock_terms
from hub.identity.pseudonyms import parking_case, pseudonym
from hub.shard.retrying import RETRY
from hub.store.records import FactRecorded
from tests.shard.harness import CASE, PARTIES, SECRET, ShardUnderTest
from tests.shard.test_parking import SPOILT

KEPT_MS = clock_terms().parked_for_seconds * 1_000


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path)
    hub.settle()
    return hub


def heard(hub: ShardUnderTest, party: str = "A.SOC") -> list[dict[str, Any]]:
    """What lies on the party's topic of its parked records, in order."""
    return [payload for _, _, _, payload in hub.told(party) if "parkedNumber" in payload]


def states(hub: ShardUnderTest) -> list[tuple[str, int, str]]:
    return [(said["state"], said["parkedNumber"], said["reasonCode"]) for said in heard(hub)]


def case_opened(hub: ShardUnderTest, reference: str = "one") -> str:
    hub.tick(1)
    return hub.state("A.SOC", "CaseOpened", {"caseNo": "secret", "at": hub.now}, reference)


def retry(hub: ShardUnderTest, number: int) -> None:
    hub.control.publish(0, RETRY, {"party": "A.SOC", "parkedNumber": number})
    hub.settle()


def test_the_publisher_hears_where_its_record_lies_and_why_it_is_parked(hub: ShardUnderTest) -> None:
    event_id = case_opened(hub)
    hub.settle()
    (said,) = heard(hub)
    (parked,) = hub.parked()
    assert said == {
        "occurredAt": hub.now,
        "at": hub.now,
        "recipient": "A.SOC",
        "state": "PARKED",
        "parkedNumber": 1,
        "recordTopic": "test.in.a-soc.v1",
        "recordPartition": 0,
        "recordOffset": "0",
        "targetEventId": ce_id_of(event_id),
        "reasonCode": "unknown_key",
        "reasonField": "key",
        "fix": parked.fix,
    }


def test_it_hears_that_a_record_was_parked_again_admitted_and_has_expired(hub: ShardUnderTest) -> None:
    case_opened(hub, "one")
    case_opened(hub, "two")
    hub.settle()
    retry(hub, 1)
    hub.enrol()
    retry(hub, 2)
    hub.restart()
    hub.tick(KEPT_MS)
    hub.settle()
    unknown = Reason.UNKNOWN_KEY
    assert states(hub) == [
        ("PARKED", 1, unknown),
        ("PARKED", 2, unknown),
        ("PARKED", 4, unknown),
        ("ADMITTED", 2, unknown),
        ("EXPIRED", 4, unknown),
    ]


def test_a_repeat_of_a_retry_says_nothing_more(hub: ShardUnderTest) -> None:
    case_opened(hub)
    hub.settle()
    hub.enrol()
    for _ in range(3):
        retry(hub, 1)
    assert [state for state, _, _ in states(hub)] == ["PARKED", "ADMITTED"]


@pytest.mark.parametrize("case", SPOILT)
def test_of_every_kind_of_bad_record_its_publisher_alone_hears_and_in_a_sound_form(
    hub: ShardUnderTest, case: str
) -> None:
    reason, spoil = SPOILT[case]
    hub.enrol()
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "before")
    hub.append("A.SOC", spoil(hub, hub.last_input("A.SOC")._replace(headers=_other_id(hub))))
    hub.settle()
    assert [said["reasonCode"] for said in heard(hub)] == [reason]
    for party in PARTIES:
        assert bool(heard(hub, party)) == (party == "A.SOC")
    case_id = parking_case(SECRET, "A.SOC", 0, 1)
    (fact,) = (one for one in hub.store.case_records(case_id) if isinstance(one, FactRecorded))
    payload = hub.shard.cases.reader.codec.decode_body(fact.schema_id, fact.value)
    assert fault_in(catalogue().event_types["ParkingNotified"], payload) is None


def _other_id(hub: ShardUnderTest) -> list[tuple[str, bytes]]:
    other = ("ce_id", b"00000000-0000-4000-8000-0000000000aa")
    return [other if name == "ce_id" else (name, value) for name, value in hub.last_input("A.SOC").headers]


def test_it_repeats_nothing_of_the_record(hub: ShardUnderTest) -> None:
    case_opened(hub)
    record = hub.last_input("A.SOC")
    hub.append("A.SOC", record._replace(headers=[("ce_secret", b"x"), *record.headers], key=b"secret"))
    hub.settle()
    lying = hub.broker.log(hub.names.output("A.SOC"), 0)
    assert len(lying) == 2
    for one in lying:
        text = (one.key or b"") + (one.value or b"") + b"".join(value for _, value in one.headers)
        assert b"secret" not in text
        assert hub.key("A.SOC").encode() not in text


def test_it_comes_under_a_key_of_its_own_that_leads_nowhere(hub: ShardUnderTest) -> None:
    case_opened(hub)
    hub.settle()
    key = hub.broker.log(hub.names.output("A.SOC"), 0)[-1].key
    case_id = parking_case(SECRET, "A.SOC", 0, 1)
    assert key == pseudonym(SECRET, case_id, "A.SOC", 0, 1).encode()
    hub.append("A.SOC", hub.last_input("A.SOC")._replace(key=key))
    hub.settle()
    assert states(hub)[-1] == ("PARKED", 2, Reason.UNKNOWN_KEY)
    assert not [one for one in hub.store.case_records(case_id) if isinstance(one, FactRecorded) and one.party != "HUB"]


def test_what_is_parked_of_the_hub_itself_is_told_to_nobody(hub: ShardUnderTest) -> None:
    retry(hub, 9)
    assert [parked.originator_id for parked in hub.parked()] == ["parked:HUB"]
    assert not [said for party in PARTIES for said in heard(hub, party)]


def test_what_a_publisher_hears_does_not_depend_on_what_others_stated(tmp_path: Path) -> None:
    """The same bad records, with and without facts of others about the same citizen."""
    lying = []
    for others in (False, True):
        (tmp_path / str(others)).mkdir()
        hub = ShardUnderTest(tmp_path / str(others))
        hub.enrol()
        hub.settle()
        if others:
            given = {"custodyId": CASE, "startedAt": hub.now, "institution": "x", "legalStatus": "REMAND"}
            hub.state("PRI", "ImprisonmentStarted", given | {"planDuty": True, "homeMunicipality": "B"}, "start")
        for _, spoil in SPOILT.values():
            hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "before")
            hub.append("A.SOC", spoil(hub, hub.last_input("A.SOC")._replace(headers=_other_id(hub))))
        hub.settle()
        lying.append([(one["reasonCode"], one["recordOffset"], one["reasonField"], one["fix"]) for one in heard(hub)])
    assert lying[0] == lying[1]
