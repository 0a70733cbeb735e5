"""A world in one process: the real publishers, shard, store, identity and subscriptions on a broker in memory.

Rules:
- Nothing of the hub is replaced but Kafka: the stores are SQLite files in a directory of their own. It lies in the
  machine's memory where that can be written to: nothing of such a world outlives it, and no disk is waited for.
- One partition is enough: a world has one citizen, and a case lies in one shard.
- `settle` steps the shard and every subscription until none of them has anything left to do.

The broker is `simulated_broker`; the player moves its clock.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from consumers.store import PartyStore
from consumers.subscription import Subscription
from consumers.visible import VisibleEvent
from contracts.failures import StoreFailure
from contracts.parties import PartyRegistry
from contracts.topics import HUB_PARTY, Names
from deploy.scenario.citizen import played_national_id
from deploy.scenario.scenario import Scenario
from deploy.scenario.simulated_broker import (
    SimulatedBroker,
    SimulatedControl,
    SimulatedInputs,
    SimulatedOutputs,
    SimulatedSource,
    SimulatedTransport,
)
from deploy.scenario.world import newest_decisions
from hub.identity.basics import read_basics_rules
from hub.identity.enrolment import Identity
from hub.identity.pseudonyms import governance_key, pseudonym
from hub.identity.vault import Vault
from hub.store.keys import KeyStore
from hub.store.ports import StoreIdentity
from hub.store.records import CaseRecord, RecordParked, Shown
from hub.store.sqlite import create_store
from hub.wiring import build_shard
from producers.publisher import Publisher

PARTITIONS: Final = 1
SHARD: Final = 0
SECRET_BYTES: Final = 32
STEPS_MAX: Final = 10_000
MEMORY: Final = Path("/dev/shm")
"""Where Linux keeps files in memory."""
MEMORY_FREE_BYTES_MIN: Final = 256 * 1024 * 1024


class CoreWorld:
    """One hub in one process (`deploy.scenario.world.World`)."""

    def __init__(self, registry: PartyRegistry) -> None:
        self._registry = registry
        self._names = Names("core")
        self._directory = tempfile.TemporaryDirectory(prefix="hub-core-world-", dir=_memory())
        directory = Path(self._directory.name)
        self._secret = secrets.token_bytes(SECRET_BYTES)
        self._broker = SimulatedBroker(PARTITIONS)
        self._broker.create_topics(self._names, registry)
        self._keys = KeyStore.create(directory / "data-keys.db", secrets.token_bytes(SECRET_BYTES))
        identity = StoreIdentity("simulated", self._names.world, SHARD, PARTITIONS)
        self._store = create_store(directory / "shard-0.db", identity, self._keys)
        self._inputs = SimulatedInputs(self._broker, self._names, registry, SHARD)
        self._shard = build_shard(
            shard=SHARD,
            partitions=PARTITIONS,
            registry=registry,
            names=self._names,
            secret=self._secret,
            store=self._store,
            inputs=self._inputs,
            outputs=SimulatedOutputs(self._broker, self._names, SHARD),
            channel=SimulatedControl(self._broker, self._names, "merges"),
        )
        self._shard.start()
        self._vault = Vault.create(directory / "vault.db", secrets.token_bytes(SECRET_BYTES), PARTITIONS)
        self._stores = {
            party.id: PartyStore.create(directory / f"{party.name_in_topics}.db", party.id) for party in registry
        }
        self._subscriptions = [
            Subscription(party, SimulatedSource(self._broker, self._names, party), store)
            for party, store in self._stores.items()
        ]
        self._publishers: dict[str, Publisher] = {}
        self._case_id = ""

    def enrol(self, scenario: Scenario, at: int) -> None:
        """See `World.enrol`."""
        self._broker.clock = at
        national_id = played_national_id(scenario.jurisdiction)
        self._case_id = self._identity.enrol(national_id, scenario.born)
        for party in self._registry:
            self._identity.key_for(national_id, party.id, scenario.born)

    def publisher(self, party: str) -> Publisher:
        """See `World.publisher`."""
        if party not in self._publishers:
            transport = SimulatedTransport(self._broker)
            secret = secrets.token_bytes(SECRET_BYTES)
            self._publishers[party] = Publisher(party, transport, secret, system="scenario", names=self._names)
        return self._publishers[party]

    def key(self, party: str) -> str:
        """See `World.key`."""
        return pseudonym(self._secret, self._case_id, party, SHARD, PARTITIONS)

    def governance_key(self, party: str, jurisdiction: str) -> str:
        """See `World.governance_key`."""
        return governance_key(self._secret, jurisdiction, party, PARTITIONS)

    def tick(self, at: int) -> None:
        """See `World.tick`."""
        self._broker.clock = at
        self._control.publish(SHARD, "ShardTicked", {})

    def settle(self) -> None:
        """See `World.settle`."""
        for _ in range(STEPS_MAX):
            if self._shard.step(0.0):
                continue
            if sum(subscription.advance(0.0) for subscription in self._subscriptions) == 0:
                break
        else:
            raise StoreFailure(f"the world did not settle within `{STEPS_MAX}` steps: expected nothing left to do")
        if self._inputs.lag_records():
            raise StoreFailure("the shard stopped before the end of its input: a record is dated ahead of its clock")

    def view(self, party: str) -> Sequence[VisibleEvent]:
        """See `World.view`."""
        return self._stores[party].visible()

    def decisions(self, party: str) -> Mapping[str, Shown]:
        """See `World.decisions`."""
        return newest_decisions(self.case_records(), party)

    def case_records(self) -> Sequence[CaseRecord]:
        """See `World.case_records`."""
        return list(self._store.case_records(self._case_id))

    def parked(self) -> Sequence[RecordParked]:
        """See `World.parked`."""
        parties = [HUB_PARTY, *(party.id for party in self._registry)]
        return [record for party in parties for record, _ in self._store.parked(party)]

    def close(self) -> None:
        """Close every store and remove the directory."""
        self._shard.close()
        for subscription in self._subscriptions:
            subscription.close()
        for store in self._stores.values():
            store.close()
        self._vault.close()
        self._keys.close()
        self._directory.cleanup()

    @cached_property
    def _control(self) -> SimulatedControl:
        return SimulatedControl(self._broker, self._names, "player")

    @cached_property
    def _identity(self) -> Identity:
        rules = read_basics_rules()
        return Identity(self._vault, self._secret, self._control, self._registry, rules, lambda: self._broker.clock)


def _memory() -> Path | None:
    """The folder in memory, or `None` (the usual place) where it is missing, closed or nearly full."""
    usable = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_FREE_BYTES_MIN
    return MEMORY if usable else None
