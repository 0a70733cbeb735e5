"""The network between programs and the broker, with its faults, and the hub's ports on it.

Rules:
- The logs are those of `SimulatedBroker`; each topic has a leader, whose clock may be off.
- What a program has handed over is under way until it is served: it arrives and is confirmed, arrives unconfirmed,
  or is lost; then nothing that follows it is confirmed, as the real sender stops at its first failure.
- What a killed program had under way may still arrive later, in order, or in part.
- Inputs are merged by the hub's own `Merge`; ends of logs may be seen late, and a topic may give nothing for a while.
- The hub may be cut off from the broker as a whole, while parties go on stating: it sees nothing, and nothing arrives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Final
from uuid import UUID

from consumers.source import LogSpan, ReceivedRecord
from contracts.failures import ForeignStore, TransportFailure
from contracts.parties import PartyRegistry
from contracts.topics import Names
from deploy.scenario.simulated_broker import SimulatedBroker, SimulatedSource, numbers_told
from hub.broker.control_records import control_record
from hub.broker.merge import Merge
from hub.broker.ports import TAKEN_BYTES_MAX, Headers, InputRecord, OutputRecord, Positions
from tests.simulator.machine import Program, SimulatedTime

POLLED_MAX: Final = 12
"""How many records a receiver's poll gives at most."""

LOOK_AGAIN_MS: Final = 10_000
"""How long a reader goes on without a look at the ends of the logs."""

ANSWER_LOST: Final = 0.2
"""How often the answer to what a shard publishes to its own input is lost."""

Delivery = Callable[[], object]


@dataclass(slots=True)
class Network:
    """The broker, and what is wrong on the way to it. Topics are named without partition: a leader has all of them."""

    broker: SimulatedBroker
    names: Names
    time: SimulatedTime
    chance: Random
    skew: dict[str, int] = field(default_factory=dict)
    """How far a topic's leader has its clock ahead, in milliseconds."""
    seen_to: dict[tuple[str, int], int] = field(default_factory=dict)
    """The end of a log as readers see it, where they see it late."""
    unread: set[str] = field(default_factory=set)
    """Input topics that give nothing to readers."""
    slow: set[str] = field(default_factory=set)
    """Output topics to which everything stays under way."""
    unreachable: set[str] = field(default_factory=set)
    """Output topics that refuse."""
    forgetful: set[str] = field(default_factory=set)
    """Output topics that take the next record and lose the confirmation."""
    is_cut_off: bool = False
    """Whether the hub's programs cannot reach the broker."""
    deleted: dict[tuple[str, int], int] = field(default_factory=dict)
    """The first offset of an output log that its receiver can still read."""
    late: list[Delivery] = field(default_factory=list)
    """What will arrive later, in this order for each of its senders."""

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> int:
        """Store one record at the leader's clock, which never goes back within a log; return its offset."""
        return self.broker.append(topic, partition, key, value, headers, self.time.now + self.skew.get(topic, 0))

    def end(self, topic: str, partition: int) -> int:
        """The end of a log as readers see it."""
        end = len(self.broker.log(topic, partition))
        return min(end, self.seen_to.get((topic, partition), end))

    def arrive(self, number: int) -> None:
        """Let so many of the late ones arrive."""
        for delivery in self.late[:number]:
            delivery()
        del self.late[:number]

    def heal(self) -> None:
        """End every fault; what is late stays late until it arrives."""
        for faults in (self.skew, self.seen_to, self.unread, self.slow, self.unreachable, self.forgetful):
            faults.clear()
        self.is_cut_off = False

    def require_contact(self) -> None:
        """Raise `TransportFailure` where the hub's programs cannot reach the broker."""
        if self.is_cut_off:
            raise TransportFailure("the broker is out of reach")


class SimulatedInputs:
    """All inputs of one shard (`hub.broker.ports.Inputs`)."""

    def __init__(self, program: Program, network: Network, registry: PartyRegistry, partition: int) -> None:
        self._program, self._network, self._partition = program, network, partition
        self._hub_input = network.names.hub_input
        self._topics = [self._hub_input, *(network.names.input(party.id) for party in registry)]
        self._merge = Merge({})
        self._fetched: dict[str, int] = {}
        self._newest_tick = 0
        self._is_fresh = True
        self._seen_at = 0

    def start(self, positions: Positions) -> int:
        """See the port."""
        self._network.require_contact()
        starts = {topic: positions.get(topic, 0) for topic in self._topics}
        for topic, offset in starts.items():
            if offset > len(self._network.broker.log(topic, self._partition)):
                raise ForeignStore(f"position `{offset}` of topic `{topic}` lies outside its log")
        self._merge, self._fetched = Merge(starts, self._hub_input), {**starts}
        self._look()
        ticks = self._network.broker.log(self._hub_input, self._partition)
        end = self._network.end(self._hub_input, self._partition)
        self._newest_tick = ticks[end - 1].timestamp if end else 0
        self._is_fresh = True
        return end

    def take(self, limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        """See the port; never waits. A fresh client has nothing yet when it is asked first."""
        self._program.reach("before taking")
        if not self._network.is_cut_off:
            is_fresh, self._is_fresh = self._is_fresh, False
            for topic in self._topics:
                if topic not in self._network.unread and not is_fresh:
                    self._fetch(topic)
            is_old = self._network.time.now - self._seen_at > LOOK_AGAIN_MS
            if is_old or (not self._merge.open and self._merge.beyond_cut):
                self._look()
        taken = self._merge.take(limit, TAKEN_BYTES_MAX)
        self._program.reach("after taking")
        return taken

    def _fetch(self, topic: str) -> None:
        start, end = self._fetched[topic], self._network.end(topic, self._partition)
        if start < end:
            records = self._network.broker.log(topic, self._partition)[start:end]
            self._merge.add(topic, records)
            self._fetched[topic] = end
            if topic == self._hub_input:
                self._newest_tick = max(self._newest_tick, *(record.timestamp for record in records))

    def newest_tick(self) -> int:
        """See the port."""
        return self._newest_tick

    def lag_records(self) -> int:
        """See the port; what is in hand beyond the cut counts too."""
        return max(self._merge.behind, sum(self._merge.in_hand(topic)[0] for topic in self._topics))

    def seconds_since_look(self) -> float:
        """See the port."""
        return (self._network.time.now - self._seen_at) / 1000

    def _look(self) -> None:
        self._merge.cut(self.ends())
        self._seen_at = self._network.time.now

    def ends(self) -> dict[str, int]:
        """The end of each input, as a reader sees it now."""
        return {topic: self._network.end(topic, self._partition) for topic in self._topics}

    def close(self) -> None:
        """Nothing is held."""


class Witness:
    """Hears what is handed over, and what reaches a topic."""

    def handed_over(self, partition: int, record: OutputRecord) -> None:
        """A worker hands a record to its client."""

    def arrived(self, partition: int, record: OutputRecord) -> None:
        """A record lies on its topic."""


class SimulatedOutputs:
    """The sender of one shard (`hub.broker.ports.Outputs`), with the contract of the one on Kafka."""

    def __init__(self, program: Program, network: Network, partition: int, witness: Witness) -> None:
        self._program, self._network, self._partition, self._witness = program, network, partition, witness
        self._under_way: dict[str, deque[OutputRecord]] = {}
        self._failed: dict[str, int] = {}
        self._confirmed: dict[str, int] = {}
        self._taken: dict[str, int] = {}

    def last_numbers(self, parties: Iterable[str]) -> Mapping[str, int]:
        """See the port."""
        self._network.require_contact()
        return numbers_told(self._network.broker, self._network.names, self._partition, parties)

    def send(self, records: Sequence[OutputRecord]) -> None:
        """See the port."""
        self._program.reach("before handing over")
        for record in records:
            failed = self._failed.get(record.party)
            if failed is not None:
                if record.number > failed:
                    continue
                del self._failed[record.party]
            self._witness.handed_over(self._partition, record)
            self._under_way.setdefault(record.party, deque()).append(record)
            self._taken[record.party] = max(record.number, self._taken.get(record.party, 0))
            self._program.reach("while handing over")

    def taken(self) -> Mapping[str, int]:
        """See the port."""
        return self._taken

    def confirmed(self, wait_seconds: float = 0.0) -> Mapping[str, int]:
        """See the port; never waits."""
        self._program.reach("before looking at confirmations")
        for party, under_way in self._under_way.items():
            if under_way:
                self._serve(party, under_way)
        confirmed, self._confirmed = self._confirmed, {}
        return confirmed

    def _serve(self, party: str, under_way: deque[OutputRecord]) -> None:
        topic, network = self._network.names.output(party), self._network
        while under_way and topic not in network.slow and not network.is_cut_off:
            if topic not in network.unreachable:
                self._arrive(topic, under_way[0])
                self._program.reach("between arrival and confirmation")
            if topic in network.unreachable or topic in network.forgetful:
                network.forgetful.discard(topic)
                self._failed[party] = under_way[0].number
                under_way.clear()
            else:
                self._confirmed[party] = under_way.popleft().number

    def _arrive(self, topic: str, record: OutputRecord) -> None:
        self._network.append(topic, self._partition, record.key, record.value, record.headers)
        self._witness.arrived(self._partition, record)

    def stalled(self) -> Sequence[str]:
        """See the port."""
        return sorted(self._failed)

    def pausing(self) -> Sequence[str]:
        """See the port; whoever failed is tried again at once."""
        return ()

    def close(self) -> None:
        """Nothing is held."""

    def abandon(self) -> None:
        """The program is dead: of what it had under way the first few to each party still arrive, later."""
        for party, under_way in self._under_way.items():
            topic = self._network.names.output(party)
            for record in list(under_way)[: self._network.chance.randrange(len(under_way) + 1)]:
                self._network.late.append(partial(self._arrive, topic, record))
            under_way.clear()


class SimulatedChannel:
    """A shard's way to its own input (`hub.broker.ports.HubInput`), with the faults of that topic."""

    def __init__(self, program: Program, network: Network) -> None:
        self._program, self._network = program, network

    def publish(self, partition: int, event_type: str, payload: Mapping[str, Any]) -> None:
        """See the port."""
        self._network.require_contact()
        topic, now = self._network.names.hub_input, self._network.time.now
        self._program.reach("before publishing to the hub")
        value, headers = control_record("shard", event_type, payload, now)
        # Its id is drawn; that of a simulated record must come from the seed.
        named = [
            (
                name,
                str(UUID(int=self._network.chance.getrandbits(128), version=4)).encode() if name == "ce_id" else said,
            )
            for name, said in headers
        ]
        self._network.append(topic, partition, None, value, named)
        self._program.reach("after publishing to the hub")
        if self._network.chance.random() < ANSWER_LOST:
            raise TransportFailure("the answer of the hub's own input was lost")

    def publish_record(self, partition: int, value: bytes, headers: Headers) -> None:
        """See the port."""
        raise TransportFailure("no case of the simulator is merged")

    def close(self) -> None:
        """Nothing is held."""


class UnsteadySource(SimulatedSource):
    """One party's output topic, as its receiver reads it: a few records at a time, between which it may be killed."""

    def __init__(self, program: Program, network: Network, party_id: str) -> None:
        super().__init__(network.broker, network.names, party_id)
        self._program, self._network = program, network

    def start(self, positions: Mapping[int, int]) -> Mapping[int, LogSpan]:
        """See the port; what was deleted cannot be read."""
        spans = super().start(positions)
        firsts = {partition: self._network.deleted.get((self._topic, partition), 0) for partition in spans}
        self._next = {partition: max(offset, firsts[partition]) for partition, offset in self._next.items()}
        return {partition: LogSpan(firsts[partition], span.end) for partition, span in spans.items()}

    def poll(self, limit: int, wait_seconds: float) -> Sequence[ReceivedRecord]:
        """See the port."""
        self._program.reach("before polling")
        return super().poll(min(limit, self._network.chance.randrange(1, POLLED_MAX + 1)), wait_seconds)
