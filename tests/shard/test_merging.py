"""Merges of cases: one citizen under two keys, told as one, and told apart again; on one shard and across two."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.civil_time import day_date
from contracts.reasons import Reason
from hub.shard import forwarding, worker
from hub.store.records import FactRecorded, Origin
from tests.shard.harness import HOUR_MS, consent, imprisonment
from tests.shard.merging import LOSER, THIRD, WINNER, MergingShards, hour

SAME_SHARD = {LOSER: 0, WINNER: 0, THIRD: 0}
ACROSS = {LOSER: 0, WINNER: 1, THIRD: 0}
CONSENT_ID = consent(0, (), ())["consentId"]


@pytest.fixture(params=[SAME_SHARD, ACROSS], ids=["same shard", "across shards"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> MergingShards:
    return MergingShards(tmp_path, request.param)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch takes one record, every turn forwards one message."""
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    monkeypatch.setattr(forwarding, "MESSAGES_PER_TURN_MAX", 1)


def imprisoned(hub: MergingShards, case_id: str) -> str:
    return hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id)


def dated(hub: MergingShards, case_id: str, day: int = 20_300, revision: int = 0, reference: str = "date") -> str:
    values = {"custodyId": imprisonment(0)["custodyId"], "releaseDate": day_date(day), "kind": "PAROLE"}
    return hub.state("PRI", "ReleaseDateSet", values, reference, case_id, revision)


def consented(hub: MergingShards, case_id: str, recipients: tuple[str, ...] = ("A.JOB",)) -> str:
    values = consent(hub.now, ["CU", "RE"], recipients) | {"purposes": ["EMPLOYMENT", "SOCIAL_SUPPORT"]}
    return hub.state("PRI", "ConsentGiven", values, "given", case_id)


def withdrawn(hub: MergingShards, case_id: str) -> str:
    values = {"consentId": CONSENT_ID, "at": hub.now, "by": "SUBJECT"}
    return hub.state("PRI", "ConsentWithdrawn", values, "withdrawn", case_id)


def opened(hub: MergingShards, case_id: str, party: str = "A.JOB") -> str:
    return hub.state(party, "CaseOpened", {"caseNo": "1", "at": hub.now}, f"opened {case_id}", case_id)


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
    assert (hub.steps(LOSER), hub.steps(WINNER)) == (["merged"], ["joining", "joined"])
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
    assert hub.steps(WINNER) == ["joining", "joined"]


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
        hub.shards_of[WINNER], "MergeOpened", {"caseId": WINNER, "other": LOSER, "otherShard": hub.shards_of[LOSER]}
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


def amended_by_a_stranger(hub: MergingShards, case_id: str) -> str:
    """B.SOC, whom no consent names, makes itself a recipient of one."""
    values = consent(hub.now, ["CU", "RE"], ("A.JOB", "B.SOC")) | {"version": 2, "purposes": ["SOCIAL_SUPPORT"]}
    return hub.state("B.SOC", "ConsentAmended", values, "amended", case_id)


@pytest.mark.parametrize("when", ["merged", "leaving"])
def test_what_is_refused_while_a_case_is_closed_never_counts(hub: MergingShards, when: str) -> None:
    imprisoned(hub, LOSER)
    date_set = dated(hub, LOSER)
    consented(hub, LOSER)
    hub.settle()
    hub.merge()
    hub.settle()
    hour(hub)
    if when == "leaving":
        hub.unlink()
    amendment = amended_by_a_stranger(hub, LOSER)
    hub.settle()
    assert [record.reason for record in hub.parked()] == [Reason.UNKNOWN_CONSENT]
    if when == "merged":
        hub.unlink()
        hub.settle()
    for case_id in (LOSER, WINNER):
        assert date_set not in hub.held("B.SOC", case_id)
        assert amendment not in hub.held("B.SOC", case_id)


@pytest.mark.usefixtures("one_by_one")
def test_what_is_stated_while_a_case_leaves_counts_from_the_moment_it_opens(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    date_set = dated(hub, LOSER)
    consented(hub, LOSER)
    hub.merge()
    hub.settle()
    hour(hub)
    for shard in hub.shards:
        shard.forwarding._paused_until = math.inf
    hub.unlink()
    withdrawal = withdrawn(hub, LOSER)
    while hub.step():
        pass
    assert hub.steps(LOSER)[-1] == "leaving"
    for shard in hub.shards:
        shard.forwarding._paused_until = 0.0
    while hub.step() or any(shard.forwarding.waiting for shard in hub.shards):
        assert date_set not in hub.held("A.JOB", LOSER)
    assert hub.steps(LOSER)[-1] == "reopened"
    assert withdrawal in hub.held("PRI", LOSER)


def test_each_keeps_its_own_consent_of_one_id(hub: MergingShards) -> None:
    for case_id in (LOSER, WINNER):
        imprisoned(hub, case_id)
        values = consent(hub.now, ["CU", "RE"], ("A.JOB",)) | {"purposes": ["EMPLOYMENT"]}
        hub.state("PRI", "ConsentGiven", values, f"given {case_id}", case_id)
        dated(hub, case_id, reference=f"date {case_id}")
    hub.settle()
    before = {case_id: hub.views(case_id) for case_id in (LOSER, WINNER)}
    hub.merge()
    hub.settle()
    hub.unlink()
    hub.settle()
    assert {case_id: hub.views(case_id) for case_id in (LOSER, WINNER)} == before


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


def test_unlinked_each_is_as_if_they_had_never_been_one(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    dated(hub, LOSER)
    consented(hub, LOSER, ("A.JOB", "A.SOC"))
    opened(hub, WINNER)
    hub.settle()
    before = {case_id: hub.views(case_id) for case_id in (LOSER, WINNER)}
    hour(hub)
    hub.merge()
    hub.settle()
    assert hub.views(WINNER) != before[WINNER]
    hour(hub)
    hub.unlink()
    hub.settle()
    assert {case_id: hub.views(case_id) for case_id in (LOSER, WINNER)} == before
    assert hub.steps(LOSER) == ["merged", "leaving", "reopened"]
    assert hub.steps(WINNER) == ["joining", "joined", "left"]


def test_what_was_stated_meanwhile_goes_with_what_it_depends_on(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    date_set = dated(hub, LOSER)
    consented(hub, LOSER)
    imprisoned(hub, WINNER)
    hub.merge()
    hub.settle()
    assert date_set in hub.held("A.JOB", WINNER)
    hour(hub)
    right = dated(hub, WINNER, 20_400, revision=1)
    withdrawal = withdrawn(hub, WINNER)
    own = dated(hub, WINNER, 20_500, reference="the winner's own")
    late = opened(hub, LOSER, "A.SOC")
    hub.settle()
    hour(hub)
    hub.unlink()
    hub.settle()
    assert {right, withdrawal} <= set(hub.held("PRI", LOSER))
    assert date_set not in hub.held("PRI", LOSER)
    assert late in hub.held("A.SOC", LOSER)
    assert own in hub.held("PRI", WINNER)
    assert not {right, withdrawal} & set(hub.held("PRI", WINNER))
    assert right not in hub.held("A.JOB", LOSER)


@pytest.mark.usefixtures("one_by_one")
def test_the_losing_case_never_opens_without_a_withdrawal_that_was_stated_under_the_new_key(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    date_set = dated(hub, LOSER)
    consented(hub, LOSER)
    hub.settle()
    hub.merge()
    hub.settle()
    withdrawn(hub, WINNER)
    hub.settle()
    hub.unlink()
    while hub.step() or any(shard.forwarding.waiting for shard in hub.shards):
        assert date_set not in hub.held("A.JOB", LOSER)
    assert hub.steps(LOSER)[-1] == "reopened"


def test_merged_again_after_it_was_taken_back(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    dated(hub, LOSER)
    hub.merge()
    hub.settle()
    merged = hub.views(WINNER)
    hour(hub)
    hub.unlink()
    hub.settle()
    hour(hub)
    hub.merge()
    hub.settle()
    assert hub.views(WINNER) == merged
    assert hub.views(LOSER) == {party: {} for party in hub.parties}


def test_three_ids_of_one_citizen_in_a_chain_and_back(hub: MergingShards) -> None:
    start = imprisoned(hub, THIRD)
    dated(hub, LOSER)
    before = {case_id: hub.views(case_id) for case_id in (LOSER, WINNER)}
    hub.merge(THIRD, LOSER)
    hub.merge(LOSER, WINNER)
    hub.settle()
    hour(hub)
    late = opened(hub, THIRD, "A.SOC")
    hub.settle()
    assert start in hub.held("PRI", WINNER)
    assert late in hub.held("A.SOC", WINNER)
    assert hub.views(LOSER) == hub.views(THIRD) == {party: {} for party in hub.parties}
    hub.unlink(LOSER)
    hub.settle()
    assert start in hub.held("PRI", LOSER)
    hub.unlink(THIRD)
    hub.settle()
    assert start in hub.held("PRI", THIRD)
    assert late in hub.held("A.SOC", THIRD)
    assert hub.views(WINNER) == before[WINNER]


def test_all_have_come_only_when_those_of_a_third_case_have(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    hub.control.publish(
        hub.shards_of[LOSER], "MergeOpened", {"caseId": LOSER, "other": THIRD, "otherShard": hub.shards_of[THIRD]}
    )
    hub.merge(LOSER, WINNER)
    hub.settle()
    assert hub.steps(WINNER) == ["joining"]
    later = dated(hub, WINNER)
    hub.settle()
    assert later not in hub.held("PRI", WINNER)
    hub.merge(THIRD, LOSER)
    hub.settle()
    assert hub.steps(WINNER) == ["joining", "joined"]
    assert later in hub.held("PRI", WINNER)


def test_told_twice_or_late_nothing_changes(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    hub.settle()
    hub.merge()
    hub.settle()
    hub.say_again("CaseMerged")
    hub.settle()
    assert (hub.steps(LOSER), hub.steps(WINNER)) == (["merged"], ["joining", "joined"])
    hub.unlink()
    hub.settle()
    before = hub.views(LOSER)
    for event_type in ("CaseUnlinked", "CaseMerged"):
        hub.say_again(event_type)
        hub.settle()
    assert hub.views(LOSER) == before
    assert hub.steps(LOSER) == ["merged", "leaving", "reopened"]
    assert hub.steps(WINNER) == ["joining", "joined", "left"]


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
