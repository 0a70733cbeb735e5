"""The key store: durable, bound to names, and final when it destroys."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from contracts.failures import BadSetting, DamagedStore, ForeignStore, NotFound
from hub.store.keys import KeyStore
from tests.store.builders import MASTER_KEY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.fixture
def keys(path: Path) -> KeyStore:
    return KeyStore.create(path, MASTER_KEY)


def test_keys_differ_survive_a_restart_and_are_made_once(keys: KeyStore, path: Path) -> None:
    names = [f"case:{n}" for n in range(1_200)]
    keys.make(names)
    made = [keys.key_of(name) for name in names]
    assert len(set(made)) == len(names)
    assert {len(key) for key in made} == {32}
    keys.make([*names, "case:new"])
    keys.close()
    again = KeyStore(path, MASTER_KEY)
    assert [again.key_of(name) for name in names] == made


def test_a_key_that_was_never_made_is_told_from_a_destroyed_one(keys: KeyStore) -> None:
    keys.make(["case:a"])
    keys.destroy(["case:a"])
    with pytest.raises(NotFound, match="destroyed"):
        keys.key_of("case:a")
    with pytest.raises(NotFound, match="never made"):
        keys.cipher_of("case:b")


def test_a_destroyed_key_is_never_made_again(keys: KeyStore) -> None:
    keys.make(["case:a"])
    keys.destroy(["case:a", "case:unborn"])
    for name in ("case:a", "case:unborn"):
        with pytest.raises(DamagedStore):
            keys.make(["case:other", name])
    assert keys.live_names("case:") == []


def test_no_file_holds_the_wrapped_key_after_its_destruction(keys: KeyStore, path: Path) -> None:
    keys.make(["case:a", "case:b"])
    with closing(sqlite3.connect(path)) as database:
        (wrapped,) = database.execute("SELECT wrapped FROM data_keys WHERE name = 'case:a'").fetchone()
    assert any(wrapped in file.read_bytes() for file in path.parent.iterdir())
    keys.destroy(["case:a"])
    assert not any(wrapped in file.read_bytes() for file in path.parent.iterdir())
    assert len(keys.key_of("case:b")) == 32


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


def test_a_key_destroyed_by_another_process_is_forgotten_here(keys: KeyStore, path: Path) -> None:
    keys.make(["case:a"])
    held = keys.cipher_of("case:a")
    keys.forget_what_others_changed()
    KeyStore(path, MASTER_KEY).destroy(["case:a"])
    keys.forget_what_others_changed()
    with pytest.raises(NotFound):
        keys.cipher_of("case:a")
    assert held is not None


def test_another_master_key_is_refused_at_opening(keys: KeyStore, path: Path) -> None:
    with pytest.raises(BadSetting, match="master key"):
        KeyStore(path, bytes(32))
    with pytest.raises(BadSetting, match="bytes"):
        KeyStore(path, b"short")


def test_a_key_store_is_made_once_and_never_by_opening(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ForeignStore):
        KeyStore(path, MASTER_KEY)
    assert not path.exists()
    KeyStore.create(path, MASTER_KEY)
    with pytest.raises(ForeignStore):
        KeyStore.create(path, MASTER_KEY)
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be read as one" * 20])
def test_a_file_that_is_no_key_store_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ForeignStore):
        KeyStore(path, MASTER_KEY)


def test_a_reading_key_store_gives_keys_and_makes_none(keys: KeyStore, path: Path) -> None:
    keys.make(["case:a"])
    reading = KeyStore(path, MASTER_KEY, read_only=True)
    assert reading.key_of("case:a") == keys.key_of("case:a")
    with pytest.raises(Exception, match="readonly"):
        reading.make(["case:b"])
    assert keys.live_names("case:") == ["case:a"]
