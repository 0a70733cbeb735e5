"""After an outage nothing leaves that was withdrawn meanwhile, and no record is passed over after a failed batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.failures import Failure, StoreUnavailable
from hub.shard import worker
from hub.store.ports import BatchWrites
from tests.shard.harness import DAY_MS, ShardUnderTest, consent, imprisonment
from tests.shard.test_disclosing import given, release_date, withdrawn
from tests.shard.test_restarting import cut_off, reachable_again, some_history

CASES = tuple(f"5f0c7d1e-0000-4000-8000-00000000010{number}" for number in range(5))


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    for case_id in CASES:
        hub.enrol(case_id)
    hub.settle()
    return hub


def facts_of_custody(hub: ShardUnderTest, party: str) -> list[object]:
    """What `party` was ever sent of a custody."""
    return [payload for *_, payload in hub.told(party) if "custodyId" in payload]


def test_more_cases_than_one_turn_settles_are_all_settled_before_anything_left_over_is_sent(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.shard.settling.DUE_CASES_MAX", 1)
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    cut_off(hub, "B.SOC")
    scope = consent(hub.now, ["CU"], ["B.SOC"])
    for case_id in CASES:
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id=case_id)
        hub.state("PRI", "ConsentGiven", scope, f"given {case_id}", case_id=case_id)
    hub.settle()
    reachable_again(hub)
    for case_id in CASES:
        hub.now += 1000
        values = {"consentId": scope["consentId"], "at": hub.now, "by": "SUBJECT"}
        hub.state("PRI", "ConsentWithdrawn", values, f"withdrawn {case_id}", case_id=case_id)
    hub.tick(DAY_MS)
    hub.restart()
    hub.settle()
    assert len(hub.told("B.SOC")) >= 3 * len(CASES)
    assert facts_of_custody(hub, "B.SOC") == []


def test_a_shard_that_fell_behind_while_running_sends_nothing_left_over_before_it_has_caught_up(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    cut_off(hub, "B.SOC")
    some_history(hub)
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    hub.now += 1000
    hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "opened")
    hub.now += 1000
    withdrawn(hub)
    hub.tick(DAY_MS)
    reachable_again(hub)
    hub.settle()
    assert len(hub.told("B.SOC")) == 5
    assert facts_of_custody(hub, "B.SOC") == []


def out_of_contact(hub: ShardUnderTest, seconds: float, patch: pytest.MonkeyPatch) -> None:
    """Let a shard see nothing of its inputs, not even that there is something; they were seen `seconds` ago."""
    patch.setattr(hub.shard.inputs, "take", lambda limit, wait_seconds: [])
    patch.setattr(hub.shard.inputs, "lag_records", lambda: 0)
    patch.setattr(hub.shard.inputs, "newest_tick", lambda: hub.shard.state.clock)
    patch.setattr(hub.shard.inputs, "seconds_since_look", lambda: seconds)


def test_a_shard_that_has_not_seen_its_inputs_for_long_hands_over_nothing_until_it_has_caught_up(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was frozen, or cut off from the broker; what was withdrawn meanwhile is the first thing that it reads."""
    cut_off(hub, "B.SOC")
    some_history(hub)
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    with monkeypatch.context() as patch:
        out_of_contact(hub, worker.LOOK_SECONDS_MAX + 1, patch)
        withdrawn(hub)
        hub.tick(DAY_MS)
        reachable_again(hub)
        assert not hub.shard.step(0.0)
        assert hub.told("B.SOC") == []
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    hub.settle()
    assert len(hub.told("B.SOC")) >= 3
    assert facts_of_custody(hub, "B.SOC") == []


def test_a_short_silence_of_the_inputs_holds_nothing_up(hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(hub, "B.SOC")
    some_history(hub)
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    out_of_contact(hub, worker.LOOK_SECONDS_MAX - 1, monkeypatch)
    reachable_again(hub)
    assert hub.shard.step(0.0)
    assert facts_of_custody(hub, "B.SOC") != []


def test_what_was_decided_before_a_shard_froze_is_built_anew_when_it_wakes_up(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It freezes between commit and sending: when it goes on, its inputs were seen long ago."""
    commit = hub.store.commit
    inputs = hub.shard.inputs

    def freeze_afterwards(writes: BatchWrites) -> None:
        commit(writes)
        monkeypatch.setattr(inputs, "seconds_since_look", lambda: worker.LOOK_SECONDS_MAX + 1)

    monkeypatch.setattr(hub.store, "commit", freeze_afterwards)
    some_history(hub)
    given(hub, ["CU"], ["B.SOC"])
    hub.shard.step(0.0)
    assert hub.store.head().numbers["B.SOC"]
    assert hub.told("B.SOC") == []
    monkeypatch.undo()
    withdrawn(hub)
    hub.settle()
    assert len(hub.told("B.SOC")) >= 3
    assert facts_of_custody(hub, "B.SOC") == []


def test_after_a_restart_nothing_left_over_is_sent_while_a_record_that_is_held_back_may_be_followed_by_a_withdrawal(
    hub: ShardUnderTest,
) -> None:
    cut_off(hub, "B.SOC")
    some_history(hub)
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    hub.now += worker.AHEAD_OF_TICK_MS_MAX + 1000
    hub.state("PRI", "ReleaseDateSet", release_date(hub), "by a clock that is ahead")
    hub.now -= worker.AHEAD_OF_TICK_MS_MAX
    withdrawn(hub)
    reachable_again(hub)
    hub.restart()
    for _ in range(5):
        hub.shard.step(0.0)
    assert hub.told("B.SOC") == []
    hub.tick(worker.AHEAD_OF_TICK_MS_MAX)
    hub.settle()
    assert len(hub.told("B.SOC")) >= 3
    assert facts_of_custody(hub, "B.SOC") == []


def test_a_shard_whose_commit_failed_passes_over_no_record_if_it_is_stepped_again(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.store.commit

    def fail_once(writes: BatchWrites) -> None:
        monkeypatch.setattr(hub.store, "commit", commit)
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(hub.store, "commit", fail_once)
    start = some_history(hub)
    with pytest.raises(StoreUnavailable):
        hub.settle()
    hub.tick(1000)
    try:
        hub.settle()
    except Failure:  # to refuse is as good as to take the records again
        hub.restart()
        hub.settle()
    assert start in hub.view("PRI")
