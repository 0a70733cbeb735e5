"""Merges taken back: each case has what is its own, and nothing that was refused or said late counts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from contracts.reasons import Reason
from hub.shard import forwarding, worker
from tests.shard.harness import consent
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
    assert hub.moves(LOSER) == ["merged", "leaving", "reopened"]
    assert hub.moves(WINNER) == ["joining", "joined", "left"]


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
    assert hub.moves(LOSER)[-1] == "reopened"


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


def test_told_twice_or_late_nothing_changes(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    hub.settle()
    hub.merge()
    hub.settle()
    hub.say_again("CaseMerged")
    hub.settle()
    assert (hub.moves(LOSER), hub.moves(WINNER)) == (["merged"], ["joining", "joined"])
    hub.unlink()
    hub.settle()
    before = hub.views(LOSER)
    for event_type in ("CaseUnlinked", "CaseMerged"):
        hub.say_again(event_type)
        hub.settle()
    assert hub.views(LOSER) == before
    assert hub.moves(LOSER) == ["merged", "leaving", "reopened"]
    assert hub.moves(WINNER) == ["joining", "joined", "left"]


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
        shard.forwarding.pause.until = math.inf
    hub.unlink()
    withdrawal = withdrawn(hub, LOSER)
    while hub.step():
        pass
    assert hub.moves(LOSER)[-1] == "leaving"
    for shard in hub.shards:
        shard.forwarding.pause.until = 0.0
    while hub.step() or any(shard.forwarding.waiting for shard in hub.shards):
        assert date_set not in hub.held("A.JOB", LOSER)
    assert hub.moves(LOSER)[-1] == "reopened"
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
