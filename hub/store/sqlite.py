"""The store of a shard in an SQLite file: made, opened by its worker, opened for reading.

Rules:
- `create_store` makes, `open_store` and `open_for_reading` never do. A store that is not there, or is another's,
  raises `ForeignStore`.
- A file is looked at read-only first: a foreign one is left exactly as it is.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from eventsourcing.persistence import PersistenceError

from contracts.failures import ForeignStore, StoreUnavailable
from contracts.private_files import made_once
from hub.store.identity import read_identity, require_identity, write_identity
from hub.store.keys import KeyStore
from hub.store.mapper import RecordMapper
from hub.store.ports import StoreIdentity
from hub.store.reader import ShardReader
from hub.store.shard_store import DatabaseShardStore, opened_to_write
from hub.store.sqlite_datastore import ShardDatastore
from hub.store.sqlite_recorder import SQLiteRecorder
from hub.store.storage_errors import storage_errors_named
from hub.store.unsafe_settings import refuse_unsafe_settings


def create_store(path: Path, identity: StoreIdentity, keys: KeyStore) -> DatabaseShardStore:
    """Make the store of a shard at `path`, whole or not at all.

    Raises `ForeignStore` where something is there already, `StoreUnavailable` where it cannot be written.
    """
    refuse_unsafe_settings(os.environ)
    try:
        with (
            storage_errors_named(),
            made_once(path) as unfinished,
            closing(SQLiteRecorder(ShardDatastore(unfinished, "rw"))) as recorder,
        ):
            recorder.create()
            write_identity(recorder, identity)
    except FileExistsError:
        raise ForeignStore(f"`{path}` exists: a store is made once; open it, or give another path") from None
    except OSError as error:
        raise StoreUnavailable(f"no store could be made at `{path}`: {error}; free the disk") from error
    return DatabaseShardStore(SQLiteRecorder(ShardDatastore(path, "rw")), RecordMapper(keys, identity.shard), keys)


def open_store(path: Path, identity: StoreIdentity, keys: KeyStore) -> DatabaseShardStore:
    """Open the store of a shard to write; raise `ForeignStore` unless it was made for `identity`."""
    refuse_unsafe_settings(os.environ)
    looked_at, stored = _opened_read_only(path)
    looked_at.close()
    require_identity(stored, identity)
    return opened_to_write(SQLiteRecorder(ShardDatastore(path, "rw")), stored, identity, keys)


def open_for_reading(path: Path, keys: KeyStore) -> ShardReader:
    """Open a store to read, beside a worker that may be writing it; raise `ForeignStore` where it is none."""
    recorder, stored = _opened_read_only(path)
    return ShardReader(recorder, RecordMapper(keys, stored.shard))


def _opened_read_only(path: Path) -> tuple[SQLiteRecorder, StoreIdentity]:
    if not path.is_file():
        raise ForeignStore(f"no store at `{path}`: make one with `hub world make`, or give the right path")
    recorder = SQLiteRecorder(ShardDatastore(path, "ro"))
    try:
        return recorder, read_identity(recorder)
    except (PersistenceError, sqlite3.Error, UnicodeDecodeError) as error:
        recorder.close()
        raise ForeignStore(f"`{path}` is not a store of a shard ({error}): give the right path") from error
    except BaseException:
        recorder.close()
        raise
