"""One worker against several on the same backlog: real worker processes, the broker they share, and whose time it took.

Rules:
- Every measurement begins with the same stores and the same records on eight partitions, and sends all it tells.
- The clock starts when every shard is at work, shared evenly, and stops when every record is stored and every number
  confirmed sent. What was handled before is not counted.
- The processor time of each worker and of the broker stands beside the rate: on few cores it is what decides.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from contracts.failures import SetupFailure
from deploy.benchmark.workload import PUBLISHER, Workload, WorkRecord, registry
from deploy.hub_process import HubProcess, create_hub, hub_directory
from deploy.local_kafka import LocalKafka
from deploy.operator_channel import operator_channel
from deploy.world import World, create_world
from hub.store.places import FilePlace
from hub.store.reader import ShardReader
from producers.publisher import now_ms

SHARDS: Final = 8
TICK_SECONDS: Final = 1.0
WAIT_SECONDS_MAX: Final = 300.0
_AT_WORK: Final = re.compile(r"^hub_shard_at_work\{.*\} 1\.0$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: events per second, and the processor seconds of each worker and of the broker meanwhile."""

    rate: float
    seconds: float
    workers: tuple[float, ...]
    broker: float


def compare_workers(directory: Path, workers: int, events: int, rounds: int) -> dict[str, Any]:
    """Measure one worker and `workers` of them in turn, `rounds` times; return every figure, medians of the rates."""
    with LocalKafka(directory / "kafka", tuned_for="benchmark") as kafka:
        world = _prepare(kafka, directory / "world", events)
        runs: dict[int, list[Run]] = {1: [], workers: []}
        for number in range(1, rounds + 1):
            for count, measured in runs.items():
                state = directory / f"state-{number}-{count}"
                shutil.copytree(hub_directory(world), state)
                measured.append(_measured(world, state, count, kafka))
                click.echo(f"round {number}: {count} workers {measured[-1].rate:.0f} events/s", err=True)
                shutil.rmtree(state)
    alone, together = (sorted(each, key=lambda run: run.rate)[len(each) // 2] for each in runs.values())
    return {
        "one_worker_per_second": alone.rate,
        f"{workers}_workers_per_second": together.rate,
        "ratio": together.rate / alone.rate,
        "cores": os.cpu_count(),
        "one_worker": _figures(alone),
        f"{workers}_workers": _figures(together),
    }


def _figures(run: Run) -> dict[str, Any]:
    """Where the time of one measurement went; `cores_used` of all cores that the machine has."""
    return {
        "seconds": round(run.seconds, 2),
        "worker_cpu_seconds": [round(each, 2) for each in run.workers],
        "broker_cpu_seconds": round(run.broker, 2),
        "cores_used": round((sum(run.workers) + run.broker) / run.seconds, 2),
    }


def _prepare(kafka: LocalKafka, directory: Path, events: int) -> World:
    """Make the world, let a worker settle everybody, and put the backlog on the logs."""
    world = create_world(directory, kafka.admin, registry(), partitions=SHARDS, played=False, world_name="bench")
    create_hub(world)
    workload = Workload(world.names, world.hub_secret, now_ms(), partitions=SHARDS)
    names = world.names
    control = operator_channel(world)
    for citizen in range(workload.citizens):
        for event_type, payload in workload.enrolment(citizen):
            control.publish(workload.shard_of(citizen), event_type, payload)
    control.close()
    with ExitStack() as closing:
        producers = {names.input(party.id): _producer(world, party.id) for party in world.registry}
        for producer in producers.values():
            closing.callback(producer.close)
        _send(producers, workload.setting())
        settling = HubProcess(world, tick_seconds=TICK_SECONDS)
        closing.callback(settling.stop)
        settling.start()
        stores = _Stores(world, hub_directory(world), closing)
        _wait_until(stores.are_done, "everybody is settled")
        settling.stop()
        _send(producers, workload.events(events))
    return world


def _producer(world: World, party: str) -> KafkaProducer:
    return KafkaProducer(**world.connection(world.names.user(party)).producer_options(), linger_ms=5)


def _send(producers: Mapping[str, KafkaProducer], records: Any) -> None:
    record: WorkRecord
    for record in records:
        producers[record.topic].send(record.topic, record.value, record.key, record.headers, partition=record.partition)
    for producer in producers.values():
        producer.flush()


class _Stores:
    """How far the stores below a directory have come, over all shards."""

    def __init__(self, world: World, state_directory: Path, closing: ExitStack) -> None:
        place = FilePlace(state_directory)
        keys = place.open_keys(world.master_key, read_only=True)
        closing.callback(keys.close)
        self._readers: list[ShardReader] = [place.open_for_reading(shard, keys) for shard in range(SHARDS)]
        for reader in self._readers:
            closing.callback(reader.close)
        ends = KafkaConsumer(**world.connection(world.names.service("reader")).consumer_options())
        closing.callback(ends.close)
        topics = [world.names.input(party.id) for party in world.registry]
        places = [TopicPartition(topic, shard) for topic in topics for shard in range(SHARDS)]
        self._ends = {(place.topic, place.partition): end for place, end in ends.end_offsets(places).items()}
        self._publisher = world.names.input(PUBLISHER)

    def taken(self) -> int:
        """How many of the publisher's records are stored."""
        return sum(reader.head().positions.get(self._publisher, 0) for reader in self._readers)

    def are_done(self) -> bool:
        """Whether every record is stored and every number confirmed sent."""
        for shard, reader in enumerate(self._readers):
            head = reader.head()
            if any(head.positions.get(topic, 0) < end for (topic, at), end in self._ends.items() if at == shard):
                return False
            if dict(reader.send_positions()) != dict(head.numbers):
                return False
        return True


def _measured(world: World, state_directory: Path, count: int, kafka: LocalKafka) -> Run:
    with ExitStack() as closing:
        workers = [
            HubProcess(world, tick_seconds=TICK_SECONDS, worker=f"worker-{number}", state_directory=state_directory)
            for number in range(1, count + 1)
        ]
        for worker in workers:
            closing.callback(worker.stop)
            worker.launch()
        stores = _Stores(world, state_directory, closing)
        _wait_until(lambda: all(_at_work(worker) == SHARDS // count for worker in workers), "the shards are shared")
        processes = [*(worker.process_id for worker in workers), kafka.process_id]
        taken, began, used = stores.taken(), time.perf_counter(), [_cpu_seconds(each) for each in processes]
        _wait_until(stores.are_done, "the backlog is handled")
        seconds = time.perf_counter() - began
        *of_workers, of_broker = (_cpu_seconds(each) - before for each, before in zip(processes, used, strict=True))
        return Run((stores.taken() - taken) / seconds, seconds, tuple(of_workers), of_broker)


def _at_work(worker: HubProcess) -> int:
    """How many shards a worker says are at work there."""
    try:
        with urllib.request.urlopen(worker.metrics_url(), timeout=2.0) as answer:
            return len(_AT_WORK.findall(answer.read().decode()))
    except OSError:  # not at work yet
        return 0


def _cpu_seconds(process: int | None) -> float:
    """The processor time of a process so far, all its threads together."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        if time.monotonic() > deadline:
            raise SetupFailure(f"waited in vain until {what}: see the workers' logs")
        time.sleep(0.05)
