"""Shard stores in the schemas of a real PostgreSQL, cleared for every test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from deploy.local_postgres import LocalPostgres
from hub.store.database_place import DatabasePlace
from hub.store.places import DatabaseOwner
from hub.store.ports import StoreIdentity
from hub.store.postgres import create_store, open_for_reading, open_store
from hub.store.postgres_keys import KEYS_SCHEMA, create_keys
from hub.store.reader import ShardReader
from hub.store.shard_store import DatabaseShardStore
from tests.store.builders import IDENTITY, MASTER_KEY

ROLE: Final = "hub"
SHARDS: Final = "shards"
KEYS: Final = "keys"


def prepare(server: LocalPostgres) -> None:
    """Make the hub's role and both databases."""
    server.create_role(ROLE)
    for database in (SHARDS, KEYS):
        server.create_database(database)


def cleared(server: LocalPostgres) -> None:
    """Remove every store and every key."""
    for database in (SHARDS, KEYS):
        with psycopg.connect(server.url(database), autocommit=True) as connection:
            schemas = connection.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'shard%%' OR nspname = %s", (KEYS_SCHEMA,)
            ).fetchall()
            for (schema,) in schemas:
                connection.execute(f"DROP SCHEMA {schema} CASCADE")


def stores_of_a_world(server: LocalPostgres) -> tuple[dict[str, str], DatabaseOwner]:
    """Where the stores of a world lie on `server`, cleared (`store_url`, `keys_url`), and who makes them."""
    cleared(server)
    urls = {"store_url": server.url(SHARDS, ROLE), "keys_url": server.url(KEYS, ROLE)}
    return urls, DatabaseOwner(server.url(SHARDS), server.url(KEYS))


class PostgresStores:
    """Stores of one database, with a key store in another (`tests.store.stores.Stores`)."""

    def __init__(self, server: LocalPostgres) -> None:
        self.server = server
        self.port = server.port
        cleared(server)
        create_keys(server.url(KEYS), ROLE, MASTER_KEY)
        self.keys = self.place.open_keys(MASTER_KEY)

    @property
    def url(self) -> str:
        """How the hub connects to its shards, at `port`: a test may put a proxy there."""
        return self.server.url(SHARDS, ROLE, self.port)

    @property
    def place(self) -> DatabasePlace:
        """The place as a worker is told of it."""
        return DatabasePlace(self.url, self.server.url(KEYS, ROLE))

    def create(self, identity: StoreIdentity = IDENTITY) -> DatabaseShardStore:
        """Make the store, as the owner, and open it as the hub."""
        create_store(self.server.url(SHARDS), ROLE, identity)
        return self.open(identity)

    def open(self, identity: StoreIdentity = IDENTITY) -> DatabaseShardStore:
        """Open it to write."""
        return open_store(self.url, identity, self.keys)

    def read(self) -> ShardReader:
        """Open it to read."""
        return open_for_reading(self.url, IDENTITY.shard, self.keys)

    @contextmanager
    def tampering(self) -> Iterator[psycopg.Connection[Any]]:
        """The bare schema, as the database's owner has it."""
        with psycopg.connect(self.server.url(SHARDS), autocommit=True) as connection:
            connection.execute(f"SET search_path TO shard_{IDENTITY.shard}")
            yield connection

    def content(self) -> list[tuple[object, ...]]:
        """Every row of every table, to see that nothing was stored."""
        with self.tampering() as connection:
            tables = [
                name
                for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", ("shard_3",))
            ]
            return [(table, *row) for table in sorted(tables) for row in connection.execute(f"SELECT * FROM {table}")]
