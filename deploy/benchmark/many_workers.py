"""One worker against several on the same work: real worker processes, the broker they share, and whose time it took.

Rules:
- One world on eight partitions that goes on: each measurement tells as many new events of the same kind.
- The clock starts when every shard is at work, shared evenly and warm, and the events begin to be sent; it stops when
  every record is stored and every number confirmed sent. Sender and broker share the machine with the workers.
- The processor time of sender, workers (with their signing processes) and broker stands beside the rate: on few cores
  it is what decides.
- `at_most` is the rate at which every core would be busy, at the processor time that an event took with several
  workers. Where one worker keeps more than one core busy (its clients and signing processes run beside it), that is
  little more than what it does alone.
"""

from __future__ import annotations

import os
import re
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from contracts.failures import SetupFailure
from deploy.benchmark.ground import Ground
from deploy.benchmark.spread import Spread, ratio_of
from deploy.benchmark.workload import WorkRecord
from deploy.hub_places import hub_directory
from deploy.hub_process import HubProcess
from deploy.local_kafka import LocalKafka
from deploy.world import World
from hub.store.places import FilePlace
from hub.store.reader import ShardReader

SHARDS: Final = 8
TICK_SECONDS: Final = 1.0
WARM_UP_SHARE: Final = 10
WAIT_SECONDS_MAX: Final = 300.0
_AT_WORK: Final = re.compile(r"^hub_shard_at_work\{.*\} 1\.0$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: events per second, and the processor seconds of sender, each worker and broker meanwhile."""

    rate: float
    seconds: float
    sender: float
    workers: tuple[float, ...]
    broker: float

    @property
    def used(self) -> float:
        """The processor seconds of all of them."""
        return self.sender + sum(self.workers) + self.broker


def compare_workers(
    kafka: LocalKafka, directory: Path, workers: int, events: int, rounds: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure one worker and `workers` of them in turn, `rounds` times; return every figure."""
    crowd = _Crowd(kafka, Ground.made(kafka, directory / "world", "workers", partitions=SHARDS))
    crowd.settle()
    runs: dict[int, list[Run]] = {1: [], workers: []}
    for number in range(1, rounds + 1):
        for count, measured in runs.items():
            measured.append(crowd.measured(count, events))
            say(f"round {number}: {count} workers {measured[-1].rate:.0f} events/s")
    rates = {f"workers_{count}": [run.rate for run in measured] for count, measured in runs.items()}
    rates["at_most"] = [(os.cpu_count() or 1) * events / run.used for run in runs[workers]]
    ratios = {"many_to_one": f"workers_{workers}", "at_most_to_one": "at_most"}
    return {
        "rates": {name: asdict(Spread.of(each)) for name, each in rates.items()},
        "ratios": {name: asdict(ratio_of(rates, which, to="workers_1")) for name, which in ratios.items()},
        "cores": os.cpu_count(),
        **{f"workers_{count}": _figures(_median(measured), events) for count, measured in runs.items()},
    }


def _median(runs: Sequence[Run]) -> Run:
    return sorted(runs, key=lambda run: run.rate)[len(runs) // 2]


def _figures(run: Run, events: int) -> dict[str, Any]:
    """Where the time of one measurement went; `cores_used` of all cores that the machine has."""
    return {
        "seconds": round(run.seconds, 2),
        "sender_cpu_seconds": round(run.sender, 2),
        "worker_cpu_seconds": [round(each, 2) for each in run.workers],
        "broker_cpu_seconds": round(run.broker, 2),
        "cores_used": round(run.used / run.seconds, 2),
        "cpu_us_per_event": round(run.used / events * 1e6),
    }


class _Crowd:
    """Workers on one world, which goes on from one measurement to the next."""

    def __init__(self, kafka: LocalKafka, ground: Ground) -> None:
        self._kafka = kafka
        self._ground = ground
        self._told = 0

    def settle(self) -> None:
        """Let a worker settle everybody."""
        self._ground.tell(self._ground.workload.setting())
        with ExitStack() as closing:
            self._start(1, closing)
            _wait_until(_Stores(self._ground.world, closing).are_done, "everybody is settled")

    def measured(self, count: int, events: int) -> Run:
        """Send `events` to `count` workers that are at work, and wait until all of it is handled."""
        with ExitStack() as closing:
            workers = self._start(count, closing)
            self._ground.tell(self._events(max(1, events // WARM_UP_SHARE)))
            _wait_until(_Stores(self._ground.world, closing).are_done, "all are warm")
            records = self._events(events)
            processes = [os.getpid(), *(worker.process_id for worker in workers), self._kafka.process_id]
            used, began = [_cpu_seconds(each) for each in processes], time.perf_counter()
            self._ground.tell(records)
            _wait_until(_Stores(self._ground.world, closing).are_done, "everything is handled")
            seconds = time.perf_counter() - began
            sender, *each, broker = (_cpu_seconds(one) - then for one, then in zip(processes, used, strict=True))
        return Run(events / seconds, seconds, sender, tuple(each), broker)

    def _events(self, count: int) -> list[WorkRecord]:
        first, self._told = self._told, self._told + count
        return list(self._ground.workload.events(count, first))

    def _start(self, count: int, closing: ExitStack) -> list[HubProcess]:
        names = [f"worker-{number}" for number in range(1, count + 1)]
        workers = [HubProcess(self._ground.world, tick_seconds=TICK_SECONDS, worker=name) for name in names]
        for worker in workers:
            closing.callback(worker.stop)
            worker.launch()
        _wait_until(lambda: all(_at_work(worker) == SHARDS // count for worker in workers), "the shards are shared")
        return workers


class _Stores:
    """How far the stores below a directory have come, over all shards."""

    def __init__(self, world: World, closing: ExitStack) -> None:
        place = FilePlace(hub_directory(world))
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

    def are_done(self) -> bool:
        """Whether every record is stored and every number confirmed sent."""
        for shard, reader in enumerate(self._readers):
            head = reader.head()
            if any(head.positions.get(topic, 0) < end for (topic, at), end in self._ends.items() if at == shard):
                return False
            if dict(reader.send_positions()) != dict(head.numbers):
                return False
        return True


def _at_work(worker: HubProcess) -> int:
    """How many shards a worker says are at work there."""
    try:
        with urllib.request.urlopen(worker.metrics_url(), timeout=2.0) as answer:
            return len(_AT_WORK.findall(answer.read().decode()))
    except OSError:  # not at work yet
        return 0


def _cpu_seconds(process: int | None) -> float:
    """The processor time of a process so far; of any other than this one with its children, which sign for it."""
    if process == os.getpid():
        return time.process_time()
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        one = int(stat.parent.name)
        children.setdefault(int(fields[1]), []).append(one)
        ticks[one] = int(fields[11]) + int(fields[12])
    family, used = [process or 0], 0
    while family:
        one = family.pop()
        used += ticks.get(one, 0)
        family += children.get(one, [])
    return used / os.sysconf("SC_CLK_TCK")


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        if time.monotonic() > deadline:
            raise SetupFailure(f"waited in vain until {what}: see the workers' logs")
        time.sleep(0.05)
