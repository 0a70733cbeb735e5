"""What a measurement stands on: a world on the broker, everybody enrolled and settled, and the events on the log.

Rules:
- Each comparison has a world of its own on the one broker; all of them are told the same.
- Where parties sign, their keys are registered before they state anything.
- In databases, each measurement of the hub gets a copy of the settled store, and a raw limit an empty database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from confluent_kafka import Producer

from contracts.failures import SetupFailure
from deploy.benchmark.raw_store import StoredPerEvent, counted
from deploy.benchmark.whole_way import SIGNATURE_PROCESSES, open_shard, run_until
from deploy.benchmark.workload import CITIZENS, PUBLISHER, Workload, WorkRecord, registry
from deploy.hub_places import hub_directory
from deploy.hub_process import create_hub
from deploy.key_registration import register_all
from deploy.local_kafka import LocalKafka
from deploy.local_postgres import LocalPostgres
from deploy.operator_channel import operator_channel
from deploy.world import World
from deploy.world_making import create_world
from hub.arrival.principals import IDENTITY
from hub.broker.signature_pool import SignaturePool
from hub.store.places import DatabaseOwner
from producers.publisher import now_ms

ROLE: Final = "hub"
SHARDS: Final = "shards"
KEYS: Final = "keys"
SENT_BYTES: Final = 16_384
SERVED_EVERY: Final = 1_000
WAIT_SECONDS: Final = 0.1
FLUSH_SECONDS_MAX: Final = 60.0


class Databases:
    """A server's databases: of the shards, of the keys, and those that live for one measurement."""

    def __init__(self, server: LocalPostgres) -> None:
        self._server = server
        self._made = 0
        server.create_role(ROLE)
        for database in (SHARDS, KEYS):
            server.create_database(database)

    @property
    def urls(self) -> dict[str, str]:
        """Of shards and keys, as the hub's role connects: `store_url` and `keys_url` of a world."""
        return {"store_url": self._server.url(SHARDS, ROLE), "keys_url": self._server.url(KEYS, ROLE)}

    @property
    def owner(self) -> DatabaseOwner:
        """Who makes the stores."""
        return DatabaseOwner(self._server.url(SHARDS), self._server.url(KEYS))

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The URL of an empty database, as its owner connects."""
        with self._database("template0") as name:
            yield self._server.url(name)

    @contextmanager
    def copy(self) -> Iterator[tuple[str, str]]:
        """The URLs of a copy of the shards' database, as the hub's role and as the owner connect."""
        with self._database(SHARDS) as name:
            yield self._server.url(name, ROLE), self._server.url(name)

    def stored_since(self, copy: str, events: int) -> StoredPerEvent:
        """What the `events` that were handled on a copy (its owner's URL) have added, for each."""
        before, after = counted(self._server.url(SHARDS)), counted(copy)
        return StoredPerEvent(*((now - then) / events for now, then in zip(after, before, strict=True)))

    @contextmanager
    def _database(self, template: str) -> Iterator[str]:
        self._made += 1
        name = f"measured_{self._made}"
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
            try:
                yield name
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True, slots=True)
class Ground:
    """One world and what is told in it."""

    world: World
    workload: Workload
    signed: bool

    @classmethod
    def made(
        cls,
        kafka: LocalKafka,
        directory: Path,
        name: str,
        *,
        partitions: int = 1,
        signed: bool = False,
        databases: Databases | None = None,
    ) -> Ground:
        """Make the world `name` and its stores, and enrol everybody."""
        world = create_world(
            directory,
            kafka.admin,
            registry(),
            partitions=partitions,
            played=False,
            world_name=name,
            **(databases.urls if databases else {}),
        )
        create_hub(world, databases.owner if databases else None)
        keys = {party.id: world.signing_key(party.id) for party in world.registry} if signed else {}
        workload = Workload(world.names, world.hub_secret, now_ms(), CITIZENS, partitions, keys)
        register_all(world, keys)
        control = operator_channel(world, IDENTITY)
        for citizen in range(workload.citizens):
            for event_type, payload in workload.enrolment(citizen):
                control.publish(workload.shard_of(citizen), event_type, payload)
        control.close()
        return cls(world, workload, signed)

    def tell(self, records: Iterable[WorkRecord]) -> dict[str, int]:
        """Publish `records`, each as the party of its topic; return how many each topic got."""
        return _send(self.world, records)

    def settle(self, events: int) -> int:
        """Tell and settle everything before the events of a world with one shard, then tell `events` of those.

        Returns the offset of the first one.
        """
        counts = self.tell(self.workload.setting())
        with ExitStack() as closing:
            pool = SignaturePool(SIGNATURE_PROCESSES) if self.signed else None
            if pool is not None:
                closing.callback(pool.close)
            shard = open_shard(self.world, hub_directory(self.world), pool)
            closing.callback(shard.close)
            shard.start()
            for topic, count in counts.items():
                run_until(shard, topic, count)
        self.tell(self.workload.events(events))
        return counts[self.world.names.input(PUBLISHER)]


def _send(world: World, records: Iterable[WorkRecord]) -> dict[str, int]:
    """Publish as agencies do, in small batches; by the client that takes the least from what is measured beside it."""
    producers: dict[str, Producer] = {}
    for party in world.registry:
        options = world.connection(world.names.user(party.id)).native_producer_options()
        producers[world.names.input(party.id)] = Producer(options | {"linger.ms": 5, "batch.size": SENT_BYTES})
    counts: Counter[str] = Counter()
    for record in records:
        producer = producers[record.topic]
        headers: list[tuple[str, str | bytes | None]] = [*record.headers]
        while True:
            try:
                producer.produce(record.topic, record.value, record.key, record.partition, headers=headers)
                break
            except BufferError:
                producer.poll(WAIT_SECONDS)
        counts[record.topic] += 1
        if counts[record.topic] % SERVED_EVERY == 0:
            producer.poll(0.0)
    for topic, producer in producers.items():
        if left := producer.flush(FLUSH_SECONDS_MAX):
            raise SetupFailure(f"`{left}` records of `{topic}` could not be published: see the broker's log")
    return dict(counts)
