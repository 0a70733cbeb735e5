"""A party that comes back to the registry while the hub is at work, and of whose topic something was deleted unread."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.parties import Party, PartyRegistry
from contracts.registry_file import write_registry
from contracts.topics import Names
from hub import registry_watch
from hub.broker.kafka_cluster import ClusterIdentity
from hub.settings import WorkerSettings
from hub.store.places import FilePlace
from hub.store.ports import BatchWrites, StoreIdentity
from hub.store.records import BATCHES, BatchCommitted
from hub.worker import Worker
from tests.kafka.every_shard import EveryShard

BEFORE = PartyRegistry.of([Party("PRI")])
AFTER = PartyRegistry.of([Party("PRI"), Party("A.SOC")])
TOPIC = Names().input("A.SOC")
PARTITIONS = 2
SEARCH_SECONDS_MAX = 10.0


class QuietShard:
    """A shard that has nothing to do."""

    def step(self, wait_seconds: float) -> bool:
        return False

    def close(self) -> None:
        pass


@dataclass
class Hub:
    """A worker at work, each of whose shards has read A.SOC's topic up to `READ`."""

    READ = 5
    directory: Path
    starts: Sequence[Mapping[str, int]] = ()
    topic_ids: Mapping[str, str] = field(default_factory=lambda: {TOPIC: "first"})
    opened: list[PartyRegistry] = field(default_factory=list)

    def __post_init__(self) -> None:
        secret = self.directory / "secret"
        secret.write_text("00" * 32, encoding="ascii")
        self.registry_file = self.directory / "registry.toml"
        write_registry(self.registry_file, BEFORE)
        settings = WorkerSettings(
            kafka="127.0.0.1:1", reader_password_file=secret, sender_password_file=secret, principals_file=secret,
            registry_file=self.registry_file, state_directory=self.directory, master_key_file=secret,
            secret_file=secret, signing_key_file=secret, partitions=PARTITIONS, signature_processes=0,
        )  # fmt: skip
        place = FilePlace(self.directory)
        identities = [StoreIdentity("c", "", number, PARTITIONS, self.topic_ids) for number in range(PARTITIONS)]
        place.create(bytes(32), identities, None)
        keys = place.open_keys(bytes(32))
        for identity in identities:
            with closing(place.open_store(identity, keys)) as store:
                store.commit(BatchWrites(BatchCommitted(BATCHES, 1, "owner", 0, {TOPIC: self.READ})))
        self.worker = Worker(settings, keys, BEFORE, EveryShard(PARTITIONS))

    def open_shard(self, _settings: object, _keys: object, registry: PartyRegistry, *_: object) -> QuietShard:
        self.opened.append(registry)
        return QuietShard()

    def refused(self) -> float | None:
        return self.worker._metrics.registry.get_sample_value("hub_registry_refused")

    def join(self) -> None:
        """Put A.SOC back into the registry, and wait until that is taken up or refused."""
        write_registry(self.registry_file, AFTER)
        deadline = time.monotonic() + SEARCH_SECONDS_MAX
        while AFTER not in self.opened and not self.refused():
            assert time.monotonic() < deadline, "the registry was neither taken up nor refused"
            self.worker.step()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(registry_watch, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr("hub.worker.STEP_WAIT_SECONDS", 0.01)
    hub = Hub(tmp_path)
    monkeypatch.setattr("hub.worker.look_at_cluster", lambda *_: ClusterIdentity("c", hub.topic_ids))
    monkeypatch.setattr("hub.wiring.log_starts", lambda *_: hub.starts)
    monkeypatch.setattr("hub.worker.open_shard", hub.open_shard)
    while len(hub.opened) < PARTITIONS:
        hub.worker.step()
    yield hub
    hub.worker.close()


@pytest.mark.parametrize("start", [0, Hub.READ])
def test_who_comes_back_is_taken_up_where_everything_unread_is_there(hub: Hub, start: int) -> None:
    hub.starts = [{TOPIC: start}] * PARTITIONS
    hub.join()
    assert AFTER in hub.opened
    assert hub.refused() == 0.0


@pytest.mark.parametrize("broken", range(PARTITIONS))
def test_a_registry_under_which_a_shard_could_not_read_on_is_refused_and_none_is_closed(
    hub: Hub, broken: int, caplog: pytest.LogCaptureFixture
) -> None:
    hub.starts = [{TOPIC: Hub.READ + (number == broken)} for number in range(PARTITIONS)]
    hub.join()
    assert hub.refused() == 1.0
    assert hub.opened == [BEFORE] * PARTITIONS
    assert f"`{TOPIC}` partition `{broken}` begins at `6`" in caplog.text
    assert "under an id that it never had" in caplog.text


def test_a_registry_without_a_party_from_before_is_refused_and_no_shard_is_closed(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    write_registry(hub.registry_file, PartyRegistry.of([Party("A.SOC")]))
    while not hub.refused():
        hub.worker.step()
    assert hub.opened == [BEFORE] * PARTITIONS
    assert "party `PRI` was in the registry and is not" in caplog.text


def test_so_is_one_that_brings_a_topic_back_that_was_made_anew(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.starts = [{TOPIC: 0}] * PARTITIONS
    hub.topic_ids = {TOPIC: "second"}
    hub.join()
    assert hub.opened == [BEFORE] * PARTITIONS
    assert "it was made anew" in caplog.text
