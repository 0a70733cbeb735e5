"""What a shard's store needs of a database, whichever it is: a recorder of the library with a batch's own rows.

Rules:
- `insert_events` takes the rows of a batch together with `beside`: positions (several Tracking rows) and index rows.
  All of it is stored, or nothing.
- The batch must be one more than the last one and every stream dense, or nothing is stored. The primary key
  (stream, version) says the same once more, below this code.
- A position moves forward or stays. The library's own statement refuses the rest.
- Rows of events are never deleted or changed.
- Streams are listed in the order of their bytes, whatever language a database sorts by.

`sqlite_recorder` and `postgres_recorder` are the two; `shard_store` reads and writes through either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, cast

from eventsourcing.persistence import IntegrityError, Notification, StoredEvent, Tracking

from hub.store.records import BATCHES
from hub.store.tables import STORED_EVENTS, TOPIC_PREFIX, TRACKING, Beside, Rows, Table, Write

TRACKINGS: Final = f"SELECT {', '.join(TRACKING.columns)} FROM {TRACKING.name}"
_STREAMS_PER_READ: Final = 500
# One seek per stream, whatever its length: the smallest id after the one before.
_STREAMS: Final = """
WITH RECURSIVE stream(id) AS (
    SELECT (SELECT MIN(originator_id) FROM stored_events WHERE originator_id > ? AND originator_id < ?)
    UNION ALL
    SELECT (SELECT MIN(originator_id) FROM stored_events WHERE originator_id > stream.id AND originator_id < ?)
    FROM stream WHERE stream.id IS NOT NULL
)
SELECT id FROM stream WHERE id IS NOT NULL LIMIT ?
"""


class Recorder(Protocol):
    """One database's recorder of one shard. Statements are written with `?` for each value."""

    @property
    def order_column(self) -> str:
        """The column of events by which their rows are in the order in which they were stored."""

    def create(self) -> None:
        """Make the tables of an empty store."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, beside: Beside | None = None
    ) -> Sequence[int] | None:
        """Store a batch in one transaction."""

    def select_events(
        self,
        originator_id: str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The library's way of reading one stream."""

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The library's way of reading all streams in the order in which their rows were stored."""

    def select(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """The rows of a reading statement."""

    def select_under(self, table: Table, keys: Sequence[tuple[Any, ...]]) -> Rows:
        """The rows of `table` that stand under one of `keys`, in no order; keys that are not there are left out."""

    def heads(self, streams: Sequence[str]) -> Mapping[str, int]:
        """The last version of each of `streams`, 0 where it is empty."""

    def write(self, write: Write, rows: Rows) -> None:
        """Write `rows` in a transaction of their own."""

    def change(self, statement: str, parameters: Sequence[Any]) -> None:
        """Run one changing statement in a transaction of its own."""

    def close(self) -> None:
        """Release the database."""


def moved(positions: Sequence[Tracking], stored: Mapping[str, int]) -> list[Tracking]:
    """Those of `positions` that differ from what is `stored`: the library's statement refuses one that stays."""
    return [each for each in positions if stored.get(each.application_name) != each.notification_id]


def topic_positions(recorder: Recorder) -> dict[str, int]:
    """The next offset to read of each topic."""
    trackings = recorder.select(TRACKINGS)
    return {name.removeprefix(TOPIC_PREFIX): at for name, at in trackings if name.startswith(TOPIC_PREFIX)}


def stream_head(recorder: Recorder, stream: str) -> int:
    """The last version of a stream, 0 where it is empty."""
    return recorder.heads([stream])[stream]


def batch_head(recorder: Recorder) -> int:
    """The last batch, 0 where there is none."""
    return stream_head(recorder, BATCHES)


def streams_of(recorder: Recorder, prefix: str) -> Iterator[str]:
    """Every stream whose id starts with `prefix`, in order of id; read in portions, none held open."""
    after, end = prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)
    while True:
        found = recorder.select(_STREAMS, (after, end, end, _STREAMS_PER_READ))
        yield from (stream for (stream,) in found)
        if len(found) < _STREAMS_PER_READ:
            return
        after = found[-1][0]


def rows_at(recorder: Recorder, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], StoredEvent]:
    """The rows at many (stream, version) places in one read; those that are not there are left out."""
    found = recorder.select_under(STORED_EVENTS, places)
    return {(stream, version): StoredEvent(stream, version, topic, state) for stream, version, topic, state in found}


def require_dense(
    heads: Mapping[str, int], stored_events: Sequence[StoredEvent], runs: Mapping[tuple[str, int], int]
) -> None:
    """Raise `IntegrityError` for a row that does not follow the last of its stream.

    `heads` are those of the store, read in the transaction that writes; the version of `batches` is the fence.
    """
    reached = dict(heads)
    for row in stored_events:
        stream, version = cast(str, row.originator_id), row.originator_version
        if runs.get((stream, version), version) != reached[stream] + 1:
            raise IntegrityError(f"version `{version}` of `{stream}` does not follow `{reached[stream]}`")
        reached[stream] = version


def streams_in(stored_events: Sequence[StoredEvent]) -> list[str]:
    """The streams of some rows, each once."""
    return list(dict.fromkeys(cast(str, row.originator_id) for row in stored_events))
