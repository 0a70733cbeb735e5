"""Each write of a batch fails once: lost, and (for COMMIT) kept though it looked failed."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from eventsourcing.sqlite import SQLiteConnection, SQLiteCursor

from contracts.failures import DamagedStore, FencedOff, StoreUnavailable
from hub.store.ports import OpenParked
from hub.store.records import case_stream
from hub.store.shard_store import DatabaseShardStore
from tests.store.builders import batch, full_batch, parked, resolved
from tests.store.stores import SQLiteStores


class _Faults:
    """Counts statements over all connections and fails the one that is asked for."""

    def __init__(self) -> None:
        self.statements = 0
        self.fail_at: int | None = None

    def count(self) -> None:
        self.statements += 1
        if self.statements == self.fail_at:
            raise sqlite3.OperationalError("disk I/O error")


class _FaultyCursor(SQLiteCursor):
    faults: _Faults

    def execute(self, *args: Any, **kwargs: Any) -> None:
        self.faults.count()
        super().execute(*args, **kwargs)

    def executemany(self, *args: Any, **kwargs: Any) -> None:
        self.faults.count()
        super().executemany(*args, **kwargs)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> _Faults:
    counting = _Faults()

    def cursor(connection: SQLiteConnection) -> SQLiteCursor:
        made = _FaultyCursor(connection._sqlite_conn.cursor())
        made.faults = counting
        return made

    monkeypatch.setattr(SQLiteConnection, "cursor", cursor)
    return counting


@contextmanager
def failing_commit(monkeypatch: pytest.MonkeyPatch, *, kept: bool) -> Iterator[None]:
    """COMMIT raises once; `kept` says whether the rows are stored nevertheless."""
    commit = SQLiteConnection.commit

    def fail_once(connection: SQLiteConnection) -> None:
        monkeypatch.setattr(SQLiteConnection, "commit", commit)
        if kept:
            commit(connection)
        raise sqlite3.OperationalError("connection cut at COMMIT")

    monkeypatch.setattr(SQLiteConnection, "commit", fail_once)
    yield
    monkeypatch.setattr(SQLiteConnection, "commit", commit)


def statements_of_a_full_batch(store: DatabaseShardStore, faults: _Faults) -> int:
    before = faults.statements
    store.commit(full_batch(1, case_id="case-0"))
    return faults.statements - before


def second_batch(owner: str = "owner-1") -> Any:
    writes = full_batch(2, owner)
    writes.committed = batch(2, owner=owner, a_soc=9).committed
    writes.records = [record for record in writes.records if not record.originator_id.startswith(("sent:", "parked:"))]
    writes.open_parked = dict.fromkeys(writes.open_parked)
    return writes


def test_a_batch_that_fails_at_any_statement_leaves_nothing_and_is_stored_when_tried_again(
    stores: SQLiteStores, faults: _Faults
) -> None:
    store = stores.create()
    count = statements_of_a_full_batch(store, faults)
    assert count >= 12
    before, tried = stores.content(), 0
    for step in range(1, 1 + count):
        faults.fail_at = faults.statements + step
        try:
            store.commit(second_batch())
        except StoreUnavailable:
            assert stores.content() == before
            tried += 1
        else:
            break
    faults.fail_at = None
    assert tried >= 10
    store.commit(second_batch())
    assert store.head().batch == 2
    assert list(store.case_records("case-1")) == second_batch().records


def test_a_commit_that_failed_and_was_lost_is_told_and_can_be_tried_again(
    store: DatabaseShardStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing_commit(monkeypatch, kept=False), pytest.raises(StoreUnavailable):
        store.commit(full_batch())
    assert store.head().batch == 0
    store.commit(full_batch())
    assert store.head().batch == 1


def test_a_commit_that_failed_but_was_kept_is_success(
    store: DatabaseShardStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing_commit(monkeypatch, kept=True):
        store.commit(full_batch())
    assert len(list(store.case_records("case-1"))) == 3
    store.commit(full_batch())
    assert store.head().batch == 1


def test_a_failed_commit_behind_which_another_owner_stored_is_fenced_off(
    stores: SQLiteStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = stores.create(), stores.open()
    with failing_commit(monkeypatch, kept=False), pytest.raises(StoreUnavailable):
        store.commit(full_batch(owner="owner-1"))
    other.commit(full_batch(owner="owner-2"))
    with pytest.raises(FencedOff):
        store.commit(full_batch(owner="owner-1"))


def test_a_stop_between_commit_and_key_destruction_is_mended_at_the_next_opening(
    stores: SQLiteStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stores.create()
    store.commit(batch(1, [parked("A.SOC", 1), parked("A.SOC", 2)]))

    def stop(names: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stores.keys, "destroy", stop)
        with pytest.raises(KeyboardInterrupt):
            store.commit(batch(2, [resolved("A.SOC", 3, 1)]))
    assert next(store.parked())[0].value == b"raw bytes"
    store.close()
    reopened = stores.open()
    assert [record.value for record, _ in reopened.parked()] == [None, b"raw bytes"]


def test_keys_that_cannot_be_destroyed_now_are_destroyed_later_and_the_batch_is_stored(
    stores: SQLiteStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stores.create()
    store.commit(batch(1, [parked("A.SOC", 1), parked("A.SOC", 2)]))

    def busy(names: object) -> None:
        raise StoreUnavailable("in use")

    with monkeypatch.context() as patch:
        patch.setattr(stores.keys, "destroy", busy)
        store.commit(batch(2, [resolved("A.SOC", 3, 1)]))
    assert store.head().batch == 2
    store.commit(batch(3))
    assert next(store.parked())[0].value == b"raw bytes", "tried again at once"
    monkeypatch.setattr("hub.store.shard_store.DESTROY_AGAIN_SECONDS", 0.0)
    store._destroy_again_at = 0.0
    store.commit(batch(4))
    assert [record.value for record, _ in store.parked()] == [None, b"raw bytes"]


def test_the_cases_whose_key_was_destroyed_are_known_whoever_destroyed_it(stores: SQLiteStores) -> None:
    store = stores.create()
    store.commit(full_batch())
    assert store.erased_cases() == set()
    stores.keys.destroy([case_stream("1"), "shard:3/parked:A.SOC/1"])
    assert store.erased_cases() == {"1"}


def test_a_record_whose_key_a_later_state_of_the_store_destroyed_is_refused_with_what_to_do(
    stores: SQLiteStores,
) -> None:
    store = stores.create()
    stores.keys.destroy(
        ["shard:3/parked:A.SOC/1", "shard:3/parked:A.SOC/10", "shard:3/parked:B/2", "shard:30/parked:A/9"]
    )
    assert store.destroyed_parked() == [("A.SOC", 1), ("A.SOC", 10), ("B", 2)]
    assert store.erased_cases() == set()
    with pytest.raises(DamagedStore, match=r"`shard:3/parked:A.SOC/1` was destroyed .* `hub store skip`"):
        store.commit(full_batch())
    assert store.head().batch == 0


def test_keys_are_on_the_disk_before_the_batch(stores: SQLiteStores, monkeypatch: pytest.MonkeyPatch) -> None:
    store = stores.create()
    with failing_commit(monkeypatch, kept=False), pytest.raises(StoreUnavailable):
        store.commit(full_batch())
    assert set(stores.keys.live_names("")) >= {"case:case-1", "shard:3/parked:A.SOC/1"}


def test_a_locked_store_is_unavailable_and_not_fenced(stores: SQLiteStores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.store.sqlite_datastore._LOCK_TIMEOUT_SECONDS", 0.05)
    store = stores.create()
    with stores.tampering() as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            store.commit(full_batch())
    store.commit(full_batch())
    assert store.head().batch == 1


def test_neither_opening_nor_listing_holds_all_that_is_parked(stores: SQLiteStores) -> None:
    store, large, count = stores.create(), 2**18, 100
    for number in range(1, count + 1):
        writes = batch(number, [parked("A.SOC", number, b"\x01" * large)])
        writes.open_parked[f"A.SOC/{number}"] = OpenParked("A.SOC", number, number, 50)
        store.commit(writes)
    store.commit(batch(count + 1, [resolved("A.SOC", count + 1, 1)]))
    store.close()
    tracemalloc.start()
    try:
        opened = stores.open()
        assert tracemalloc.get_traced_memory()[1] < 4 * large
        assert sum(outcome is None for _, outcome in opened.parked()) == count - 1
        assert tracemalloc.get_traced_memory()[1] < count * large / 2
    finally:
        tracemalloc.stop()
