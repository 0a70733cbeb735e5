"""The hub on the same records: the whole way of every event, from the poll to the broker's confirmation.

Rules:
- The very shard that a worker runs, in one process, on a copy of a store in which everybody is enrolled.
- The clock stops when every number given out is confirmed sent.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from contracts.principals_file import read_principals
from deploy.benchmark.workload import PUBLISHER
from deploy.hub_process import hub_directory, worker_settings
from deploy.world import World
from hub.broker.kafka_cluster import identify_cluster
from hub.broker.kafka_control import KafkaControl
from hub.broker.kafka_inputs import KafkaInputs, input_topics
from hub.broker.kafka_outputs import KafkaOutputs
from hub.broker.ports import InputRecord
from hub.settings import keys_path, store_path
from hub.shard.worker import Shard
from hub.store.keys import KeyStore
from hub.store.ports import StoreIdentity
from hub.store.sqlite import open_store
from hub.wiring import build_shard, spare_the_collector
from producers.publisher import now_ms


class _PortionedInputs(KafkaInputs):
    """The worker's inputs, which give out no more than `left` records: a batch ends where the warm-up ends."""

    left = sys.maxsize

    def take(self, limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        taken = super().take(min(limit, self.left), wait_seconds) if self.left else []
        self.left -= len(taken)
        return taken


def open_shard(world: World, state_directory: Path) -> Shard:
    """Open the one shard of `world` on the store below `state_directory`."""
    settings = worker_settings(world, tick_seconds=0.0)
    reader, sender = settings.connection("reader"), settings.connection("sender")
    facts = identify_cluster(reader, input_topics(world.names, world.registry), 1)
    identity = StoreIdentity(facts.cluster_id, world.name, 0, 1, facts.topic_ids)
    keys = KeyStore(keys_path(state_directory), world.master_key)
    return build_shard(
        shard=0,
        partitions=1,
        registry=world.registry,
        names=world.names,
        secret=world.hub_secret,
        store=open_store(store_path(state_directory, 0), identity, keys),
        inputs=_PortionedInputs(reader, world.names, world.registry, 0),
        outputs=KafkaOutputs(sender, world.names, 0),
        channel=KafkaControl(reader, world.names, "merges", now_ms),
        principals=read_principals(settings.principals_file),
    )


def run_until(shard: Shard, topic: str, offset: int) -> None:
    """Step `shard` until it has handled `topic` up to `offset` and everything told is confirmed sent."""
    while shard.state.positions.get(topic, 0) < offset or shard.sending.unsent_total():
        shard.step(0.005)


def run_hub(world: World, directory: Path, first_offset: int, warm_up: int, count: int) -> tuple[float, int]:
    """Handle records from `first_offset` on a copy of the world's store.

    `warm_up` records come first and are not measured. Returns the seconds and the disclosures of the next `count`.
    """
    state = directory / "hub"
    shutil.copytree(hub_directory(world), state)
    shard = open_shard(world, state)
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
    return seconds, told


def _run_portion(shard: Shard, topic: str, until_offset: int, count: int) -> None:
    cast(_PortionedInputs, shard.inputs).left = count
    run_until(shard, topic, until_offset)
