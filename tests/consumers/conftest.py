from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.store import PartyStore
from consumers.subscription import Subscription
from tests.consumers.simulated_topic import SimulatedTopic


@pytest.fixture
def topic() -> SimulatedTopic:
    return SimulatedTopic()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PartyStore]:
    with PartyStore.create(tmp_path / "pri.db", "PRI") as made:
        yield made


@pytest.fixture
def subscription(topic: SimulatedTopic, store: PartyStore) -> Subscription:
    return Subscription("PRI", topic, store)
