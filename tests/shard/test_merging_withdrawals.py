"""A withdrawal is acknowledged when nothing that rested on the consent is held, whichever case and shard told it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.withdrawals_command import HELD_UP, MERGE_UNCONFIRMED, open_in
from hub.case_timeline.timeline import CaseTimeline
from hub.shard.withdrawals import removals, told_before
from hub.store.records import Decision, DecisionsRecorded, FactRecorded, case_stream
from tests.shard.harness import consent
from tests.shard.merging import (
    ACROSS,
    CONSENT_ID,
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

APART = {THIRD: 1, LOSER: 0, WINNER: 0}


@pytest.fixture(params=[SAME_SHARD, ACROSS], ids=["same", "across"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> MergingShards:
    return MergingShards(tmp_path, request.param)


def told_by(hub: MergingShards, case_id: str) -> str:
    """Have a case tell the job centre a date on the ground of a consent; return the date's event id."""
    imprisoned(hub, case_id)
    date = dated(hub, case_id)
    consented(hub, case_id)
    hub.settle()
    assert date in hub.held("A.JOB", case_id)
    hour(hub)
    hub.settle()
    return date


def merged_out_of_reach(hub: MergingShards) -> str:
    """Merge a case of which the job centre holds a date, and cannot be told that it is gone; the date's event id."""
    date = told_by(hub, LOSER)
    hub.unreachable("A.JOB", hub.shards_of[LOSER])
    hub.merge()
    hub.go_on()
    return date


def assert_waits_for(hub: MergingShards, case_id: str, date: str) -> None:
    """Nothing is acknowledged while the job centre holds the date under the key of a case; then it is."""
    hub.go_on()
    assert not hub.acknowledged()
    assert date in hub.held("A.JOB", case_id)
    hub.settle()
    assert len(hub.acknowledged()) == 1
    assert hub.still_held(CONSENT_ID) == []
    for shard in hub.shards:
        assert (shard.promises.waiting, shard.promises.removing) == ({}, {})
        assert (shard.store.promises(), shard.store.removals()) == ({}, {})


@pytest.mark.parametrize("moment", ["before the merge", "while it runs", "after it"])
def test_a_withdrawal_waits_for_what_the_closed_case_has_to_take_back(hub: MergingShards, moment: str) -> None:
    date = told_by(hub, LOSER)
    hub.unreachable("A.JOB", hub.shards_of[LOSER])
    if moment == "before the merge":
        withdrawn(hub, LOSER)
        hub.go_on()
    hub.merge()
    if moment == "while it runs":
        withdrawn(hub, LOSER)
    hub.go_on()
    hour(hub)
    if moment == "after it":
        withdrawn(hub, WINNER)
    assert_waits_for(hub, LOSER, date)


def test_a_withdrawal_after_an_unlink_waits_for_what_the_other_case_has_to_take_back(hub: MergingShards) -> None:
    date = told_by(hub, LOSER)
    hub.merge()
    hub.settle()
    assert date in hub.held("A.JOB", WINNER)
    hub.unreachable("A.JOB", hub.shards_of[WINNER])
    hub.unlink()
    hub.go_on()
    assert hub.steps(LOSER)[-1] == "reopened"
    hour(hub)
    withdrawn(hub, LOSER)
    assert_waits_for(hub, WINNER, date)


def test_a_withdrawal_that_leaves_unacknowledged_is_acknowledged_where_it_went(hub: MergingShards) -> None:
    date = told_by(hub, LOSER)
    hub.merge()
    hub.settle()
    hub.unreachable("A.JOB", hub.shards_of[WINNER])
    withdrawn(hub, WINNER)
    hub.go_on()
    hub.unlink()
    assert_waits_for(hub, WINNER, date)


def test_a_case_that_passes_on_what_it_got_waits_for_the_first_one(tmp_path: Path) -> None:
    hub = MergingShards(tmp_path, APART)
    date = told_by(hub, THIRD)
    hub.unreachable("A.JOB", hub.shards_of[THIRD])
    hub.merge(THIRD, LOSER)
    hub.go_on()
    hub.merge(LOSER, WINNER)
    hub.go_on()
    hour(hub)
    withdrawn(hub, WINNER)
    assert_waits_for(hub, THIRD, date)


def test_what_a_case_promised_is_promised_by_the_one_it_is_merged_into(tmp_path: Path) -> None:
    hub = MergingShards(tmp_path, APART)
    date = told_by(hub, THIRD)
    hub.unreachable("A.JOB", hub.shards_of[THIRD])
    hub.merge(THIRD, LOSER)
    hub.go_on()
    withdrawn(hub, LOSER)
    hub.go_on()
    hub.merge(LOSER, WINNER)
    assert_waits_for(hub, THIRD, date)


def test_what_a_case_promised_for_one_that_leaves_is_promised_by_that_one(tmp_path: Path) -> None:
    hub = MergingShards(tmp_path, APART)
    date = told_by(hub, LOSER)
    imprisoned(hub, THIRD)
    hub.settle()
    hub.unreachable("PRI", hub.shards_of[THIRD])
    hub.merge(THIRD, WINNER)
    hub.merge(LOSER, WINNER)
    hub.go_on()
    withdrawn(hub, WINNER)
    hub.go_on()
    assert not hub.acknowledged()
    hub.unlink(LOSER)
    hub.go_on()
    assert len(hub.acknowledged()) == 1
    assert date not in hub.held("A.JOB", LOSER)
    hub.settle()
    assert not any(shard.promises.waiting for shard in hub.shards)


def test_what_was_taken_back_before_the_merge_is_waited_for_too(hub: MergingShards) -> None:
    date = told_by(hub, LOSER)
    hub.unreachable("A.JOB", hub.shards_of[LOSER])
    narrowed = consent(hub.now, ["CU", "RE"], ["A.SOC"]) | {"version": 2, "purposes": ["SOCIAL_SUPPORT"]}
    hub.state("PRI", "ConsentAmended", narrowed, "narrowed", LOSER)
    hub.go_on()
    hub.merge()
    hub.go_on()
    withdrawn(hub, WINNER)
    assert_waits_for(hub, LOSER, date)


def test_a_case_that_has_left_says_nothing_of_the_merge_any_more(hub: MergingShards) -> None:
    told_by(hub, LOSER)
    hub.unreachable("A.JOB", hub.shards_of[LOSER])
    hub.merge()
    hub.unlink()
    hub.go_on()
    hub.settle()
    assert hub.steps(LOSER) == ["merged", "leaving", "reopened", "confirmed"]
    assert hub.steps(WINNER) == ["joining", "joined", "left", "removed"]


def test_nothing_else_that_happens_to_a_case_releases_it(hub: MergingShards) -> None:
    date = merged_out_of_reach(hub)
    withdrawn(hub, WINNER)
    hub.go_on()
    imprisoned(hub, WINNER)
    opened(hub, WINNER)
    hub.go_on()
    hour(hub)
    assert_waits_for(hub, LOSER, date)


def test_a_late_word_about_the_closed_case_does_not_undo_what_the_other_one_promised(tmp_path: Path) -> None:
    hub = MergingShards(tmp_path, SAME_SHARD)
    date = told_by(hub, LOSER)
    hub.merge()
    hub.settle()
    hub.unreachable("A.JOB", hub.shards_of[WINNER])
    withdrawal = withdrawn(hub, WINNER)
    hub.go_on()
    late = {"caseId": LOSER, "party": "PRI", "targetEventId": withdrawal.partition("/")[2]}
    hub.control.publish(hub.shards_of[LOSER], "WithdrawalDelivered", late)
    assert_waits_for(hub, WINNER, date)


@pytest.mark.parametrize("places", [APART, {THIRD: 0, LOSER: 0, WINNER: 1}, {THIRD: 0, LOSER: 1, WINNER: 0}])
def test_a_chain_undone_from_its_end_is_waited_for_to_its_end(tmp_path: Path, places: dict[str, int]) -> None:
    hub = MergingShards(tmp_path, places)
    date = told_by(hub, THIRD)
    hub.merge(THIRD, LOSER)
    hub.settle()
    hub.merge(LOSER, WINNER)
    hub.settle()
    hub.unreachable("A.JOB", hub.shards_of[WINNER])
    hub.unlink(LOSER)
    hub.go_on()
    hub.unlink(THIRD)
    hub.go_on()
    assert hub.moves(THIRD)[-1] == "reopened"
    hour(hub)
    withdrawn(hub, THIRD)
    assert_waits_for(hub, WINNER, date)


@pytest.mark.parametrize("steps", range(4))
def test_a_withdrawal_under_the_new_key_while_the_merge_begins(hub: MergingShards, steps: int) -> None:
    told_by(hub, LOSER)
    hub.unreachable("A.JOB", hub.shards_of[LOSER])
    hub.merge()
    for _ in range(steps):
        hub.step()
    withdrawn(hub, WINNER)
    hub.go_on()
    if hub.acknowledged():
        assert hub.still_held(CONSENT_ID) == []
    hub.settle()
    assert len(hub.acknowledged()) == 1
    assert hub.still_held(CONSENT_ID) == []


def test_a_withdrawal_that_is_taken_back_while_a_merge_holds_it_up_is_promised_no_more(hub: MergingShards) -> None:
    merged_out_of_reach(hub)
    withdrawal = withdrawn(hub, WINNER)
    hub.go_on()
    hour(hub)
    values = {"targetEventId": withdrawal.partition("/")[2], "at": hub.now, "reason": "DUPLICATE"}
    hub.state("PRI", "EventRetracted", values, "taken back", WINNER)
    hub.settle()
    assert hub.acknowledged() == []
    assert [shard.promises.waiting for shard in hub.shards] == [{}, {}]


def test_that_a_removal_is_confirmed_is_stored_though_nothing_else_is(tmp_path: Path) -> None:
    hub = MergingShards(tmp_path, ACROSS)
    told_by(hub, LOSER)
    for shard in hub.shards:
        shard.idle_write_ms = 3_600_000
    hub.unreachable("A.JOB", hub.shards_of[LOSER])
    hub.merge()
    hub.go_on()
    hub.unlink()
    hub.settle()
    assert [(shard.promises.removing, shard.store.removals()) for shard in hub.shards] == [({}, {}), ({}, {})]


def test_what_the_hub_said_of_a_withdrawal_is_said_once_by_whoever_has_it_in_the_end(hub: MergingShards) -> None:
    told_by(hub, LOSER)
    hub.merge()
    hub.settle()
    withdrawn(hub, WINNER)
    hub.settle()
    hub.unlink()
    hub.settle()
    held = {case: hub.held("PRI", case, of_the_hub=True).values() for case in (LOSER, WINNER)}
    kinds = {case: [set(payload) for payload in payloads] for case, payloads in held.items()}
    assert [len(kinds[case]) for case in (LOSER, WINNER)] == [1, 0]


def test_merged_unlinked_and_merged_again_while_a_receiver_is_away(hub: MergingShards) -> None:
    date = told_by(hub, LOSER)
    for case_id in (LOSER, WINNER):
        hub.unreachable("A.JOB", hub.shards_of[case_id])
    for _ in range(2):
        hub.merge()
        hub.go_on()
        hub.unlink()
        hub.go_on()
    hub.merge()
    hub.go_on()
    withdrawn(hub, WINNER)
    assert_waits_for(hub, LOSER, date)


def test_what_a_merge_waits_for_survives_a_restart(hub: MergingShards) -> None:
    date = merged_out_of_reach(hub)
    withdrawn(hub, WINNER)
    hub.go_on()
    for number in (0, 1):
        hub.restart(number)
    assert_waits_for(hub, LOSER, date)


def test_an_operator_is_told_what_holds_a_withdrawal_up(tmp_path: Path) -> None:
    hub = MergingShards(tmp_path, ACROSS)
    merged_out_of_reach(hub)
    withdrawal = withdrawn(hub, WINNER)
    hub.go_on()
    found = [each for shard, store in enumerate(hub.stores) for each in open_in(shard, store)]
    assert [(each.case, each.party, each.event, each.state) for each in found if each.due is None] == [
        (LOSER, "A.JOB", None, MERGE_UNCONFIRMED),
        (WINNER, "HUB", withdrawal, HELD_UP),
    ]


def test_what_is_new_is_told_while_a_receiver_of_the_closed_case_is_away(hub: MergingShards) -> None:
    """Only the acknowledgement waits: everybody else hears of the citizen as soon as all facts have come."""
    merged_out_of_reach(hub)
    later = dated(hub, WINNER, 20_400, reference="later")
    hub.go_on()
    assert later in hub.held("PRI", WINNER)


def test_a_word_about_an_earlier_merge_releases_nothing(tmp_path: Path) -> None:
    hub = MergingShards(tmp_path, ACROSS)
    date = merged_out_of_reach(hub)
    withdrawn(hub, WINNER)
    hub.go_on()
    for case_id, other in ((LOSER, WINNER), (WINNER, LOSER)):
        word = "MergeRemovalDelivered" if case_id == LOSER else "MergeRemoved"
        stale = {"caseId": case_id, "other": other, "otherShard": hub.shards_of[other], "change": 0}
        hub.control.publish(hub.shards_of[case_id], word, stale)
    assert_waits_for(hub, LOSER, date)


def test_what_a_party_was_last_told_of_the_case_is_its_fence() -> None:
    case = CaseTimeline(LOSER, removing={WINNER: (1, 3)})
    stream = case_stream(LOSER)
    facts = [
        FactRecorded(stream, version, f"PRI/{version}", "", "PRI", "", 0, 0, 0, 0, None, None, None, b"")
        for version in (2, 3)
    ]
    told = DecisionsRecorded(stream, 5, 0, "", "", (Decision(2, "A.JOB", (), 9), Decision(3, "PRI", (), 0)))
    fences = removals(case, WINNER, {**told_before([*facts, told], (), lambda *_: None).last, "PRI": 4})
    assert [(each.party, each.number) for each in fences] == [("A.JOB", 9), ("HUB", 0), ("PRI", 4)]
    assert {(each.case_id, each.other, each.other_shard, each.change) for each in fences} == {(LOSER, WINNER, 1, 3)}
