"""The data keys in a PostgreSQL database of their own, for hubs whose workers run on several machines.

Rules:
- Another database than that of the shards, with its own backups: keys never lie beside the rows that they open.
- Opening never makes it. The hub's role may add keys and take them away, and remove no row.
- Keys are asked for over one connection, made anew where it broke.
- A destroyed key is gone for every reader at once. On the server's disk its wrapped bytes stay until vacuum and the
  write-ahead log have gone over them: the master key protects them until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, tuple_row

from contracts.failures import ForeignStore, StoreUnavailable
from hub.store.key_tables import KEY_TABLE_FORMAT
from hub.store.keys import KeyStore, first_row
from hub.store.postgres_datastore import OneConnection, checked_url, in_schema

KEYS_URL_SETTING: Final = "HUB_KEYS_URL"
KEYS_SCHEMA: Final = "data_keys"
_TABLES: Final = (
    'CREATE TABLE data_keys (name text COLLATE "C" PRIMARY KEY, wrapped bytea)',
    "CREATE TABLE key_store (one boolean PRIMARY KEY CHECK (one), format bigint NOT NULL, changes bigint NOT NULL)",
)
_RIGHTS: Final = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE (wrapped) ON {schema}.data_keys TO {role}",
    "GRANT SELECT, UPDATE (changes) ON {schema}.key_store TO {role}",
)


def create_keys(owner_url: str, role: str, master_key: bytes) -> None:
    """Make an empty key store at a database owner's URL, for the hub's `role`.

    Raises `ForeignStore` where there is one already.
    """
    PostgresKeyTable.create(checked_url(owner_url, KEYS_URL_SETTING), role, first_row(master_key))


def open_keys(url: str, master_key: bytes) -> KeyStore:
    """Open the key store at a URL of the hub's role; raise `ForeignStore` where there is none or of another format."""
    return KeyStore(PostgresKeyTable(checked_url(url, KEYS_URL_SETTING)), master_key)


class PostgresKeyTable:
    """Implements `hub.store.key_tables.KeyTable` in schema `data_keys` of the database at `conninfo_`."""

    def __init__(self, conninfo_: str) -> None:
        """Open what `create` made; raise `ForeignStore` where there is none or of another format."""
        self._sessions = OneConnection(conninfo_, KEYS_SCHEMA)
        self._own_changes = 0
        try:
            ((stored_format,),) = self._select("SELECT format FROM key_store")
        except psycopg.errors.UndefinedTable:
            self.close()
            raise ForeignStore(
                "the database holds no key store: make one with `hub world make`, or give the right URL"
            ) from None
        except BaseException:
            self.close()
            raise
        if stored_format != KEY_TABLE_FORMAT:
            self.close()
            raise ForeignStore(f"the key store has format `{stored_format}`, expected `{KEY_TABLE_FORMAT}`")

    @classmethod
    def create(cls, conninfo_: str, role: str, first: tuple[str, bytes]) -> None:
        """Make a table with one row, as the database's owner, for the hub's `role`.

        Raises `ForeignStore` where there is one already.
        """
        sessions = OneConnection(conninfo_, KEYS_SCHEMA)
        try:
            with sessions.connection() as connection, connection.transaction():
                connection.execute(in_schema("CREATE SCHEMA {schema}", KEYS_SCHEMA))
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute("INSERT INTO key_store VALUES (true, %s, 0)", (KEY_TABLE_FORMAT,))
                connection.execute("INSERT INTO data_keys VALUES (%s, %s)", first)
                for right in _RIGHTS:
                    connection.execute(in_schema(right, KEYS_SCHEMA, role=role))
        except psycopg.errors.DuplicateSchema:
            raise ForeignStore("the database holds a key store: it is made once; give another URL") from None
        except psycopg.Error as error:
            raise StoreUnavailable(f"the key store could not be made: {error}") from error
        finally:
            sessions.close()

    def rows(self, names: Sequence[str]) -> Mapping[str, bytes | None]:
        """See `KeyTable.rows`."""
        return dict(self._select("SELECT name, wrapped FROM data_keys WHERE name = ANY(%s)", (list(names),)))

    def insert(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """See `KeyTable.insert`."""
        names, wrapped = [name for name, _ in rows], [each for _, each in rows]
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO data_keys SELECT * FROM unnest(%b::text[], %b::bytea[])",
                (names, wrapped),
            )

    def destroy(self, names: Sequence[str]) -> None:
        """See `KeyTable.destroy`."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO data_keys SELECT name, NULL FROM unnest(%s::text[]) AS name "
                "ON CONFLICT (name) DO UPDATE SET wrapped = NULL",
                (list(names),),
            )
            connection.execute("UPDATE key_store SET changes = changes + 1")
        # Only what is known to be stored: where its answer was lost, it counts as somebody else's, and costs time only.
        self._own_changes += 1

    def live_names(self, prefix: str) -> Sequence[str]:
        """See `KeyTable.live_names`."""
        statement = "SELECT name FROM data_keys WHERE starts_with(name, %s) AND wrapped IS NOT NULL ORDER BY name"
        return [name for (name,) in self._select(statement, (prefix,))]

    def destroyed_names(self, prefix: str) -> Sequence[str]:
        """See `KeyTable.destroyed_names`."""
        statement = "SELECT name FROM data_keys WHERE starts_with(name, %s) AND wrapped IS NULL ORDER BY name"
        return [name for (name,) in self._select(statement, (prefix,))]

    def changes(self) -> int:
        """See `KeyTable.changes`; all that were counted but for our own."""
        ((changes,),) = self._select("SELECT changes FROM key_store")
        return int(changes) - self._own_changes

    def close(self) -> None:
        """See `KeyTable.close`."""
        self._sessions.close()

    def _select(self, statement: Any, parameters: Sequence[Any] = ()) -> list[Any]:
        with _errors_named("read"), self._sessions.connection() as connection:
            return connection.cursor(row_factory=tuple_row).execute(statement, parameters).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[Connection[DictRow]]:
        with _errors_named("written"), self._sessions.connection() as connection, connection.transaction():
            yield connection


@contextmanager
def _errors_named(done: str) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.UndefinedTable:
        raise
    except psycopg.Error as error:
        raise StoreUnavailable(f"the key store could not be {done}: {error}; let its database answer") from error
