"""The data keys: one per case and one per parked record, in a file of their own, wrapped under the master key.

Rules:
- Keys never lie beside the rows that they open: another file, which is backed up and destroyed apart.
- A key is wrapped with AES-256-GCM under the master key, its name bound in: a key moved to another name fails.
- `make` has written the keys to the disk when it returns, so that no row is stored whose key could be lost.
- `destroy` is for ever: the name is kept without its key and no key is made for it again. The row is overwritten
  and the write-ahead log emptied before it returns.
- The file is made by `create`, never by opening; another master key is refused at once.

Erasing a case is `destroy(case_stream(case_id))`: rows, cache row and every copy of them become unreadable.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.failures import BadSetting, DamagedStore, ForeignStore, NotFound, StoreUnavailable

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

_FORMAT: Final = 1
_CHECK_NAME: Final = "master key check"
_CIPHERS_HELD_MAX: Final = 20_000
_LOCK_TIMEOUT_SECONDS: Final = 10
_NAMES_PER_QUERY: Final = 500


def seal(cipher: AESGCM, plain: bytes, bound: bytes) -> bytes:
    """Return nonce and ciphertext of `plain`; `bound` must be the same to open it."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound)


def unseal(cipher: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    """Return what `seal` sealed; raise `cryptography.exceptions.InvalidTag` where anything differs."""
    return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)


class KeyStore:
    """The data keys of a hub by name: a stream name of a case, or the name that a store gives a parked record."""

    def __init__(self, path: Path, master_key: bytes, *, read_only: bool = False) -> None:
        """Open the key store at `path`.

        Raises `ForeignStore` where there is none or of another format, `BadSetting` for another master key.
        """
        self._master = AESGCM(_checked_master(master_key))
        if not path.is_file():
            raise ForeignStore(f"no key store at `{path}`: create it by command, or give the right path")
        self._connection = _connect(path, "ro" if read_only else "rw")
        self._lock = Lock()
        self._ciphers: dict[str, AESGCM] = {}
        self._seen_change = 0
        try:
            self._check_made_for_us(path)
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def create(cls, path: Path, master_key: bytes) -> KeyStore:
        """Make an empty key store at `path`; raise `ForeignStore` where something is there already."""
        master = AESGCM(_checked_master(master_key))
        if path.exists():
            raise ForeignStore(f"`{path}` exists: a key store is made once; give another path")
        path.touch(mode=0o600)
        with closing(_connect(path, "rw")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE data_keys (name TEXT PRIMARY KEY, wrapped BLOB) WITHOUT ROWID")
            check = seal(master, os.urandom(KEY_BYTES), _CHECK_NAME.encode())
            connection.execute("INSERT INTO data_keys VALUES (?, ?)", (_CHECK_NAME, check))
            connection.execute(f"PRAGMA user_version={_FORMAT}")
            connection.execute("COMMIT")
        return cls(path, master_key)

    def make(self, names: Iterable[str]) -> None:
        """Make a key for each name that has none, durably. Raises `DamagedStore` for a destroyed one."""
        wanted = sorted(set(names))
        with self._lock:
            known = self._rows(wanted)
            if destroyed := [name for name, wrapped in known.items() if wrapped is None]:
                raise DamagedStore(f"key `{destroyed[0]}` was destroyed and is never made again: name another")
            missing = [name for name in wanted if name not in known]
            self._write("INSERT INTO data_keys VALUES (?, ?)", [(name, self._new(name)) for name in missing])

    def cipher_of(self, name: str) -> AESGCM:
        """Return the cipher under the key `name`; raise `NotFound` where it was never made, or destroyed."""
        cipher = self._ciphers.get(name)
        if cipher is None:
            with self._lock:
                cipher = AESGCM(self._key(name))
                if len(self._ciphers) >= _CIPHERS_HELD_MAX:
                    self._ciphers.clear()
                self._ciphers[name] = cipher
        return cipher

    def key_of(self, name: str) -> bytes:
        """Return the key `name` itself (32 bytes); raise `NotFound` as `cipher_of`."""
        with self._lock:
            return self._key(name)

    def destroy(self, names: Iterable[str]) -> None:
        """Destroy the keys of `names`, for ever; one that never was is marked as destroyed too."""
        doomed = sorted(set(names))
        if not doomed:
            return
        statement = "INSERT INTO data_keys VALUES (?, NULL) ON CONFLICT (name) DO UPDATE SET wrapped = NULL"
        with self._lock:
            for name in doomed:
                self._ciphers.pop(name, None)
            self._write(statement, [(name,) for name in doomed])
            # Older pages in the write-ahead log still hold the wrapped keys.
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreUnavailable("keys are destroyed but the log of the key store is in use: destroy them again")

    def forget_what_others_changed(self) -> None:
        """Drop held keys if another process has written the file: it may have destroyed one of them.

        Called once per read or write of a store, not per row; SQLite answers from one counter.
        """
        with self._lock:
            (change,) = self._connection.execute("PRAGMA data_version").fetchone()
            if change != self._seen_change:
                self._ciphers.clear()
                self._seen_change = change

    def live_names(self, prefix: str) -> Sequence[str]:
        """Return the names with `prefix` whose key is there, sorted."""
        statement = "SELECT name FROM data_keys WHERE name >= ? AND name < ? AND wrapped IS NOT NULL ORDER BY name"
        with self._lock:
            return [name for (name,) in self._connection.execute(statement, (prefix, f"{prefix}\U0010ffff"))]

    def close(self) -> None:
        """Release the file and forget every key."""
        with self._lock:
            self._ciphers.clear()
            self._connection.close()

    def _key(self, name: str) -> bytes:
        rows = self._rows([name])
        wrapped = rows.get(name)
        if wrapped is None:
            state = "was destroyed" if name in rows else "was never made in this key store"
            raise NotFound(f"key `{name}` {state}: what it sealed cannot be read")
        try:
            return unseal(self._master, wrapped, name.encode())
        except (InvalidTag, ValueError):
            raise DamagedStore(f"key `{name}` does not open under the master key: restore the key store") from None

    def _rows(self, names: Sequence[str]) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        for start in range(0, len(names), _NAMES_PER_QUERY):
            some = names[start : start + _NAMES_PER_QUERY]
            marks = ",".join("?" * len(some))
            statement = f"SELECT name, wrapped FROM data_keys WHERE name IN ({marks})"
            try:
                found.update(self._connection.execute(statement, some))
            except sqlite3.Error as error:
                raise StoreUnavailable(
                    f"the key store could not be read: {error}; free the lock or the disk"
                ) from error
        return found

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if not rows:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(statement, rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the key store could not be written: {error}; free the disk or the lock") from error

    def _new(self, name: str) -> bytes:
        return seal(self._master, AESGCM.generate_key(8 * KEY_BYTES), name.encode())

    def _check_made_for_us(self, path: Path) -> None:
        try:
            (stored_format,) = self._connection.execute("PRAGMA user_version").fetchone()
            if stored_format != _FORMAT:
                raise ForeignStore(f"`{path}` has key store format `{stored_format}`, expected `{_FORMAT}`")
            check = self._rows([_CHECK_NAME]).get(_CHECK_NAME)
        except sqlite3.DatabaseError:
            raise ForeignStore(f"`{path}` is not a key store: give the right path") from None
        try:
            unseal(self._master, check or b"", _CHECK_NAME.encode())
        except (InvalidTag, ValueError):
            raise BadSetting(f"the master key does not open the key store `{path}`: give the right one") from None


def _checked_master(master_key: bytes) -> bytes:
    if len(master_key) != KEY_BYTES:
        raise BadSetting(f"the master key has `{len(master_key)}` bytes, expected `{KEY_BYTES}`")
    return master_key


def _connect(path: Path, access: str) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={access}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=_LOCK_TIMEOUT_SECONDS,
        )
        if access != "ro":
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"key store `{path}` cannot be opened: {error}; free the lock or the disk") from error
    except sqlite3.DatabaseError as error:
        raise ForeignStore(f"`{path}` is not a key store ({error}): give the right path") from error
    return connection
