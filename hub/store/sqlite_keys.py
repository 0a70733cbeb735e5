"""The data keys in an SQLite file of their own.

Rules:
- The file is the owner's alone. Opening never makes it.
- A destroyed key's row is overwritten (`secure_delete`) and the write-ahead log emptied before `destroy` returns. Where
  somebody reads from that log it is not emptied: `destroy` says so, and whoever opens the file to write empties it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from contracts.failures import ForeignStore, StoreUnavailable
from contracts.private_files import made_once
from hub.store.key_tables import KEY_TABLE_FORMAT

_LOCK_TIMEOUT_SECONDS: Final = 10
_EMPTY_LOG_MS: Final = 1_000
"""How long readers of the log are waited for: a shard's turn stands still meanwhile."""
_NAMES_PER_QUERY: Final = 500


class SQLiteKeyTable:
    """Implements `hub.store.key_tables.KeyTable` in the file at `path`."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        """Open what `create` made; raise `ForeignStore` where there is none or of another format."""
        if not path.is_file():
            raise ForeignStore(f"no key store at `{path}`: make one with `hub world make`, or give the right path")
        self._connection = _connect(path, "ro" if read_only else "rw")
        try:
            (stored_format,) = self._connection.execute("PRAGMA user_version").fetchone()
            self._connection.execute("SELECT name FROM data_keys LIMIT 1")
        except sqlite3.DatabaseError:
            self._connection.close()
            raise ForeignStore(f"`{path}` is not a key store: give the right path") from None
        if stored_format != KEY_TABLE_FORMAT:
            self._connection.close()
            raise ForeignStore(f"`{path}` has key store format `{stored_format}`, expected `{KEY_TABLE_FORMAT}`")
        if not read_only:
            # Whoever had it open last may have ended before the log could be emptied.
            self._empty_log()

    @classmethod
    def create(cls, path: Path, first: tuple[str, bytes]) -> None:
        """Make a table with one row at `path`, whole or not at all.

        Raises `ForeignStore` where something is there already, `StoreUnavailable` where it cannot be written.
        """
        try:
            with (
                made_once(path) as unfinished,
                closing(_connect(unfinished, "rw")) as connection,
                _transaction(connection),
            ):
                connection.execute("CREATE TABLE data_keys (name TEXT PRIMARY KEY, wrapped BLOB) WITHOUT ROWID")
                connection.execute("INSERT INTO data_keys VALUES (?, ?)", first)
                connection.execute(f"PRAGMA user_version={KEY_TABLE_FORMAT}")
        except FileExistsError:
            raise ForeignStore(f"`{path}` exists: a key store is made once; give another path") from None
        except OSError as error:
            raise StoreUnavailable(f"no key store could be made at `{path}`: {error}; free the disk") from error

    def rows(self, names: Sequence[str]) -> Mapping[str, bytes | None]:
        """See `KeyTable.rows`."""
        found: dict[str, bytes | None] = {}
        for start in range(0, len(names), _NAMES_PER_QUERY):
            some = names[start : start + _NAMES_PER_QUERY]
            marks = ",".join("?" * len(some))
            statement = f"SELECT name, wrapped FROM data_keys WHERE name IN ({marks})"
            with _errors_named("read"):
                found.update(self._connection.execute(statement, some))
        return found

    def insert(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """See `KeyTable.insert`."""
        with _transaction(self._connection):
            self._connection.executemany("INSERT INTO data_keys VALUES (?, ?)", rows)

    def destroy(self, names: Sequence[str]) -> None:
        """See `KeyTable.destroy`."""
        statement = "INSERT INTO data_keys VALUES (?, NULL) ON CONFLICT (name) DO UPDATE SET wrapped = NULL"
        with _transaction(self._connection):
            self._connection.executemany(statement, [(name,) for name in names])
        if not self._empty_log():
            raise StoreUnavailable("keys are destroyed but the log of the key store is in use: destroy them again")

    def _empty_log(self) -> bool:
        """Empty the write-ahead log, whose older pages hold wrapped keys; whether nobody was reading from it."""
        with _errors_named("written"):
            self._connection.execute(f"PRAGMA busy_timeout={_EMPTY_LOG_MS}")
            try:
                busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={_LOCK_TIMEOUT_SECONDS * 1_000}")
        return not busy

    def live_names(self, prefix: str) -> Sequence[str]:
        """See `KeyTable.live_names`."""
        return self._names(prefix, "wrapped IS NOT NULL")

    def destroyed_names(self, prefix: str) -> Sequence[str]:
        """See `KeyTable.destroyed_names`."""
        return self._names(prefix, "wrapped IS NULL")

    def _names(self, prefix: str, condition: str) -> Sequence[str]:
        statement = f"SELECT name FROM data_keys WHERE name >= ? AND name < ? AND {condition} ORDER BY name"
        with _errors_named("read"):
            return [name for (name,) in self._connection.execute(statement, (prefix, f"{prefix}\U0010ffff"))]

    def changes(self) -> int:
        """See `KeyTable.changes`; SQLite answers from one counter."""
        with _errors_named("read"):
            (change,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(change)

    def close(self) -> None:
        """See `KeyTable.close`."""
        self._connection.close()


@contextmanager
def _errors_named(done: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(f"the key store could not be {done}: {error}; free the lock or the disk") from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    with _errors_named("written"):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


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
