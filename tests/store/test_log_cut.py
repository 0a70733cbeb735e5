"""The write-ahead log of a shard's SQLite file is cut at any byte: what opens is a beginning of what was committed.

Rules:
- The log is cut behind what was committed, as a machine leaves it that loses its power: nothing is checkpointed.
- How many batches must be there is known from how long the log was after each.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.store.checking import check_store
from hub.store.ports import BatchWrites
from tests.store.builders import IDENTITY, batch, enrolled, fact, full_batch
from tests.store.stores import SQLiteStores

BATCHES = 6
HEADER_BYTES = 32
DRAWN = 60


@dataclass(frozen=True)
class Written:
    """A store of some batches, as it lay on the disk: the length of its log and its content after each batch."""

    stores: SQLiteStores
    copied: Path
    log_bytes: list[int]
    contents: list[list[tuple[object, ...]]]

    @property
    def log(self) -> bytes:
        return _log_of(self.copied).read_bytes()


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _batches() -> Iterator[BatchWrites]:
    yield full_batch(1)
    for version in range(2, BATCHES + 1):
        yield batch(version, [enrolled(f"case-{version}"), fact(f"case-{version}", 2, b"x" * 3_000)], a_soc=7 + version)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Batches committed one after the other, and the files copied while the store is open."""
    stores = SQLiteStores(tmp_path_factory.mktemp("written"))
    stores.create().close()  # the tables themselves are out of the log by then
    store = stores.open()
    log = _log_of(stores.path)
    log_bytes, contents = [log.stat().st_size if log.exists() else 0], [stores.content()]
    for writes in _batches():
        store.commit(writes)
        log_bytes.append(log.stat().st_size)
        contents.append(stores.content())
    copied = tmp_path_factory.mktemp("copied") / stores.path.name
    shutil.copy(stores.path, copied)
    shutil.copy(log, _log_of(copied))
    assert log_bytes == sorted(set(log_bytes)), "each batch has made the log longer"
    return Written(stores, copied, log_bytes, contents)


def _cuts(written: Written) -> Sequence[int]:
    """Every length at which a batch ends and its neighbours, the header's, and some that are drawn."""
    whole = len(written.log)
    around = {end + step for end in [0, HEADER_BYTES, *written.log_bytes] for step in (-1, 0, 1, 24)}
    drawn = {random.Random(1).randrange(whole) for _ in range(DRAWN)}
    return sorted(cut for cut in around | drawn if 0 <= cut <= whole)


def _opened_again(written: Written, directory: Path, log: bytes) -> SQLiteStores:
    again = SQLiteStores.__new__(SQLiteStores)
    again.path, again.keys = directory / written.copied.name, written.stores.keys
    shutil.copy(written.copied, again.path)
    _log_of(again.path).write_bytes(log)
    _log_of(again.path).with_suffix(".db-shm").unlink(missing_ok=True)
    return again


def _assert_is_after(written: Written, again: SQLiteStores, count: int) -> None:
    """The store is that of `count` batches, agrees with itself, and takes the next one."""
    store = again.open(IDENTITY)
    try:
        head = store.head()
        assert head.batch == count
        assert again.content() == written.contents[count]
        assert check_store(IDENTITY.shard, store).faults == []
        assert dict(head.positions) == (dict(store.batch(count).positions) if count else {})
        for number, writes in enumerate(_batches(), start=1):
            if number > count:
                store.commit(writes)
        assert store.head().batch == BATCHES
    finally:
        store.close()


def test_a_log_that_is_cut_anywhere_leaves_whole_batches_and_no_torn_one(written: Written, tmp_path: Path) -> None:
    log = written.log
    found = set()
    for cut in _cuts(written):
        directory = tmp_path / str(cut)
        directory.mkdir()
        count = max(number for number, end in enumerate(written.log_bytes) if end <= cut or number == 0)
        _assert_is_after(written, _opened_again(written, directory, log[:cut]), count)
        found.add(count)
        shutil.rmtree(directory)
    assert found == set(range(BATCHES + 1))


def test_a_log_with_a_changed_byte_ends_before_the_batch_that_has_it(written: Written, tmp_path: Path) -> None:
    draw = random.Random(2)
    for number in range(20):
        log = bytearray(written.log)
        at = draw.randrange(HEADER_BYTES, len(log))
        log[at] ^= 1 << draw.randrange(8)
        count = max(number for number, end in enumerate(written.log_bytes) if end <= at or number == 0)
        directory = tmp_path / str(number)
        directory.mkdir()
        _assert_is_after(written, _opened_again(written, directory, bytes(log)), count)
