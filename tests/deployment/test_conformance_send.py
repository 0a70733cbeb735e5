"""`hub conformance send` invents what the hub would say, with its own signature: only where the hub says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kafka import TopicPartition

from contracts.parties import Party, PartyRegistry
from deploy.conformance import command
from deploy.hub_places import world_stores
from deploy.world import HUB_KEY, World
from hub.broker.ports import InputRecord
from hub.store.ports import StoreIdentity
from tests.deployment.stored_world import stored_world

PARTY = "A.SOC"


class Log:
    """The party's output topic, of which nothing can be read: a consumer that knows where its logs end."""

    ends = (0, 0)

    def __init__(self, **_: object) -> None:
        pass

    def partitions_for_topic(self, _: str) -> set[int]:
        return set(range(len(self.ends)))

    def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: self.ends[place.partition] for place in places}

    def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return self.end_offsets(places)

    def assign(self, _: object) -> None:
        pass

    def seek(self, *_: object) -> None:
        pass

    def position(self, place: TopicPartition) -> int:
        return self.ends[place.partition]

    def close(self, **_: object) -> None:
        pass


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[InputRecord]]:
    sent: list[InputRecord] = []
    monkeypatch.setattr(command, "KafkaConsumer", Log)
    monkeypatch.setattr(command, "_send", lambda _, records: sent.extend(records))
    yield sent


@pytest.fixture
def trial(tmp_path: Path) -> World:
    """A world for tests, whose hub has not begun."""
    registry = PartyRegistry.of([Party(PARTY)])
    passwords = {"a-soc": "secret", "hub-sender": "secret"}
    world = World(
        tmp_path / "trial", registry, "", "localhost:1", "SASL_PLAINTEXT", None, 2, False, passwords,
        bytes(32), bytes(32), signing_keys={HUB_KEY: bytes(32)},
    )  # fmt: skip
    world.write()
    identities = [StoreIdentity("cluster", "", shard, 2, {}) for shard in range(2)]
    world_stores(world).create(world.master_key, identities, None)
    return world


def send(directory: Path) -> Result:
    return CliRunner().invoke(command.conformance, ["send", PARTY, "--world", str(directory)])


def test_where_nothing_was_ever_said_the_sequence_is_sent(trial: World, sent: list[InputRecord]) -> None:
    assert send(trial.directory).exit_code == 0
    assert sent


@pytest.mark.parametrize("ends", [(1, 0), (0, 7)])
def test_a_topic_whose_records_were_deleted_is_not_empty(
    trial: World, sent: list[InputRecord], monkeypatch: pytest.MonkeyPatch, ends: tuple[int, int]
) -> None:
    monkeypatch.setattr(Log, "ends", ends)
    assert "holds records, or did" in str(send(trial.directory).exception)
    assert not sent


def test_nothing_is_sent_where_the_hub_has_told_anybody_anything(tmp_path: Path, sent: list[InputRecord]) -> None:
    """The party may have joined a moment ago: its topic is new, and all that it may see is on its way."""
    stored = stored_world(tmp_path)
    assert "expected a world made for this test" in str(send(stored.directory).exception)
    assert not sent
