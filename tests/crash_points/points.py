"""The named places at which a process is killed, and where each of them is in the real code.

Rules:
- The product knows nothing of them: a place is the moment before or after a call of a function that it has anyway.
- A place counts only the calls that have something to lose there (`counts`).
- Where the two stores do a thing in different functions, a place has one function for each.
- A place that no process reaches is a fault of this table: `tests/crash_points/test_crash_points.py` plays and looks.

`tests.crash_points.trap` sets them; `tests.crash_points.drill` lets them go off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from hub.store.records import ParkedResolved, RecordParked

Store = Literal["sqlite", "postgresql"]
STORES: Final[tuple[Store, ...]] = ("sqlite", "postgresql")
Counts = Callable[[tuple[Any, ...], Any], bool]
"""Whether a call counts, by what it was given and, afterwards, by what it returned."""


@dataclass(frozen=True, slots=True)
class Point:
    """One place. `function` is `module:name` or `module:Class.name`; `calls_max` bounds which call is drawn.

    Of two functions the first is that on SQLite, the other that on PostgreSQL.
    """

    name: str
    function: str | tuple[str, str]
    moment: Literal["before", "after"]
    counts: Counts = lambda given, result: True
    calls_max: int = 3
    at_start: bool = False
    """Whether it is reached only by a process that has just been started, with work waiting."""

    @property
    def room(self) -> str:
        """`ingest`, `decide`, `publish`, `park` or `view`."""
        return self.name.partition(".")[0]

    def function_on(self, store: Store) -> str:
        """The function on a hub with that store."""
        return self.function if isinstance(self.function, str) else self.function[STORES.index(store)]


def _gave_something(given: tuple[Any, ...], result: Any) -> bool:
    return bool(result)


def _was_given_some(given: tuple[Any, ...], result: Any) -> bool:
    return bool(given[1])


def _stores_records(given: tuple[Any, ...], result: Any) -> bool:
    return bool(given[1].records)


def _stores(kind: type[object]) -> Counts:
    def counts(given: tuple[Any, ...], result: Any) -> bool:
        return any(isinstance(record, kind) for record in given[1].records)

    return counts


def _makes_key_of_parked(given: tuple[Any, ...], result: Any) -> bool:
    return any("parked:" in name for name in given[1])


def _in_store(name: str) -> tuple[str, str]:
    return (
        f"hub.store.sqlite_recorder:{name.format(Recorder='SQLiteRecorder')}",
        f"hub.store.postgres_recorder:{name.format(Recorder='PostgresRecorder')}",
    )


_INPUTS = "hub.broker.kafka_inputs:KafkaInputs"
_OUTPUTS = "hub.broker.kafka_outputs:KafkaOutputs"
_STORE = "hub.store.shard_store:DatabaseShardStore"
_SETTLING = "hub.shard.settling:Settling"
_PARTY_STORE = "consumers.store:PartyStore"
_DESTROY = ("hub.store.sqlite_keys:SQLiteKeyTable.destroy", "hub.store.postgres_keys:PostgresKeyTable.destroy")

POINTS: Final[tuple[Point, ...]] = (
    Point("ingest.opened_before_reading", f"{_INPUTS}.start", "before", calls_max=1, at_start=True),
    Point("ingest.reading_before_polled", f"{_INPUTS}.start", "after", calls_max=1, at_start=True),
    Point("ingest.polled_before_admission", f"{_INPUTS}.take", "after", _gave_something),
    Point("ingest.admitted_before_settling", "hub.shard.admission:Admission.admit", "after", _was_given_some),
    Point("ingest.closed_before_commit", f"{_STORE}.commit", "before", _stores_records),
    Point("ingest.dense_before_rows", _in_store("require_dense"), "after"),
    Point("ingest.rows_before_positions", _in_store("moved"), "before"),
    Point("ingest.positions_before_index_rows", _in_store("{Recorder}._insert_tracking"), "after"),
    Point(
        "ingest.after_copy_before_commit",
        ("hub.store.sqlite_recorder:SQLiteRecorder._insert_events", "hub.store.postgres_recorder:_run"),
        "after",
    ),
    Point("ingest.committed_before_known", _in_store("{Recorder}.insert_events"), "after"),
    Point("ingest.committed_before_send", f"{_STORE}.commit", "after", _stores_records),
    Point("decide.fact_placed_before_next", "hub.case_timeline.timeline:CaseTimeline.admit", "after", calls_max=9),
    Point("decide.before_settling", f"{_SETTLING}.settle", "before"),
    Point("decide.numbered_before_next", "hub.shard.batch:Batch.next_number", "after", calls_max=9),
    Point("decide.settled_before_built", f"{_SETTLING}.settle", "after", _gave_something),
    Point("decide.built_before_commit", f"{_SETTLING}.records", "after", _gave_something),
    Point("publish.offered_before_signed", "hub.broker.signed_outputs:SignedOutputs.send", "before"),
    Point("publish.signed_before_handed_over", f"{_OUTPUTS}.send", "before"),
    Point("publish.some_handed_over", f"{_OUTPUTS}._hand_over", "after", calls_max=9),
    Point("publish.sent_before_confirmed", f"{_OUTPUTS}.send", "after"),
    Point("publish.some_confirmed", f"{_OUTPUTS}._reported", "after", calls_max=9),
    Point("publish.confirmed_before_position", f"{_STORE}.record_send_positions", "before"),
    Point("publish.after_position", f"{_STORE}.record_send_positions", "after"),
    Point("publish.left_over_before_sent", "hub.shard.sending:Sending._rebuilt", "after", calls_max=1, at_start=True),
    Point("publish.promise_kept_before_said", "hub.shard.promises:Promises._publish", "before", calls_max=1),
    Point("publish.promise_said", "hub.shard.promises:Promises._publish", "after", calls_max=1),
    Point("park.sealed_before_commit", "hub.store.keys:KeyStore.make", "after", _makes_key_of_parked),
    Point("park.committed_before_next", f"{_STORE}.commit", "after", _stores(RecordParked)),
    Point("park.read_before_retried", "hub.store.reader:ShardReader.parked_record", "after", calls_max=2),
    Point("park.resolved_before_commit", f"{_STORE}.commit", "before", _stores(ParkedResolved), calls_max=2),
    Point("park.resolved_before_key_destroyed", _DESTROY, "before", calls_max=2),
    Point("park.key_destroyed", _DESTROY, "after", calls_max=2),
    Point("view.polled_before_examined", "consumers.kafka_source:KafkaSource.poll", "after", _gave_something),
    Point("view.examined_before_applied", f"{_PARTY_STORE}.apply", "before"),
    Point("view.position_moved_before_rows", f"{_PARTY_STORE}._move", "after"),
    Point("view.row_removed_before_next", f"{_PARTY_STORE}._remove", "after", _gave_something, calls_max=2),
    Point("view.applied_before_position", "consumers.views.versions:ViewVersions.note_changed", "after"),
    Point("view.committed_before_log_emptied", "consumers.erasure:Erasure._empty_log", "before", calls_max=2),
    Point("view.applied_before_confirmed", f"{_PARTY_STORE}.apply", "after"),
)
BY_NAME: Final[Mapping[str, Point]] = {point.name: point for point in POINTS}
