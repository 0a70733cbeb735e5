"""The rows of a whole store, every one of them, for whoever looks it over (`hub.store.checking`).

Rules:
- Rows come in the order of streams and versions, in portions of so many rows and so many bytes: a parked record may be
  as large as anything that arrives.
- A key that was never made is told apart from one that was destroyed, of parked records too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from eventsourcing.persistence import Notification, StoredEvent

from hub.store.batch_seal import BatchSeal
from hub.store.mapper import RecordMapper
from hub.store.recorder import Recorder
from hub.store.records import RecordParked, StoredRecord
from hub.store.storage_errors import storage_errors_named
from hub.store.tables import STORED_EVENTS

PORTION_ROWS_MAX: Final = 500
PORTION_BYTES_MAX: Final = 8 * 1024 * 1024
"""One row may be larger; then it comes alone."""
_KEYS_PER_READ: Final = 500

_PLACE: Final = "(originator_id, originator_version)"
_SIZES: Final = (
    f"SELECT originator_id, originator_version, length(state) FROM stored_events WHERE {_PLACE} > (?, ?) "
    "ORDER BY originator_id, originator_version LIMIT ?"
)
_ROWS: Final = (
    f"SELECT {', '.join(STORED_EVENTS.columns)} FROM stored_events WHERE {_PLACE} > (?, ?) AND {_PLACE} <= (?, ?) "
    "ORDER BY originator_id, originator_version"
)
_SIZES_IN_ORDER: Final = "SELECT length(state) FROM stored_events WHERE {order} > ? ORDER BY {order} LIMIT ?"
_KEYS: Final = "SELECT party, key, case_id FROM case_keys WHERE (party, key) > (?, ?) ORDER BY party, key LIMIT ?"


class Portion(NamedTuple):
    """Some rows, and whether they were the last ones when they were read."""

    rows: Sequence[StoredEvent]
    is_last: bool


class StoredRows:
    """Reads the rows of one shard's store and of the large tables beside them."""

    def __init__(self, recorder: Recorder, mapper: RecordMapper) -> None:
        self._recorder = recorder
        self._mapper = mapper

    def __iter__(self) -> Iterator[StoredEvent]:
        stream, version, is_last = "", 0, False
        while not is_last:
            rows, is_last = self.portion(stream, version)
            yield from rows
            if rows:
                stream, version = str(rows[-1].originator_id), rows[-1].originator_version

    def portion(self, stream: str, version: int) -> Portion:
        """The next rows after version `version` of `stream`."""
        with storage_errors_named():
            sizes = self._recorder.select(_SIZES, (stream, version, PORTION_ROWS_MAX))
            if not sizes:
                return Portion((), is_last=True)
            fitting = _fitting(size for *_, size in sizes)
            *last, _ = sizes[fitting - 1]
            rows = self._recorder.select(_ROWS, (stream, version, *last))
        self._mapper.begin()
        return Portion([StoredEvent(*row) for row in rows], _is_last(fitting, len(sizes)))

    def record_of(self, row: StoredEvent) -> StoredRecord:
        """Return the record of a row.

        Raises `DamagedStore`; `Erased` where the key of its case was destroyed, `NotFound` where its key, or that of a
        parked record, was never made in this key store.
        """
        record = self._mapper.to_record(row)
        if isinstance(record, RecordParked):
            self._mapper.require_key_was_made(record)
        return record

    def party_keys(self) -> Iterator[tuple[str, str, str]]:
        """Every (party, key, case) of the shard's index of keys."""
        party, key = "", ""
        while True:
            with storage_errors_named():
                rows = self._recorder.select(_KEYS, (party, key, _KEYS_PER_READ))
            for party, key, case_id in rows:
                yield party, key, case_id
            if len(rows) < _KEYS_PER_READ:
                return

    def digests(self) -> int:
        """How many digests of events there are."""
        with storage_errors_named():
            ((count,),) = self._recorder.select("SELECT COUNT(*) FROM event_digests")
        return int(count)

    def in_order(self) -> Iterator[Notification]:
        """Every row in the order in which it was stored, the row of a batch behind all others of it."""
        statement = _SIZES_IN_ORDER.format(order=self._recorder.order_column)
        after = 0
        while True:
            with storage_errors_named():
                sizes = self._recorder.select(statement, (after, PORTION_ROWS_MAX))
                if not sizes:
                    return
                fitting = _fitting(size for (size,) in sizes)
                rows = self._recorder.select_notifications(after, fitting, inclusive_of_start=False)
            yield from rows
            if _is_last(fitting, len(sizes)):
                return
            after = rows[-1].id

    def begun_seal(self, before: bytes) -> BatchSeal:
        """Return a seal that takes in the rows of a batch one by one, behind the seal `before`."""
        return self._mapper.begun_seal(before)

    def holds(self, row: StoredEvent, rows: BatchSeal) -> bool:
        """Whether `rows` are those over which the batch of `row` was sealed. Raises `DamagedStore`."""
        return self._mapper.holds(row, rows)


def _fitting(sizes: Iterable[int]) -> int:
    """How many of some rows, by their sizes, come together: at least one."""
    return max(1, sum(reached <= PORTION_BYTES_MAX for reached in accumulate(sizes)))


def _is_last(fitting: int, waiting: int) -> bool:
    """Whether a portion that is not full is the last one: whoever waits for an empty one runs after a busy worker."""
    return fitting == waiting < PORTION_ROWS_MAX
