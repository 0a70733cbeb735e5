"""A store is opened only under settings that keep its promises, and only where it is one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from contracts.failures import BadSetting, ForeignStore, StoreUnavailable
from hub.store import sqlite
from hub.store.keys import KeyStore
from hub.store.shard_store import DatabaseShardStore
from hub.store.sqlite_datastore import ShardDatastore
from hub.store.unsafe_settings import refuse_unsafe_settings
from tests.store.builders import MASTER_KEY
from tests.store.stores import SQLiteStores


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ORIGINATOR_ID_TYPE", "uuid"),
        ("ORIGINATOR_ID_TYPE", ""),
        ("POSTGRES_ENABLE_DB_FUNCTIONS", "y"),
        ("POSTGRES_ENABLE_DB_FUNCTIONS", "perhaps"),
        ("SINGLE_ROW_TRACKING", "n"),
    ],
)
def test_unsafe_settings_of_the_library_stop_the_start(
    stores: SQLiteStores, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    stores.create().close()
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting, match=name):
        stores.open()


def test_safe_settings_of_the_library_are_let_pass() -> None:
    refuse_unsafe_settings({})
    refuse_unsafe_settings(
        {"ORIGINATOR_ID_TYPE": "TEXT", "POSTGRES_ENABLE_DB_FUNCTIONS": "n", "SINGLE_ROW_TRACKING": "yes"}
    )


@pytest.mark.parametrize("content", [b"", b"no database, but long enough to be taken for one" * 20])
def test_a_file_that_is_no_store_is_refused_and_left_as_it_was(stores: SQLiteStores, content: bytes) -> None:
    stores.path.write_bytes(content)
    for opening in (stores.open, stores.read, stores.create):
        with pytest.raises(ForeignStore):
            opening()
    assert stores.path.read_bytes()[:16] == content[:16]


def test_a_stop_while_a_store_is_made_leaves_none_and_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = SQLiteStores(tmp_path)
    before = set(tmp_path.iterdir())

    def stopped(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for step in ("ShardDatastore", "write_identity"):
        with monkeypatch.context() as patch:
            patch.setattr(sqlite, step, stopped)
            with pytest.raises(KeyboardInterrupt):
                stores.create()
        assert set(tmp_path.iterdir()) == before
    stores.create().close()
    assert set(tmp_path.iterdir()) == before | {stores.path}
    stores.open().close()


def test_a_store_that_cannot_be_written_is_told_apart_from_a_foreign_one(tmp_path: Path) -> None:
    stores = SQLiteStores(tmp_path)
    stores.path = tmp_path / "no such directory" / "shard-3.db"
    with pytest.raises(StoreUnavailable, match="no store could be made"):
        stores.create()
    with pytest.raises(StoreUnavailable, match="no key store could be made"):
        KeyStore.create(stores.path, MASTER_KEY)


def test_a_store_of_another_format_is_refused(stores: SQLiteStores) -> None:
    stores.create().close()
    with stores.tampering() as database:
        database.execute("UPDATE store_identity SET value = '0' WHERE name = 'format'")
    with pytest.raises(ForeignStore, match="format"):
        stores.open()
    with pytest.raises(ForeignStore, match="format"):
        stores.read()


def test_every_connection_reaches_the_disk_and_overwrites_what_it_deletes(
    stores: SQLiteStores, store: DatabaseShardStore
) -> None:
    asked = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}
    datastore = ShardDatastore(stores.path, "rw")
    for commit in (False, True):
        with datastore.get_connection(commit=commit) as connection:
            cursor = connection.cursor()
            for pragma, expected in asked.items():
                cursor.execute(f"PRAGMA {pragma}")
                assert cursor.fetchone()[0] == expected


def test_a_writing_transaction_takes_the_lock_at_its_start_and_a_reading_one_takes_none(
    stores: SQLiteStores,
) -> None:
    stores.create()
    datastore = ShardDatastore(stores.path, "rw")
    with closing(sqlite3.connect(stores.path, timeout=0.01, isolation_level=None)) as other:
        with datastore.transaction(commit=True), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        with datastore.transaction(commit=False):
            other.execute("BEGIN IMMEDIATE")


def test_only_the_owner_may_read_the_files(stores: SQLiteStores) -> None:
    stores.create().close()
    assert stores.path.stat().st_mode & 0o077 == 0
