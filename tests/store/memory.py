"""Stores in memory, for the simulator: the port of a shard store with nothing behind it but dicts.

Rules:
- What is stored is bytes, or frozen: a record is encoded when it is committed, by the formats of the real stores, and
  what is read is decoded from there. So nothing that the shard still holds and changes can reach into the store.
- A commit is checked as a whole before anything of it is stored; the stored fence says what an attempt meant.
- What is stored outlives the handle; many may be open on one place, as many workers on one database.
- `copy` of a place is cheap: streams are shared up to where one of both grows.

Nothing is encrypted: the mapper's tests hold that. The bytes of a resolved parked record end nevertheless.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, cast

from contracts.failures import DamagedStore, FencedOff, ForeignStore, NotFound, StoreUnavailable
from hub.store.number_runs import packed
from hub.store.ports import (
    BatchWrites,
    Forwarding,
    Head,
    Obligation,
    OpenParked,
    OpenReview,
    Promise,
    Removal,
    StoreIdentity,
)
from hub.store.record_schemas import WRITTEN_AS, decode_raw, encode_raw
from hub.store.records import (
    BATCHES,
    RULES,
    BatchCommitted,
    CaseRecord,
    NumberAssigned,
    NumbersSkipped,
    ParkedResolved,
    RecordParked,
    ResyncStepped,
    RulesAdopted,
    Run,
    SigningKeyChanged,
    case_stream,
    keys_stream,
    parked_stream,
    resync_stream,
    sent_stream,
)
from tests.store.builders import IDENTITY
from tests.store.memory_content import Content, Row


class _Encoded(NamedTuple):
    """The rows of a batch, by stream, and the bytes of the records that it parks."""

    rows: Mapping[str, Sequence[Row]]
    raw_parked: Mapping[tuple[str, int], bytes]


class MemoryShardReader:
    """Reads one store."""

    def __init__(self, content: Content) -> None:
        self._open: Content | None = content

    @property
    def _content(self) -> Content:
        if self._open is None:
            raise StoreUnavailable("the handle is closed: open the store again")
        return self._open

    def identity(self) -> StoreIdentity:
        """Return what the store was made for."""
        return self._content.identity

    def head(self) -> Head:
        """See the port."""
        content = self._content
        batch, adoption = content.head_of(BATCHES), content.head_of(RULES)
        last = content.batch(batch)
        rules = cast(RulesAdopted, content.streams[RULES][-1].record()).digest if adoption else ""
        numbers, parked = self._heads(sent_stream("")), self._heads(parked_stream(""))
        clock, heard = last.clock if last else 0, dict(content.heard)
        return Head(batch, clock, dict(content.positions), numbers, parked, adoption, rules, heard)

    def _heads(self, prefix: str) -> dict[str, int]:
        streams = self._content.streams
        return {
            stream.removeprefix(prefix): rows[-1].version
            for stream, rows in streams.items()
            if stream.startswith(prefix)
        }

    def batch(self, version: int) -> BatchCommitted:
        """Return one stored batch; raise `NotFound`."""
        found = self._content.batch(version)
        if found is None:
            raise NotFound(f"there is no batch `{version}`: ask for one that is stored")
        return found

    def case_records(self, case_id: str, after_version: int = 0) -> Iterator[CaseRecord]:
        """See the port."""
        rows = self._content.streams.get(case_stream(case_id), ())
        return (cast(CaseRecord, row.record()) for row in rows[after_version:])

    def case_record(self, case_id: str, version: int) -> CaseRecord:
        """See the port."""
        rows = self._content.streams.get(case_stream(case_id), ())
        if not 0 < version <= len(rows):
            raise NotFound(f"there is no version `{version}` of `{case_id}`: ask for one that is stored")
        return cast(CaseRecord, rows[version - 1].record())

    def case_records_at(self, places: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], CaseRecord]:
        """See the port."""
        return {place: self.case_record(*place) for place in places}

    def cases(self) -> Iterator[str]:
        """See the port; in order."""
        prefix = case_stream("")
        return iter(sorted(s.removeprefix(prefix) for s in self._content.streams if s.startswith(prefix)))

    def cases_of(self, keys: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """See the port."""
        known = self._content.keys
        return {key: known[key] for key in keys if key in known}

    def keys_of(self, party: str, after: str, limit: int) -> Sequence[tuple[str, str]]:
        """See the port."""
        known = self._content.keys.items()
        return sorted((key, case_id) for (owner, key), case_id in known if owner == party and key > after)[:limit]

    def digests(self, event_ids: Iterable[str]) -> Mapping[str, bytes]:
        """See the port."""
        known = self._content.digests
        return {event_id: known[event_id] for event_id in event_ids if event_id in known}

    def due(self, up_to: int, limit: int) -> Sequence[tuple[int, str]]:
        """See the port."""
        return sorted((at, case_id) for case_id, at in self._content.due.items() if at <= up_to)[:limit]

    def due_of(self, case_ids: Iterable[str]) -> Mapping[str, int]:
        """See the port."""
        known = self._content.due
        return {case_id: known[case_id] for case_id in case_ids if case_id in known}

    def next_due(self) -> int | None:
        """See the port."""
        return min(self._content.due.values(), default=None)

    def cache_rows(self, case_ids: Iterable[str]) -> Mapping[str, bytes]:
        """See the port."""
        known = self._content.cache_rows
        return {case_id: known[case_id] for case_id in case_ids if case_id in known}

    def open_reviews(self) -> Mapping[str, tuple[OpenReview, ...]]:
        """See the port."""
        return dict(self._content.open_reviews)

    def promises(self) -> Mapping[str, tuple[Promise, ...]]:
        """See the port."""
        return dict(self._content.promises)

    def removals(self) -> Mapping[str, tuple[Removal, ...]]:
        """See the port."""
        return dict(self._content.removals)

    def obligations(self) -> Mapping[str, Obligation]:
        """See the port."""
        return dict(self._content.obligations)

    def open_parked(self) -> Sequence[OpenParked]:
        """See the port."""
        return sorted(self._content.open_parked.values())

    def forwardings(self) -> Sequence[Forwarding]:
        """See the port."""
        return [one for _, one in sorted(self._content.forwarding.items()) if one.up_to > one.done]

    def numbers(self, party: str, after: int, limit: int) -> Sequence[NumberAssigned]:
        """See the port."""
        rows = self._content.streams.get(sent_stream(party), ())
        later = [cast(Run, row.record()) for row in rows if row.version > after]
        return [number for run in later for number in run.numbers if number.originator_version > after][:limit]

    def was_skipped(self, party: str, number: int) -> bool:
        """See the port."""
        rows = self._content.streams.get(sent_stream(party), ())
        return any(row.version == number and isinstance(row.record(), NumbersSkipped) for row in rows)

    def send_positions(self) -> Mapping[str, int]:
        """See the port."""
        return dict(self._content.send_positions)

    def parked(self, party: str | None = None) -> Iterator[tuple[RecordParked, ParkedResolved | None]]:
        """See the port."""
        streams = self._content.streams
        named = [parked_stream(party or "")]
        if party is None:
            named = sorted(stream for stream in streams if stream.startswith(parked_stream("")))
        for stream in named:
            records = [row.record() for row in streams.get(stream, ())]
            outcomes = {each.parked_version: each for each in records if isinstance(each, ParkedResolved)}
            for each in records:
                if isinstance(each, RecordParked):
                    yield self._with_bytes(each), outcomes.get(each.originator_version)

    def parked_record(self, party: str, version: int) -> RecordParked:
        """See the port."""
        rows = self._content.streams.get(parked_stream(party), ())
        record = rows[version - 1].record() if 0 < version <= len(rows) else None
        if not isinstance(record, RecordParked) or (record.originator_id, version) not in self._content.raw_parked:
            raise NotFound(f"`{party}` has no open parked record `{version}`: list the open ones")
        return self._with_bytes(record)

    def signing_keys(self, party: str | None = None) -> Sequence[SigningKeyChanged]:
        """See the port."""
        prefix = keys_stream(party or "")
        streams = self._content.streams
        named = sorted(each for each in streams if (each == prefix if party else each.startswith(prefix)))
        return [cast(SigningKeyChanged, row.record()) for each in named for row in streams[each]]

    def resyncs(self) -> Mapping[str, ResyncStepped]:
        """See the port."""
        streams = self._content.streams
        return {
            party: cast(ResyncStepped, streams[resync_stream(party)][-1].record())
            for party in self._heads(resync_stream(""))
        }

    def adoptions(self) -> Iterator[RulesAdopted]:
        """See the port."""
        return (cast(RulesAdopted, row.record()) for row in self._content.streams.get(RULES, ()))

    def _with_bytes(self, parked: RecordParked) -> RecordParked:
        raw = self._content.raw_parked.get((parked.originator_id, parked.originator_version))
        if raw is None:
            return parked
        key, value, headers = decode_raw(raw)
        return replace(parked, key=key, value=value, headers=headers)

    def close(self) -> None:
        """Release the handle."""
        self._open = None


class MemoryShardStore(MemoryShardReader):
    """The store of one shard, as its worker writes it."""

    def commit(self, writes: BatchWrites) -> None:
        """See the port; the failures are those of the store on SQLite."""
        content, committed = self._content, writes.committed
        encoded = _encoded(writes)
        if fault := _fault(content, writes, encoded):
            stored = content.batch(committed.originator_version)
            if stored is None:
                raise DamagedStore(f"batch `{committed.originator_version}` contradicts the store: {fault}")
            if stored.owner != committed.owner:
                raise FencedOff(f"batch `{committed.originator_version}` was stored by another owner: drop the cache")
            if stored != committed:
                raise DamagedStore(f"batch `{committed.originator_version}` is stored with other positions")
            return
        _store(content, writes, encoded)

    def record_send_positions(self, positions: Mapping[str, int]) -> None:
        """See the port."""
        known = self._content.send_positions
        known.update({party: max(number, known.get(party, 0)) for party, number in positions.items()})

    def erased_cases(self) -> set[str]:
        """See the port; no keys are destroyed here."""
        return set()

    def destroyed_parked(self) -> list[tuple[str, int]]:
        """See the port; no keys are destroyed here."""
        return []

    def record_forwarded(self, case_id: str, other: str, sent: int, done: int) -> None:
        """See the port."""
        known = self._content.forwarding
        if (case_id, other) in known and known[case_id, other].sent <= sent:
            known[case_id, other] = known[case_id, other]._replace(sent=sent, done=done)


def _encoded(writes: BatchWrites) -> _Encoded:
    rows: dict[str, list[Row]] = {}
    raw_parked: dict[tuple[str, int], bytes] = {}
    for record in (*packed(writes.records), writes.committed):
        schema = WRITTEN_AS[type(record)]
        stream, version = record.originator_id, record.originator_version
        first = record.first if isinstance(record, Run) else version
        rows.setdefault(stream, []).append(Row(schema, stream, version, schema.encode(record), first))
        if isinstance(record, RecordParked):
            raw_parked[stream, version] = encode_raw(record)
    return _Encoded(rows, raw_parked)


def _fault(content: Content, writes: BatchWrites, encoded: _Encoded) -> str:
    """Why a batch cannot be stored as the next one; empty where it can."""
    for stream, rows in encoded.rows.items():
        head = content.head_of(stream)
        for row in rows:
            if row.first != head + 1:
                return f"version `{row.first}` of `{stream}` does not follow `{head}`"
            head = row.version
    for topic, position in writes.committed.positions.items():
        if position < content.positions.get(topic, position):
            return f"the position of `{topic}` would go back"
    if known := content.digests.keys() & writes.digests.keys():
        return f"event `{min(known)}` has a digest already"
    return ""


def _store(content: Content, writes: BatchWrites, encoded: _Encoded) -> None:
    """Store a batch that was found to follow; nothing in here can fail."""
    for stream, rows in encoded.rows.items():
        content.streams[stream] = (*content.streams.get(stream, ()), *rows)
    content.raw_parked.update(encoded.raw_parked)
    content.positions.update(writes.committed.positions)
    content.digests.update(writes.digests)
    content.keys.update(writes.keys)
    content.cache_rows.update(writes.cache_rows)
    content.heard.update(writes.heard)
    content.send_positions.update(
        {party: max(number, content.send_positions.get(party, 0)) for party, number in writes.sent.items()}
    )
    for case_id, instant in writes.due.items():
        if instant is None:
            content.due.pop(case_id, None)
        else:
            content.due[case_id] = instant
    for case_id, reviews in writes.open_reviews.items():
        content.open_reviews.pop(case_id, None)
        if reviews:
            content.open_reviews[case_id] = tuple(reviews)
    for (case_id, other), (shard, up_to) in writes.forwarding.items():
        known = content.forwarding.get((case_id, other), Forwarding(case_id, other, shard, up_to))
        content.forwarding[case_id, other] = known._replace(up_to=up_to)
    content.promises = {name: promised for name, promised in (content.promises | writes.promises).items() if promised}
    content.removals = {step: removing for step, removing in (content.removals | writes.removals).items() if removing}
    parked = content.open_parked | writes.open_parked
    content.open_parked = {name: open_ for name, open_ in parked.items() if open_ is not None}
    content.obligations = {name: owed for name, owed in (content.obligations | writes.obligations).items() if owed}
    for record in writes.records:
        if isinstance(record, ParkedResolved):
            content.raw_parked.pop((record.originator_id, record.parked_version), None)


_NAMED: Final = ("cluster_id", "world", "shard", "partitions")


class MemoryStores:
    """Stores in one place in memory, with the same ways in as `SQLiteStores`."""

    def __init__(self, content: Content | None = None) -> None:
        self.content = content

    def create(self, identity: StoreIdentity = IDENTITY) -> MemoryShardStore:
        """Make the store."""
        if self.content is not None:
            raise ForeignStore("a store is made once: open it, or give another place")
        self.content = Content(replace(identity, topic_ids={}), dict(identity.topic_ids))
        return MemoryShardStore(self.content)

    def open(self, identity: StoreIdentity = IDENTITY) -> MemoryShardStore:
        """Open it to write, beside whoever has it open."""
        content = self._made()
        for name in _NAMED:
            if getattr(content.identity, name) != getattr(identity, name):
                raise ForeignStore(f"the store is for another {name}: open the right one")
        for topic, topic_id in identity.topic_ids.items():
            if content.topic_ids.setdefault(topic, topic_id) != topic_id:
                raise ForeignStore(f"topic `{topic}` is not the one that the store has read: it was made anew")
        return MemoryShardStore(content)

    def read(self) -> MemoryShardReader:
        """Open it to read."""
        return MemoryShardReader(self._made())

    def _made(self) -> Content:
        if self.content is None:
            raise ForeignStore("no store here: make one with `hub world make`")
        return self.content
