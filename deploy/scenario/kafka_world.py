"""A world on a real Kafka: topics, users and rights of its own, the hub as its own process, real clients throughout.

Rules:
- The hub runs as in production, `python -m hub`; it ticks nothing itself, the player does.
- Records carry their own time: a played world's topics take it and keep them.
- `settle` waits for the store's positions to reach the ends of all inputs (the hub publishes on its own one too), for
  nothing to be due, and for every subscription to have applied the last number given out. A hub that ended is
  reported, not waited for.
- Everything made for the world is taken off the cluster when it is closed; its directory stays, for readers.

The cluster is handed in as its deployer's connection.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from kafka import KafkaConsumer, TopicPartition

from consumers.hub_signatures import HubSignatures
from consumers.kafka_source import KafkaSource
from consumers.store import PartyStore, store_path
from consumers.subscription import Subscription
from consumers.visible import VisibleEvent
from contracts.connection import KafkaConnection
from contracts.failures import SetupFailure, TransportFailure
from contracts.parties import PartyRegistry
from contracts.topics import HUB_PARTY
from deploy.hub_places import world_stores
from deploy.hub_process import HubProcess, create_hub
from deploy.identity_command import create_vault, vault_path
from deploy.key_registration import register_parties
from deploy.operator_channel import operator_channel
from deploy.scenario.citizen import played_national_id
from deploy.scenario.scenario import Scenario
from deploy.scenario.world import newest_decisions
from deploy.world import HUB_KEY, OPERATOR_KEY
from deploy.world_making import create_world, remove_world
from hub.arrival.principals import IDENTITY, OPERATOR
from hub.broker.kafka_inputs import input_topics
from hub.identity.basics import read_basics_rules
from hub.identity.enrolment import Identity
from hub.identity.pseudonyms import governance_key, pseudonym
from hub.identity.vault import Vault
from hub.store.records import CaseRecord, RecordParked, Shown
from producers.kafka_transport import KafkaTransport
from producers.publisher import Publisher

PARTITIONS: Final = 1
SHARD: Final = 0
SECRET_BYTES: Final = 32
SETTLE_SECONDS_MAX: Final = 60.0
POLL_SECONDS: Final = 0.01


class KafkaWorld:
    """One hub on a real cluster (`deploy.scenario.world.World`). `hub` is its process."""

    def __init__(self, admin: KafkaConnection, registry: PartyRegistry, directory: Path, world_name: str) -> None:
        self._clock = 0
        self._case_id = ""
        self._publishers: dict[str, Publisher] = {}
        self._closing = ExitStack()
        try:
            self._world = create_world(
                directory, admin, registry, partitions=PARTITIONS, played=True, world_name=world_name
            )
            self._closing.callback(remove_world, self._world, admin)
            self._start_hub()
            self._start_identity()
            self._stores: dict[str, PartyStore] = {}
            self._subscriptions: dict[str, Subscription] = {}
            for party in registry:
                self._subscribe(party.id)
        except BaseException:
            self._closing.close()
            raise

    def _start_hub(self) -> None:
        create_hub(self._world)
        self.hub = HubProcess(self._world, tick_seconds=0.0)
        self._closing.callback(self.hub.stop)
        self.hub.start()
        self._keys = world_stores(self._world).open_keys(self._world.master_key, read_only=True)
        self._closing.callback(self._keys.close)
        self._shard = world_stores(self._world).open_for_reading(SHARD, self._keys)
        self._closing.callback(self._shard.close)
        names = self._world.names
        self._inputs = [TopicPartition(topic, SHARD) for topic in input_topics(names, self._world.registry)]
        self._ends = KafkaConsumer(**self._world.connection(names.service("reader")).consumer_options())
        self._closing.callback(self._ends.close)

    def _start_identity(self) -> None:
        self._control = operator_channel(self._world, clock=lambda: self._clock)
        self._closing.callback(self._control.close)
        announcing = operator_channel(self._world, IDENTITY, lambda: self._clock)
        self._closing.callback(announcing.close)
        create_vault(self._world)
        vault = Vault.open(vault_path(self._world), self._world.master_key)
        self._closing.callback(vault.close)
        self._identity = Identity(
            vault,
            self._world.hub_secret,
            announcing,
            self._world.registry,
            read_basics_rules(),
            lambda: self._clock,
        )

    def _subscribe(self, party: str) -> None:
        path = store_path(self._world.directory, party)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._stores[party] = PartyStore.create(path, party)
        self._closing.callback(self._stores[party].close)
        names = self._world.names
        source = KafkaSource(self._world.connection(names.user(party)), names, party)
        signatures = HubSignatures(names.output(party), [self._world.signing_key(HUB_KEY).public])
        self._subscriptions[party] = Subscription(party, source, self._stores[party], signatures)
        self._closing.callback(self._subscriptions[party].close)

    def enrol(self, scenario: Scenario, at: int) -> None:
        """See `World.enrol`."""
        self._clock = at
        register_parties(self._world, self._world.registry.parties, self._control)
        national_id = played_national_id(scenario.jurisdiction)
        self._case_id = self._identity.enrol(national_id, scenario.born)
        for party in self._world.registry:
            self._identity.key_for(national_id, party.id, scenario.born)

    def publisher(self, party: str) -> Publisher:
        """See `World.publisher`."""
        if party not in self._publishers:
            names = self._world.names
            user = names.service("operator") if party == HUB_PARTY else names.user(party)
            transport = KafkaTransport(self._world.connection(user))
            self._closing.callback(transport.close)
            system, key = (OPERATOR, OPERATOR_KEY) if party == HUB_PARTY else ("scenario", party)
            self._publishers[party] = Publisher(
                party,
                transport,
                secrets.token_bytes(SECRET_BYTES),
                system,
                names,
                signing_key=self._world.signing_key(key),
            )
        return self._publishers[party]

    @property
    def case_id(self) -> str:
        """The citizen's case: known to the hub and its auditors, to no party."""
        return self._case_id

    def key(self, party: str) -> str:
        """See `World.key`."""
        return pseudonym(self._world.hub_secret, self._case_id, party, SHARD, PARTITIONS)

    def governance_key(self, party: str, jurisdiction: str) -> str:
        """See `World.governance_key`."""
        return governance_key(self._world.hub_secret, jurisdiction, party, PARTITIONS)

    def tick(self, at: int) -> None:
        """See `World.tick`."""
        self._clock = at
        self._control.publish(SHARD, "ShardTicked", {})

    def settle(self) -> None:
        """See `World.settle`."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        ends = self._ends.end_offsets(self._inputs)
        while not self._is_stored({place.topic: end for place, end in ends.items()}):
            self._check_hub(deadline)
            time.sleep(POLL_SECONDS)
        for party, number in self._shard.head().numbers.items():
            while self._subscriptions[party].numbers().get(SHARD, 0) < number:
                self._subscriptions[party].advance(0.2)
                self._check_hub(deadline)

    def _is_stored(self, ends: Mapping[str, int]) -> bool:
        head, due = self._shard.head(), self._shard.next_due()
        stored = all(head.positions.get(topic, 0) >= end for topic, end in ends.items())
        return stored and (due is None or due > head.clock)

    def _check_hub(self, deadline: float) -> None:
        if not self.hub.is_running:
            raise SetupFailure(f"the hub ended while a scenario was played; its last words: {self._last_words()}")
        if time.monotonic() > deadline:
            raise TransportFailure(
                f"the world did not settle within `{SETTLE_SECONDS_MAX:.0f}` s; last words of the hub: "
                f"{self._last_words()}"
            )

    def _last_words(self) -> str:
        lines = self.hub.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "none"

    def view(self, party: str) -> Sequence[VisibleEvent]:
        """See `World.view`."""
        return self._stores[party].visible()

    def decisions(self, party: str) -> Mapping[str, Shown]:
        """See `World.decisions`."""
        return newest_decisions(self.case_records(), party)

    def case_records(self) -> Sequence[CaseRecord]:
        """See `World.case_records`."""
        return list(self._shard.case_records(self._case_id))

    def parked(self) -> Sequence[RecordParked]:
        """See `World.parked`."""
        return [record for record, _ in self._shard.parked()]

    def close(self) -> None:
        """Stop the hub, release every client, take the world off the cluster."""
        self._closing.close()
