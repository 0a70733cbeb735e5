"""The SQLite file of a party's store: its settings, its tables, and whose it is.

Rules:
- What is removed is overwritten (`secure_delete`); what is committed is on disk (`synchronous`).
- A file of another kind, another party or another format is refused. The formats before this one are brought up to it
  when their subscription opens them, one after the other; nothing that was received is lost.

Used by `consumers.store` alone.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from consumers.views.choice import view_of
from consumers.views.versions import lay_out_versions
from contracts.failures import CallerFailure, ForeignStore

_APPLICATION_ID: Final = 0x48754250
_FORMAT: Final = 3
_FORMAT_WITHOUT_VERSIONS: Final = 1
_FORMAT_WITHOUT_FILLING: Final = 2
_BUSY_TIMEOUT_MS: Final = 5_000

_SCHEMA: Final = (
    "CREATE TABLE party_store (party TEXT NOT NULL, partitions INTEGER, erasure_pending INTEGER NOT NULL)",
    "CREATE TABLE position (partition INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL, last_number INTEGER NOT NULL, "
    "is_filling INTEGER NOT NULL DEFAULT 0)",
    """CREATE TABLE received (
        key TEXT NOT NULL, party TEXT NOT NULL, event_id TEXT NOT NULL, event_type TEXT NOT NULL,
        ce_time INTEGER NOT NULL, occurred_at INTEGER NOT NULL, partition INTEGER NOT NULL, hub_seq INTEGER NOT NULL,
        schema_id INTEGER NOT NULL, value BLOB NOT NULL, corrects TEXT, correlation TEXT, causation TEXT,
        PRIMARY KEY (key, party, event_id))""",
)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for writing."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for setting in (
            f"busy_timeout = {_BUSY_TIMEOUT_MS}",
            "secure_delete = ON",
            "synchronous = FULL",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_checked(path: Path) -> sqlite3.Connection:
    """Open the file for writing; raise `ForeignStore` where it is no database."""
    try:
        return connect(path)
    except sqlite3.DatabaseError as error:
        raise ForeignStore(f"`{path}` is no party store, or is damaged: {error}") from error


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """Open the file so that nothing can be written."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    return connection


def lay_out(connection: sqlite3.Connection, party_id: str) -> None:
    """Make the tables of an empty store."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise CallerFailure(
            f"the file system gives journal mode `{mode}`, expected `wal`; put the store on a local disk"
        )
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        connection.execute(statement)
    lay_out_versions(connection, view_of(party_id))
    connection.execute("INSERT INTO party_store VALUES (?, NULL, 0)", (party_id,))
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_FORMAT}")
    connection.execute("COMMIT")


def renew_format(connection: sqlite3.Connection, party_id: str) -> None:
    """Bring a file of a format before this one up to it, in one transaction."""
    try:
        application_id, version = _marks(connection)
        if application_id != _APPLICATION_ID or version not in (_FORMAT_WITHOUT_VERSIONS, _FORMAT_WITHOUT_FILLING):
            return
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("SELECT party FROM party_store").fetchone() != (party_id,):
            connection.execute("ROLLBACK")
            return
        if version == _FORMAT_WITHOUT_VERSIONS:
            _give_versions(connection, party_id)
        connection.execute("ALTER TABLE position ADD COLUMN is_filling INTEGER NOT NULL DEFAULT 0")
        connection.execute(f"PRAGMA user_version = {_FORMAT}")
        connection.execute("COMMIT")
    except sqlite3.DatabaseError:
        # Whatever is wrong with the file is told by `check`, which looks at it next.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _give_versions(connection: sqlite3.Connection, party_id: str) -> None:
    """Give a file its versions of the view, with every citizen waiting."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'view_*'")
    for (name,) in names.fetchall():
        connection.execute(f'DROP TABLE "{name}"')
    connection.execute("ALTER TABLE party_store DROP COLUMN view_digest")
    lay_out_versions(connection, view_of(party_id))
    connection.execute("INSERT INTO waiting SELECT DISTINCT 1, key FROM received")
    connection.execute("UPDATE party_store SET erasure_pending = 1")


def check(connection: sqlite3.Connection, path: Path, party_id: str) -> None:
    """Raise `ForeignStore` where the file is not the store of `party_id`, in this format."""
    try:
        if _marks(connection) != (_APPLICATION_ID, _FORMAT):
            raise ForeignStore(f"`{path}` is no party store of format {_FORMAT}; expected one made by this version")
        (owner,) = connection.execute("SELECT party FROM party_store").fetchone()
    except sqlite3.DatabaseError as error:
        raise ForeignStore(f"`{path}` is no party store, or is damaged: {error}") from error
    if owner != party_id:
        raise ForeignStore(f"`{path}` is the store of party `{owner}`, expected `{party_id}`")


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application_id, version
