"""`check_store` finds what somebody with the file in hand has done to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import Notification

from contracts.failures import DamagedStore
from hub.store.checking import check_store
from hub.store.reader import ShardReader
from hub.store.records import Decision, NumbersSkipped, case_stream, sent_stream
from hub.store.sqlite import open_for_reading
from hub.store.sqlite_recorder import SQLiteRecorder
from hub.store.stored_rows import StoredRows
from tests.shard.harness import ShardUnderTest
from tests.store.builders import IDENTITY, batch, decided, fact, full_batch, number
from tests.store.stores import SQLiteStores


def key_of(party: str, case_id: str) -> str:
    return "key-1" if party == "A.SOC" else f"the key of {party} of {case_id}"


@pytest.fixture
def filled(stores: SQLiteStores) -> SQLiteStores:
    """Two batches in which all says the same."""
    store = stores.create()
    first = full_batch()
    first.keys |= {(party, key_of(party, "case-1")): "case-1" for party in ("HUB", "B.SOC")}
    store.commit(first)
    settled = decided("case-1", 5, Decision(4, "B.SOC", (("consent", 5),), 2), Decision(2, "B.SOC", (), 3))
    told = [number("B.SOC", 2, version=5), number("B.SOC", 3, version=5, index=1)]
    second = batch(2, [fact("case-1", 4), settled, *told], a_soc=9)
    second.digests["A.SOC/case-1-4"] = b"digest"
    store.commit(second)
    store.record_send_positions({"B.SOC": 3})
    store.close()
    return stores


def faults(stores: SQLiteStores) -> list[str]:
    return check_store(IDENTITY.shard, stores.read(), key_of).faults


def test_a_whole_store_is_said_to_be_whole(filled: SQLiteStores) -> None:
    report = check_store(IDENTITY.shard, filled.read(), key_of)
    assert report.faults == []
    assert (report.batches, report.rows, report.streams, report.erased) == (2, 10, 4, 0)


@pytest.mark.parametrize(("rows", "size"), [(1, 10_000), (3, 10_000), (200, 1), (200, 150)])
def test_rows_come_in_portions_of_so_many_bytes_and_none_is_left_out(
    filled: SQLiteStores, monkeypatch: pytest.MonkeyPatch, rows: int, size: int
) -> None:
    whole = [(row.originator_id, row.originator_version, row.state) for row in filled.read().rows()]
    monkeypatch.setattr("hub.store.stored_rows.PORTION_ROWS_MAX", rows)
    monkeypatch.setattr("hub.store.stored_rows.PORTION_BYTES_MAX", size)
    portion = filled.read().rows().portion("", 0)
    assert len(portion.rows) == 1 or sum(len(row.state) for row in portion.rows) <= size
    assert len(portion.rows) <= rows
    in_portions = [(row.originator_id, row.originator_version, row.state) for row in filled.read().rows()]
    assert in_portions == whole
    assert len(whole) == 10


@pytest.mark.parametrize(("rows", "size"), [(1, 10_000), (3, 10_000), (200, 1), (200, 150)])
def test_rows_in_order_come_in_such_portions_and_none_is_left_out(
    filled: SQLiteStores, monkeypatch: pytest.MonkeyPatch, rows: int, size: int
) -> None:
    stored = filled.read().notifications(0, 100)
    monkeypatch.setattr("hub.store.stored_rows.PORTION_ROWS_MAX", rows)
    monkeypatch.setattr("hub.store.stored_rows.PORTION_BYTES_MAX", size)
    portions: list[Sequence[Notification]] = []
    read = SQLiteRecorder.select_notifications

    def watched(recorder: SQLiteRecorder, *words: Any, **named: Any) -> Sequence[Notification]:
        portions.append(read(recorder, *words, **named))
        return portions[-1]

    monkeypatch.setattr(SQLiteRecorder, "select_notifications", watched)
    assert list(filled.read().rows().in_order()) == stored
    assert [row for portion in portions for row in portion] == stored
    assert all(len(each) == 1 or sum(len(row.state) for row in each) <= size for each in portions)
    assert max(map(len, portions)) <= rows
    if size == 150:
        assert len(portions) < len(stored)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("DELETE FROM stored_events WHERE originator_id = 'case:case-1' AND originator_version = 3", "case:case-1"),
        ("DELETE FROM stored_events WHERE originator_id = 'case:case-1' AND originator_version = 1", "case:case-1"),
        ("DELETE FROM stored_events WHERE originator_id = 'sent:B.SOC' AND originator_version = 1", "sent:B.SOC"),
        ("DELETE FROM stored_events WHERE originator_id = 'batches' AND originator_version = 1", "batches"),
        ("DELETE FROM stored_events WHERE originator_id = 'batches' AND originator_version = 2", "the last batch"),
        ("DELETE FROM stored_events WHERE originator_id = 'sent:B.SOC' AND originator_version = 3", "`sent:B.SOC`"),
        ("UPDATE tracking SET notification_id = 8 WHERE application_name = 'topic:in.a-soc.v1'", "in.a-soc.v1"),
        ("UPDATE tracking SET notification_id = 10 WHERE application_name = 'topic:in.a-soc.v1'", "in.a-soc.v1"),
        ("DELETE FROM event_digests", "`event_digests` lacks `2` rows"),
        ("DELETE FROM event_digests WHERE event_id = 'A.SOC/case-1-4'", "`event_digests` lacks `1` rows"),
        ("DELETE FROM case_keys", "`case_keys` lacks `3` rows"),
        ("UPDATE case_keys SET case_id = 'case-2' WHERE party = 'A.SOC'", "`case_keys` lacks `1` rows"),
        ("DELETE FROM open_parked", "`open_parked` lacks `1` rows"),
        ("UPDATE open_parked SET number = 2, place = 'A.SOC/2'", "`open_parked` lacks `2` rows"),
        ("UPDATE send_positions SET number = 4", "`send_positions` has `B.SOC` at `4`"),
        ("UPDATE heard SET instant = 2001", "`heard` has `A.SOC` at `2001`"),
        ("DELETE FROM topic_ids", "`topic_ids` lacks topic `in.a-soc.v1`"),
        (
            "UPDATE stored_events SET state = substr(state, 1, 9) WHERE originator_id = 'case:case-1' "
            "AND originator_version = 2",
            "row `case:case-1` `2`",
        ),
    ],
)
def test_what_was_taken_out_or_set_back_is_found(filled: SQLiteStores, harm: str, told: str) -> None:
    with filled.tampering() as database:
        assert database.execute(harm).rowcount > 0
    found = faults(filled)
    assert any(told in fault for fault in found), found
    assert all("restore the store" in fault for fault in found)


def skip_numbers(filled: SQLiteStores) -> None:
    store = filled.open()
    skipping = batch(3, [NumbersSkipped(sent_stream("B.SOC"), 9, 3_000, 4)])
    skipping.sent["B.SOC"] = 9
    store.commit(skipping)
    store.close()


def test_numbers_that_were_skipped_are_no_fault_and_hide_none(filled: SQLiteStores) -> None:
    skip_numbers(filled)
    assert faults(filled) == []
    with filled.tampering() as database:
        database.execute("DELETE FROM stored_events WHERE originator_id = 'sent:B.SOC' AND originator_version = 3")
    assert any("sent:B.SOC" in fault for fault in faults(filled))


def test_numbers_that_were_skipped_are_not_told_as_given_out_by_settlements(filled: SQLiteStores) -> None:
    skip_numbers(filled)
    with filled.tampering() as database:
        database.execute("DELETE FROM stored_events WHERE originator_id = 'sent:B.SOC' AND originator_version = 1")
    told = "has `2` numbers that are neither skipped nor of cases that cannot be read, settlements gave out `3`"
    assert any(told in fault for fault in faults(filled)), faults(filled)


@pytest.mark.parametrize("name", ["cluster_id", "world", "shard", "partitions"])
def test_a_store_that_does_not_say_what_it_is_for_is_told_by_name(filled: SQLiteStores, name: str) -> None:
    with filled.tampering() as database:
        database.execute("DELETE FROM store_identity WHERE name = ?", (name,))
    with pytest.raises(DamagedStore, match=name):
        filled.read()


def test_an_erased_case_is_no_fault(filled: SQLiteStores) -> None:
    filled.keys.destroy([case_stream("case-1")])
    report = check_store(IDENTITY.shard, filled.read(), key_of)
    assert (report.faults, report.erased) == ([], 1)


def test_a_worker_at_work_meanwhile_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.settle()
    reader = open_for_reading(hub.directory / "shard-0.db", hub.keys)
    rows = reader.rows()
    monkeypatch.setattr(reader, "rows", lambda: rows)

    def busy(part: ShardReader | StoredRows, name: str) -> None:
        ask = getattr(part, name)

        def asked(*words: object) -> object:
            found = ask(*words)
            hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, f"{name}{hub.now}")
            hub.tick(1_000)
            hub.settle()
            return found

        monkeypatch.setattr(part, name, asked)

    for name in ("head", "batch", "digests", "cases_of", "open_parked", "send_positions"):
        busy(reader, name)
    for name in ("portion", "party_keys", "digests"):
        busy(rows, name)
    assert check_store(0, reader, hub.key).faults == []
