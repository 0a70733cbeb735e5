"""Kills, faults, rivals, outages and small caches: nothing is lost, told twice, out of order, or told too late."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.sqlite import SQLiteConnection

from contracts.failures import FencedOff, ForeignStore, StoreUnavailable
from deploy.scenario.simulated_broker import SimulatedBroker
from hub.broker.ports import InputRecord
from hub.shard import worker
from hub.store.ports import BatchWrites
from hub.store.sqlite import open_store
from tests.shard.harness import HOUR_MS, IDENTITY, PARTIES, ShardUnderTest, imprisonment
from tests.shard.test_disclosing import given, release_date, sent, withdrawn


def cut_off(hub: ShardUnderTest, *parties: str) -> None:
    """From now on the output topics of `parties` refuse every record."""
    hub.broker.unreachable.update(hub.names.output(party) for party in parties)


def reachable_again(hub: ShardUnderTest) -> None:
    hub.broker.unreachable.clear()
    hub.shard.sending._paused_until.clear()


def numbers(hub: ShardUnderTest, party: str) -> list[int]:
    return [number for number, *_ in hub.told(party)]


def assert_everything_was_sent_once_in_order(hub: ShardUnderTest) -> None:
    given_out = hub.store.head().numbers
    for party in PARTIES:
        assert numbers(hub, party) == list(range(1, 1 + given_out.get(party, 0))), party
    assert hub.store.send_positions() == given_out


def some_history(hub: ShardUnderTest) -> str:
    """A custody with its release date; return the event id of the start."""
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.state("PRI", "ReleaseDateSet", release_date(hub), "date")
    return start


# --- killed, and started again


def test_killed_between_commit_and_send_everything_is_sent_once_and_in_order_after_the_restart(
    hub: ShardUnderTest,
) -> None:
    cut_off(hub, *PARTIES)
    some_history(hub)
    hub.settle()
    hub.tick(HOUR_MS)
    hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "opened")
    hub.settle()
    assert hub.store.head().numbers["A.SOC"] >= 2
    assert all(sent(hub, party) == [] for party in PARTIES)
    hub.restart()
    reachable_again(hub)
    hub.settle()
    assert_everything_was_sent_once_in_order(hub)
    assert len(hub.view("A.SOC")) == len(numbers(hub, "A.SOC"))


def test_a_restart_without_anything_left_over_sends_nothing_again(hub: ShardUnderTest) -> None:
    some_history(hub)
    hub.settle()
    before = {party: sent(hub, party)[:] for party in PARTIES}
    hub.restart()
    hub.tick(HOUR_MS)
    hub.settle()
    assert {party: sent(hub, party) for party in PARTIES} == before


def test_what_is_built_again_after_a_restart_is_byte_for_byte_what_would_have_been_sent(tmp_path: Path) -> None:
    def play(name: str, *, killed: bool) -> ShardUnderTest:
        (tmp_path / name).mkdir()
        hub = ShardUnderTest(tmp_path / name)
        hub.enrol()
        hub.settle()
        some_history(hub)
        hub.settle()
        if killed:
            cut_off(hub, *PARTIES)
        given(hub, ["CU", "OF"], ["B.SOC"])
        hub.tick(1000)
        hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "date", revision=1)
        hub.settle()
        if killed:
            hub.restart()
            reachable_again(hub)
            hub.settle()
        return hub

    straight, restarted = play("straight", killed=False), play("restarted", killed=True)
    for party in PARTIES:
        assert [(r.key, r.value, r.headers) for r in sent(straight, party)] == [
            (r.key, r.value, r.headers) for r in sent(restarted, party)
        ]
    assert len(sent(straight, "B.SOC")) == 2


def test_a_number_that_a_withdrawal_overtook_goes_out_as_an_empty_retraction(hub: ShardUnderTest) -> None:
    cut_off(hub, "B.SOC")
    start = some_history(hub)
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    hub.tick(HOUR_MS)
    withdrawn(hub)
    hub.settle()
    hub.restart()
    reachable_again(hub)
    hub.settle()
    of_start = [(effect, payload) for _, effect, event_id, payload in hub.told("B.SOC") if event_id == start]
    assert of_start == [("retracted", {}), ("retracted", {})]
    assert all(b"VIOLENCE" not in (record.value or b"") for record in sent(hub, "B.SOC"))
    assert_everything_was_sent_once_in_order(hub)


def test_what_was_withdrawn_while_the_hub_was_down_is_taken_in_before_anything_is_sent(hub: ShardUnderTest) -> None:
    cut_off(hub, "B.SOC")
    start = some_history(hub)
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    reachable_again(hub)
    hub.now += HOUR_MS
    withdrawn(hub)
    hub.tick()
    hub.restart()
    hub.settle()
    assert [payload for _, _, event_id, payload in hub.told("B.SOC") if event_id == start] == [{}, {}]


def test_what_is_left_over_waits_for_what_lay_there_though_the_first_look_brings_nothing(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(hub, "B.SOC")
    start = some_history(hub)
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    reachable_again(hub)
    withdrawn(hub)
    hub.restart()
    take = hub.shard.inputs.take
    looks: list[Sequence[InputRecord]] = [[]]
    monkeypatch.setattr(hub.shard.inputs, "take", lambda *words: looks.pop() if looks else take(*words))
    hub.shard.step(0.0)
    assert looks == []
    assert hub.told("B.SOC") == []
    hub.settle()
    assert [payload for _, _, event_id, payload in hub.told("B.SOC") if event_id == start] == [{}, {}]


def test_after_a_restart_nothing_is_sent_before_all_that_waited_is_taken_in(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = some_history(hub)
    hub.settle()
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    hub.restart()
    given(hub, ["CU"], ["B.SOC"])
    hub.now += 1000
    withdrawn(hub)
    hub.tick()
    hub.settle()
    assert start not in [event_id for _, _, event_id, _ in hub.told("B.SOC")]
    assert_everything_was_sent_once_in_order(hub)


def test_one_party_that_cannot_be_reached_waits_alone_and_gets_everything_later_in_order(hub: ShardUnderTest) -> None:
    cut_off(hub, "A.SOC")
    some_history(hub)
    hub.settle()
    hub.tick(HOUR_MS)
    hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "other date")
    hub.settle()
    assert numbers(hub, "A.SOC") == []
    assert len(hub.view("PRI")) == 3
    assert len(hub.view("A.JOB")) == 1
    positions = hub.store.send_positions()
    assert positions.get("A.SOC", 0) == 0
    assert positions["PRI"] == hub.store.head().numbers["PRI"]
    assert hub.shard.sending.unsent()["A.SOC"][0] == hub.store.head().numbers["A.SOC"] == 3
    reachable_again(hub)
    hub.settle()
    assert_everything_was_sent_once_in_order(hub)
    assert len(hub.view("A.SOC")) == 3


# --- a commit that fails


@contextmanager
def failing_commit(monkeypatch: pytest.MonkeyPatch, *, kept: bool) -> Iterator[None]:
    """COMMIT of the store raises once; `kept` says whether the rows are stored nevertheless."""
    commit = SQLiteConnection.commit
    failed = []

    def fail_once(connection: SQLiteConnection) -> None:
        monkeypatch.setattr(SQLiteConnection, "commit", commit)
        failed.append(connection)
        if kept:
            commit(connection)
        raise sqlite3.OperationalError("connection cut at COMMIT")

    monkeypatch.setattr(SQLiteConnection, "commit", fail_once)
    yield
    assert failed


def test_a_commit_that_failed_and_was_lost_leaves_everything_as_it_was_and_drops_the_cases(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(hub)
    hub.settle()
    state, head = hub.shard.state.copy(), hub.store.head()
    before = {party: sent(hub, party)[:] for party in PARTIES}
    hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "other date")
    with failing_commit(monkeypatch, kept=False), pytest.raises(StoreUnavailable):
        hub.settle()
    assert hub.shard.state == state
    assert hub.store.head() == head
    assert {party: sent(hub, party) for party in PARTIES} == before
    assert not hub.shard.cases._held
    hub.restart()
    hub.settle()
    assert len(hub.view("A.SOC")) == 3
    assert_everything_was_sent_once_in_order(hub)


def test_a_commit_that_failed_but_was_kept_is_a_batch_like_any_other(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(hub)
    with failing_commit(monkeypatch, kept=True):
        hub.settle()
    assert len(hub.view("A.SOC")) == 2
    hub.restart()
    hub.settle()
    assert_everything_was_sent_once_in_order(hub)


def test_a_stop_right_after_a_commit_that_was_kept_sends_everything_once_after_the_restart(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.store.commit

    def stop_after(writes: BatchWrites) -> None:
        commit(writes)
        raise KeyboardInterrupt

    some_history(hub)
    with monkeypatch.context() as patch:
        patch.setattr(hub.store, "commit", stop_after)
        with pytest.raises(KeyboardInterrupt):
            hub.settle()
    assert all(sent(hub, party) == [] for party in PARTIES)
    hub.restart()
    hub.settle()
    assert len(hub.view("A.SOC")) == 2
    assert_everything_was_sent_once_in_order(hub)


# --- two owners, and a foreign log


def test_a_second_owner_fences_the_first_off_which_stores_nothing_and_sends_nothing_of_its_batch(
    hub: ShardUnderTest,
) -> None:
    first, first_store = hub.shard, hub.store
    hub.store = open_store(hub.directory / "shard-0.db", IDENTITY, hub.keys)
    hub.shard = hub._build()
    some_history(hub)
    hub.settle()
    head = hub.store.head()
    before = {party: sent(hub, party)[:] for party in PARTIES}
    with pytest.raises(FencedOff):
        first.step(0.0)
    assert hub.store.head() == head
    assert {party: sent(hub, party) for party in PARTIES} == before
    assert not first.cases._held
    first_store.close()
    hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "opened")
    hub.settle()
    assert_everything_was_sent_once_in_order(hub)


def test_a_second_owner_may_have_resolved_what_the_first_parks_now(hub: ShardUnderTest) -> None:
    """The key of the parked bytes is destroyed, which is no damage: the first owner is fenced off like any other."""
    first, first_store = hub.shard, hub.store
    hub.store = open_store(hub.directory / "shard-0.db", IDENTITY, hub.keys)
    hub.shard = hub._build()
    unknown = "5f0c7d1e-0000-4000-8000-0000000000ff"
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start", case_id=unknown)
    hub.settle()
    assert len(hub.parked()) == 1
    hub.enrol(unknown)
    hub.settle()
    hub.control.publish(0, "ParkedRetried", {"party": "PRI", "parkedNumber": 1})
    hub.settle()
    assert hub.store.open_parked() == []
    with pytest.raises(FencedOff):
        first.step(0.0)
    first_store.close()


def test_a_second_owner_may_have_resolved_what_the_first_is_asked_to_retry_now(hub: ShardUnderTest) -> None:
    """The first still counts the record among the open ones: that its bytes are gone sets no shard aside."""
    unknown = "5f0c7d1e-0000-4000-8000-0000000000ff"
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start", case_id=unknown)
    hub.settle()
    first, first_store = hub.shard, hub.store
    hub.store = open_store(hub.directory / "shard-0.db", IDENTITY, hub.keys)
    hub.shard = hub._build()
    hub.enrol(unknown)
    hub.control.publish(0, "ParkedRetried", {"party": "PRI", "parkedNumber": 1})
    hub.settle()
    assert hub.store.open_parked() == []
    with pytest.raises(FencedOff):
        first.step(0.0)
    first_store.close()


def test_what_another_owner_commits_while_a_shard_is_opened_is_caught_by_the_fence(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would hold the head of the later commit and what was read before it: a revoked key among that."""
    first, first_store = hub.shard, hub.store
    hub.store = open_store(hub.directory / "shard-0.db", IDENTITY, hub.keys)
    signing_keys = hub.store.signing_keys

    def read_while_another_commits(*given: Any) -> Any:
        found = signing_keys(*given)
        some_history(hub)
        first.step(0.0)
        return found

    monkeypatch.setattr(hub.store, "signing_keys", read_while_another_commits)
    hub.shard = hub._build()
    with pytest.raises(FencedOff):
        hub.settle()
    first_store.close()


def test_a_position_outside_the_log_refuses_to_start(hub: ShardUnderTest) -> None:
    some_history(hub)
    hub.settle()
    head = hub.store.head()
    hub.broker = SimulatedBroker(1)
    hub.broker.create_topics(hub.names, hub.registry)
    with pytest.raises(ForeignStore, match="outside its log"):
        hub.restart()
    assert hub.store.head() == head
