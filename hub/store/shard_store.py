"""The store of one shard as its one worker writes it, in whichever database: the commit of a batch.

Rules:
- Keys first: the data keys of a batch are on the disk before the batch is.
- One transaction: records, positions, indexes and the fence, all or nothing.
- Whatever an error at COMMIT looked like, the stored fence says what happened: our own batch stored is success,
  another owner's is `FencedOff`, none is a failure with nothing stored.
- The bytes of a parked record end with their key, right after the batch that resolves it. Where that cannot be now, the
  batch is stored all the same: it is tried again every now and then, and at the next opening.

In: `BatchWrites` from the shard. Out: rows of `stored_events`, which evidence and the sender read again.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping
from typing import Final, NoReturn

from eventsourcing.persistence import IntegrityError

from contracts.failures import DamagedStore, FencedOff, NotFound, StoreUnavailable
from hub.store.identity import add_topics
from hub.store.keys import KeyStore
from hub.store.mapper import RecordMapper
from hub.store.number_runs import packed
from hub.store.ports import BatchWrites, StoreIdentity
from hub.store.reader import ShardReader
from hub.store.recorder import Recorder
from hub.store.records import (
    BatchCommitted,
    CitizenEnrolled,
    GovernanceOpened,
    ParkedResolved,
    RecordParked,
    case_stream,
    parked_stream,
)
from hub.store.storage_errors import storage_errors, storage_errors_named
from hub.store.tables import MOVE_SENT, Beside

DESTROY_AGAIN_SECONDS: Final = 30.0
_MOVE_FORWARDED = "UPDATE forwarding SET sent = ?, done = ? WHERE case_id = ? AND other = ? AND sent <= ?"


log = logging.getLogger(__name__)


class DatabaseShardStore(ShardReader):
    """The store of one shard, as its one worker writes it."""

    def __init__(self, recorder: Recorder, mapper: RecordMapper, keys: KeyStore) -> None:
        super().__init__(recorder, mapper)
        self._keys = keys
        self._doomed: set[str] = set()
        """The keys of what is resolved that could not be destroyed yet."""
        self._destroy_again_at = 0.0
        self._last_stored: BatchCommitted | None = None
        """The last batch that was stored here, whose seal the next one takes up without reading it."""

    def commit(self, writes: BatchWrites) -> None:
        """Store a batch in one transaction; success also where this very batch is stored already.

        Raises `FencedOff` where another owner holds this batch version, `StoreUnavailable` where it could not be
        written now, `DamagedStore` where it contradicts what is stored, `Erased` where a case was erased meanwhile.
        After each of them nothing is stored.
        """
        self._mapper.begin()
        try:
            self._keys.make(self._new_keys(writes))
        except DamagedStore as error:  # a key that was destroyed: another owner has parked and resolved that record
            self._succeed_if_stored(writes.committed, error)
            raise
        records = packed(writes.records)
        rows = [self._mapper.to_stored_event(record) for record in records]
        committed = self._mapper.sealed(rows, writes.committed, self._seal_before(writes.committed))
        rows.append(self._mapper.to_stored_event(committed))
        sealed = {case: self._mapper.seal_cache_row(case_stream(case), row) for case, row in writes.cache_rows.items()}
        cache = [(case, row) for case, row in sealed.items() if row is not None]
        try:
            self._recorder.insert_events(rows, beside=Beside.of(writes, records, cache))
        except storage_errors() as error:
            self._succeed_if_stored(writes.committed, error)
        else:
            self._last_stored = committed
        resolved = [
            self._mapper.parked_key(record.originator_id, record.parked_version)
            for record in writes.records
            if isinstance(record, ParkedResolved)
        ]
        if resolved or (self._doomed and time.monotonic() >= self._destroy_again_at):
            self._destroy(resolved)

    def _destroy(self, names: Iterable[str]) -> None:
        """Destroy keys of what is resolved, or have it tried again later: the batch that resolved it is stored."""
        self._doomed.update(names)
        try:
            self._keys.destroy(self._doomed)
        except StoreUnavailable as failure:
            log.warning("the keys of %d resolved records are destroyed later: %s", len(self._doomed), failure)
            self._destroy_again_at = time.monotonic() + DESTROY_AGAIN_SECONDS
        else:
            self._doomed.clear()

    def record_send_positions(self, positions: Mapping[str, int]) -> None:
        """Move send positions; one never goes back: a lower one changes nothing."""
        with storage_errors_named():
            self._recorder.write(MOVE_SENT, sorted(positions.items()))

    def record_forwarded(self, case_id: str, other: str, sent: int, done: int) -> None:
        """Note that `sent` messages of `case_id` to `other` are confirmed, all of them up to version `done`.

        It never goes back: an owner that was replaced and does not know it yet may still be at it.
        """
        with storage_errors_named():
            self._recorder.change(_MOVE_FORWARDED, (sent, done, case_id, other, sent))

    def erased_cases(self) -> set[str]:
        """Return every case whose key was destroyed, of any shard."""
        prefix = case_stream("")
        return {name.removeprefix(prefix) for name in self._keys.destroyed_names(prefix)}

    def destroyed_parked(self) -> list[tuple[str, int]]:
        """Return party and number of every parked record whose key was destroyed; see the port."""
        prefix = self._mapper.parked_key_prefix() + parked_stream("")
        parts = (name.removeprefix(prefix).rpartition("/") for name in self._keys.destroyed_names(prefix))
        return [(party, int(number)) for party, _, number in parts]

    def destroy_keys_of_resolved(self) -> None:
        """Destroy what a stop between a commit and its end left: keys of parked records that are resolved.

        Keys of a batch that was never stored are there as well: they are left to the one that is stored in its place.
        """
        left = set(self._keys.live_names(self._mapper.parked_key_prefix()))
        if left:
            left -= {self._mapper.parked_key(parked_stream(one.party), one.number) for one in self.open_parked()}
        if left:
            resolved = (
                self._mapper.parked_key(stream, outcome.parked_version)
                for stream in self._parked_streams()
                for outcome in self._resolved_in(stream)
            )
            self._destroy(left.intersection(resolved))

    def _new_keys(self, writes: BatchWrites) -> list[str]:
        names = []
        for record in writes.records:
            if isinstance(record, CitizenEnrolled | GovernanceOpened):
                names.append(record.originator_id)
            elif isinstance(record, RecordParked):
                names.append(self._mapper.parked_key(record.originator_id, record.originator_version))
        return names

    def _seal_before(self, committed: BatchCommitted) -> bytes:
        """The seal of the batch before; empty where there is none. A stale owner finds another's, and is refused."""
        before, last = committed.originator_version - 1, self._last_stored
        if last is not None and last.originator_version == before:
            return last.seal
        try:
            return self.batch(before).seal if before else b""
        except NotFound:
            return b""

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


def opened_to_write(
    recorder: Recorder, stored: StoreIdentity, identity: StoreIdentity, keys: KeyStore
) -> DatabaseShardStore:
    """Return the store that `recorder` has open, which was made as `stored` says; on any failure that is closed."""
    try:
        with storage_errors_named():
            add_topics(recorder, stored, identity.topic_ids)
        store = DatabaseShardStore(recorder, RecordMapper(keys, identity.shard), keys)
        store.destroy_keys_of_resolved()
    except BaseException:
        recorder.close()
        raise
    return store


def _refuse_unstored(committed: BatchCommitted, error: Exception) -> NoReturn:
    version = committed.originator_version
    if isinstance(error, DamagedStore):
        fix = "where the store is an older one than its keys, stop the hub, run `hub store skip`, and start it again"
        raise DamagedStore(f"batch `{version}` could not be stored: {error}; {fix}") from error
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        raise DamagedStore(f"batch `{version}` contradicts the store: {error}; nothing of it is stored") from error
    raise StoreUnavailable(f"batch `{version}` could not be stored: {error}; free the lock or the disk") from error
