"""The constructors of one kind of store, which is all that the conformance suite knows of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from hub.store.keys import KeyStore
from hub.store.ports import ShardStore, StoreIdentity
from hub.store.reader import ShardReader
from hub.store.shard_store import DatabaseShardStore
from hub.store.sqlite import create_store, open_for_reading, open_store
from tests.store.builders import IDENTITY, MASTER_KEY


class Stores(Protocol):
    """Makes and opens stores of one kind, all of the same one place."""

    def create(self, identity: StoreIdentity = IDENTITY) -> ShardStore:
        """Make the store."""

    def open(self, identity: StoreIdentity = IDENTITY) -> ShardStore:
        """Open it again, as a worker that starts."""


class SQLiteStores:
    """Stores in one SQLite file, with a key store beside it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "shard-3.db"
        self.keys = KeyStore.create(directory / "keys.db", MASTER_KEY)

    def create(self, identity: StoreIdentity = IDENTITY) -> DatabaseShardStore:
        """Make the store."""
        return create_store(self.path, identity, self.keys)

    def open(self, identity: StoreIdentity = IDENTITY) -> DatabaseShardStore:
        """Open it to write."""
        return open_store(self.path, identity, self.keys)

    def read(self) -> ShardReader:
        """Open it to read."""
        return open_for_reading(self.path, self.keys)

    @contextmanager
    def tampering(self) -> Iterator[sqlite3.Connection]:
        """The bare database, as somebody with the file in hand has it."""
        with closing(sqlite3.connect(self.path)) as connection:
            yield connection
            connection.commit()

    def content(self) -> list[tuple[object, ...]]:
        """Every row of every table, to see that nothing was stored."""
        with self.tampering() as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return [(table, *row) for table in sorted(tables) for row in connection.execute(f"SELECT * FROM {table}")]
