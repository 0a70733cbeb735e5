"""The hub on the same records: the whole way of every event, from the poll to the broker's confirmation.

Rules:
- The very shard that a worker runs, in one process, on a copy of a store in which everybody is enrolled.
- Unsigned, it neither checks nor signs; signed, it does both, in processes beside it, as a worker does.
- The clock stops when every number given out is confirmed sent.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from contracts.principals_file import read_principals
from deploy.benchmark.workload import PUBLISHER
from deploy.hub_places import hub_directory
from deploy.hub_process import worker_settings
from deploy.world import HUB_KEY, World
from hub.arrival.principals import MERGES
from hub.broker.kafka_cluster import identify_cluster
from hub.broker.kafka_control import KafkaControl
from hub.broker.kafka_inputs import KafkaInputs, input_topics
from hub.broker.kafka_outputs import KafkaOutputs
from hub.broker.ports import InputRecord
from hub.broker.signature_pool import SignaturePool
from hub.broker.verified_inputs import VerifiedInputs
from hub.settings import WorkerSettings
from hub.shard.worker import Shard
from hub.store.places import place_of
from hub.store.ports import StoreIdentity
from hub.wiring import WORKER_PRINCIPALS, build_shard, spare_the_collector
from producers.publisher import now_ms

SIGNATURE_PROCESSES: Final[int] = WorkerSettings.model_fields["signature_processes"].default


class _PortionedInputs(KafkaInputs):
    """The worker's inputs, which give out no more than `left` records: a batch ends where the warm-up ends."""

    left = sys.maxsize

    def take(self, limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        taken = super().take(min(limit, self.left), wait_seconds) if self.left else []
        self.left -= len(taken)
        return taken

    def lag_records(self) -> int:
        return min(super().lag_records(), self.left)


class _OutputsOfManyRounds(KafkaOutputs):
    """The worker's outputs, on which earlier rounds told the same numbers from other copies of the store."""

    def last_numbers(self, _parties: Iterable[str]) -> Mapping[str, int]:
        return {}


def open_shard(world: World, state_directory: Path, pool: SignaturePool | None = None) -> Shard:
    """Open the one shard of `world` on its database, or on the store below `state_directory`.

    `pool` checks and signs; without one, nothing is checked that bears no signature, and nothing is signed.
    """
    settings = worker_settings(world, tick_seconds=0.0)
    reader, sender = settings.connection("reader"), settings.connection("sender")
    facts = identify_cluster(reader, input_topics(world.names, world.registry), 1)
    identity = StoreIdentity(facts.cluster_id, world.name, 0, 1, facts.topic_ids)
    place = place_of(state_directory, world.store_url, world.keys_url)
    unstamped: list[int] = []  # none comes; a worker looks at the stamp of each record too
    inputs = _PortionedInputs(reader, world.names, world.registry, 0, unstamped.append)
    hub_key = world.signing_key(HUB_KEY)
    signing_key = hub_key if pool else None
    return build_shard(
        shard=0,
        partitions=1,
        registry=world.registry,
        names=world.names,
        secret=world.hub_secret,
        store=place.open_store(identity, place.open_keys(world.master_key)),
        inputs=inputs,
        outputs=_OutputsOfManyRounds(sender, world.names, 0),
        channel=KafkaControl(reader, world.names, MERGES, now_ms, signing_key=signing_key),
        principals=read_principals(settings.principals_file) | {hub_key.public: WORKER_PRINCIPALS},
        signing_key=signing_key,
        pool=pool,
    )


def run_until(shard: Shard, topic: str, offset: int) -> None:
    """Step `shard` until it has handled `topic` up to `offset` and everything told is confirmed sent."""
    while shard.state.positions.get(topic, 0) < offset or shard.sending.unsent_total():
        shard.step(0.005)


def run_hub(
    world: World, directory: Path, first_offset: int, warm_up: int, count: int, *, signed: bool
) -> tuple[float, int]:
    """Handle records from `first_offset` on a copy of the world's store.

    `warm_up` records come first and are not measured. Returns the seconds and the disclosures of the next `count`.
    """
    state = directory / "hub"
    shutil.copytree(hub_directory(world), state)
    pool = SignaturePool(SIGNATURE_PROCESSES) if signed else None
    shard = open_shard(world, state, pool)
    shard.start()
    spare_the_collector()
    topic = world.names.input(PUBLISHER)
    _run_portion(shard, topic, first_offset + warm_up, warm_up)
    before = sum(shard.state.numbers.values())
    began = time.perf_counter()
    _run_portion(shard, topic, first_offset + warm_up + count, count)
    seconds = time.perf_counter() - began
    told = sum(shard.state.numbers.values()) - before
    shard.close()
    if pool is not None:
        pool.close()
    return seconds, told


def _run_portion(shard: Shard, topic: str, until_offset: int, count: int) -> None:
    inputs = shard.inputs.inputs if isinstance(shard.inputs, VerifiedInputs) else shard.inputs
    cast(_PortionedInputs, inputs).left = count
    run_until(shard, topic, until_offset)
