"""The key store: durable, bound to names, and final when it destroys, in a file and in a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

from contracts.failures import BadSetting, DamagedStore, ForeignStore, NotFound, StoreUnavailable
from deploy.local_postgres import LocalPostgres
from hub.store import sqlite_keys
from hub.store.keys import KeyStore
from hub.store.postgres_keys import create_keys, open_keys
from tests.store.builders import MASTER_KEY
from tests.store.postgres_stores import KEYS, ROLE, cleared


def opened(place: Path | str, master_key: bytes = MASTER_KEY) -> KeyStore:
    """The key store in a file, or at a URL."""
    return KeyStore.in_file(place, master_key) if isinstance(place, Path) else open_keys(place, master_key)


class KeyStoreConformance:
    """What every key store must do; a class for each kind gives `place`, where one has been made."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path | str:
        raise NotImplementedError

    @pytest.fixture
    def keys(self, place: Path | str) -> Iterator[KeyStore]:
        store = opened(place)
        yield store
        store.close()

    def test_keys_differ_survive_a_restart_and_are_made_once(self, keys: KeyStore, place: Path | str) -> None:
        names = [f"case:{n}" for n in range(1_200)]
        keys.make(names)
        made = [keys.key_of(name) for name in names]
        assert len(set(made)) == len(names)
        assert {len(key) for key in made} == {32}
        keys.make([*names, "case:new"])
        with closing(opened(place)) as again:
            assert [again.key_of(name) for name in names] == made

    def test_a_key_that_was_never_made_is_told_from_a_destroyed_one(self, keys: KeyStore) -> None:
        keys.make(["case:a"])
        keys.destroy(["case:a"])
        with pytest.raises(NotFound, match="destroyed"):
            keys.key_of("case:a")
        with pytest.raises(NotFound, match="never made"):
            keys.cipher_of("case:b")

    def test_a_destroyed_key_is_never_made_again(self, keys: KeyStore) -> None:
        keys.make(["case:a"])
        keys.destroy(["case:a", "case:unborn"])
        for name in ("case:a", "case:unborn"):
            with pytest.raises(DamagedStore):
                keys.make(["case:other", name])
        assert keys.live_names("case:") == []

    def test_live_and_destroyed_names_are_those_under_the_prefix_in_order(self, keys: KeyStore) -> None:
        keys.make(["shard:3/b", "shard:3/A", "shard:30/a", "shard:3/%", "case:a"])
        keys.destroy(["shard:3/b"])
        assert keys.live_names("shard:3/") == ["shard:3/%", "shard:3/A"]
        keys.destroy(["shard:3/%", "shard:30/a", "shard:3/unborn"])
        assert keys.destroyed_names("shard:3/") == ["shard:3/%", "shard:3/b", "shard:3/unborn"]

    def test_a_key_destroyed_by_another_process_is_forgotten_here(self, keys: KeyStore, place: Path | str) -> None:
        keys.make(["case:a"])
        keys.forget_what_others_changed()
        keys.cipher_of("case:a")
        with closing(opened(place)) as other:
            other.destroy(["case:a"])
        keys.forget_what_others_changed()
        with pytest.raises(NotFound):
            keys.cipher_of("case:a")

    def test_keys_that_are_destroyed_here_leave_the_others_in_hand(self, keys: KeyStore, place: Path | str) -> None:
        keys.make(["case:a", "shard:0/b", "shard:0/c"])
        keys.forget_what_others_changed()
        held = keys.cipher_of("case:a")
        for name in ("shard:0/b", "shard:0/c"):
            keys.destroy([name])
            keys.forget_what_others_changed()
            assert keys.cipher_of("case:a") is held
        with closing(opened(place)) as other:
            other.destroy(["case:d"])
            keys.forget_what_others_changed()
            assert keys.cipher_of("case:a") is not held

    def test_another_master_key_is_refused_at_opening(self, place: Path | str) -> None:
        with pytest.raises(BadSetting, match="master key"):
            opened(place, bytes(32))
        with pytest.raises(BadSetting, match="bytes"):
            opened(place, b"short")


class TestKeysInAFile(KeyStoreConformance):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        KeyStore.create(tmp_path / "keys.db", MASTER_KEY).close()
        return tmp_path / "keys.db"


@pytest.mark.postgres
class TestKeysInADatabase(KeyStoreConformance):
    @pytest.fixture
    def place(self, local_postgres: LocalPostgres) -> str:
        cleared(local_postgres)
        create_keys(local_postgres.url(KEYS), ROLE, MASTER_KEY)
        return local_postgres.url(KEYS, ROLE)

    def test_a_key_store_is_made_once_and_never_by_opening(self, local_postgres: LocalPostgres, place: str) -> None:
        with pytest.raises(ForeignStore, match="once"):
            create_keys(local_postgres.url(KEYS), ROLE, MASTER_KEY)
        cleared(local_postgres)
        with pytest.raises(ForeignStore, match="no key store"):
            opened(place)

    def test_the_hubs_role_removes_no_name_and_makes_no_table(self, place: str) -> None:
        with psycopg.connect(place, autocommit=True) as connection:
            for forbidden in (
                "DELETE FROM data_keys.data_keys",
                "TRUNCATE data_keys.data_keys",
                "UPDATE data_keys.data_keys SET name = 'other'",
                "CREATE TABLE data_keys.mine (one int)",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(forbidden.encode())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.fixture
def keys(path: Path) -> KeyStore:
    return KeyStore.create(path, MASTER_KEY)


def test_a_stop_while_a_key_store_is_made_leaves_none_and_it_is_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for step in ("_connect", "_transaction"):
        with monkeypatch.context() as patch:
            patch.setattr(sqlite_keys, step, stopped)
            with pytest.raises(KeyboardInterrupt):
                KeyStore.create(path, MASTER_KEY)
        assert list(path.parent.iterdir()) == []
    KeyStore.create(path, MASTER_KEY).close()
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o077 == 0


def test_no_file_holds_the_wrapped_key_after_its_destruction(keys: KeyStore, path: Path) -> None:
    keys.make(["case:a", "case:b"])
    with closing(sqlite3.connect(path)) as database:
        (wrapped,) = database.execute("SELECT wrapped FROM data_keys WHERE name = 'case:a'").fetchone()
    assert any(wrapped in file.read_bytes() for file in path.parent.iterdir())
    keys.destroy(["case:a"])
    assert not any(wrapped in file.read_bytes() for file in path.parent.iterdir())
    assert len(keys.key_of("case:b")) == 32


def test_a_key_destroyed_while_its_log_is_read_is_gone_once_it_is_not(keys: KeyStore, path: Path) -> None:
    keys.make(["case:a"])
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        (wrapped,) = reader.execute("SELECT wrapped FROM data_keys WHERE name = 'case:a'").fetchone()
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM data_keys").fetchone()
        with pytest.raises(StoreUnavailable, match="destroy them again"):
            keys.destroy(["case:a"])
        assert any(wrapped in file.read_bytes() for file in path.parent.iterdir())
    with closing(KeyStore.in_file(path, MASTER_KEY)):
        assert not any(wrapped in file.read_bytes() for file in path.parent.iterdir())


def test_no_file_holds_a_key_unwrapped(keys: KeyStore, path: Path) -> None:
    keys.make(["case:a"])
    key = keys.key_of("case:a")
    assert not any(key in file.read_bytes() for file in path.parent.iterdir())


def test_a_key_moved_to_another_name_does_not_open(keys: KeyStore, path: Path) -> None:
    keys.make(["case:a", "case:b"])
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE name = 'case:b') WHERE name = 'case:a'"
        )
        database.commit()
    with pytest.raises(DamagedStore):
        keys.key_of("case:a")


def test_a_key_store_is_made_once_and_never_by_opening(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ForeignStore):
        KeyStore.in_file(path, MASTER_KEY)
    assert not path.exists()
    KeyStore.create(path, MASTER_KEY)
    with pytest.raises(ForeignStore):
        KeyStore.create(path, MASTER_KEY)
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be read as one" * 20])
def test_a_file_that_is_no_key_store_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ForeignStore):
        KeyStore.in_file(path, MASTER_KEY)


def test_a_reading_key_store_gives_keys_and_makes_none(keys: KeyStore, path: Path) -> None:
    keys.make(["case:a"])
    reading = KeyStore.in_file(path, MASTER_KEY, read_only=True)
    assert reading.key_of("case:a") == keys.key_of("case:a")
    with pytest.raises(Exception, match="readonly"):
        reading.make(["case:b"])
    assert keys.live_names("case:") == ["case:a"]
