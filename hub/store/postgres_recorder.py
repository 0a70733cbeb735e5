"""The library's PostgreSQL process recorder, with all that one batch writes in its one transaction.

Rules:
- Those of `hub.store.recorder`.
- Events are copied in (binary COPY) inside the batch's transaction; every other table gets one statement per batch.
- A batch locks its shard first, by the table of positions: batches are stored one after the other, so a notification
  id is never overtaken. The library would lock the events; that needs rights over them which the hub has not.
- Reading is tried again over a new connection, as the library does. Writing is not: a connection that breaks at
  COMMIT leaves open what happened, and the caller looks.
- Streams are compared by their bytes (`COLLATE "C"`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from eventsourcing.persistence import InterfaceError, OperationalError, StoredEvent
from eventsourcing.postgres import PostgresProcessRecorder
from eventsourcing.utils import retry
from psycopg import Cursor
from psycopg.rows import tuple_row

from hub.store.postgres_datastore import ShardDatastore, in_schema
from hub.store.recorder import TRACKINGS, moved, require_dense, streams_in
from hub.store.tables import DUE_IN_ORDER, OWN_TABLES, STORED_EVENTS, TRACKING, Beside, Fate, Kind, Rows, Table, Write

_TYPES: Final[Mapping[Kind, str]] = {"text": 'text COLLATE "C"', "integer": "bigint", "bytes": "bytea"}
_ARRAYS: Final[Mapping[Kind, str]] = {"text": "text[]", "integer": "bigint[]", "bytes": "bytea[]"}
_COPIED: Final[Mapping[Kind, str]] = {"text": "text", "integer": "int8", "bytes": "bytea"}
_RIGHTS: Final[Mapping[Fate, str]] = {
    "kept": "SELECT, INSERT",
    "replaced": "SELECT, INSERT, UPDATE",
    "removed": "SELECT, INSERT, UPDATE, DELETE",
}
ALL_TABLES: Final = (STORED_EVENTS, TRACKING, *OWN_TABLES)
_READING_TRIED_AGAIN: Final = retry((InterfaceError, OperationalError), max_attempts=3, wait=0.2)
STOPPED_SECONDS: Final = 20
"""How long a session may wait for rows that were announced: as long as it may be idle between two statements."""
_END_STOPPED: Final = f"""
SELECT count(pg_terminate_backend(session.pid))
FROM pg_stat_activity AS session JOIN pg_locks AS held USING (pid)
WHERE held.relation = '{TRACKING.name}'::regclass AND held.mode = 'ExclusiveLock' AND held.granted
AND session.datname = current_database() AND session.usename = current_user
AND session.state = 'active' AND session.wait_event = 'ClientRead'
AND session.query_start < clock_timestamp() - make_interval(secs => ?)
"""
_HEADS: Final = """
SELECT stream, (SELECT MAX(originator_version) FROM stored_events WHERE originator_id = stream)
FROM unnest(%s::text[]) AS stream
"""


class PostgresRecorder(PostgresProcessRecorder):
    """Implements `hub.store.recorder.Recorder` in one schema."""

    order_column: Final = "notification_id"

    datastore: ShardDatastore

    def __init__(self, datastore: ShardDatastore) -> None:
        super().__init__(datastore, tracking_table_name=TRACKING.name)
        # What the library makes beside tables and indexes serves ways of inserting that are not used here.
        self.sql_create_statements = [
            statement for statement in self.sql_create_statements if _makes_a_table(statement.as_string())
        ]

    def create(self) -> None:
        """Make the tables of an empty store; the connection is that of the schema's owner."""
        self.create_table()
        with self._writing() as c:
            c.execute('ALTER TABLE stored_events ALTER COLUMN originator_id TYPE text COLLATE "C"')
            for table in OWN_TABLES:
                c.execute(_create(table))
            c.execute(DUE_IN_ORDER)

    def grant(self, role: str) -> None:
        """Give the hub's own `role` what it needs of these tables, and nothing over events that are stored."""
        schema = self.datastore.schema
        with self._writing() as c:
            c.execute(in_schema("GRANT USAGE ON SCHEMA {schema} TO {role}", schema, role=role))
            c.execute(in_schema("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}", schema, role=role))
            for table in ALL_TABLES:
                rights = f"GRANT {_RIGHTS[table.fate]} ON {{schema}}.{{table}} TO {{role}}"
                c.execute(in_schema(rights, schema, table=table.name, role=role))

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, beside: Beside | None = None, **_: Any
    ) -> Sequence[int] | None:
        """See `Recorder.insert_events`; the ids are not asked for."""
        beside = beside or Beside()
        events = [(row.originator_id, row.originator_version, row.topic, row.state) for row in stored_events]
        with self._writing() as c:
            c.execute(f"LOCK TABLE {TRACKING.name} IN EXCLUSIVE MODE")
            require_dense(_heads(c, streams_in(stored_events)), stored_events, beside.runs)
            _copy(c, STORED_EVENTS, events)
            c.execute(TRACKINGS)
            for tracking in moved(beside.positions, dict(c.fetchall())):
                self._insert_tracking(c, tracking)
            for write, rows in beside.writes:
                _run(c, write, rows)
        return None

    def end_stopped_owner(self) -> bool:
        """End the session of an owner that stopped in the midst of sending rows; whether there was one.

        The server's own limits do not reach it there. What it had not committed is undone; should it go on, it meets
        a broken connection, and then the fence.
        """
        ((ended,),) = self.select(_END_STOPPED, (STOPPED_SECONDS,))
        return bool(ended)

    @_READING_TRIED_AGAIN
    def heads(self, streams: Sequence[str]) -> Mapping[str, int]:
        """See `Recorder.heads`."""
        with self._reading() as c:
            return _heads(c, streams)

    @_READING_TRIED_AGAIN
    def select(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """See `Recorder.select`."""
        with self._reading() as c:
            c.execute(_with_marks(statement), parameters)
            return c.fetchall()

    @_READING_TRIED_AGAIN
    def select_under(self, table: Table, keys: Sequence[tuple[Any, ...]]) -> Rows:
        """See `Recorder.select_under`."""
        if not keys:
            return []
        with self._reading() as c:
            c.execute(_select_under(table), _by_column(keys))
            return c.fetchall()

    def write(self, write: Write, rows: Rows) -> None:
        """See `Recorder.write`."""
        with self._writing() as c:
            _run(c, write, rows)

    def change(self, statement: str, parameters: Sequence[Any]) -> None:
        """See `Recorder.change`."""
        with self._writing() as c:
            c.execute(_with_marks(statement), parameters)

    def close(self) -> None:
        """See `Recorder.close`."""
        self.datastore.close()

    @contextmanager
    def _writing(self) -> Iterator[Cursor[Any]]:
        with self.datastore.get_connection() as connection, connection.transaction():
            yield connection.cursor(row_factory=tuple_row)

    @contextmanager
    def _reading(self) -> Iterator[Cursor[Any]]:
        with self.datastore.get_connection() as connection:
            yield connection.cursor(row_factory=tuple_row)


def _makes_a_table(statement: str) -> bool:
    return statement.startswith(("CREATE TABLE", "CREATE UNIQUE INDEX"))


def _heads(c: Cursor[Any], streams: Sequence[str]) -> dict[str, int]:
    c.execute(_HEADS, (list(streams),))
    return {stream: head or 0 for stream, head in c.fetchall()}


def _copy(c: Cursor[Any], table: Table, rows: Rows) -> None:
    with c.copy(_copy_statement(table)) as copy:
        copy.set_types([_COPIED[kind] for kind in table.columns.values()])
        for row in rows:
            copy.write_row(row)


def _run(c: Cursor[Any], write: Write, rows: Rows) -> None:
    if not rows:
        return
    if write.clearing:
        c.execute(_clearing(write.table), ([name for (name,) in rows],))
    elif write.replacing:
        c.execute(_replacing(write), _by_column(rows))
    else:
        _copy(c, write.table, rows)


def _by_column(rows: Rows) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _with_marks(statement: str) -> str:
    return statement.replace("?", "%s")


@cache
def _copy_statement(table: Table) -> str:
    return f"COPY {table.name} ({', '.join(table.columns)}) FROM STDIN (FORMAT BINARY)"


@cache
def _clearing(table: Table) -> str:
    return f"DELETE FROM {table.name} WHERE {table.key[0]} = ANY(%s::text[])"


@cache
def _replacing(write: Write) -> str:
    table = write.table
    arrays = ", ".join(f"%b::{_ARRAYS[kind]}" for kind in table.columns.values())
    anew = ", ".join(f"{column} = excluded.{column}" for column in write.replacing)
    rising = f" WHERE excluded.{write.replacing[0]} > {table.name}.{write.replacing[0]}" if write.only_forward else ""
    return (
        f"INSERT INTO {table.name} ({', '.join(table.columns)}) SELECT * FROM unnest({arrays}) "
        f"ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {anew}{rising}"
    )


@cache
def _select_under(table: Table) -> str:
    arrays = ", ".join(f"%s::{_ARRAYS[table.columns[column]]}" for column in table.key)
    matching = " AND ".join(f"{table.name}.{column} = wanted.{column}" for column in table.key)
    # The limit keeps the planner at one look into the index per key, however long the table and old its statistics.
    return (
        f"SELECT found.* FROM unnest({arrays}) AS wanted ({', '.join(table.key)}) CROSS JOIN LATERAL "
        f"(SELECT {', '.join(table.columns)} FROM {table.name} WHERE {matching} LIMIT 1) AS found"
    )


@cache
def _create(table: Table) -> str:
    columns = [
        f"{name} {_TYPES[kind]}{' NOT NULL' if name in table.required else ''}" for name, kind in table.columns.items()
    ]
    return f"CREATE TABLE {table.name} ({', '.join(columns)}, PRIMARY KEY ({', '.join(table.key)}))"
