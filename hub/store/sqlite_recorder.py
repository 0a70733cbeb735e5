"""The library's SQLite process recorder, with all that one batch writes in its one transaction.

Rules:
- Those of `hub.store.recorder`.
- One statement per table, not per row: `executemany`.
- The rowid of an event is its notification id, so no row of an event is ever deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, cast

from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteCursor, SQLiteProcessRecorder

from hub.store.recorder import TRACKINGS, moved, require_dense, streams_in
from hub.store.tables import DUE_IN_ORDER, OWN_TABLES, Beside, Kind, Rows, Table, Write

_NAMES_PER_READ: Final = 500
_TYPES: Final[Mapping[Kind, str]] = {"text": "TEXT", "integer": "INTEGER", "bytes": "BLOB"}
_HEAD_OF_STREAM: Final = "SELECT MAX(originator_version) FROM stored_events WHERE originator_id = ?"


class SQLiteRecorder(SQLiteProcessRecorder):
    """Implements `hub.store.recorder.Recorder` on one file."""

    order_column: Final = "rowid"

    def create(self) -> None:
        """Make the tables of an empty store."""
        self.create_table()

    def construct_create_table_statements(self) -> list[str]:
        """The library's tables and the shard's own."""
        own = [_create(table) for table in OWN_TABLES]
        return [*super().construct_create_table_statements(), *own, DUE_IN_ORDER]

    def _insert_events(self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        beside: Beside = kwargs.pop("beside", None) or Beside()
        require_dense(_heads(c, streams_in(stored_events)), stored_events, beside.runs)
        before = self._max_notification_id(c) or 0
        rows = [(row.originator_id, row.originator_version, row.topic, row.state) for row in stored_events]
        c.executemany(self.insert_events_statement, rows)
        c.execute(TRACKINGS)
        for tracking in moved(beside.positions, dict(c.fetchall())):
            self._insert_tracking(c, tracking)
        for write, values in beside.writes:
            c.executemany(_statement(write), values)
        return range(before + 1, before + 1 + len(rows))

    def heads(self, streams: Sequence[str]) -> Mapping[str, int]:
        """See `Recorder.heads`."""
        with self.datastore.transaction(commit=False) as c:
            return _heads(c, streams)

    def select(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """See `Recorder.select`."""
        with self.datastore.transaction(commit=False) as c:
            c.execute(statement, parameters)
            return cast(Rows, c.fetchall())

    def select_under(self, table: Table, keys: Sequence[tuple[Any, ...]]) -> Rows:
        """See `Recorder.select_under`."""
        found: list[tuple[Any, ...]] = []
        reading = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE"
        with self.datastore.transaction(commit=False) as c:
            if table.key_width == 1:
                for start in range(0, len(keys), _NAMES_PER_READ):
                    some = [name for (name,) in keys[start : start + _NAMES_PER_READ]]
                    c.execute(f"{reading} {table.key[0]} IN ({', '.join('?' * len(some))})", some)
                    found.extend(c.fetchall())
            else:
                statement = f"{reading} {' AND '.join(f'{column} = ?' for column in table.key)}"
                for key in keys:
                    c.execute(statement, key)
                    found.extend(c.fetchall())
        return found

    def write(self, write: Write, rows: Rows) -> None:
        """See `Recorder.write`."""
        with self.datastore.transaction(commit=True) as c:
            c.executemany(_statement(write), rows)

    def change(self, statement: str, parameters: Sequence[Any]) -> None:
        """See `Recorder.change`."""
        with self.datastore.transaction(commit=True) as c:
            c.execute(statement, parameters)

    def close(self) -> None:
        """See `Recorder.close`."""
        self.datastore.close()


def _heads(c: SQLiteCursor, streams: Sequence[str]) -> dict[str, int]:
    heads: dict[str, int] = {}
    for stream in streams:
        c.execute(_HEAD_OF_STREAM, (stream,))
        heads[stream] = c.fetchone()[0] or 0
    return heads


def _create(table: Table) -> str:
    columns = [
        f"{name} {_TYPES[kind]}{' NOT NULL' if name in table.required else ''}" for name, kind in table.columns.items()
    ]
    rest = "" if table.wide_rows else " WITHOUT ROWID"
    return f"CREATE TABLE {table.name} ({', '.join(columns)}, PRIMARY KEY ({', '.join(table.key)})){rest}"


@cache
def _statement(write: Write) -> str:
    table = write.table
    if write.clearing:
        return f"DELETE FROM {table.name} WHERE {table.key[0]} = ?"
    into = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({', '.join('?' * len(table.columns))})"
    if not write.replacing:
        return into
    anew = ", ".join(f"{column} = excluded.{column}" for column in write.replacing)
    rising = f" WHERE excluded.{write.replacing[0]} > {table.name}.{write.replacing[0]}" if write.only_forward else ""
    return f"{into} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {anew}{rising}"
