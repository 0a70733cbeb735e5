"""`check_store` finds what somebody with the file in hand has done to it."""

from __future__ import annotations

import pytest

from hub.store.checking import check_store
from tests.store.builders import IDENTITY, batch, fact, full_batch, number
from tests.store.stores import SQLiteStores


@pytest.fixture
def filled(stores: SQLiteStores) -> SQLiteStores:
    store = stores.create()
    store.commit(full_batch())
    store.commit(batch(2, [fact("case-1", 4), number("B.SOC", 2), number("B.SOC", 3)], a_soc=9))
    store.close()
    return stores


def test_a_whole_store_is_said_to_be_whole(filled: SQLiteStores) -> None:
    report = check_store(IDENTITY.shard, filled.read())
    assert report.faults == []
    assert (report.batches, report.rows, report.streams) == (2, 9, 4)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("DELETE FROM stored_events WHERE originator_id = 'case:case-1' AND originator_version = 3", "case:case-1"),
        ("DELETE FROM stored_events WHERE originator_id = 'case:case-1' AND originator_version = 1", "case:case-1"),
        ("DELETE FROM stored_events WHERE originator_id = 'sent:B.SOC' AND originator_version = 1", "sent:B.SOC"),
        ("DELETE FROM stored_events WHERE originator_id = 'batches' AND originator_version = 1", "batches"),
        ("UPDATE tracking SET notification_id = 8 WHERE application_name = 'topic:in.a-soc.v1'", "in.a-soc.v1"),
    ],
)
def test_what_was_taken_out_or_set_back_is_found(filled: SQLiteStores, harm: str, told: str) -> None:
    with filled.tampering() as database:
        database.execute(harm)
    (fault,) = check_store(IDENTITY.shard, filled.read()).faults
    assert told in fault
