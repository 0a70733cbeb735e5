"""What somebody who can write the file still cannot do: move, swap, change, read or invent rows."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from contracts.failures import DamagedStore, NotFound, StoreUnavailable
from hub.store.keys import KeyStore
from hub.store.mapper import RecordMapper
from hub.store.number_runs import NUMBERS_PER_ROW_MAX, packed
from hub.store.record_schemas import READABLE, WRITTEN_AS
from hub.store.records import (
    CitizenEnrolled,
    Decision,
    DecisionsRecorded,
    FactRecorded,
    NumberAssigned,
    NumbersAssigned,
    Origin,
    RecordParked,
    Shown,
    StoredRecord,
    ToldElsewhere,
    case_stream,
    sent_stream,
)
from tests.store.builders import batch, committed, decided, enrolled, fact, full_batch, number, parked
from tests.store.stores import SQLiteStores

SECRET = b"a sentence that must not lie open"


def test_rows_swapped_between_two_cases_are_detected(stores: SQLiteStores) -> None:
    store = stores.create()
    store.commit(batch(1, [enrolled("a"), fact("a", 2, b"of a"), enrolled("b"), fact("b", 2, b"of b")]))
    with stores.tampering() as database:
        database.execute(
            "UPDATE stored_events SET state = (SELECT state FROM stored_events WHERE originator_id = 'case:b' "
            "AND originator_version = 2) WHERE originator_id = 'case:a' AND originator_version = 2"
        )
    with pytest.raises(DamagedStore):
        store.case_record("a", 2)
    with pytest.raises(DamagedStore):
        list(store.case_records("a"))
    assert store.case_record("b", 2) == fact("b", 2, b"of b")


def test_rows_swapped_within_one_case_are_detected(stores: SQLiteStores) -> None:
    store = stores.create()
    store.commit(batch(1, [enrolled("a"), fact("a", 2, b"first"), fact("a", 3, b"second")]))
    with stores.tampering() as database:
        database.execute("UPDATE stored_events SET originator_version = 9 WHERE originator_version = 2")
        database.execute("UPDATE stored_events SET originator_version = 2 WHERE originator_version = 3")
        database.execute("UPDATE stored_events SET originator_version = 3 WHERE originator_version = 9")
    for version in (2, 3):
        with pytest.raises(DamagedStore):
            store.case_record("a", version)


@pytest.mark.parametrize("byte", [0, 1, 2, 13, 14, 30, -1])
def test_a_row_with_any_byte_changed_is_detected(stores: SQLiteStores, byte: int) -> None:
    store = stores.create()
    store.commit(batch(1, [enrolled("a"), fact("a", 2)]))
    with stores.tampering() as database:
        where = "WHERE originator_id = 'case:a' AND originator_version = 2"
        (state,) = database.execute(f"SELECT state FROM stored_events {where}").fetchone()
        changed = bytearray(state)
        changed[byte] ^= 1
        database.execute(f"UPDATE stored_events SET state = ? {where}", (bytes(changed),))
    with pytest.raises(DamagedStore):
        store.case_record("a", 2)


@pytest.mark.parametrize("state", [b"", b"\0", b"\0\x02", b"\0\x02" + bytes(11), b"\0\x02" + bytes(40)])
def test_a_row_cut_short_is_damage_and_not_a_crash(stores: SQLiteStores, state: bytes) -> None:
    store = stores.create()
    store.commit(batch(1, [enrolled("a"), fact("a", 2)]))
    with stores.tampering() as database:
        database.execute("UPDATE stored_events SET state = ? WHERE originator_version = 2", (state,))
    with pytest.raises(DamagedStore):
        store.case_record("a", 2)


@pytest.mark.parametrize(
    "topic",
    ["os:system", "hub.store.records:FactRecorded", "Decision", "subprocess:Popen", "NumberAssigned", ""],
)
def test_a_row_that_names_another_class_is_refused_before_it_is_decoded(stores: SQLiteStores, topic: str) -> None:
    store = stores.create()
    store.commit(batch(1, [enrolled("a"), fact("a", 2)]))
    with stores.tampering() as database:
        database.execute("UPDATE stored_events SET topic = ? WHERE originator_version = 2", (topic,))
    with pytest.raises(DamagedStore, match="class or schema"):
        store.case_record("a", 2)


def test_a_class_that_the_store_does_not_hold_is_not_written(stores: SQLiteStores) -> None:
    class Imposter(CitizenEnrolled):
        pass

    store = stores.create()
    with pytest.raises(DamagedStore, match="Imposter"):
        store.commit(batch(1, [enrolled("a"), Imposter(case_stream("a"), 2, 1, 1, "DK")]))
    assert store.head().batch == 0


def test_a_fact_of_a_case_without_a_key_is_not_stored(stores: SQLiteStores) -> None:
    store = stores.create()
    with pytest.raises(NotFound):
        store.commit(batch(1, [fact("nobody", 1)]))
    assert store.head().batch == 0


def test_no_content_lies_open_in_the_file(stores: SQLiteStores) -> None:
    store = stores.create()
    writes = full_batch()
    writes.records += [fact("case-1", 4, SECRET), parked("C.PSY", 1, SECRET)]
    writes.cache_rows["case-1"] = SECRET
    store.commit(writes)
    store.close()
    stores.keys.close()
    for file in stores.path.parent.iterdir():
        assert SECRET not in file.read_bytes(), file.name


def test_the_same_content_is_sealed_differently_each_time(stores: SQLiteStores) -> None:
    store = stores.create()
    store.commit(batch(1, [enrolled("a"), fact("a", 2, ce_id="x"), fact("a", 3, ce_id="x")]))
    states = [row.state for row in store.notifications(0, 10)]
    assert len({state[2:14] for state in states[:3]}) == 3
    assert len(states[1]) == len(states[2])
    assert states[1][14:] != states[2][14:]


def test_a_destroyed_case_key_ends_rows_and_cache_row_of_that_case_only(stores: SQLiteStores) -> None:
    store = stores.create()
    writes = batch(1, [enrolled("a"), fact("a", 2), enrolled("b"), fact("b", 2)])
    writes.cache_rows = {"a": b"cache a", "b": b"cache b"}
    store.commit(writes)
    stores.keys.destroy([case_stream("a")])
    with pytest.raises(NotFound, match="destroyed"):
        list(store.case_records("a"))
    assert store.cache_rows(["a", "b"]) == {"b": b"cache b"}
    assert store.case_record("b", 2) == fact("b", 2)
    with pytest.raises(NotFound):
        store.commit(batch(2, [fact("a", 3)]))
    assert store.head().batch == 1


def test_a_cache_row_that_was_moved_or_changed_is_thrown_away(stores: SQLiteStores) -> None:
    store = stores.create()
    writes = batch(1, [enrolled("a"), enrolled("b"), enrolled("c")])
    writes.cache_rows = {"a": b"cache a", "b": b"cache b", "c": b"cache c"}
    store.commit(writes)
    with stores.tampering() as database:
        database.execute(
            "UPDATE cache_rows SET row = (SELECT row FROM cache_rows WHERE case_id = 'b') WHERE case_id='a'"
        )
        database.execute("UPDATE cache_rows SET row = x'00' WHERE case_id = 'c'")
    assert store.cache_rows(["a", "b", "c"]) == {"b": b"cache b"}


class _OneKeyForAll(KeyStore):
    """A key store gone wrong: every name has the same key."""

    def __init__(self) -> None:
        self._same = AESGCM(bytes(32))

    def cipher_of(self, name: str) -> AESGCM:
        return self._same

    def forget_what_others_changed(self) -> None:
        return None


@pytest.mark.parametrize("record", [fact("a", 2), parked("a", 2)])
def test_a_row_is_bound_to_its_stream_even_where_the_keys_would_be_the_same(
    record: FactRecorded | RecordParked,
) -> None:
    mapper = RecordMapper(_OneKeyForAll(), 3)
    row = mapper.to_stored_event(record)
    assert mapper.to_record(row) == record
    with pytest.raises(DamagedStore):
        mapper.to_record(dataclasses.replace(row, originator_id=f"{row.originator_id}b"))
    sealed = mapper.seal_cache_row(record.originator_id, b"cache")
    assert sealed is not None
    assert mapper.open_cache_row(record.originator_id, sealed) == b"cache"
    assert mapper.open_cache_row("case:b", sealed) is None


def test_a_parked_record_whose_open_part_was_changed_is_detected(stores: SQLiteStores) -> None:
    store = stores.create()
    store.commit(batch(1, [parked("A.SOC", 1)]))
    with stores.tampering() as database:
        (state,) = database.execute("SELECT state FROM stored_events WHERE topic = 'RecordParked'").fetchone()
        changed = state.replace(b"bad_avro", b"bad_time")
        assert changed != state
        database.execute("UPDATE stored_events SET state = ? WHERE topic = 'RecordParked'", (changed,))
    with pytest.raises(DamagedStore):
        list(store.parked())


def test_the_librarys_notifications_give_every_row_in_order(stores: SQLiteStores) -> None:
    store = stores.create()
    first, second = full_batch(), batch(2, [number("B.SOC", 2), decided("case-1", 4)])
    store.commit(first)
    store.commit(second)
    expected = [*packed(first.records), first.committed, *packed(second.records), second.committed]
    notifications = store.notifications(0, 100)
    assert [row.id for row in notifications] == list(range(1, 1 + len(expected)))
    assert [store.record_of(row) for row in notifications] == expected
    assert [row.id for row in store.notifications(4, 2)] == [5, 6]
    recorder = store._recorder
    (fenced,) = recorder.select_notifications(7, 5, topics=["BatchCommitted"])
    assert store.record_of(fenced) == second.committed


def test_a_reader_works_beside_the_worker_and_cannot_write(stores: SQLiteStores) -> None:
    store = stores.create()
    store.commit(full_batch())
    reader = stores.read()
    records = reader.case_records("case-1")
    assert next(records) == enrolled("case-1")
    store.commit(batch(2, [fact("case-1", 4)]))
    assert len(list(records)) == 2
    assert len(list(reader.case_records("case-1"))) == 4
    assert reader.head().batch == 2
    assert reader.batch(2) == committed(2)
    assert reader.identity() == store.identity()
    with pytest.raises(StoreUnavailable, match="readonly"):
        # The class has no way to write; neither has its connection.
        type(store)(reader._recorder, reader._mapper, stores.keys).commit(batch(3))
    store.close()
    assert len(list(reader.case_records("case-1"))) == 4
    reader.close()
    assert len(list(stores.read().cases())) == 1


@given(st.lists(st.tuples(st.text(max_size=40), st.integers(0, 3), st.integers(0, 2**40)), min_size=1, max_size=40))
def test_a_run_of_numbers_reads_as_it_was_given(references: list[tuple[str, int, int]]) -> None:
    given_numbers = [
        NumberAssigned(sent_stream("PRI"), number, case_id, version, index)
        for number, (case_id, version, index) in enumerate(references, 7)
    ]
    (run,) = packed(given_numbers)
    schema = WRITTEN_AS[type(run)]
    read = schema.decode(run.originator_id, run.originator_version, schema.encode(run))
    assert read == run
    assert list(cast(NumbersAssigned, read).numbers) == given_numbers
    assert cast(NumbersAssigned, read).first == 7


def test_a_hole_in_the_numbers_of_a_batch_is_not_stored(stores: SQLiteStores) -> None:
    store = stores.create()
    with pytest.raises(DamagedStore, match="consecutive"):
        store.commit(batch(1, [number("A", 1), number("A", 3)]))
    store.commit(batch(1, [number("A", 1), number("A", 2)]))
    for first in (1, 2, 4):
        with pytest.raises(DamagedStore, match="does not follow"):
            store.commit(batch(2, [number("A", n) for n in range(first, 6)]))
    store.commit(batch(2, [number("A", n) for n in range(3, 6)]))
    assert [one.originator_version for one in store.numbers("A", 1, 3)] == [2, 3, 4]


def test_a_long_run_of_numbers_is_cut_into_rows(stores: SQLiteStores) -> None:
    store = stores.create()
    count = 2 * NUMBERS_PER_ROW_MAX + 1
    store.commit(batch(1, [number("A", n) for n in range(1, count + 1)]))
    assert sum(row.topic == "NumbersAssigned" for row in store.notifications(0, 100)) == 3
    assert [one.originator_version for one in store.numbers("A", 0, count + 5)] == list(range(1, count + 1))
    assert [one.originator_version for one in store.numbers("A", count - 2, 9)] == [count - 1, count]


def test_no_run_of_numbers_is_opened_for_nothing(stores: SQLiteStores, monkeypatch: pytest.MonkeyPatch) -> None:
    store = stores.create()
    for run in range(6):
        store.commit(batch(run + 1, [number("A", 100 * run + n) for n in range(1, 101)]))
    opened: list[str] = []
    to_record = RecordMapper.to_record

    def counted(self: RecordMapper, row: StoredEvent) -> StoredRecord:
        opened.append(row.topic)
        return to_record(self, row)

    monkeypatch.setattr(RecordMapper, "to_record", counted)
    assert len(store.numbers("A", 150, 50)) == 50
    assert opened == ["NumbersAssigned"]
    assert len(store.numbers("A", 0, 600)) == 600
    assert len(opened) == 7


_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)
_INSTANTS = st.integers(-(2**63), 2**63 - 1)


@st.composite
def _facts(draw: st.DrawFn) -> FactRecorded:
    event_id, event_type, party, source = (draw(_NAMES) for _ in range(4))
    occurred_at, published_at, recorded_at = (draw(_INSTANTS) for _ in range(3))
    corrects, correlation, causation = (draw(st.none() | _NAMES) for _ in range(3))
    return FactRecorded(
        "case:a", 2, event_id, event_type, party, source, draw(st.integers(0, 2**32 - 1)), occurred_at, published_at,
        recorded_at, corrects, correlation, causation, draw(st.binary()), None, draw(st.just("") | _NAMES),
    )  # fmt: skip


@given(
    st.lists(st.tuples(_NAMES, st.lists(st.tuples(_NAMES, st.integers(1, 2**40)), max_size=3).map(tuple)), max_size=4)
)
def test_whom_another_case_had_told_reads_as_it_was_given(told: list[tuple[str, Shown]]) -> None:
    record = ToldElsewhere(case_stream("a"), 5, 7, "PRI/1", "b", tuple(told))
    schema = WRITTEN_AS[ToldElsewhere]
    assert schema.decode(record.originator_id, record.originator_version, schema.encode(record)) == record


@given(_facts())
def test_a_fact_reads_as_it_was_given_in_every_format_that_rows_have(record: FactRecorded) -> None:
    newest = WRITTEN_AS[FactRecorded]
    assert newest.number == 14
    assert newest.decode("case:a", 2, newest.encode(record)) == record
    from_elsewhere = record._replace(origin=Origin("5f0c7d1e-0000-4000-8000-000000000001", 7))
    assert newest.decode("case:a", 2, newest.encode(from_elsewhere)) == from_elsewhere
    unsigned = record._replace(signing_key="")
    as_avro = READABLE["FactRecorded", 2]
    assert as_avro.decode("case:a", 2, as_avro.encode(unsigned)) == unsigned
    # Format 12 had no name for the key that signed, format 9 none for where a fact came from; all else was the same.
    packed = newest.encode(unsigned)
    for older in (12, 9):
        names_end = 32 + int.from_bytes(packed[28:32], "big")
        packed = packed[:28] + (names_end - 33).to_bytes(4, "big") + packed[32 : names_end - 1] + packed[names_end:]
        assert READABLE["FactRecorded", older].decode("case:a", 2, packed) == unsigned
        with pytest.raises(DamagedStore, match="names"):
            newest.decode("case:a", 2, packed)


_SHOWN = st.lists(st.tuples(_NAMES, st.integers(0, 2**18)), max_size=3).map(tuple)
_DECISIONS = st.lists(
    st.builds(Decision, st.integers(1, 99), _NAMES, _SHOWN, st.integers(0, 2**31)), min_size=1, max_size=5
).map(tuple)


@given(_DECISIONS, _INSTANTS, _NAMES)
def test_decisions_of_the_format_without_agreements_read_as_made_under_none(
    decisions: tuple[Decision, ...], clock: int, digest: str
) -> None:
    record = DecisionsRecorded("case:a", 2, clock, digest, "registry", decisions, "agreements")
    newest, older = WRITTEN_AS[DecisionsRecorded], READABLE["DecisionsRecorded", 3]
    assert newest.decode("case:a", 2, newest.encode(record)) == record
    assert older.decode("case:a", 2, older.encode(record)) == record._replace(agreements="")


@given(_facts(), st.sampled_from(["event_id", "event_type", "party", "source", "corrects", "correlation", "causation"]))
def test_a_name_that_would_run_into_the_next_is_not_stored(record: FactRecorded, name: str) -> None:
    changes: dict[str, Any] = {name: "a\0b"}
    with pytest.raises(DamagedStore, match="zero character"):
        WRITTEN_AS[FactRecorded].encode(record._replace(**changes))


def test_a_key_store_that_does_not_answer_is_no_damage(stores: SQLiteStores, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard would be set aside for good, and told that its store must be restored."""
    store = stores.create()
    store.commit(batch(1, [enrolled("a"), fact("a", 2, b"of a")]))
    stores.keys._ciphers.clear()
    table = stores.keys._table
    rows = table.rows

    def away(names: Sequence[str]) -> Mapping[str, bytes | None]:
        monkeypatch.setattr(table, "rows", rows)
        raise StoreUnavailable("the key store could not be read")

    monkeypatch.setattr(table, "rows", away)
    with pytest.raises(StoreUnavailable):
        store.case_record("a", 2)
    assert store.case_record("a", 2) == fact("a", 2, b"of a")


def test_a_database_that_fails_while_cases_are_listed_is_named(
    stores: SQLiteStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stores.create()

    def away(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(store._recorder, "select", away)
    with pytest.raises(StoreUnavailable, match="disk I/O error"):
        list(store.cases())
