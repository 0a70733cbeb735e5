"""Workers: the real shard on its ports, the disk under it, and what becomes of a worker when something fails.

Rules:
- A worker does what `python -m hub` does: a failure that a new beginning gets over closes its shards and begins
  again from what is stored, any other ends it. A killed one closes nothing.
- Two workers may have one shard at a time; the one that the group has forgotten learns of it from the fence.
- The store is in memory and outlives every worker. A commit may be refused, be lost, or be stored without an answer.
- What was read once and cannot change (rule sets, code, keys, what given bytes say) is shared by all restarts, which
  so cost 0.1 ms and not 20: `shared_readings`. No state of a shard is among it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType, SimpleNamespace
from typing import Final

import pytest

from contracts.codec import Codec, Decoded
from contracts.event_types import EventType
from contracts.fact import Fact, Outline, outline_of
from contracts.failures import Failure, FencedOff, StoreUnavailable, TransportFailure
from hub import wiring
from hub.case_timeline import timeline
from hub.case_timeline.timeline import Reader
from hub.consent.policies import Policies
from hub.metrics import BatchCounts, Metrics
from hub.shard import cases, pausing, reading, resyncing, sending, settling, worker
from hub.shard.worker import Shard
from hub.store.ports import BatchWrites, StoreIdentity
from hub.store.records import FactRecorded
from tests.simulator.accounts import Found
from tests.simulator.citizens import NAMES, PARTITIONS, REGISTRY, SECRET, pseudonym_once
from tests.simulator.invariants import SOUND
from tests.simulator.machine import Killed, Program, SimulatedTime, violate
from tests.simulator.network import Network, SimulatedChannel, SimulatedInputs, SimulatedOutputs, Witness
from tests.store.memory import MemoryShardStore
from tests.store.memory_content import Content

IDENTITIES: Final = tuple(StoreIdentity("simulated", NAMES.world, shard, PARTITIONS) for shard in range(PARTITIONS))
POLICIES: Final = Policies.load(REGISTRY)
_decode: Final = lru_cache(maxsize=20_000)(Codec.decode)
_decode_body: Final = lru_cache(maxsize=20_000)(Codec.decode_body)
_read_fact: Final = timeline.fact_recorded
_facts: Final[dict[FactRecorded, Fact]] = {}
_outlines: Final[dict[int, tuple[Fact, Outline]]] = {}
FACTS_HELD_MAX: Final = 20_000
_reader_for: Final = lru_cache(maxsize=8)(reading.reader_for)


@dataclass(slots=True)
class Limits:
    """How much the hub does at a time and holds in memory, in one history."""

    batch_records: int = 2_000
    due_cases: int = 500
    left_over: int = 500
    held_facts: int = 200_000
    idle_write_ms: int = 60_000
    resync_cases: int = 100


@contextmanager
def shared_readings(time: SimulatedTime, limits: Limits) -> Iterator[pytest.MonkeyPatch]:
    """Let every worker in here read once what cannot change, live on the simulated clock, and keep to `limits`."""
    owners = iter(range(1, 1_000_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "Policies", SimpleNamespace(load=lambda registry, folder: POLICIES))
        patch.setattr(wiring, "reader_for", _reader_for)
        patch.setattr(wiring, "secrets", SimpleNamespace(token_hex=lambda size: f"{next(owners):016x}"))
        patch.setattr(cases, "pseudonym", pseudonym_once)
        patch.setattr(Codec, "decode", lambda self, framed: _again(_decode(self, framed)))
        patch.setattr(timeline, "fact_recorded", _fact_once)
        patch.setattr(timeline, "outline_of", _outline_once)
        patch.setattr(Codec, "decode_body", lambda self, schema_id, body: {**_decode_body(self, schema_id, body)})
        patch.setattr(sending, "time", time)
        patch.setattr(pausing, "time", time)
        keep_to(limits, patch)
        yield patch


def keep_to(limits: Limits, patch: pytest.MonkeyPatch) -> None:
    """Let the hub do no more than `limits` at a time."""
    patch.setattr(worker, "BATCH_RECORDS_MAX", limits.batch_records)
    patch.setattr(settling, "DUE_CASES_MAX", limits.due_cases)
    patch.setattr(resyncing, "RESYNC_CASES_MAX", limits.resync_cases)
    patch.setattr(sending, "LEFT_OVER_NUMBERS_MAX", limits.left_over)


def _fact_once(record: FactRecorded, reader: Reader) -> Fact:
    """The fact of a record, read once; nobody can change what it says."""
    fact = _facts.get(record)
    if fact is None:
        if len(_facts) >= FACTS_HELD_MAX:
            _facts.clear()
        read = _read_fact(record, reader)
        fact = _facts[record] = read._replace(payload=MappingProxyType(dict(read.payload)))
    return fact


def _outline_once(fact: Fact, event_type: EventType) -> Outline:
    """The outline of a fact; of one that was read once it is made once."""
    known = _outlines.get(id(fact))
    if known is None or known[0] is not fact:
        if len(_outlines) >= FACTS_HELD_MAX:
            _outlines.clear()
        known = _outlines[id(fact)] = (fact, outline_of(fact, event_type))
    return known[1]


def _again(decoded: Decoded) -> Decoded:
    """The same values in a dict of the caller's own."""
    return decoded._replace(payload={**decoded.payload})


@dataclass(slots=True)
class Disk:
    """What lies under one shard's store, and what is wrong with it."""

    content: Content
    is_full: bool = False
    next_commit: str = ""
    """`lost`: the next commit fails and is not stored. `unanswered`: it is stored, and fails."""


class Watch:
    """Hears what is stored, counted and confirmed."""

    def committed(self, shard: int, writer: UnsteadyStore) -> None:
        """A batch has been stored."""

    def counted(self, shard: int, writer: UnsteadyStore, counts: BatchCounts) -> None:
        """The metrics have counted the batch that `writer` stored last."""

    def confirmed(self, shard: int, positions: Mapping[str, int]) -> None:
        """Send positions have been stored."""


class UnsteadyStore(MemoryShardStore):
    """One worker's handle on the store of a shard, around each writing of which it may be killed."""

    def __init__(self, shard: int, program: Program, disk: Disk, watch: Watch, newest_tick: Callable[[], int]) -> None:
        super().__init__(disk.content)
        self._shard, self._program, self._disk, self._watch = shard, program, disk, watch
        self.newest_tick = newest_tick
        """The newest tick that the worker's reader has come upon: of a later one it cannot know."""
        self.found: Found | None = None
        """What the accounts found of the batch that was stored last and is not counted yet."""

    def commit(self, writes: BatchWrites) -> None:
        """See the port."""
        self._program.reach("before the commit")
        self._require_room()
        fate, self._disk.next_commit = self._disk.next_commit, ""
        if fate == "lost":
            raise StoreUnavailable("the connection was cut before the commit")
        super().commit(writes)
        self._watch.committed(self._shard, self)
        self._program.reach("after the commit")
        if fate == "unanswered":
            raise StoreUnavailable("the connection was cut at the commit, and its outcome cannot be read")

    def record_send_positions(self, positions: Mapping[str, int]) -> None:
        """See the port."""
        self._program.reach("before saving send positions")
        self._require_room()
        super().record_send_positions(positions)
        self._watch.confirmed(self._shard, positions)
        self._program.reach("after saving send positions")

    def _require_room(self) -> None:
        if self._disk.is_full:
            raise StoreUnavailable("the disk is full")


class WatchedMetrics(Metrics):
    """Counts nothing itself: hands what a batch did to the watch."""

    def __init__(self, shard: int, writer: UnsteadyStore, watch: Watch) -> None:
        self._shard, self._writer, self._watch = shard, writer, watch

    def count(self, counts: BatchCounts) -> None:
        """See `Metrics`."""
        self._watch.counted(self._shard, self._writer, counts)

    def observe(self, shard: int, clock: int, newest_tick: int, lag_records: int) -> None:
        """Nothing is shown."""

    def observe_unsent(self, shard: int, unsent: Mapping[str, tuple[int, float]]) -> None:
        """Nothing is shown."""

    def observe_silence(self, shard: int, silent_ms: Mapping[str, int | None]) -> None:
        """Nothing is shown."""

    def observe_signing(self, shard: int, signs: Mapping[str, bool]) -> None:
        """Nothing is shown."""

    def observe_parked(self, shard: int, waiting: Mapping[str, tuple[int, int]]) -> None:
        """Nothing is shown."""

    def observe_resyncs(self, shard: int, ages: Mapping[str, int | None]) -> None:
        """Nothing is shown."""

    def observe_reviews(self, shard: int, owed: Mapping[tuple[str, bool], int]) -> None:
        """Nothing is shown."""

    def observe_merges(self, shard: int, waiting: int) -> None:
        """Nothing is shown."""

    def observe_withdrawals(self, shard: int, unacknowledged: int, owed: Mapping[bool, int]) -> None:
        """Nothing is shown."""


@dataclass(slots=True)
class Worker:
    """One worker process, over all its runs. `witness` hears what it hands over of a shard taken at given ends."""

    name: str
    network: Network
    disks: list[Disk]
    limits: Limits
    watch: Watch
    witness: Callable[[int, Mapping[str, int]], Witness]
    program: Program = field(init=False)
    shards: dict[int, Shard] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.program = Program(self.name)

    @property
    def is_dead(self) -> bool:
        """Whether it has to be started."""
        return bool(self.program.killed_at)

    def start(self) -> None:
        """Start the program anew, with no shard."""
        self.program = Program(self.name)
        self.shards = {}

    def take(self, shard: int) -> str:
        """Open a shard where the store stands; return what came of it."""
        return self._doing(lambda: self._open(shard))

    def _open(self, number: int) -> str:
        inputs = SimulatedInputs(self.program, self.network, REGISTRY, number)
        store = UnsteadyStore(number, self.program, self.disks[number], self.watch, inputs.newest_tick)
        self.program.reach("while starting")
        witness = self.witness(number, inputs.ends())
        shard = wiring.build_shard(
            shard=number,
            partitions=PARTITIONS,
            registry=REGISTRY,
            names=NAMES,
            secret=SECRET,
            store=store,
            inputs=inputs,
            outputs=SimulatedOutputs(self.program, self.network, number, witness),
            channel=SimulatedChannel(self.program, self.network),
            metrics=WatchedMetrics(number, store, self.watch),
            idle_write_ms=self.limits.idle_write_ms,
        )
        shard.cases.facts_max = self.limits.held_facts
        shard.start()
        self.shards[number] = shard
        return "taken"

    def step(self, shard: int) -> str:
        """Step a shard once; return what came of it."""
        return self._doing(lambda: "worked" if self.shards[shard].step(0.0) else "idle")

    def give_up(self, shard: int) -> str:
        """Close a shard in order: the group has told this worker that it is another's."""
        return self._doing(lambda: self._close([shard]))

    def end(self) -> str:
        """End in order, as after SIGTERM."""
        outcome = self._doing(lambda: self._close(list(self.shards)))
        self.bury()
        return outcome

    def _close(self, numbers: list[int]) -> str:
        for number in numbers:
            self.shards.pop(number).close()
        return "closed"

    def _doing(self, work: Callable[[], str]) -> str:
        try:
            return work()
        except Killed as killed:
            self.bury()
            return f"killed {killed}"
        except StoreUnavailable:
            return self._begin_again()
        except FencedOff:
            self._rest()
            self.bury()
            return "fenced off"
        except Exception as error:
            if isinstance(error, TransportFailure) and self.network.is_cut_off:
                return "out of reach" if self._rest() else self._ended("the broker out of reach")
            violate(SOUND, f"{self.name}: {type(error).__name__}: {error}")

    def _begin_again(self) -> str:
        """Close every shard and open it again; where even that fails, the worker ends."""
        numbers = list(self.shards)
        if not self._rest():
            return self._ended("its store")
        return f"began again {' '.join(self.take(number) for number in numbers)}"

    def _ended(self, by: str) -> str:
        self.bury()
        return f"ended by {by}"

    def _rest(self) -> bool:
        """Close what can be closed; whether all could."""
        try:
            self._close(list(self.shards))
        except (Failure, Killed):
            return False
        return True

    def bury(self) -> None:
        """The program is no more: what its clients had under way may still arrive."""
        self.program.kill()
        for shard in self.shards.values():
            outputs = shard.sending.outputs
            assert isinstance(outputs, SimulatedOutputs)
            outputs.abandon()
        self.shards = {}
