"""The library's SQLite connections, made safe: how a transaction begins, ends and reaches the disk.

Rules (each the answer to a trap that was reproduced with eventsourcing 9.5.6):
- A writing transaction is BEGIN IMMEDIATE: it waits for the lock at its start, never fails in its middle.
- Every connection has WAL, `synchronous=FULL` (a commit is on the disk when it returns) and `secure_delete=ON`.
- A COMMIT that fails is rolled back before the connection is used again; the library would hand it out open.
- Stream ids are text and tracking is one row per name.
- Opening never makes a file; a reading datastore cannot write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

from eventsourcing.persistence import OperationalError
from eventsourcing.sqlite import (
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTransaction,
)

Access = Literal["ro", "rw"]

_LOCK_TIMEOUT_SECONDS: Final = 10
_PAGE_CACHE_KIB: Final = 65_536
_CHECKPOINT_PAGES: Final = 8_000
"""WAL pages between checkpoints: a batch writes some thousand pages, and the default of 1,000 copied each at once."""


class ShardDatastore(SQLiteDatastore):
    """One database file. It is there already; `access` is `ro` to read or `rw` to write too."""

    def __init__(self, path: Path, access: Access) -> None:
        super().__init__(
            f"{path.absolute().as_uri()}?mode={access}",
            lock_timeout=_LOCK_TIMEOUT_SECONDS,
            single_row_tracking=True,
            originator_id_type="text",
        )
        self.pool = _Pool(self.pool.db_name, access)


class _Pool(SQLiteConnectionPool):
    def __init__(self, db_name: str, access: Access) -> None:
        super().__init__(db_name=db_name, lock_timeout=_LOCK_TIMEOUT_SECONDS)
        self._access = access

    def _create_connection(self) -> SQLiteConnection:
        connection = sqlite3.connect(
            self.db_name,
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            timeout=_LOCK_TIMEOUT_SECONDS,
            cached_statements=256,
        )
        try:
            if self._access != "ro":
                connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute(f"PRAGMA cache_size=-{_PAGE_CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        except sqlite3.Error:
            connection.close()
            raise
        connection.row_factory = sqlite3.Row
        return _Connection(connection, max_age=None)


class _Connection(SQLiteConnection):
    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        with _Transaction(self, commit=commit) as cursor, cursor:
            yield cursor


class _Transaction(SQLiteTransaction):
    def __enter__(self) -> SQLiteCursor:
        cursor = self.connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE" if self.commit else "BEGIN")
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from error
        return cursor

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(exc_type, exc_val, exc_tb)
        except BaseException:
            # Harmless where the transaction has ended; frees the connection where COMMIT itself failed.
            with suppress(sqlite3.Error):
                self.connection.rollback()
            raise
