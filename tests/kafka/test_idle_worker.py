"""A worker that waits for a broker holds on to nothing that the client library has thrown away."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.parties import PartyRegistry
from hub.settings import WorkerSettings
from hub.store.keys import KeyStore
from hub.worker import Worker
from tests.kafka.every_shard import EveryShard


class Connection:
    """Like a connection of the client library: part of a cycle, so that only the collector ends it."""

    def __init__(self) -> None:
        self.itself = self


class WaitingShard:
    """A shard that finds nothing to do, its client having tried once more to reach the broker."""

    def __init__(self) -> None:
        self.attempts: list[weakref.ref[Connection]] = []

    def step(self, wait_seconds: float) -> bool:
        self.attempts.append(weakref.ref(Connection()))
        return False

    def close(self) -> None:
        pass


@pytest.fixture
def collector_that_rests() -> Iterator[None]:
    """No collection but those that are asked for, as good as in a worker between two batches."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("collector_that_rests")
def test_an_idle_worker_lets_go_of_dead_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("00" * 32, encoding="ascii")
    settings = WorkerSettings(
        kafka="127.0.0.1:1", reader_password_file=secret, sender_password_file=secret, registry_file=secret,
        state_directory=tmp_path, master_key_file=secret, secret_file=secret, signing_key_file=secret,
        principals_file=secret, partitions=1,
    )  # fmt: skip
    keys = KeyStore.create(tmp_path / "keys.db", bytes(32))
    shard = WaitingShard()
    monkeypatch.setattr("hub.worker.COLLECT_IDLE_SECONDS", 0.0)
    monkeypatch.setattr("hub.worker.look_at_cluster", lambda *_: None)
    monkeypatch.setattr("hub.worker.open_shard", lambda *_: shard)
    worker = Worker(settings, keys, PartyRegistry.of([]), EveryShard(1))
    deadline = time.monotonic() + 10.0
    while not shard.attempts:
        assert time.monotonic() < deadline, "the shard was not opened"
        worker.step()
    assert [attempt() for attempt in shard.attempts] == [None]
    worker.close()
