"""The vault's file: who is behind a case, encrypted, in an SQLite file of its own.

Rules:
- Nothing in the file tells who somebody is: citizens and keys are looked up by HMAC under the vault key, and what
  is known of a citizen is sealed with AES-GCM, bound to its row.
- Each `enrol` writes as much, whether or not the citizen was known: its time tells nothing.
- A vault is made by command, never by opening, and keeps the number of partitions that it was made for: a case's
  shard never changes.

Used by `hub.identity.vault`, which gives the sealed bytes their meaning.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.derived_ids import require_secret
from contracts.failures import BadSetting, DamagedStore, ForeignStore, StoreUnavailable
from contracts.private_files import made_once
from hub.store.keys import seal, unseal

_FORMAT: Final = 1
_LOCK_TIMEOUT_SECONDS: Final = 10
_TABLES: Final = """
CREATE TABLE vault (one INTEGER PRIMARY KEY CHECK (one = 1), partitions INTEGER, key_check BLOB, look_ups INTEGER);
CREATE TABLE citizens (id_hash BLOB PRIMARY KEY, case_id TEXT UNIQUE, shard INTEGER, sealed BLOB) WITHOUT ROWID;
CREATE TABLE issued (key_hash BLOB PRIMARY KEY, case_id TEXT REFERENCES citizens (case_id)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class VaultRow:
    """One citizen: the case, its shard, and what is known of the person, opened."""

    case_id: str
    shard: int
    content: bytes


class VaultFile:
    """The open vault. Open it with `create_vault_file` or `open_vault_file`."""

    def __init__(self, connection: sqlite3.Connection, vault_key: bytes) -> None:
        self._connection = connection
        self._hash_key = _part_of(vault_key, "look-up")
        self._cipher = AESGCM(_part_of(vault_key, "seal"))

    @property
    def partitions(self) -> int:
        """The number of partitions that the vault was made for."""
        (partitions,) = self._connection.execute("SELECT partitions FROM vault").fetchone()
        return int(partitions)

    def enrol(self, national_id: str, proposed: VaultRow, merge: Callable[[bytes], bytes]) -> VaultRow:
        """Store `proposed`, or, where the citizen is known, what `merge` makes of the content known; within `changing`.

        Returns the row as it now stands, in the case and shard that were drawn first.
        """
        known = self.known(national_id)
        row = proposed if known is None else VaultRow(known.case_id, known.shard, merge(known.content))
        self._connection.execute(
            "INSERT INTO citizens VALUES (?, ?, ?, ?) ON CONFLICT (id_hash) DO UPDATE SET sealed = excluded.sealed",
            (
                self._hash("citizen", national_id),
                row.case_id,
                row.shard,
                seal(self._cipher, row.content, _bound(row.case_id, row.shard)),
            ),
        )
        self._connection.execute("UPDATE vault SET look_ups = look_ups + 1")
        return row

    def known(self, national_id: str) -> VaultRow | None:
        """Return the citizen with `national_id`, or `None` where nobody was enrolled under it."""
        found = self._connection.execute(
            "SELECT case_id, shard, sealed FROM citizens WHERE id_hash = ?", (self._hash("citizen", national_id),)
        ).fetchone()
        return None if found is None else self._opened(*found)

    def of_case(self, case_id: str) -> VaultRow:
        """Return the citizen of a case; raise `DamagedStore` where there is none."""
        found = self.find_case(case_id)
        if found is None:
            raise DamagedStore(f"the vault names case `{case_id}` and does not know it: restore the vault")
        return found

    def find_case(self, case_id: str) -> VaultRow | None:
        """Return the citizen of a case, or `None` where there is none."""
        found = self._connection.execute(
            "SELECT case_id, shard, sealed FROM citizens WHERE case_id = ?", (case_id,)
        ).fetchone()
        return None if found is None else self._opened(*found)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction in which what is read stays true until what is written is durable."""
        with self._transaction():
            yield

    def rewrite(self, row: VaultRow) -> None:
        """Store other content of a known case; within `changing`."""
        sealed = seal(self._cipher, row.content, _bound(row.case_id, row.shard))
        self._connection.execute("UPDATE citizens SET sealed = ? WHERE case_id = ?", (sealed, row.case_id))

    def record_issued(self, party: str, key: str, case_id: str) -> None:
        """Remember that `key` is `party`'s for `case_id`; durable on return."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO issued VALUES (?, ?) ON CONFLICT (key_hash) DO UPDATE SET case_id = excluded.case_id",
                (self._hash("key", party, key), case_id),
            )

    def behind(self, party: str, key: str) -> VaultRow | None:
        """Return the citizen behind `party`'s `key`, or `None` where that party was never given it."""
        found = self._connection.execute(
            "SELECT case_id, shard, sealed FROM issued JOIN citizens USING (case_id) WHERE key_hash = ?",
            (self._hash("key", party, key),),
        ).fetchone()
        return None if found is None else self._opened(*found)

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _opened(self, case_id: str, shard: int, sealed: bytes) -> VaultRow:
        try:
            return VaultRow(case_id, shard, unseal(self._cipher, sealed, _bound(case_id, shard)))
        except (InvalidTag, ValueError):
            raise DamagedStore(f"vault row of case `{case_id}` does not open: restore the vault") from None

    def _hash(self, *parts: str) -> bytes:
        message = b"".join(len(data).to_bytes(4, "big") + data for data in (part.encode() for part in parts))
        return hmac.digest(self._hash_key, message, hashlib.sha256)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # No SQLite error may carry a bound value further; its text names tables and columns only.
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the vault could not be written: {error}; free the disk or the lock") from None


def create_vault_file(path: Path, vault_key: bytes, partitions: int) -> VaultFile:
    """Make an empty vault at `path`, whole or not at all.

    Raises `ForeignStore` where something is there already, `StoreUnavailable` where it cannot be written.
    """
    require_secret(vault_key, "the vault key")
    if partitions < 1:
        raise BadSetting(f"a vault for `{partitions}` partitions: expected 1 or more")
    try:
        with made_once(path) as unfinished, closing(_connect(unfinished)) as connection:
            connection.executescript(_TABLES)
            connection.execute("INSERT INTO vault VALUES (1, ?, ?, 0)", (partitions, _part_of(vault_key, "check")))
            connection.execute(f"PRAGMA user_version={_FORMAT}")
    except FileExistsError:
        raise ForeignStore(f"`{path}` exists: a vault is made once; give another path") from None
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"no vault could be made at `{path}`: {error}; free the disk, then try again") from None
    return open_vault_file(path, vault_key)


def open_vault_file(path: Path, vault_key: bytes) -> VaultFile:
    """Open the vault at `path`; raise `BadSetting` for a wrong key.

    Raises `ForeignStore` for none, another format or another kind of file, `StoreUnavailable` where it cannot be read.
    """
    require_secret(vault_key, "the vault key")
    if not path.is_file():
        raise ForeignStore(f"no vault at `{path}`: make one with `hub world make`, or give the right path")
    try:
        with ExitStack() as opened:
            connection = opened.enter_context(closing(_connect(path)))
            _require_ours(connection, path, vault_key)
            opened.pop_all()
    except sqlite3.Error as error:
        raise _not_opened(path, error) from None
    return VaultFile(connection, vault_key)


def _require_ours(connection: sqlite3.Connection, path: Path, vault_key: bytes) -> None:
    (stored_format,) = connection.execute("PRAGMA user_version").fetchone()
    if stored_format != _FORMAT:
        raise ForeignStore(f"`{path}` has vault format `{stored_format}`, expected `{_FORMAT}`: give the right path")
    (key_check,) = connection.execute("SELECT key_check FROM vault").fetchone()
    if not hmac.compare_digest(key_check, _part_of(vault_key, "check")):
        raise BadSetting(f"the vault key does not open `{path}`: give the right one")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_LOCK_TIMEOUT_SECONDS
    )
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _not_opened(path: Path, error: sqlite3.Error) -> ForeignStore | StoreUnavailable:
    """What is said of a file that SQLite does not read as a vault: it is none, or cannot be had now."""
    # The tables of another kind of store are an error of the statement; a file of another kind is "not a database".
    if error.sqlite_errorcode in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB):
        return ForeignStore(f"`{path}` cannot be opened as a vault, it is something else: give the path of one")
    return StoreUnavailable(f"the vault `{path}` could not be opened: {error}; free the disk or the lock")


def _part_of(vault_key: bytes, purpose: str) -> bytes:
    """Return the key for one purpose: looking up, sealing and checking never share one."""
    return hmac.digest(vault_key, f"vault {purpose}".encode(), hashlib.sha256)


def _bound(case_id: str, shard: int) -> bytes:
    return f"vault|{case_id}|{shard}".encode()
