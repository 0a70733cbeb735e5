"""Where a hub keeps its shards and its keys: files below a directory, or the databases of two URLs.

Rules:
- One kind holds everything of a hub. Keys and rows never share a file or a database.
- Making is apart from opening: it needs the owner's rights over a database, which no worker has.
- The driver of PostgreSQL takes a fifth of a worker's start: it is loaded where a URL is given, and nowhere else.

Used by the worker and by every command that reads stores; none of them knows the database behind.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contracts.failures import BadSetting
from hub.store import sqlite
from hub.store.keys import KeyStore
from hub.store.ports import StoreIdentity
from hub.store.reader import ShardReader
from hub.store.shard_store import DatabaseShardStore
from hub.store.unsafe_settings import unsafe_settings


def store_path(state_directory: Path, shard: int) -> Path:
    """The file of shard `shard` below the hub's state directory."""
    return state_directory / f"shard-{shard}.db"


def keys_path(state_directory: Path) -> Path:
    """The file of the data keys: never beside the rows, so in a directory of its own."""
    return state_directory / "keys" / "data-keys.db"


class StorePlace(Protocol):
    """The place of one hub's stores."""

    def create(self, master_key: bytes, identities: Sequence[StoreIdentity], owner: DatabaseOwner | None) -> None:
        """Make the key store, and one store per identity; raises `BadSetting` where that takes an `owner`.

        What is there already, since whoever did so before was stopped, is opened and checked instead: it raises what
        `open_keys` and `open_store` do where it is another's.
        """

    def open_keys(self, master_key: bytes, *, read_only: bool = False) -> KeyStore:
        """Open the key store."""

    def open_store(self, identity: StoreIdentity, keys: KeyStore) -> DatabaseShardStore:
        """Open the store of a shard to write; raises `ForeignStore` unless it was made for `identity`."""

    def open_for_reading(self, shard: int, keys: KeyStore) -> ShardReader:
        """Open the store of a shard to read."""

    def unsafe(self, shard: int) -> list[str]:
        """What is unsafe about where and how the store of a shard is kept, in words; nothing where all is well."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """SQLite files below a directory."""

    directory: Path

    def create(self, master_key: bytes, identities: Sequence[StoreIdentity], owner: DatabaseOwner | None) -> None:
        """See `StorePlace.create`; files are made by whoever runs this."""
        del owner
        keys_file = keys_path(self.directory)
        keys_file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        keys_are_there = keys_file.exists()
        with closing(self.open_keys(master_key) if keys_are_there else KeyStore.create(keys_file, master_key)) as keys:
            for identity in identities:
                path = store_path(self.directory, identity.shard)
                make = sqlite.open_store if path.exists() else sqlite.create_store
                make(path, identity, keys).close()

    def open_keys(self, master_key: bytes, *, read_only: bool = False) -> KeyStore:
        """See `StorePlace.open_keys`."""
        return KeyStore.in_file(keys_path(self.directory), master_key, read_only=read_only)

    def open_store(self, identity: StoreIdentity, keys: KeyStore) -> DatabaseShardStore:
        """See `StorePlace.open_store`."""
        return sqlite.open_store(store_path(self.directory, identity.shard), identity, keys)

    def open_for_reading(self, shard: int, keys: KeyStore) -> ShardReader:
        """See `StorePlace.open_for_reading`."""
        return sqlite.open_for_reading(store_path(self.directory, shard), keys)

    def unsafe(self, shard: int) -> list[str]:
        """See `StorePlace.unsafe`."""
        files = [store_path(self.directory, shard), keys_path(self.directory)]
        open_to_others = [file for file in files if file.exists() and file.stat().st_mode & 0o077]
        return unsafe_settings(os.environ) + [
            f"file `{file.name}` can be read by others than its owner: `chmod 600`" for file in open_to_others
        ]


@dataclass(frozen=True, slots=True)
class DatabaseOwner:
    """How the owner of both databases connects to them: it makes stores, and no worker knows it."""

    url: str
    keys_url: str


def place_of(directory: Path, store_url: str, keys_url: str) -> StorePlace:
    """Where the stores are: in the databases of the URLs, or below `directory` where neither is given."""
    if not store_url and not keys_url:
        return FilePlace(directory)
    if not store_url or not keys_url:
        raise BadSetting("`HUB_STORE_URL` and `HUB_KEYS_URL` belong together: give both, or neither for SQLite files")
    from hub.store.database_place import DatabasePlace

    return DatabasePlace(store_url, keys_url)
