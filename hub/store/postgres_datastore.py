"""The library's PostgreSQL connection, made safe: one connection per shard, and what each session promises.

Rules:
- One writer and one thread per shard, so one connection: it is made anew where it broke, and never waited for long.
- Only the primary is asked, for reading too: a standby may be behind and show what was taken back.
- A commit is on the disk when it returns, whatever the server's default. Waiting for a lock ends, and a worker that
  stopped in the middle of a batch loses its lock.
- Names are looked up in the shard's own schema and nowhere else.
- No password stands in the URL: it would be printed somewhere. Give `passfile`, a service file or a certificate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import psycopg
from eventsourcing.postgres import PostgresDatastore
from psycopg import conninfo, sql
from psycopg.rows import DictRow, dict_row

from contracts.failures import BadSetting

LOCK_TIMEOUT_SECONDS: Final = 10
_SESSION: Final = {
    "synchronous_commit": "on",
    "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
    "idle_in_transaction_session_timeout": "20s",
    "client_encoding": "UTF8",
    "timezone": "UTC",
}
_UNLESS_GIVEN: Final = {
    "connect_timeout": "5",
    "tcp_user_timeout": "15000",
    "keepalives_idle": "10",
    "application_name": "hub",
}


def checked_url(url: str, setting: str) -> str:
    """Return the libpq connection string of `url`; raise `BadSetting`, naming `setting`, for one that is no good."""
    try:
        given = conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise BadSetting(f"setting `{setting}`: expected `postgresql://user@host/database?passfile=...`") from None
    if given.get("password"):
        raise BadSetting(f"setting `{setting}` holds a password: put it into a file and name that with `passfile=`")
    if not given.get("dbname"):
        raise BadSetting(f"setting `{setting}` names no database: expected `postgresql://user@host/database`")
    return conninfo.make_conninfo(
        **{**_UNLESS_GIVEN, **{name: str(value) for name, value in given.items()}, "target_session_attrs": "read-write"}
    )


def same_database(first: str, second: str) -> bool:
    """Whether two URLs lead to one database, as far as their words tell."""
    one, other = conninfo.conninfo_to_dict(first), conninfo.conninfo_to_dict(second)
    return all(str(one.get(part, "")) == str(other.get(part, "")) for part in ("host", "hostaddr", "port", "dbname"))


def role_of(url: str) -> str:
    """The role that a URL names; raises `BadSetting` where it leaves it open."""
    role = conninfo.conninfo_to_dict(url).get("user")
    if not role:
        raise BadSetting("the URL of a database names no user: expected `postgresql://user@host/database`")
    return str(role)


def connect(conninfo_: str, schema: str) -> psycopg.Connection[DictRow]:
    """Open one session in `schema`, with all that a session promises."""
    connection = psycopg.connect(conninfo_, autocommit=True, row_factory=dict_row)
    try:
        for name, value in {**_SESSION, "search_path": schema}.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    except BaseException:
        connection.close()
        raise
    return connection


class ShardDatastore(PostgresDatastore):
    """One schema of one database. `conninfo_` comes from `checked_url`."""

    def __init__(self, conninfo_: str, schema: str) -> None:
        super().__init__(
            "", "", "", "", "", lock_timeout=LOCK_TIMEOUT_SECONDS, schema=schema, originator_id_type="text"
        )
        self.pool = cast(Any, OneConnection(conninfo_, schema))

    def register_type_adapters(self) -> None:
        """Nothing: events are copied in, not sent as values of a type of the database."""


class OneConnection:
    """One session, made anew where it broke; it has the three methods of a pool that the library calls."""

    def __init__(self, conninfo_: str, schema: str) -> None:
        self._conninfo = conninfo_
        self._schema = schema
        self._connection: psycopg.Connection[DictRow] | None = None

    def open(self, wait: bool, timeout: float) -> None:
        """Nothing: the connection is opened when it is asked for."""

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[DictRow]]:
        """The session, for one use."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._conninfo, self._schema)
        try:
            yield self._connection
        except BaseException:
            # What a failure left half done on the wire is nobody's any more.
            if self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                self._connection.close()
            raise

    def close(self) -> None:
        """End the session."""
        if self._connection is not None:
            self._connection.close()


def in_schema(statement: str, schema: str, **names: str) -> sql.Composed:
    """Return `statement` with `{schema}` and the other `{names}` put in as identifiers."""
    identifiers = {name: sql.Identifier(value) for name, value in {"schema": schema, **names}.items()}
    return sql.SQL(cast(Any, statement)).format(**identifiers)
