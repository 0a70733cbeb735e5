"""The disk fills under the real stores: a batch that does not fit is refused whole, and stored once there is room.

The limit is the kernel's on the size of a file, for this process or for the server's: what lies behind it cannot be
written, as on a disk without room.
"""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from contracts.failures import StoreUnavailable
from deploy.local_postgres import LocalPostgres
from hub.store.checking import check_store
from hub.store.ports import BatchWrites, ShardStore
from tests.store.builders import IDENTITY, MASTER_KEY, batch, enrolled, fact
from tests.store.postgres_stores import PostgresStores
from tests.store.stores import SQLiteStores

MEBIBYTE = 1024 * 1024
SERVER_FILE_BYTES_MAX = 17 * MEBIBYTE
"""Above what a log file of the server takes, below what the table comes to."""


@contextmanager
def file_bytes_max(limit: int) -> Iterator[None]:
    """Let no file of this process, and of those that it starts, grow beyond `limit`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def some_batch(version: int, size: int, draw: random.Random) -> BatchWrites:
    """A batch with `size` bytes that cannot be packed."""
    case_id = f"case-{version}"
    return batch(version, [enrolled(case_id), fact(case_id, 2, draw.randbytes(size))], a_soc=version)


@pytest.mark.parametrize("room", range(0, 120_000, 9_973))
def test_a_file_that_cannot_grow_keeps_whole_batches_and_goes_on_when_it_can(stores: SQLiteStores, room: int) -> None:
    draw = random.Random(room)
    store = stores.create()
    store.commit(some_batch(1, 5_000, draw))
    log = stores.path.with_name(f"{stores.path.name}-wal")
    for _ in range(3):
        version = store.head().batch + 1
        with file_bytes_max(log.stat().st_size + room):
            while True:
                refused, before = some_batch(version, 15_000, draw), stores.content()
                try:
                    store.commit(refused)
                except StoreUnavailable as failure:
                    assert "free the lock or the disk" in str(failure)
                    break
                version += 1
            assert store.head().batch == version - 1
            assert stores.content() == before
        store.commit(refused)
        assert store.head().batch == version
    store.close()
    again = stores.open()
    assert check_store(IDENTITY.shard, again).faults == []
    assert again.head().batch == version
    assert again.head().positions == {"in.a-soc.v1": version}


@pytest.mark.postgres
def test_a_server_without_room_keeps_whole_batches_and_goes_on_when_it_has_some(local_postgres: LocalPostgres) -> None:
    draw = random.Random(1)
    stores = PostgresStores(local_postgres)
    stores.create().close()
    local_postgres.stop_at_once()
    with file_bytes_max(SERVER_FILE_BYTES_MAX):
        local_postgres.start()
    try:
        stores.keys = stores.place.open_keys(MASTER_KEY)
        store = stores.open()
        version, refused = fill(store, draw)
        assert version > 2
        assert store.head().batch == version - 1
        assert [record.originator_version for record in store.case_records(f"case-{version - 1}")] == [1, 2]
        assert list(store.case_records(f"case-{version}")) == []
        store.close()
    finally:
        local_postgres.stop_at_once()
        local_postgres.start()
    stores.keys = stores.place.open_keys(MASTER_KEY)
    again = stores.open()
    again.commit(refused)
    assert again.head().batch == version
    assert again.head().positions == {"in.a-soc.v1": version}
    assert check_store(IDENTITY.shard, again).faults == []
    again.close()


def fill(store: ShardStore, draw: random.Random) -> tuple[int, BatchWrites]:
    """Commit batches until one is refused; return its number and the batch."""
    for version in range(1, 40):
        writes = some_batch(version, MEBIBYTE, draw)
        try:
            store.commit(writes)
        except StoreUnavailable:
            return version, writes
    raise AssertionError("the server had room for everything")
