"""The library's SQLite process recorder, with all that one batch writes in its one transaction.

Rules:
- `insert_events` takes the rows of a batch together with `beside`: positions (several Tracking rows) and index rows.
  All of it is stored, or nothing.
- The batch must be one more than the last one and every stream dense, or nothing is stored. The primary key
  (stream, version) says the same once more, below this code.
- A position moves forward or stays. The library's own statement refuses the rest.
- Rows of events are never deleted or changed: their rowid is the notification id.
- One statement per table, not per row: `executemany`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteProcessRecorder

from hub.store.ports import BatchWrites
from hub.store.records import BATCHES, NumbersAssigned, StoredRecord

_TOPIC_PREFIX: Final = "topic:"
_STREAMS_PER_READ: Final = 500
_NAMES_PER_READ: Final = 500

_TABLES: Final = (
    "CREATE TABLE store_identity (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE topic_ids (topic TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE event_digests (event_id TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE case_keys (party TEXT, key TEXT, case_id TEXT NOT NULL, PRIMARY KEY (party, key)) WITHOUT ROWID",
    "CREATE TABLE due_dates (case_id TEXT PRIMARY KEY, instant INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX due_dates_in_order ON due_dates (instant, case_id)",
    "CREATE TABLE cache_rows (case_id TEXT PRIMARY KEY, row BLOB NOT NULL)",
    "CREATE TABLE heard (party TEXT PRIMARY KEY, instant INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE open_reviews (case_id TEXT, kind TEXT, due INTEGER, place INTEGER, PRIMARY KEY (case_id, place)) "
    "WITHOUT ROWID",
    "CREATE TABLE forwarding (case_id TEXT, other TEXT, shard INTEGER NOT NULL, up_to INTEGER NOT NULL, "
    "sent INTEGER NOT NULL, done INTEGER NOT NULL, PRIMARY KEY (case_id, other)) WITHOUT ROWID",
    "CREATE TABLE send_positions (party TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
)

_WRITE_DIGEST: Final = "INSERT INTO event_digests VALUES (?, ?)"
_WRITE_KEY: Final = (
    "INSERT INTO case_keys VALUES (?, ?, ?) ON CONFLICT (party, key) DO UPDATE SET case_id = excluded.case_id"
)
_WRITE_DUE: Final = "INSERT INTO due_dates VALUES (?, ?) ON CONFLICT (case_id) DO UPDATE SET instant = excluded.instant"
_CLEAR_DUE: Final = "DELETE FROM due_dates WHERE case_id = ?"
_WRITE_CACHE: Final = "INSERT INTO cache_rows VALUES (?, ?) ON CONFLICT (case_id) DO UPDATE SET row = excluded.row"
_WRITE_HEARD: Final = "INSERT INTO heard VALUES (?, ?) ON CONFLICT (party) DO UPDATE SET instant = excluded.instant"
_CLEAR_REVIEWS: Final = "DELETE FROM open_reviews WHERE case_id = ?"
_WRITE_REVIEW: Final = "INSERT INTO open_reviews VALUES (?, ?, ?, ?)"
_WRITE_FORWARDING: Final = (
    "INSERT INTO forwarding VALUES (?, ?, ?, ?, 0, 0) ON CONFLICT (case_id, other) DO UPDATE SET up_to = excluded.up_to"
)
_MOVE_FORWARDED: Final = "UPDATE forwarding SET sent = ?, done = ? WHERE case_id = ? AND other = ?"
_WRITE_SENT: Final = (
    "INSERT INTO send_positions VALUES (?, ?) "
    "ON CONFLICT (party) DO UPDATE SET number = excluded.number WHERE excluded.number > send_positions.number"
)
_HEAD_OF_STREAM: Final = "SELECT MAX(originator_version) FROM stored_events WHERE originator_id = ?"
# One seek per stream, whatever its length: the smallest id after the one before.
_STREAMS: Final = """
WITH RECURSIVE stream(id) AS (
    SELECT (SELECT MIN(originator_id) FROM stored_events WHERE originator_id > :after AND originator_id < :end)
    UNION ALL
    SELECT (SELECT MIN(originator_id) FROM stored_events WHERE originator_id > stream.id AND originator_id < :end)
    FROM stream WHERE stream.id IS NOT NULL
)
SELECT id FROM stream WHERE id IS NOT NULL LIMIT :limit
"""


@dataclass(slots=True)
class Beside:
    """What a batch writes beside its events, ready to store: `cache_rows` are sealed."""

    positions: Sequence[Tracking] = ()
    digests: Sequence[tuple[str, bytes]] = ()
    keys: Sequence[tuple[str, str, str]] = ()
    due: Sequence[tuple[str, int]] = ()
    not_due: Sequence[tuple[str]] = ()
    cache_rows: Sequence[tuple[str, bytes]] = ()
    heard: Sequence[tuple[str, int]] = ()
    reviewed: Sequence[tuple[str]] = ()
    reviews: Sequence[tuple[str, str, int, int]] = ()
    forwarding: Sequence[tuple[str, str, int, int]] = ()
    runs: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """The first number of each run of numbers, by stream and version of its row."""

    @classmethod
    def of(
        cls,
        writes: BatchWrites,
        records: Iterable[StoredRecord],
        sealed_cache_rows: Sequence[tuple[str, bytes]],
    ) -> Beside:
        """Return what `writes` stores beside its `records`, which are packed."""
        runs = [record for record in records if isinstance(record, NumbersAssigned)]
        return cls(
            runs={(run.originator_id, run.originator_version): run.first for run in runs},
            positions=[Tracking(_TOPIC_PREFIX + topic, next_) for topic, next_ in writes.committed.positions.items()],
            digests=sorted(writes.digests.items()),
            keys=[(party, key, case_id) for (party, key), case_id in writes.keys.items()],
            due=[(case_id, instant) for case_id, instant in writes.due.items() if instant is not None],
            not_due=[(case_id,) for case_id, instant in writes.due.items() if instant is None],
            cache_rows=sealed_cache_rows,
            heard=sorted(writes.heard.items()),
            forwarding=[(*pair, *shard_and_version) for pair, shard_and_version in sorted(writes.forwarding.items())],
            reviewed=[(case_id,) for case_id in writes.open_reviews],
            reviews=[
                (case_id, review.kind, review.due, place)
                for case_id, reviews in writes.open_reviews.items()
                for place, review in enumerate(reviews)
            ],
        )


class ShardRecorder(SQLiteProcessRecorder):
    """The recorder of one shard: events, positions and indexes in one transaction."""

    def construct_create_table_statements(self) -> list[str]:
        """The library's tables and the shard's own."""
        return [*super().construct_create_table_statements(), *_TABLES]

    def _insert_events(self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        beside: Beside = kwargs.pop("beside", None) or Beside()
        self._require_dense(c, stored_events, beside.runs)
        before = self._max_notification_id(c) or 0
        rows = [(row.originator_id, row.originator_version, row.topic, row.state) for row in stored_events]
        c.executemany(self.insert_events_statement, rows)
        self._move_positions(c, beside.positions)
        for statement, values in (
            (_WRITE_DIGEST, beside.digests),
            (_WRITE_KEY, beside.keys),
            (_WRITE_DUE, beside.due),
            (_CLEAR_DUE, beside.not_due),
            (_WRITE_CACHE, beside.cache_rows),
            (_WRITE_HEARD, beside.heard),
            (_CLEAR_REVIEWS, beside.reviewed),
            (_WRITE_REVIEW, beside.reviews),
            (_WRITE_FORWARDING, beside.forwarding),
        ):
            if values:
                c.executemany(statement, values)
        return range(before + 1, before + 1 + len(rows))

    def _require_dense(
        self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], runs: Mapping[tuple[str, int], int]
    ) -> None:
        """Refuse a row that does not follow the last of its stream; the version of `batches` is the fence."""
        heads: dict[str, int] = {}
        for row in stored_events:
            stream = cast(str, row.originator_id)
            head = heads.get(stream)
            if head is None:
                c.execute(_HEAD_OF_STREAM, (stream,))
                head = c.fetchone()[0] or 0
            version = row.originator_version
            if runs.get((stream, version), version) != head + 1:
                raise IntegrityError(f"version `{version}` of `{stream}` does not follow `{head}`")
            heads[stream] = version

    def _move_positions(self, c: SQLiteCursor, positions: Sequence[Tracking]) -> None:
        stored = self._trackings(c)
        for tracking in positions:
            if stored.get(tracking.application_name) != tracking.notification_id:
                self._insert_tracking(c, tracking)

    def _trackings(self, c: SQLiteCursor) -> dict[str, int]:
        c.execute("SELECT application_name, notification_id FROM tracking")
        return dict(c.fetchall())

    def topic_positions(self) -> dict[str, int]:
        """The next offset to read of each topic."""
        with self.datastore.transaction(commit=False) as c:
            trackings = self._trackings(c)
        return {
            name.removeprefix(_TOPIC_PREFIX): position
            for name, position in trackings.items()
            if name.startswith(_TOPIC_PREFIX)
        }

    def stream_head(self, stream: str) -> int:
        """The last version of a stream, 0 where it is empty."""
        with self.datastore.transaction(commit=False) as c:
            c.execute(_HEAD_OF_STREAM, (stream,))
            return c.fetchone()[0] or 0

    def batch_head(self) -> int:
        """The last batch, 0 where there is none."""
        return self.stream_head(BATCHES)

    def streams(self, prefix: str) -> Iterator[str]:
        """Every stream whose id starts with `prefix`, in order of id; read in portions, none held open."""
        after, end = prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)
        while True:
            found = self.select(_STREAMS, {"after": after, "end": end, "limit": _STREAMS_PER_READ})
            yield from (stream for (stream,) in found)
            if len(found) < _STREAMS_PER_READ:
                return
            after = found[-1][0]

    def select(self, statement: str, parameters: Any = ()) -> Sequence[Any]:
        """The rows of a reading statement."""
        with self.datastore.transaction(commit=False) as c:
            c.execute(statement, parameters)
            return cast(Sequence[Any], c.fetchall())

    def select_rows_at(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], StoredEvent]:
        """The rows at many (stream, version) places in one transaction; those that are not there are left out."""
        statement = f"{self.select_events_statement}AND originator_version = ?"
        found: dict[tuple[str, int], StoredEvent] = {}
        with self.datastore.transaction(commit=False) as c:
            for place in places:
                c.execute(statement, place)
                if row := c.fetchone():
                    found[place] = StoredEvent(*row)
        return found

    def select_named(self, table: str, name_column: str, value_column: str, names: Sequence[str]) -> dict[str, Any]:
        """The value of each of `names` that is in an index table."""
        found: dict[str, Any] = {}
        with self.datastore.transaction(commit=False) as c:
            for start in range(0, len(names), _NAMES_PER_READ):
                some = names[start : start + _NAMES_PER_READ]
                marks = ",".join("?" * len(some))
                c.execute(f"SELECT {name_column}, {value_column} FROM {table} WHERE {name_column} IN ({marks})", some)
                found.update(dict(c.fetchall()))
        return found

    def select_case_keys(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The case of each (party, key) that is known."""
        found: dict[tuple[str, str], str] = {}
        with self.datastore.transaction(commit=False) as c:
            for party, key in keys:
                c.execute("SELECT case_id FROM case_keys WHERE party = ? AND key = ?", (party, key))
                if row := c.fetchone():
                    found[party, key] = row[0]
        return found

    def move_forwarded(self, case_id: str, other: str, sent: int, done: int) -> None:
        """Note how far one case has told another."""
        with self.datastore.transaction(commit=True) as c:
            c.execute(_MOVE_FORWARDED, (sent, done, case_id, other))

    def move_send_positions(self, positions: Sequence[tuple[str, int]]) -> None:
        """Raise the send positions; a lower one changes nothing."""
        with self.datastore.transaction(commit=True) as c:
            c.executemany(_WRITE_SENT, positions)
