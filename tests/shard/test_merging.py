"""Merges of cases: one citizen under two keys, told as one; on one shard and across two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.codec import codec
from contracts.reasons import Reason
from hub.shard import forwarding, worker
from hub.store.records import FactRecorded, Origin
from tests.shard.harness import HOUR_MS
from tests.shard.merging import (
    ACROSS,
    LOSER,
    SAME_SHARD,
    THIRD,
    WINNER,
    MergingShards,
    consented,
    dated,
    hour,
    imprisoned,
    opened,
    withdrawn,
)


@pytest.fixture(params=[SAME_SHARD, ACROSS], ids=["same shard", "across shards"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> MergingShards:
    return MergingShards(tmp_path, request.param)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch takes one record, every turn forwards one message."""
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    monkeypatch.setattr(forwarding, "MESSAGES_PER_TURN_MAX", 1)


def test_what_stood_under_the_old_key_is_taken_back_and_stands_under_the_new_one(hub: MergingShards) -> None:
    start, date_set = imprisoned(hub, LOSER), dated(hub, LOSER)
    case_opened = opened(hub, WINNER)
    hub.settle()
    before = hub.held("PRI", LOSER)
    assert set(before) == {start, date_set}
    assert start in hub.held("A.SOC", LOSER)
    hour(hub)
    hub.merge()
    hub.settle()
    assert hub.views(LOSER) == {party: {} for party in hub.parties}
    assert before.items() <= hub.held("PRI", WINNER).items()
    assert start in hub.held("A.SOC", WINNER)
    assert case_opened in hub.held("A.JOB", WINNER)
    assert (hub.moves(LOSER), hub.moves(WINNER)) == (["merged"], ["joining", "joined"])
    assert hub.parked() == []


def test_both_recorded_times_are_kept_and_rules_go_by_the_first(hub: MergingShards) -> None:
    start = imprisoned(hub, LOSER)
    hub.settle()
    stated_at = hub.now
    hour(hub)
    hub.merge()
    hub.settle()
    shard = hub.shards_of[WINNER]
    facts = (each for each in hub.stores[shard].case_records(WINNER) if isinstance(each, FactRecorded))
    (record,) = (each for each in facts if each.party == "PRI")
    assert record.event_id == start
    assert record.recorded_at == stated_at + HOUR_MS
    assert record.origin == Origin(LOSER, stated_at)
    for _ in range(2):
        assert hub.shards[shard].cases.get(WINNER).timeline.gate_facts[start].recorded_at == stated_at
        hub.restart(shard)


def test_the_old_key_may_go_on_being_used(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    hub.merge()
    hub.settle()
    hour(hub)
    date_set = dated(hub, LOSER)
    hub.settle()
    assert date_set in hub.held("PRI", WINNER)
    assert hub.held("PRI", LOSER) == {}


@pytest.mark.parametrize("correcting", [LOSER, WINNER])
@pytest.mark.parametrize("first", [LOSER, WINNER])
def test_a_correction_under_either_key_replaces_a_fact_under_either(
    hub: MergingShards, first: str, correcting: str
) -> None:
    imprisoned(hub, LOSER)
    hub.merge()
    hub.settle()
    wrong = dated(hub, first)
    hub.settle()
    right = dated(hub, correcting, 20_400, revision=1)
    hub.settle()
    held = hub.held("PRI", WINNER)
    assert right in held
    assert wrong not in held
    assert hub.parked() == []


@pytest.mark.parametrize("giving", [LOSER, WINNER])
@pytest.mark.parametrize("withdrawing", [LOSER, WINNER])
def test_a_withdrawal_under_either_key_ends_a_consent_under_either(
    hub: MergingShards, giving: str, withdrawing: str
) -> None:
    imprisoned(hub, LOSER)
    date_set = dated(hub, LOSER)
    hub.merge()
    consented(hub, giving)
    hub.settle()
    assert date_set in hub.held("A.JOB", WINNER)
    hour(hub)
    withdrawn(hub, withdrawing)
    hub.settle()
    assert date_set not in hub.held("A.JOB", WINNER)


@pytest.mark.usefixtures("one_by_one")
def test_what_was_withdrawn_before_a_merge_is_never_told_whatever_comes_first(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    dated(hub, LOSER)
    dated(hub, WINNER, reference="date of the winner")
    consented(hub, LOSER)
    withdrawn(hub, LOSER)
    hub.settle()
    told_before = len(hub.broker.log(hub.names.output("A.JOB"), hub.shards_of[WINNER]))
    hub.merge()
    while hub.step() or any(shard.forwarding.waiting for shard in hub.shards):
        assert not any("ReleaseDateSet" in str(each) for each in released_to(hub, "A.JOB", told_before))
    assert hub.moves(WINNER) == ["joining", "joined"]


def released_to(hub: MergingShards, party: str, since: int) -> Iterator[str]:
    """The types of what was disclosed to a party since its topic had so many records."""
    for record in hub.broker.log(hub.names.output(party), hub.shards_of[WINNER])[since:]:
        if record.value is not None:
            yield dict(record.headers)["ce_type"].decode()


def test_what_the_winning_case_loses_is_taken_back_while_facts_are_still_coming(hub: MergingShards) -> None:
    imprisoned(hub, WINNER)
    date_set = dated(hub, WINNER)
    consented(hub, WINNER)
    imprisoned(hub, LOSER)
    hub.settle()
    assert date_set in hub.held("A.JOB", WINNER)
    hub.control.publish(
        hub.shards_of[WINNER],
        "MergeOpened",
        {"caseId": WINNER, "other": LOSER, "otherShard": hub.shards_of[LOSER], "change": 1},
    )
    withdrawn(hub, WINNER)
    later = dated(hub, WINNER, 20_301, reference="later")
    hub.settle()
    assert date_set not in hub.held("A.JOB", WINNER)
    assert later not in hub.held("PRI", WINNER)
    hub.merge()
    hub.settle()
    assert later in hub.held("PRI", WINNER)


def test_a_repeat_under_either_key_is_a_repeat(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    dated(hub, LOSER)
    hub.settle()
    hub.merge()
    hub.settle()
    for case_id in (LOSER, WINNER):
        dated(hub, case_id)
    hub.settle()
    assert hub.parked() == []
    facts = [
        record
        for record in hub.stores[hub.shards_of[WINNER]].case_records(WINNER)
        if isinstance(record, FactRecorded) and record.event_type == "ReleaseDateSet"
    ]
    assert len(facts) == 1


def test_a_reference_to_nothing_under_the_old_key_is_parked_and_can_be_retried(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    hub.merge()
    hub.settle()
    correction = dated(hub, LOSER, 20_400, revision=1)
    hub.settle()
    (parked,) = hub.parked()
    assert parked.reason == Reason.CORRECTS_NOTHING
    assert parked.originator_id == "parked:PRI"
    corrected = dated(hub, WINNER)
    hub.settle()
    number = parked.originator_version
    hub.control.publish(hub.shards_of[WINNER], "ParkedRetried", {"party": "PRI", "parkedNumber": number})
    hub.settle()
    held = hub.held("PRI", WINNER)
    assert correction in held
    assert corrected not in held


def test_of_a_record_that_a_merge_brought_no_place_is_told_that_is_another_records(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    hub.merge()
    hub.settle()
    correction = dated(hub, LOSER, 20_400, revision=1)
    hub.settle()
    told = [
        codec().decode(record.value).payload
        for record in hub.broker.log(hub.names.output("PRI"), hub.shards_of[WINNER])
        if record.value and b"ParkingNotified" in dict(record.headers)["ce_type"]
    ]
    places = [(said["recordTopic"], said["recordPartition"], said["recordOffset"]) for said in told]
    assert places == [(hub.names.input("PRI"), -1, "-1")], "the offset is in decimal, as its contract says"
    assert f"PRI/{told[0]['targetEventId']}" == correction


def test_a_repeat_under_the_last_key_of_a_chain_is_a_repeat(hub: MergingShards) -> None:
    start = imprisoned(hub, LOSER)
    said = hub.broker.log(hub.names.input("PRI"), hub.shards_of[LOSER])[-1]
    hub.merge(LOSER, WINNER)
    hub.merge(WINNER, THIRD)
    hub.settle()
    assert start in hub.held("PRI", THIRD)
    key = hub.key("PRI", THIRD).encode()
    hub.broker.append(said.topic, hub.shards_of[THIRD], key, said.value, said.headers, hub.now)
    hub.settle()
    assert hub.parked() == []


def test_those_who_were_told_hear_of_a_correction_that_comes_under_the_old_key(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    wrong = dated(hub, LOSER)
    hub.merge()
    hub.settle()
    assert wrong in hub.held("A.SOC", WINNER)
    hour(hub)
    dated(hub, LOSER, 20_400, revision=1)
    hub.settle()
    heard = hub.held("A.SOC", WINNER, of_the_hub=True).values()
    assert [(each["kind"], each["targetEventId"]) for each in heard if "targetEventId" in each] == [
        ("CORRECTED", wrong.removeprefix("PRI/"))
    ]


def test_all_have_come_only_when_those_of_a_third_case_have(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    hub.control.publish(
        hub.shards_of[LOSER],
        "MergeOpened",
        {"caseId": LOSER, "other": THIRD, "otherShard": hub.shards_of[THIRD], "change": 1},
    )
    hub.merge(LOSER, WINNER)
    hub.settle()
    assert hub.moves(WINNER) == ["joining"]
    later = dated(hub, WINNER)
    hub.settle()
    assert later not in hub.held("PRI", WINNER)
    hub.merge(THIRD, LOSER)
    hub.settle()
    assert hub.moves(WINNER) == ["joining", "joining", "joined"]
    assert later in hub.held("PRI", WINNER)


@pytest.mark.parametrize(
    "payload",
    [
        {"caseId": LOSER, "other": LOSER, "otherShard": 0, "change": 1},
        {"caseId": LOSER, "other": WINNER, "otherShard": 9, "change": 1},
        {"caseId": "5f0c7d1e-0000-4000-8000-0000000000ff", "other": WINNER, "otherShard": 0, "change": 1},
    ],
)
def test_a_merge_that_cannot_be_is_refused(hub: MergingShards, payload: dict[str, Any]) -> None:
    hub.control.publish(0, "CaseMerged", payload)
    hub.settle()
    assert [record.reason for record in hub.parked()] == [Reason.VALUE_OUTSIDE_MODEL]


def test_a_closed_case_tells_nothing_under_new_rules_or_after_a_restart(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    hub.merge()
    hub.settle()
    for number in range(2):
        hub.restart(number)
    loser = hub.shards[hub.shards_of[LOSER]]
    loser.cases.settled_under = "other rules"
    hub.tick(HOUR_MS)
    hub.settle()
    assert loser.state.rules == "other rules"
    assert hub.views(LOSER) == {party: {} for party in hub.parties}
