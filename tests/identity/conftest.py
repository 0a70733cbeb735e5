"""What the identity tests share: a vault in a temporary directory, and a channel that keeps what it was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.civil_time import instant_of
from contracts.failures import TransportFailure
from contracts.parties import Party, PartyRegistry
from hub.identity.basics import read_basics_rules
from hub.identity.enrolment import Identity
from hub.identity.vault import Vault

VAULT_KEY = bytes(range(32))
HUB_SECRET = bytes(range(32, 64))
PARTITIONS = 8
TODAY = date(2025, 6, 1)
NOW = instant_of(datetime(2025, 6, 1, 12, tzinfo=UTC))


class RecordingChannel:
    """A control channel in memory. While `failing`, it stores nothing and raises."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str, dict[str, Any]]] = []
        self.failing = False

    def publish(self, partition: int, event_type: str, payload: Mapping[str, Any]) -> None:
        if self.failing:
            raise TransportFailure("the test broker is down: ask again")
        self.told.append((partition, event_type, dict(payload)))


@pytest.fixture
def vault_path(tmp_path: Path) -> Path:
    return tmp_path / "vault.db"


@pytest.fixture
def vault(vault_path: Path) -> Iterator[Vault]:
    vault = Vault.create(vault_path, VAULT_KEY, PARTITIONS)
    yield vault
    vault.close()


@pytest.fixture
def channel() -> RecordingChannel:
    return RecordingChannel()


@pytest.fixture
def identity(vault: Vault, channel: RecordingChannel) -> Identity:
    parties = ("PRI", "A.SOC", "B.SOC", "A.MNT", "A.VOL", "A.FAC")
    registry = PartyRegistry.of(Party(party_id) for party_id in parties)
    return Identity(vault, HUB_SECRET, channel, registry, read_basics_rules(), lambda: NOW)
