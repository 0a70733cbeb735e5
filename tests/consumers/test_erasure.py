"""Erasing what removed rows left: never in the way of receiving, never forgotten, and told as it is."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from consumers import erasure, store_file
from consumers import store as store_module
from consumers.store import PartyStore
from consumers.subscription import QUIET_AWAITED_SECONDS, Subscription
from tests.consumers.histories import drain
from tests.consumers.simulated_topic import KEYS, SimulatedTopic, name
from tests.consumers.test_store import bytes_on_disk
from tests.store.test_full_disk import file_bytes_max

AT = 1_736_150_400_000
MEBIBYTE = 1024 * 1024
EMPTYING: Final = "PRAGMA wal_checkpoint(TRUNCATE)"
TELLING: Final = "bytes of what was removed may still lie in the store's files"


class WatchedConnection(sqlite3.Connection):
    """Counts what is executed, and lets `on_vacuum` happen where the file would be rewritten."""

    executed: ClassVar[list[str]] = []
    on_vacuum: ClassVar[Callable[[], object] | None] = None

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        WatchedConnection.executed.append(statement)
        if statement == "VACUUM" and (happening := WatchedConnection.on_vacuum):
            happening()
        return super().execute(statement, *arguments)

    @classmethod
    def count(cls, statement: str) -> int:
        return cls.executed.count(statement)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[WatchedConnection]]:
    plain = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: plain(path, factory=WatchedConnection, **options))
    WatchedConnection.executed, WatchedConnection.on_vacuum = [], None
    yield WatchedConnection
    WatchedConnection.on_vacuum = None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pri.db"


@pytest.fixture
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "_BUSY_TIMEOUT_MS", 20)
    monkeypatch.setattr(erasure, "PAUSE_SECONDS_MAX", 0.0)
    monkeypatch.setattr(erasure, "PAUSE_SECONDS_MIN", 0.0)


def tell(topic: SimulatedTopic, event: object, address: str = "CANARY") -> None:
    topic.disclose(KEYS[0], name(event), "HousingSecured", {"occurredAt": AT, "address": address})


def take_back(topic: SimulatedTopic, event: object) -> None:
    topic.retract(KEYS[0], name(event), "HousingSecured")


def is_pending(store: PartyStore) -> bool:
    return store.erasure_pending


@contextmanager
def somebody_reads(path: Path) -> Iterator[None]:
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM received").fetchone()
    try:
        yield
    finally:
        reader.close()


def no_room() -> None:
    raise sqlite3.OperationalError("database or disk is full")


def no_memory() -> None:
    raise MemoryError


@pytest.mark.usefixtures("without_pauses")
@pytest.mark.parametrize("refusing", [no_room, no_memory])
def test_without_room_for_a_rewrite_retractions_are_received_also_after_a_restart(
    path: Path, watched: type[WatchedConnection], refusing: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    topic = SimulatedTopic()
    for event in range(3):
        tell(topic, event)
    with PartyStore.create(path, "PRI") as store:
        watched.on_vacuum = refusing
        for event in range(2):
            take_back(topic, event)
            drain(Subscription("PRI", topic, store))
            drain(Subscription("PRI", topic, store))
        assert is_pending(store)
    assert caplog.text.count(TELLING) == 1
    with PartyStore.open(path, "PRI") as store:
        take_back(topic, 2)
        subscription = Subscription("PRI", topic, store)
        drain(subscription)
        assert store.visible() == []
        assert is_pending(store), "what is not erased is not told as erased"
        watched.on_vacuum = None
        drain(subscription)
        assert not is_pending(store)
        assert b"CANARY" not in bytes_on_disk(path)


@pytest.mark.usefixtures("without_pauses")
def test_a_store_that_is_larger_than_the_room_left_goes_on_receiving(path: Path) -> None:
    topic, draw = SimulatedTopic(), random.Random(1)
    for event in range(200):
        tell(topic, event, f"CANARY {draw.randbytes(10_000).hex()}")
    with PartyStore.create(path, "PRI") as store:
        drain(Subscription("PRI", topic, store))
    room = path.stat().st_size // 2
    assert room > MEBIBYTE
    for event in (0, 1):
        with file_bytes_max(room), PartyStore.open(path, "PRI") as store:
            take_back(topic, event)
            drain(Subscription("PRI", topic, store))
            assert name(event) not in [each.event_id for each in store.visible()]
            assert is_pending(store)
            assert path.with_name(f"{path.name}-wal").stat().st_size < MEBIBYTE, "the room is for receiving"
    with PartyStore.open(path, "PRI") as store:
        drain(Subscription("PRI", topic, store))
        assert not is_pending(store)
        assert bytes_on_disk(path).count(b"CANARY") == 198


@pytest.mark.usefixtures("without_pauses")
def test_a_reader_that_stays_makes_the_log_grow_by_no_rewrite(
    path: Path, watched: type[WatchedConnection], caplog: pytest.LogCaptureFixture
) -> None:
    topic = SimulatedTopic()
    for event in range(50):
        tell(topic, event, "CANARY " + "x" * 10_000)
    with PartyStore.create(path, "PRI") as store:
        subscription = Subscription("PRI", topic, store)
        drain(subscription)
        with somebody_reads(path):
            for event in range(3):
                take_back(topic, event)
                subscription.advance(0)
                size = path.with_name(f"{path.name}-wal").stat().st_size
                for _ in range(5):
                    subscription.advance(0)
                assert path.with_name(f"{path.name}-wal").stat().st_size == size
            assert watched.count("VACUUM") == 0
            assert is_pending(store)
            assert caplog.text.count(TELLING) == 1
        drain(subscription)
        assert not is_pending(store)
        assert watched.count("VACUUM") == 1
        assert bytes_on_disk(path).count(b"CANARY") == 47


@pytest.mark.usefixtures("without_pauses")
def test_a_file_that_is_rewritten_already_is_not_rewritten_again_for_the_log(
    path: Path, watched: type[WatchedConnection]
) -> None:
    topic = SimulatedTopic()
    tell(topic, "e")
    with PartyStore.create(path, "PRI") as store:
        drain(Subscription("PRI", topic, store))
        take_back(topic, "e")
        Subscription("PRI", topic, store).advance(0)
        reading = somebody_reads(path)
        watched.on_vacuum = reading.__enter__
        for _ in range(4):
            store.finish_erasure()
            watched.on_vacuum = None
        assert is_pending(store)
        assert watched.count("VACUUM") == 1
        reading.__exit__(None, None, None)
        store.finish_erasure()
        assert not is_pending(store)
        assert watched.count("VACUUM") == 1
        assert b"CANARY" not in bytes_on_disk(path)


def test_what_is_removed_while_the_file_is_rewritten_stays_to_be_erased(
    path: Path, watched: type[WatchedConnection]
) -> None:
    topic = SimulatedTopic()
    tell(topic, "e")
    take_back(topic, "e")
    with PartyStore.create(path, "PRI") as store:
        Subscription("PRI", topic, store).advance(0)
        with PartyStore.open_for_rebuilding(path, "PRI") as beside:
            watched.on_vacuum = lambda: list(beside.rebuild())
            store.finish_erasure()
        assert is_pending(store), "the dropped version was not seen by the rewrite, as far as anybody can tell"
        watched.on_vacuum = None
        store.finish_erasure()
        assert not is_pending(store)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_put_off_is_tried_ever_more_rarely(
    path: Path, watched: type[WatchedConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_file, "_BUSY_TIMEOUT_MS", 0)
    topic, clock = SimulatedTopic(), Clock()
    tell(topic, "e")
    with PartyStore.create(path, "PRI") as store:
        store._erasure = erasure.Erasure(store._connection, clock)
        subscription = Subscription("PRI", topic, store, clock=clock)
        drain(subscription)
        tries = []
        with somebody_reads(path):
            take_back(topic, "e")
            for second in range(2_000):
                clock.now = float(second)
                before = watched.count(EMPTYING)
                subscription.advance(0)
                if watched.count(EMPTYING) > before:
                    tries.append(second)
        assert tries == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411, 1711]
        clock.now += erasure.PAUSE_SECONDS_MAX
        subscription.advance(0)
        assert not is_pending(store)


def test_under_steady_traffic_it_is_erased_and_confirmed_after_a_while(path: Path) -> None:
    topic, clock = SimulatedTopic(), Clock()
    with PartyStore.create(path, "PRI") as store:
        subscription = Subscription("PRI", topic, store, clock=clock)
        tell(topic, 0)
        seen = []
        for number in range(int(QUIET_AWAITED_SECONDS) + 3):
            take_back(topic, number)
            tell(topic, number + 1)
            assert subscription.advance(0) > 0, "there is always something"
            seen.append((store.erasure_pending, bool(topic.confirmed)))
            clock.now += 1.0
        assert seen.count((False, True)) == 1
        assert (True, True) in seen
        assert seen[0] == (True, False)


def test_a_rebuild_beside_more_than_it_folds_takes_no_ever_longer_steps(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step holds the lock; one of unbounded length would let nobody else write for so long."""
    monkeypatch.setattr(store_module, "_FOLDED_AT_ONCE_MAX", 8)
    monkeypatch.setattr(store_module, "_FOLDED_AT_ONCE", 1)
    limits = []
    with PartyStore.create(path, "PRI") as store:
        versions = store._versions
        monkeypatch.setattr(versions, "waiting", lambda *_: 1_000)

        def fold_some(_connection: object, _number: int, limit: int, _numbers: object) -> bool:
            limits.append(limit)
            return len(limits) == 8

        monkeypatch.setattr(versions, "fold_some", fold_some)
        for _ in store._fold_waiting(1):
            pass
    assert limits == [1, 2, 4, 8, 8, 8, 8, 8]
