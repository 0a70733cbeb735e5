"""The store in memory keeps what every store must keep, and what only it could get wrong: nothing is shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.failures import DamagedStore, StoreUnavailable
from tests.store.builders import batch, enrolled, full_batch, parked, resolved
from tests.store.memory import MemoryStores
from tests.store.stores import Stores
from tests.store.test_conformance import ShardStoreConformance


class TestMemoryShardStore(ShardStoreConformance):
    """The store in memory."""

    @pytest.fixture
    def places(self, tmp_path: Path) -> Stores:
        return MemoryStores()


def test_what_the_writer_changes_afterwards_does_not_reach_the_store() -> None:
    places = MemoryStores()
    store, writes = places.create(), full_batch()
    store.commit(writes)
    before = store.head()
    writes.records.append(enrolled("other"))
    writes.digests["A.SOC/other"] = b"other"
    writes.keys["A.SOC", "other"] = "other"
    writes.due["other"] = 1
    assert isinstance(writes.committed.positions, dict)
    writes.committed.positions["in.a-soc.v1"] = 99
    before_positions = dict(before.positions)
    assert isinstance(before.positions, dict)
    before.positions["in.a-soc.v1"] = 98
    assert list(store.cases()) == ["case-1"]
    assert store.digests(["A.SOC/other"]) == {}
    assert store.cases_of([("A.SOC", "other")]) == {}
    assert store.due_of(["other"]) == {}
    assert store.head().positions == store.batch(1).positions == before_positions


def test_a_copy_and_its_original_go_on_separately() -> None:
    places = MemoryStores()
    store = places.create()
    store.commit(batch(1, [enrolled("a"), parked("A.SOC", 1)]))
    assert places.content is not None
    other = MemoryStores(places.content.copy()).open()
    other.commit(batch(2, [enrolled("b"), resolved("A.SOC", 2, 1)]))
    assert (list(store.cases()), list(other.cases())) == (["a"], ["a", "b"])
    assert (store.head().batch, other.head().batch) == (1, 2)
    assert store.parked_record("A.SOC", 1) == parked("A.SOC", 1)
    assert next(other.parked("A.SOC"))[0].value is None


def test_a_closed_handle_reads_and_writes_nothing() -> None:
    places = MemoryStores()
    store = places.create()
    store.close()
    with pytest.raises(StoreUnavailable):
        store.head()
    with pytest.raises(StoreUnavailable):
        store.commit(full_batch())
    assert places.open().head().batch == 0


def test_numbers_of_one_party_with_a_hole_are_refused_before_anything_is_stored() -> None:
    writes = full_batch()
    writes.records.append(writes.records[3]._replace(originator_version=3))  # type: ignore[union-attr]
    store = MemoryStores().create()
    with pytest.raises(DamagedStore):
        store.commit(writes)
    assert store.head().batch == 0
