"""Where the raw limit puts its rows: as few statements as the database takes, and nothing that a hub needs beside them.

Rules:
- SQLite: the library's own recorder, one row per event.
- PostgreSQL: binary COPY, as many rows and bytes per event as a hub's store got in the same run: `StoredPerEvent` is
  counted in that store, never assumed. Event ids and their digests go to a table of their own, as the hub's do.
- One transaction per batch, on the disk when it returns.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

_TABLES: Final = (
    'CREATE TABLE events (stream text COLLATE "C", version bigint, topic text, state bytea,'
    " PRIMARY KEY (stream, version))",
    'CREATE TABLE digests (event_id text COLLATE "C" PRIMARY KEY, digest bytea)',
)
_COPY_EVENTS: Final = "COPY events FROM STDIN (FORMAT BINARY)"
_COPY_DIGESTS: Final = "COPY digests FROM STDIN (FORMAT BINARY)"
_COUNTED: Final = (
    "SELECT (SELECT count(*) FROM shard_0.stored_events), "
    "(SELECT coalesce(sum(octet_length(state)), 0) FROM shard_0.stored_events), "
    "(SELECT count(*) FROM shard_0.event_digests)"
)
DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class StoredPerEvent:
    """What a hub's store gets for one event, on average: rows of events, their bytes, rows of digests."""

    rows: float
    bytes: float
    digests: float


class RawStore(Protocol):
    """Takes the rows of a batch."""

    def insert(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """Store one row per event: (kind, value)."""


class RawFile:
    """SQLite, as the library has it."""

    def __init__(self, directory: Path) -> None:
        self._recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(directory / "raw.db")))
        self._recorder.create_table()
        self._count = 0

    def insert(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """See `RawStore.insert`."""
        numbered = enumerate(rows, self._count + 1)
        self._recorder.insert_events([StoredEvent("raw", number, kind, value) for number, (kind, value) in numbered])
        self._count += len(rows)


class RawDatabase:
    """An empty PostgreSQL database at `url`, whose owner connects."""

    def __init__(self, url: str, stored: StoredPerEvent) -> None:
        self._connection = psycopg.connect(url)
        self._stored = stored
        self._count = 0
        with self._connection.transaction():
            for statement in _TABLES:
                self._connection.execute(statement)

    def insert(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """See `RawStore.insert`: the values are cut or filled up to the bytes that a hub stores."""
        stored = self._stored
        count = round(len(rows) * stored.rows)
        size = round(len(rows) * stored.bytes / count)
        digests = [str(uuid.uuid4()) for _ in range(round(len(rows) * stored.digests))]
        with self._connection.transaction(), self._connection.cursor() as cursor:
            with cursor.copy(_COPY_EVENTS) as copy:
                copy.set_types(["text", "int8", "text", "bytea"])
                for number in range(count):
                    self._count += 1
                    kind, value = rows[number % len(rows)]
                    copy.write_row(("raw", self._count, kind, value[:size].ljust(size, b"\0")))
            with cursor.copy(_COPY_DIGESTS) as copy:
                copy.set_types(["text", "bytea"])
                for event_id in digests:
                    copy.write_row((event_id, event_id.encode()[:DIGEST_BYTES]))


def counted(url: str) -> tuple[int, int, int]:
    """What the store of shard 0 in the database at `url` holds: rows of events, their bytes, rows of digests."""
    with psycopg.connect(url) as connection:
        found = connection.execute(_COUNTED).fetchone()
    if found is None:
        raise AssertionError("counting gives a row")
    return int(found[0]), int(found[1]), int(found[2])
