"""What one event costs on a short and on a long timeline, and what a changed standing costs per event held.

Rules:
- The real shard and store on the simulated broker, warm; processor time, medians of ten batches.
- Plain events leave the standing as it was; a risk cooperation changes it, and every event is decided again.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from contracts.parties import PartyRegistry
from contracts.topics import Names
from deploy.benchmark.workload import DAY_MS, Workload, WorkRecord, registry
from deploy.scenario.simulated_broker import SimulatedBroker, SimulatedControl, SimulatedInputs, SimulatedOutputs
from hub.consent.rule_reader import RULES_FOLDER
from hub.shard.worker import Shard
from hub.store.keys import KeyStore
from hub.store.ports import StoreIdentity
from hub.store.sqlite import create_store
from hub.wiring import build_shard, spare_the_collector
from producers.publisher import now_ms

SHORT: Final = 10
LONG: Final = 10_000
BATCHES: Final = 10
BATCH_EVENTS: Final = 100
SECRET: Final = b"benchmark secret of thirty-two b"


class Bench:
    """One shard on a broker in memory, with `citizens` of whom the setting is told and settled."""

    def __init__(self, directory: Path, parties: PartyRegistry, citizens: int) -> None:
        self._parties, self._names = parties, Names("bench")
        self._broker = SimulatedBroker(1)
        self.workload = Workload(self._names, SECRET, now_ms(), citizens)
        self._broker.create_topics(self._names, parties)
        self._broker.clock = self.workload.now - 61 * DAY_MS
        keys = KeyStore.create(directory / "keys.db", SECRET)
        self._store = create_store(directory / "shard-0.db", StoreIdentity("bench", "bench", 0, 1), keys)
        control = SimulatedControl(self._broker, self._names, "bench")
        control.publish(0, "ShardTicked", {})
        for event_type, payload in self.workload.enrolments():
            control.publish(0, event_type, payload)
        self._broker.clock = self.workload.now
        control.publish(0, "ShardTicked", {})
        self.start_again(RULES_FOLDER)
        self.seconds_for(self.workload.setting())

    def start_again(self, rules_folder: Path) -> None:
        """Begin with an empty memory, on what is stored, under the rules of `rules_folder`."""
        self.shard: Shard = build_shard(
            shard=0,
            partitions=1,
            registry=self._parties,
            names=self._names,
            secret=SECRET,
            store=self._store,
            inputs=SimulatedInputs(self._broker, self._names, self._parties, 0),
            outputs=SimulatedOutputs(self._broker, self._names, 0),
            channel=SimulatedControl(self._broker, self._names, "bench"),
            rules_folder=rules_folder,
        )
        self.shard.start()

    def append(self, record: WorkRecord) -> None:
        """Put a record on its topic."""
        self._broker.append(record.topic, 0, record.key, record.value, record.headers)

    def seconds_for(self, records: Iterable[WorkRecord]) -> float:
        """Put `records` on their topics and return the processor time until the shard is at rest."""
        for record in records:
            self.append(record)
        began = time.process_time()
        while self.shard.step(0.0):
            pass
        return time.process_time() - began


def timeline_costs() -> dict[str, float]:
    """Return the costs in microseconds: of a plain event at both lengths, and of a changed standing per event held."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-timeline-") as directory:
        bench = Bench(Path(directory), registry(), BATCHES + 1)
        spare_the_collector()
        work = bench.workload
        numbers = iter(range(10**9))
        bench.seconds_for(work.event(citizen, next(numbers)) for citizen in range(BATCHES + 1) for _ in range(SHORT))
        bench.seconds_for(work.event(0, next(numbers)) for _ in range(LONG - SHORT))
        short: list[float] = []
        long: list[float] = []
        for citizen in range(1, BATCHES + 1):
            short.append(bench.seconds_for([work.event(citizen, next(numbers)) for _ in range(BATCH_EVENTS)]))
            long.append(bench.seconds_for([work.event(0, next(numbers)) for _ in range(BATCH_EVENTS)]))
        held = LONG + BATCHES * BATCH_EVENTS
        changed = bench.seconds_for([work.changed_standing(0)])
        bench.shard.close()
    at_short, at_long = (statistics.median(seconds) / BATCH_EVENTS * 1e6 for seconds in (short, long))
    return {
        "plain_us_at_10": at_short,
        "plain_us_at_10000": at_long,
        "plain_ratio": at_long / at_short,
        "changed_us_per_event_held": changed / held * 1e6,
    }
