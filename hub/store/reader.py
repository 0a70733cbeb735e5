"""Reading one shard's store, in whichever database: by its worker, and by people beside a worker that writes.

Rules:
- A reader has no way to write: its connection is read-only and its class has no such method.
- Long streams come in portions, decoded one by one as they are asked for; no transaction stays open in between.
- What does not open or decode raises; only cache rows may be lost, and parked records whose bytes were destroyed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar, cast

from eventsourcing.persistence import Notification, StoredEvent

from contracts.failures import NotFound
from hub.store.identity import read_identity
from hub.store.mapper import RecordMapper
from hub.store.ports import (
    Forwarding,
    Head,
    Obligation,
    OpenParked,
    OpenReview,
    Promise,
    Removal,
    StoreIdentity,
    parked_place,
)
from hub.store.recorder import Recorder, batch_head, rows_at, stream_head, streams_of, topic_positions
from hub.store.records import (
    BATCHES,
    RULES,
    BatchCommitted,
    CaseRecord,
    NumberAssigned,
    NumbersAssigned,
    NumbersSkipped,
    ParkedResolved,
    RecordParked,
    ResyncStepped,
    RulesAdopted,
    SigningKeyChanged,
    StoredRecord,
    case_stream,
    keys_stream,
    parked_stream,
    resync_stream,
    sent_stream,
)
from hub.store.storage_errors import storage_errors_named
from hub.store.stored_rows import StoredRows
from hub.store.tables import CACHE_ROWS, CASE_KEYS, DUE_DATES, EVENT_DIGESTS, STORED_EVENTS

_RECORDS_PER_READ: Final = 500
_RUNS_PER_READ: Final = 4
_PARKED_PER_READ: Final = 16
"""A parked record may be as large as anything that arrives."""
_RESOLVED: Final = (
    f"SELECT {', '.join(STORED_EVENTS.columns)} FROM stored_events "
    "WHERE originator_id = ? AND topic = ? AND originator_version > ? ORDER BY originator_version LIMIT ?"
)

_PARKED_VERSIONS: Final = "SELECT originator_version FROM stored_events WHERE originator_id = ? AND topic = ?"

_Row = TypeVar("_Row", Promise, Removal)


class ShardReader:
    """Reads the store of one shard."""

    def __init__(self, recorder: Recorder, mapper: RecordMapper) -> None:
        self._recorder = recorder
        self._mapper = mapper

    def identity(self) -> StoreIdentity:
        """Return what the store was made for."""
        with storage_errors_named():
            return read_identity(self._recorder)

    def head(self) -> Head:
        """Read where the store stands; an empty store has batch 0, clock 0 and no positions."""
        with storage_errors_named():
            batch = batch_head(self._recorder)
            clock = 0 if batch == 0 else cast(BatchCommitted, self._record(BATCHES, batch)).clock
            adoption = stream_head(self._recorder, RULES)
            return Head(
                batch,
                clock,
                topic_positions(self._recorder),
                self._heads(sent_stream("")),
                self._heads(parked_stream("")),
                adoption,
                cast(RulesAdopted, self._record(RULES, adoption)).digest if adoption else "",
                dict(self._recorder.select("SELECT party, instant FROM heard")),
            )

    def batch(self, version: int) -> BatchCommitted:
        """Return one stored batch; raise `NotFound`."""
        with storage_errors_named():
            return cast(BatchCommitted, self._record(BATCHES, version))

    def case_records(self, case_id: str, after_version: int = 0) -> Iterator[CaseRecord]:
        """The records of a case in version order, after `after_version`."""
        return (cast(CaseRecord, record) for record in self._records(case_stream(case_id), after_version))

    def case_record(self, case_id: str, version: int) -> CaseRecord:
        """One record of a case; raises `NotFound`."""
        with storage_errors_named():
            return cast(CaseRecord, self._record(case_stream(case_id), version))

    def case_records_at(self, places: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], CaseRecord]:
        """The records at many (case, version) places in one read; raises `NotFound` where one is not there."""
        wanted = {(case_stream(case_id), version): (case_id, version) for case_id, version in places}
        with storage_errors_named():
            rows = rows_at(self._recorder, list(wanted))
        self._mapper.begin()
        if missing := wanted.keys() - rows.keys():
            stream, version = min(missing)
            raise _no_such_version(stream, version)
        return {wanted[place]: cast(CaseRecord, self._mapper.to_record(row)) for place, row in rows.items()}

    def cases(self) -> Iterator[str]:
        """Every case id of the shard, in order."""
        prefix = case_stream("")
        with storage_errors_named():
            yield from (stream.removeprefix(prefix) for stream in streams_of(self._recorder, prefix))

    def cases_of(self, keys: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """The case of each (party, key) that is known."""
        with storage_errors_named():
            found = self._recorder.select_under(CASE_KEYS, list(keys))
        return {(party, key): case_id for party, key, case_id in found}

    def keys_of(self, party: str, after: str, limit: int) -> Sequence[tuple[str, str]]:
        """The (key, case) pairs of one party whose key comes after `after`, in the order of keys."""
        statement = "SELECT key, case_id FROM case_keys WHERE party = ? AND key > ? ORDER BY key LIMIT ?"
        with storage_errors_named():
            return [(key, case_id) for key, case_id in self._recorder.select(statement, (party, after, limit))]

    def digests(self, event_ids: Iterable[str]) -> Mapping[str, bytes]:
        """The stored digest of each event id that is known."""
        with storage_errors_named():
            return dict(self._recorder.select_under(EVENT_DIGESTS, [(name,) for name in event_ids]))

    def due(self, up_to: int, limit: int) -> Sequence[tuple[int, str]]:
        """The (instant, case) pairs due at or before `up_to`, earliest first."""
        statement = "SELECT instant, case_id FROM due_dates WHERE instant <= ? ORDER BY instant, case_id LIMIT ?"
        with storage_errors_named():
            return [(instant, case_id) for instant, case_id in self._recorder.select(statement, (up_to, limit))]

    def due_of(self, case_ids: Iterable[str]) -> Mapping[str, int]:
        """The due instant of each case that has one."""
        with storage_errors_named():
            return dict(self._recorder.select_under(DUE_DATES, [(name,) for name in case_ids]))

    def next_due(self) -> int | None:
        """The earliest due instant of the shard."""
        with storage_errors_named():
            ((instant,),) = self._recorder.select("SELECT MIN(instant) FROM due_dates")
        return cast(int | None, instant)

    def cache_rows(self, case_ids: Iterable[str]) -> Mapping[str, bytes]:
        """The cache row of each case that has one which opens."""
        with storage_errors_named():
            sealed = self._recorder.select_under(CACHE_ROWS, [(name,) for name in case_ids])
        self._mapper.begin()
        opened = {case_id: self._mapper.open_cache_row(case_stream(case_id), row) for case_id, row in sealed}
        return {case_id: row for case_id, row in opened.items() if row is not None}

    def open_reviews(self) -> Mapping[str, tuple[OpenReview, ...]]:
        """What is owed about emergency access, by case."""
        found: dict[str, tuple[OpenReview, ...]] = {}
        with storage_errors_named():
            rows = self._recorder.select("SELECT case_id, kind, due FROM open_reviews ORDER BY case_id, place")
        for case_id, *owed in rows:
            found[case_id] = (*found.get(case_id, ()), OpenReview(*owed))
        return found

    def forwardings(self) -> Sequence[Forwarding]:
        """What cases have to tell others in merges and is not all confirmed yet."""
        with storage_errors_named():
            rows = self._recorder.select(
                "SELECT case_id, other, shard, up_to, sent, done FROM forwarding WHERE up_to > done "
                "ORDER BY case_id, other"
            )
        return [Forwarding(*row) for row in rows]

    def promises(self) -> Mapping[str, tuple[Promise, ...]]:
        """The withdrawals that were not acknowledged yet, by event id, with what must be confirmed of each."""
        return self._grouped("promises", Promise)

    def removals(self) -> Mapping[str, tuple[Removal, ...]]:
        """The steps of merges that took back what is not known to be confirmed yet, with what must be of each."""
        return self._grouped("removals", Removal)

    def _grouped(self, table: str, kind: type[_Row]) -> dict[str, tuple[_Row, ...]]:
        """The rows of a table whose first two columns are its key, by the first of them."""
        columns = ", ".join(kind._fields)
        with storage_errors_named():
            rows = self._recorder.select(f"SELECT {columns} FROM {table} ORDER BY {kind._fields[0]}, party")
        found: dict[str, list[_Row]] = {}
        for row in rows:
            found.setdefault(row[0], []).append(kind(*row))
        return {name: tuple(of_name) for name, of_name in found.items()}

    def obligations(self) -> Mapping[str, Obligation]:
        """The receipts that are owed, by the event id of the notice."""
        with storage_errors_named():
            rows = self._recorder.select("SELECT event_id, case_id, party, due FROM obligations ORDER BY due, event_id")
        return {row[0]: Obligation(*row) for row in rows}

    def open_parked(self) -> Sequence[OpenParked]:
        """The parked records that are not resolved, by party and number."""
        columns = ", ".join(OpenParked._fields)
        with storage_errors_named():
            rows = self._recorder.select(f"SELECT {columns} FROM open_parked")
        return sorted(OpenParked(*row) for row in rows)

    def numbers(self, party: str, after: int, limit: int) -> Sequence[NumberAssigned]:
        """The numbers of a party after `after`, in order, at most `limit`."""
        found: list[NumberAssigned] = []
        reached = after
        while True:
            with storage_errors_named():
                rows = self._recorder.select_events(sent_stream(party), gt=reached, limit=_RUNS_PER_READ)
            for row in rows:
                run = cast(NumbersAssigned | NumbersSkipped, self._mapper.to_record(row))
                found.extend(number for number in run.numbers if number.originator_version > after)
                reached = row.originator_version  # of what was skipped there is no number
                if len(found) >= limit:  # a run may be as large as a batch: none is opened for nothing
                    return found[:limit]
            if not rows:
                return found

    def was_skipped(self, party: str, number: int) -> bool:
        """Whether a skip ended with this number of a party."""
        with storage_errors_named():
            rows = self._recorder.select_events(sent_stream(party), gt=number - 1, lte=number)
        return any(row.topic == NumbersSkipped.__name__ for row in rows)

    def send_positions(self) -> Mapping[str, int]:
        """The last confirmed number per party."""
        with storage_errors_named():
            return dict(self._recorder.select("SELECT party, number FROM send_positions"))

    def parked(self, party: str | None = None) -> Iterator[tuple[RecordParked, ParkedResolved | None]]:
        """Parked records (of one party), each with its outcome if it has one."""
        for stream in [parked_stream(party)] if party is not None else self._parked_streams():
            # Outcomes say little and come first: so no more than a portion of records is ever held.
            outcomes = {outcome.parked_version: outcome for outcome in self._resolved_in(stream)}
            for record in self._records(stream, 0, _PARKED_PER_READ):
                if isinstance(record, RecordParked):
                    yield record, outcomes.get(record.originator_version)

    def parked_record(self, party: str, version: int) -> RecordParked:
        """One parked record that is not resolved yet; raises `NotFound`."""
        with storage_errors_named():
            record = self._record(parked_stream(party), version)
        if not isinstance(record, RecordParked) or not self._mapper.has_bytes(record):
            raise NotFound(f"`{party}` has no open parked record `{version}`: list the open ones")
        return record

    def signing_keys(self, party: str | None = None) -> Sequence[SigningKeyChanged]:
        """What became of the signing keys of every party, or of one, in the order in which it was recorded."""
        with storage_errors_named():
            streams = [keys_stream(party)] if party is not None else list(streams_of(self._recorder, keys_stream("")))
        return [cast(SigningKeyChanged, record) for stream in streams for record in self._records(stream, 0)]

    def resyncs(self) -> Mapping[str, ResyncStepped]:
        """The last step of every party's last resync, by party."""
        with storage_errors_named():
            last = self._heads(resync_stream(""))
            steps = {party: self._record(resync_stream(party), last[party]) for party in last}
        return cast(dict[str, ResyncStepped], steps)

    def adoptions(self) -> Iterator[RulesAdopted]:
        """Every adoption of rules and parties, in order."""
        return (cast(RulesAdopted, record) for record in self._records(RULES, 0))

    def rows(self) -> StoredRows:
        """Every row of the store, for whoever looks it over."""
        return StoredRows(self._recorder, self._mapper)

    def unresolved_places(self) -> Iterator[str]:
        """The places of the parked records that are not resolved, as their streams have them."""
        for stream in self._parked_streams():
            resolved = {outcome.parked_version for outcome in self._resolved_in(stream)}
            with storage_errors_named():
                versions = self._recorder.select(_PARKED_VERSIONS, (stream, RecordParked.__name__))
            party = stream.removeprefix(parked_stream(""))
            yield from (parked_place(party, version) for (version,) in versions if version not in resolved)

    def notifications(self, after: int, limit: int) -> Sequence[Notification]:
        """The rows of the whole store in the order in which they were stored, after notification id `after`."""
        with storage_errors_named():
            return self._recorder.select_notifications(after, limit, inclusive_of_start=False)

    def record_of(self, row: StoredEvent) -> StoredRecord:
        """Return the record of a row or notification."""
        self._mapper.begin()
        return self._mapper.to_record(row)

    def close(self) -> None:
        """Release the connection."""
        self._recorder.close()

    def _parked_streams(self) -> list[str]:
        with storage_errors_named():
            return list(streams_of(self._recorder, parked_stream("")))

    def _resolved_in(self, stream: str) -> Iterator[ParkedResolved]:
        """What became of the parked records of a stream; the records themselves are neither read nor opened."""
        after = 0
        while True:
            with storage_errors_named():
                rows = self._recorder.select(_RESOLVED, (stream, ParkedResolved.__name__, after, _RECORDS_PER_READ))
            for row in rows:
                yield cast(ParkedResolved, self._mapper.to_record(StoredEvent(*row)))
            if len(rows) < _RECORDS_PER_READ:
                return
            after = rows[-1][1]

    def _heads(self, prefix: str) -> dict[str, int]:
        heads = self._recorder.heads(list(streams_of(self._recorder, prefix)))
        return {stream.removeprefix(prefix): head for stream, head in heads.items()}

    def _record(self, stream: str, version: int) -> StoredRecord:
        rows = self._recorder.select_events(stream, gt=version - 1, lte=version)
        self._mapper.begin()
        if not rows:
            raise _no_such_version(stream, version)
        return self._mapper.to_record(rows[0])

    def _records(self, stream: str, after: int, portion: int = _RECORDS_PER_READ) -> Iterator[StoredRecord]:
        while True:
            with storage_errors_named():
                rows = self._recorder.select_events(stream, gt=after, limit=portion)
            self._mapper.begin()
            for row in rows:
                yield self._mapper.to_record(row)
            if len(rows) < portion:
                return
            after = rows[-1].originator_version


def _no_such_version(stream: str, version: int) -> NotFound:
    return NotFound(f"there is no version `{version}` of `{stream}`: ask for one that is stored")
