"""The tables that a shard's store has beside the library's, and what one batch writes to each: as data.

Rules:
- One description for every database: columns, key, and what may ever happen to a row.
- `kept` rows are written once: the hub's own user may neither change nor remove them, where the database has users.
- A batch's rows go to a table as a whole. A write names what happens to a row that is there already.

`sqlite_recorder` and `postgres_recorder` make statements of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from eventsourcing.persistence import Tracking

from hub.store.ports import BatchWrites
from hub.store.records import Run, StoredRecord

Kind = Literal["text", "integer", "bytes"]
Fate = Literal["kept", "replaced", "removed"]

TOPIC_PREFIX: Final = "topic:"
"""Tracking rows of topics begin with it."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One table. The first `key_width` columns are its primary key; `fate` is the most that may happen to a row."""

    name: str
    columns: Mapping[str, Kind]
    fate: Fate
    key_width: int = 1
    required: tuple[str, ...] = ()
    wide_rows: bool = False
    """Rows of some kilobytes: they lie beside the key, not in it."""

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return tuple(self.columns)[: self.key_width]


STORED_EVENTS: Final = Table(
    "stored_events",
    {"originator_id": "text", "originator_version": "integer", "topic": "text", "state": "bytes"},
    "kept",
    key_width=2,
)
TRACKING: Final = Table("tracking", {"application_name": "text", "notification_id": "integer"}, "replaced")
"""Both are made by the library; the columns are those that we write."""

STORE_IDENTITY: Final = Table("store_identity", {"name": "text", "value": "text"}, "kept", required=("value",))
TOPIC_IDS: Final = Table("topic_ids", {"topic": "text", "id": "text"}, "kept", required=("id",))
EVENT_DIGESTS: Final = Table("event_digests", {"event_id": "text", "digest": "bytes"}, "kept", required=("digest",))
CASE_KEYS: Final = Table(
    "case_keys", {"party": "text", "key": "text", "case_id": "text"}, "replaced", key_width=2, required=("case_id",)
)
DUE_DATES: Final = Table("due_dates", {"case_id": "text", "instant": "integer"}, "removed", required=("instant",))
CACHE_ROWS: Final = Table(
    "cache_rows", {"case_id": "text", "row": "bytes"}, "removed", required=("row",), wide_rows=True
)
HEARD: Final = Table("heard", {"party": "text", "instant": "integer"}, "replaced", required=("instant",))
OPEN_REVIEWS: Final = Table(
    "open_reviews", {"case_id": "text", "place": "integer", "kind": "text", "due": "integer"}, "removed", key_width=2
)
FORWARDING: Final = Table(
    "forwarding",
    {"case_id": "text", "other": "text", "shard": "integer", "up_to": "integer", "sent": "integer", "done": "integer"},
    "replaced",
    key_width=2,
    required=("shard", "up_to", "sent", "done"),
)
PROMISES: Final = Table(
    "promises",
    {"event_id": "text", "party": "text", "case_id": "text", "number": "integer"},
    "removed",
    key_width=2,
    required=("case_id", "number"),
)
REMOVALS: Final = Table(
    "removals",
    {
        "step": "text",
        "party": "text",
        "case_id": "text",
        "other": "text",
        "other_shard": "integer",
        "change": "integer",
        "number": "integer",
    },
    "removed",
    key_width=2,
    required=("case_id", "other", "other_shard", "change", "number"),
)
OBLIGATIONS: Final = Table(
    "obligations",
    {"event_id": "text", "case_id": "text", "party": "text", "due": "integer"},
    "removed",
    required=("case_id", "party", "due"),
)
OPEN_PARKED: Final = Table(
    "open_parked",
    {
        "place": "text",
        "party": "text",
        "number": "integer",
        "first": "integer",
        "since": "integer",
        "line": "text",
        "event": "text",
        "typed": "text",
        "gives": "text",
        "waits_for": "text",
    },
    "removed",
    required=("party", "number", "first", "since", "line", "event", "typed", "gives", "waits_for"),
)
SEND_POSITIONS: Final = Table(
    "send_positions", {"party": "text", "number": "integer"}, "replaced", required=("number",)
)

OWN_TABLES: Final = (
    STORE_IDENTITY,
    TOPIC_IDS,
    EVENT_DIGESTS,
    CASE_KEYS,
    DUE_DATES,
    CACHE_ROWS,
    HEARD,
    OPEN_REVIEWS,
    FORWARDING,
    PROMISES,
    REMOVALS,
    OBLIGATIONS,
    OPEN_PARKED,
    SEND_POSITIONS,
)
DUE_IN_ORDER: Final = "CREATE INDEX due_dates_in_order ON due_dates (instant, case_id)"


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """How rows go into `table`: `replacing` names the columns that a row with the same key gets anew.

    Nothing named: such a row is refused. `only_forward`: it is replaced by a greater value alone. `clearing`: the
    rows are keys, by the first column, and what stands under them is removed.
    """

    table: Table
    replacing: tuple[str, ...] = ()
    only_forward: bool = False
    clearing: bool = False


WRITE_DIGESTS: Final = Write(EVENT_DIGESTS)
WRITE_KEYS: Final = Write(CASE_KEYS, ("case_id",))
WRITE_DUE: Final = Write(DUE_DATES, ("instant",))
CLEAR_DUE: Final = Write(DUE_DATES, clearing=True)
WRITE_CACHE: Final = Write(CACHE_ROWS, ("row",))
WRITE_HEARD: Final = Write(HEARD, ("instant",))
CLEAR_REVIEWS: Final = Write(OPEN_REVIEWS, clearing=True)
WRITE_REVIEWS: Final = Write(OPEN_REVIEWS)
WRITE_FORWARDING: Final = Write(FORWARDING, ("up_to",))
CLEAR_PROMISES: Final = Write(PROMISES, clearing=True)
WRITE_PROMISES: Final = Write(PROMISES)
CLEAR_REMOVALS: Final = Write(REMOVALS, clearing=True)
WRITE_REMOVALS: Final = Write(REMOVALS)
CLEAR_OBLIGATIONS: Final = Write(OBLIGATIONS, clearing=True)
WRITE_OBLIGATIONS: Final = Write(OBLIGATIONS)
CLEAR_PARKED: Final = Write(OPEN_PARKED, clearing=True)
WRITE_PARKED: Final = Write(OPEN_PARKED)
WRITE_IDENTITY: Final = Write(STORE_IDENTITY)
WRITE_TOPICS: Final = Write(TOPIC_IDS)
MOVE_SENT: Final = Write(SEND_POSITIONS, ("number",), only_forward=True)

Rows = Sequence[tuple[Any, ...]]


@dataclass(slots=True)
class Beside:
    """What a batch writes beside its events, ready to store, in the order in which it is written."""

    positions: Sequence[Tracking] = ()
    writes: Sequence[tuple[Write, Rows]] = ()
    runs: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """The first number of each run of numbers, by stream and version of its row."""

    @classmethod
    def of(
        cls,
        writes: BatchWrites,
        records: Iterable[StoredRecord],
        sealed_cache_rows: Rows,
    ) -> Beside:
        """Return what `writes` stores beside its `records`, which are packed."""
        runs = [record for record in records if isinstance(record, Run)]
        return cls(
            positions=[Tracking(TOPIC_PREFIX + topic, next_) for topic, next_ in writes.committed.positions.items()],
            writes=[(write, rows) for write, rows in _rows_of(writes, sealed_cache_rows) if rows],
            runs={(run.originator_id, run.originator_version): run.first for run in runs},
        )


def _rows_of(writes: BatchWrites, sealed_cache_rows: Rows) -> Iterator[tuple[Write, Rows]]:
    yield WRITE_DIGESTS, sorted(writes.digests.items())
    yield WRITE_KEYS, [(party, key, case_id) for (party, key), case_id in writes.keys.items()]
    yield WRITE_DUE, [(case_id, instant) for case_id, instant in writes.due.items() if instant is not None]
    yield CLEAR_DUE, [(case_id,) for case_id, instant in writes.due.items() if instant is None]
    yield WRITE_CACHE, sealed_cache_rows
    yield WRITE_HEARD, sorted(writes.heard.items())
    yield CLEAR_REVIEWS, [(case_id,) for case_id in writes.open_reviews]
    yield (
        WRITE_REVIEWS,
        [
            (case_id, place, review.kind, review.due)
            for case_id, reviews in writes.open_reviews.items()
            for place, review in enumerate(reviews)
        ],
    )
    yield WRITE_FORWARDING, [(*pair, *told, 0, 0) for pair, told in sorted(writes.forwarding.items())]
    yield CLEAR_PROMISES, [(event_id,) for event_id in writes.promises]
    yield WRITE_PROMISES, [tuple(promise) for promised in writes.promises.values() for promise in promised]
    yield CLEAR_REMOVALS, [(step,) for step in writes.removals]
    yield WRITE_REMOVALS, [tuple(removal) for removing in writes.removals.values() for removal in removing]
    yield CLEAR_OBLIGATIONS, [(event_id,) for event_id in writes.obligations]
    yield WRITE_OBLIGATIONS, [tuple(owed) for owed in writes.obligations.values() if owed is not None]
    yield CLEAR_PARKED, [(place,) for place, parked in writes.open_parked.items() if parked is None]
    yield WRITE_PARKED, [(parked.place, *parked) for parked in writes.open_parked.values() if parked is not None]
    yield MOVE_SENT, sorted(writes.sent.items())
