"""The store of one shard on SQLite: made, opened by its worker, opened for reading, and the commit of a batch.

Rules:
- `create_store` makes, `open_store` and `open_for_reading` never do. A store that is not there, or is another's,
  raises `ForeignStore`.
- Keys first: the data keys of a batch are on the disk before the batch is.
- One transaction: records, positions, indexes and the fence, all or nothing.
- Whatever an error at COMMIT looked like, the stored fence says what happened: our own batch stored is success,
  another owner's is `FencedOff`, none is a failure with nothing stored.
- The bytes of a parked record end with their key, right after the batch that resolves it, or at the next opening.

In: `BatchWrites` from the shard. Out: rows of `stored_events`, which evidence and the sender read again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from eventsourcing.persistence import IntegrityError, PersistenceError

from contracts.failures import DamagedStore, FencedOff, ForeignStore, NotFound, StoreUnavailable
from hub.store.datastore import ShardDatastore, refuse_unsafe_settings
from hub.store.identity import add_topics, read_identity, require_identity, write_identity
from hub.store.keys import KeyStore
from hub.store.mapper import RecordMapper
from hub.store.number_runs import packed
from hub.store.ports import BatchWrites, StoreIdentity
from hub.store.reader import SQLiteShardReader, storage_errors_named
from hub.store.recorder import Beside, ShardRecorder
from hub.store.records import (
    BatchCommitted,
    CitizenEnrolled,
    GovernanceOpened,
    ParkedResolved,
    RecordParked,
    case_stream,
    parked_stream,
)


def create_store(path: Path, identity: StoreIdentity, keys: KeyStore) -> SQLiteShardStore:
    """Make the store of a shard at `path`; raise `ForeignStore` where something is there already."""
    refuse_unsafe_settings(os.environ)
    if path.exists():
        raise ForeignStore(f"`{path}` exists: a store is made once; open it, or give another path")
    path.touch(mode=0o600)
    with storage_errors_named():
        recorder = ShardRecorder(ShardDatastore(path, "rw"))
        recorder.create_table()
        write_identity(recorder, identity)
    return SQLiteShardStore(recorder, RecordMapper(keys, identity.shard), keys)


def open_store(path: Path, identity: StoreIdentity, keys: KeyStore) -> SQLiteShardStore:
    """Open the store of a shard to write; raise `ForeignStore` unless it was made for `identity`."""
    refuse_unsafe_settings(os.environ)
    # Looked at read-only first: a foreign file is left exactly as it is.
    looked_at, stored = _opened_read_only(path)
    looked_at.datastore.close()
    require_identity(stored, identity)
    recorder = ShardRecorder(ShardDatastore(path, "rw"))
    try:
        with storage_errors_named():
            add_topics(recorder, stored, identity.topic_ids)
        store = SQLiteShardStore(recorder, RecordMapper(keys, identity.shard), keys)
        store.destroy_keys_of_resolved()
    except BaseException:
        recorder.datastore.close()
        raise
    return store


def open_for_reading(path: Path, keys: KeyStore) -> SQLiteShardReader:
    """Open a store to read, beside a worker that may be writing it; raise `ForeignStore` where it is none."""
    recorder, stored = _opened_read_only(path)
    return SQLiteShardReader(recorder, RecordMapper(keys, stored.shard))


def _opened_read_only(path: Path) -> tuple[ShardRecorder, StoreIdentity]:
    if not path.is_file():
        raise ForeignStore(f"no store at `{path}`: create it by command, or give the right path")
    recorder = ShardRecorder(ShardDatastore(path, "ro"))
    try:
        return recorder, read_identity(recorder)
    except (PersistenceError, sqlite3.DatabaseError) as error:
        recorder.datastore.close()
        raise ForeignStore(f"`{path}` is not a store of a shard ({error}): give the right path") from error
    except BaseException:
        recorder.datastore.close()
        raise


class SQLiteShardStore(SQLiteShardReader):
    """The store of one shard, as its one worker writes it."""

    def __init__(self, recorder: ShardRecorder, mapper: RecordMapper, keys: KeyStore) -> None:
        super().__init__(recorder, mapper)
        self._keys = keys

    def commit(self, writes: BatchWrites) -> None:
        """Store a batch in one transaction; success also where this very batch is stored already.

        Raises `FencedOff` where another owner holds this batch version, `StoreUnavailable` where it could not be
        written now, `DamagedStore` where it contradicts what is stored. After each of them nothing is stored.
        """
        self._mapper.begin()
        self._keys.make(self._new_keys(writes))
        records = packed(writes.records)
        rows = [self._mapper.to_stored_event(record) for record in records]
        rows.append(self._mapper.to_stored_event(writes.committed))
        cache = [(case, self._mapper.seal_cache_row(case_stream(case), row)) for case, row in writes.cache_rows.items()]
        try:
            self._recorder.insert_events(rows, beside=Beside.of(writes, records, cache))
        except (PersistenceError, sqlite3.Error) as error:
            self._succeed_if_stored(writes.committed, error)
        self._keys.destroy(
            self._mapper.parked_key(record.originator_id, record.parked_version)
            for record in writes.records
            if isinstance(record, ParkedResolved)
        )

    def record_send_positions(self, positions: Mapping[str, int]) -> None:
        """Move send positions; one never goes back: a lower one changes nothing."""
        with storage_errors_named():
            self._recorder.move_send_positions(sorted(positions.items()))

    def record_forwarded(self, case_id: str, other: str, sent: int, done: int) -> None:
        """Note that `sent` messages of `case_id` to `other` are confirmed, all of them up to version `done`."""
        with storage_errors_named():
            self._recorder.move_forwarded(case_id, other, sent, done)

    def destroy_keys_of_resolved(self) -> None:
        """Destroy what a stop between a commit and its end left: keys of parked records that are resolved."""
        live = set(self._keys.live_names(self._mapper.parked_key_prefix()))
        if live:
            streams = self._recorder.streams(parked_stream(""))
            self._keys.destroy(live.intersection(name for stream in streams for name in self._resolved_keys(stream)))

    def _resolved_keys(self, stream: str) -> Iterable[str]:
        for record, outcome in self._parked_of(stream):
            if outcome is not None:
                yield self._mapper.parked_key(stream, record.originator_version)

    def _new_keys(self, writes: BatchWrites) -> list[str]:
        names = []
        for record in writes.records:
            if isinstance(record, CitizenEnrolled | GovernanceOpened):
                names.append(record.originator_id)
            elif isinstance(record, RecordParked):
                names.append(self._mapper.parked_key(record.originator_id, record.originator_version))
        return names

    def _succeed_if_stored(self, committed: BatchCommitted, error: Exception) -> None:
        """Return where the stored fence is our own batch; raise what it tells otherwise."""
        try:
            stored = self.batch(committed.originator_version)
        except NotFound:
            _refuse_unstored(committed, error)
        if stored.owner != committed.owner:
            version = committed.originator_version
            raise FencedOff(f"batch `{version}` was stored by another owner: drop the cache and stop") from error
        if stored != committed:
            raise DamagedStore(f"batch `{committed.originator_version}` is stored with other positions") from error


def _refuse_unstored(committed: BatchCommitted, error: Exception) -> NoReturn:
    version = committed.originator_version
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        raise DamagedStore(f"batch `{version}` contradicts the store: {error}; nothing of it is stored") from error
    raise StoreUnavailable(f"batch `{version}` could not be stored: {error}; free the lock or the disk") from error
