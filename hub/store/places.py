"""Where a hub keeps its shards and its keys: files below a directory, or the databases of two URLs.

Rules:
- One kind holds everything of a hub. Keys and rows never share a file or a database.
- Making is apart from opening: it needs the owner's rights over a database, which no worker has.

Used by the worker and by every command that reads stores; none of them knows the database behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contracts.failures import BadSetting
from hub.store import postgres, sqlite
from hub.store.keys import KEYS_URL_SETTING, KeyStore
from hub.store.ports import StoreIdentity
from hub.store.postgres_datastore import checked_url, same_database
from hub.store.reader import ShardReader
from hub.store.shard_store import DatabaseShardStore


class StorePlace(Protocol):
    """The place of one hub's stores."""

    def open_keys(self, master_key: bytes, *, read_only: bool = False) -> KeyStore:
        """Open the key store."""

    def open_store(self, identity: StoreIdentity, keys: KeyStore) -> DatabaseShardStore:
        """Open the store of a shard to write; raises `ForeignStore` unless it was made for `identity`."""

    def open_for_reading(self, shard: int, keys: KeyStore) -> ShardReader:
        """Open the store of a shard to read."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """SQLite files below a directory."""

    directory: Path

    def store_path(self, shard: int) -> Path:
        """The file of one shard."""
        return self.directory / f"shard-{shard}.db"

    @property
    def keys_path(self) -> Path:
        """The file of the data keys: never beside the rows, so in a directory of its own."""
        return self.directory / "keys" / "data-keys.db"

    def create_keys(self, master_key: bytes) -> KeyStore:
        """Make an empty key store."""
        self.keys_path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        return KeyStore.create(self.keys_path, master_key)

    def create_store(self, identity: StoreIdentity, keys: KeyStore) -> None:
        """Make the store of a shard."""
        sqlite.create_store(self.store_path(identity.shard), identity, keys).close()

    def open_keys(self, master_key: bytes, *, read_only: bool = False) -> KeyStore:
        """See `StorePlace.open_keys`."""
        return KeyStore(self.keys_path, master_key, read_only=read_only)

    def open_store(self, identity: StoreIdentity, keys: KeyStore) -> DatabaseShardStore:
        """See `StorePlace.open_store`."""
        return sqlite.open_store(self.store_path(identity.shard), identity, keys)

    def open_for_reading(self, shard: int, keys: KeyStore) -> ShardReader:
        """See `StorePlace.open_for_reading`."""
        return sqlite.open_for_reading(self.store_path(shard), keys)


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """PostgreSQL: a schema for each shard at one URL, the keys at another. Both are those of the hub's own role."""

    url: str
    keys_url: str

    def __post_init__(self) -> None:
        if same_database(
            checked_url(self.url, postgres.STORE_URL_SETTING), checked_url(self.keys_url, KEYS_URL_SETTING)
        ):
            raise BadSetting("`HUB_STORE_URL` and `HUB_KEYS_URL` lead to one database: keys need one of their own")

    def open_keys(self, master_key: bytes, *, read_only: bool = False) -> KeyStore:
        """See `StorePlace.open_keys`."""
        return KeyStore(self.keys_url, master_key, read_only=read_only)

    def open_store(self, identity: StoreIdentity, keys: KeyStore) -> DatabaseShardStore:
        """See `StorePlace.open_store`."""
        return postgres.open_store(self.url, identity, keys)

    def open_for_reading(self, shard: int, keys: KeyStore) -> ShardReader:
        """See `StorePlace.open_for_reading`."""
        return postgres.open_for_reading(self.url, shard, keys)


def place_of(directory: Path, store_url: str, keys_url: str) -> StorePlace:
    """Where the stores are: in the databases of the URLs, or below `directory` where neither is given."""
    if not store_url and not keys_url:
        return FilePlace(directory)
    if not store_url or not keys_url:
        raise BadSetting("`HUB_STORE_URL` and `HUB_KEYS_URL` belong together: give both, or neither for SQLite files")
    return DatabasePlace(store_url, keys_url)
