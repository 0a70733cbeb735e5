"""What a shard does about time that is ahead of its ticks, or that passed while it was away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

import pytest

from hub.broker.ports import InputRecord
from hub.shard import worker
from hub.shard.batch import Batch, ShardState
from hub.store.ports import BatchWrites
from hub.store.records import FactRecorded
from tests.shard.harness import CASE, DAY_MS, OTHER_CASE, ShardUnderTest, imprisonment
from tests.shard.test_disclosing import given, release_date, withdrawn
from tests.shard.test_restarting import assert_everything_was_sent_once_in_order, some_history

NOT_ALONE = ("committed", "cache_rows")
"""What a batch holds only beside something else: the fence, and rows of cases that leave when a batch is written."""


def test_records_far_ahead_of_the_newest_tick_wait_for_it_with_what_follows_on_their_topic(
    hub: ShardUnderTest,
) -> None:
    now = hub.now
    hub.now = now + worker.AHEAD_OF_TICK_MS_MAX + 1
    ahead = hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": now}, "ahead", occurred_at=now)
    hub.now = now
    behind_it = hub.state("A.JOB", "CaseClosed", {"caseNo": "1", "at": now}, "behind it")
    elsewhere = some_history(hub)
    hub.settle()
    assert elsewhere in hub.view("PRI")
    assert hub.view("A.JOB").keys() == {elsewhere}
    position = hub.store.head().positions
    assert position.get(hub.names.input("A.JOB"), 0) == 0
    assert hub.shard.state.clock == now
    hub.tick(1)
    hub.settle()
    assert {ahead, behind_it} <= hub.view("A.JOB").keys()
    assert [
        fact.event_id
        for fact in hub.store.case_records(CASE)
        if isinstance(fact, FactRecorded) and fact.party == "A.JOB"
    ] == [
        ahead,
        behind_it,
    ]


def test_a_shard_that_holds_records_back_waits_for_the_tick_and_says_so_once(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[float] = []
    take = hub.shard.inputs.take

    def observed(limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        waits.append(wait_seconds)
        return take(limit, wait_seconds)

    monkeypatch.setattr(hub.shard.inputs, "take", observed)
    hub.now += worker.AHEAD_OF_TICK_MS_MAX + 1
    hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "ahead")
    for _ in range(3):
        hub.shard.step(0.25)
    assert set(waits) == {0.25}
    assert [record.message for record in caplog.records].count(
        "records far ahead of the newest tick are held back on 1 topics"
    ) == 1


def test_a_record_as_far_ahead_of_the_newest_tick_as_may_be_is_taken(hub: ShardUnderTest) -> None:
    hub.now += worker.AHEAD_OF_TICK_MS_MAX
    opened = hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "ahead")
    hub.settle()
    assert opened in hub.view("A.JOB")


def test_a_consent_that_was_given_and_withdrawn_during_an_outage_never_shows_anything(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    start = some_history(hub)
    hub.tick()
    hub.settle()
    hub.now += 1000
    given(hub, ["CU"], ["B.SOC"])
    hub.now += 1000
    withdrawn(hub)
    hub.tick(DAY_MS)
    hub.restart()
    hub.settle()
    assert start in hub.view("A.SOC")
    assert start not in {event_id for _, _, event_id, _ in hub.told("B.SOC")}
    assert len(hub.view("B.SOC")) == 2


def test_a_shard_that_caught_up_settles_everything_that_it_had_put_off(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 2)
    monkeypatch.setattr("hub.shard.settling.DUE_CASES_MAX", 1)
    for case_id in (CASE, OTHER_CASE):
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id=case_id)
        hub.state("PRI", "ReleaseDateSet", release_date(hub), f"date {case_id}", case_id=case_id)
    hub.tick(DAY_MS)
    hub.settle()
    assert len(hub.view("A.SOC")) == 4


def without_idle_writes(hub: ShardUnderTest, idle_write_ms: int) -> Callable[[int], int]:
    hub.shard.idle_write_ms = idle_write_ms
    hub.settle()

    def batches_after(forward_ms: int) -> int:
        hub.tick(forward_ms)
        hub.settle()
        return hub.store.head().batch

    return batches_after


def test_idle_ticks_are_not_written_until_their_positions_are_old_enough(hub: ShardUnderTest) -> None:
    batches_after = without_idle_writes(hub, 60_000)
    before = hub.store.head()
    for _ in range(11):
        assert batches_after(5_000) == before.batch
    assert hub.shard.state.clock == hub.now
    assert hub.store.head() == before
    assert batches_after(5_000) == before.batch + 1
    assert hub.store.head().clock == hub.now
    assert hub.store.head().positions[hub.names.hub_input] == len(hub.broker.log(hub.names.hub_input, 0))
    assert batches_after(5_000) == before.batch + 1


@pytest.mark.parametrize("name", [each.name for each in fields(BatchWrites) if each.name not in NOT_ALONE])
def test_a_batch_with_anything_to_store_is_written_though_it_is_idle_otherwise(name: str) -> None:
    batch = Batch.after_state(ShardState(0, 0, {}, {}, {}), "owner")
    assert batch.is_empty
    stored = getattr(batch.writes, name)
    if isinstance(stored, list):
        stored.append(None)
    else:
        stored["one"] = ()
    assert not batch.is_empty


def test_a_batch_of_repeats_is_written_since_they_are_counted() -> None:
    batch = Batch.after_state(ShardState(0, 0, {}, {}, {}), "owner")
    batch.duplicates += 1
    assert not batch.is_empty


def test_ticks_that_were_not_written_are_read_again_after_a_restart(hub: ShardUnderTest) -> None:
    batches_after = without_idle_writes(hub, 60_000)
    batches_after(5_000)
    hub.restart()
    hub.settle()
    assert hub.shard.state.clock == hub.now
    some_history(hub)
    hub.settle()
    assert_everything_was_sent_once_in_order(hub)
