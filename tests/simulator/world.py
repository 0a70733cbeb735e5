"""The world of one history: broker, stores, workers, receivers, and the checkers that watch all of it.

Rules:
- Every history begins either where the hub has just been made, or where its first citizens are enrolled and all are
  told so: a beginning that is played once and copied.
- Whatever is stored, handed over or arrives is judged in that instant; the end is judged by `settle`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from random import Random
from typing import Any, Final

from contracts.catalogue import catalogue
from contracts.civil_time import day_number
from contracts.cloudevents import Attributes, published_headers
from contracts.codec import codec
from contracts.schema_ids import schema_ids
from contracts.topics import HUB_PARTY
from deploy.scenario.simulated_broker import SimulatedBroker
from hub.broker.ports import InputRecord, OutputRecord
from hub.metrics import BatchCounts
from hub.shard.resyncing import COMPLETED
from hub.store.records import BatchCommitted, DecisionsRecorded, StoredRecord
from tests.safety.stories import new_id
from tests.simulator.accounts import Accounts
from tests.simulator.citizens import (
    NAMES,
    PARTIES,
    PARTITIONS,
    REGISTRY,
    SECRET,
    Citizen,
    key_of,
    pseudonym_once,
)
from tests.simulator.disclosures import Disclosures, Unread
from tests.simulator.invariants import ACCOUNTED, COUNTED, DELIVERED, SOUND, WITHDRAWN
from tests.simulator.machine import SimulatedTime, require, violate
from tests.simulator.network import Network, Witness
from tests.simulator.outcomes import Seen, decided_afresh, fold, topic_equals_filter, view_equals_fold
from tests.simulator.receivers import Receiver, empty_store
from tests.simulator.statements import BEGINNING, HOUR_MS, Statement
from tests.simulator.workers import IDENTITIES, POLICIES, Disk, Limits, UnsteadyStore, Watch, Worker
from tests.store.memory import MemoryStores
from tests.store.memory_content import Content

WORKERS: Final = ("one", "two", "three")
HUB_INPUT: Final = NAMES.hub_input
INPUTS: Final = {NAMES.input(party): party for party in (HUB_PARTY, *PARTIES)}
RULE_SETS: Final = {
    name: frozenset(policy.digest for policy in POLICIES if policy.rules.jurisdiction == name)
    for name in POLICIES.jurisdictions
}
BEHIND_MS_MAX: Final = 60_000
"""How far behind its ticks a shard may be and settle nevertheless."""
LONG_UNREAD_MS: Final = 180_000
"""A withdrawal that is so much older than the newest tick lay there while the shard was behind."""
QUIET_SECONDS_MAX: Final = 30
STEPS_MAX: Final = 500


@dataclass(slots=True)
class Beginning:
    """From where a history goes on; nobody changes it."""

    now: int
    logs: dict[tuple[str, int], list[InputRecord]]
    contents: list[Content]
    accounts: list[Accounts]
    disclosures: list[Disclosures]
    received: dict[str, bytes]


class World(Watch):
    """One world, judged in every instant."""

    def __init__(self, chance: Random, limits: Limits, beginning: Beginning) -> None:
        self.chance, self.limits = chance, limits
        self.time = SimulatedTime(beginning.now)
        self.network = Network(_broker(beginning.logs), NAMES, self.time, chance)
        self.accounts = [one.copy() for one in beginning.accounts]
        self.disclosures = [one.copy() for one in beginning.disclosures]
        self.disks = [Disk(content.copy()) for content in beginning.contents]
        self.receivers = {party: Receiver(self.network, party, beginning.received[party]) for party in PARTIES}
        self.workers = [Worker(name, self.network, self.disks, limits, self, self._witness) for name in WORKERS]
        self.owner = [0] * PARTITIONS
        self.unread: list[list[Unread]] = [[] for _ in range(PARTITIONS)]
        for worker in self.workers[1:]:
            worker.program.kill()

    def close(self) -> None:
        """Release the receivers' databases."""
        for receiver in self.receivers.values():
            receiver.close()

    # --- what is sent into the hub

    def say(self, statement: Statement) -> int:
        """Store a party's record on its topic; return its offset."""
        shard, topic = statement.partition, statement.topic
        offset = self.network.append(topic, shard, statement.key, statement.value, statement.headers)
        if statement.ends_consent:
            timestamp = self.network.broker.log(topic, shard)[offset].timestamp
            case_id = statement.citizen.case_id
            self.unread[shard].append(Unread(statement.ends_consent, case_id, topic, offset, timestamp))
        return offset

    def control(
        self, shard: int, name: str, payload: dict[str, Any], party: str = HUB_PARTY, chance: Random | None = None
    ) -> None:
        """Store a control record on the hub's own topic, or a sign of life on a party's; `chance` draws its id."""
        now, event_type = self.time.now, catalogue().event_types[name]
        value = codec().encode(schema_ids().published(name), {"occurredAt": now, **payload})
        attributes = Attributes(new_id(chance or self.chance), f"urn:party:{party}:main", event_type.ce_type, now)
        self.network.append(NAMES.input(party), shard, None, value, tuple(published_headers(attributes)))

    def tick(self, forward_ms: int = 0) -> None:
        """Let time pass, and tick every shard."""
        self.time.now += forward_ms
        if forward_ms >= HOUR_MS:
            # A reader sees the end of a log late by moments, not by hours.
            self.network.seen_to.clear()
        for shard in range(PARTITIONS):
            self.control(shard, "ShardTicked", {})

    def enrol(self, citizen: Citizen) -> None:
        """Enrol a citizen and issue every party's key."""
        born = day_number(citizen.born)
        enrolment = {"caseId": citizen.case_id, "birthDate": born, "jurisdiction": citizen.jurisdiction}
        self.control(citizen.shard, "CitizenEnrolled", enrolment)
        for party in PARTIES:
            issued = {"caseId": citizen.case_id, "party": party, "key": key_of(citizen, party).decode()}
            self.control(citizen.shard, "KeyIssued", issued)

    # --- what the checkers hear

    def committed(self, shard: int, writer: UnsteadyStore) -> None:
        """See `Watch`."""
        content, accounts = self.disks[shard].content, self.accounts[shard]
        records = self._fresh(content, accounts)
        if not records:
            return  # our own batch, stored before
        committed = next(record for record in records if isinstance(record, BatchCommitted))
        writer.found = accounts.stored(records, committed, self._logs(shard))
        self.disclosures[shard].stored(records, committed.clock)
        settled = any(isinstance(record, DecisionsRecorded) for record in records)
        behind = min(writer.newest_tick(), self._newest_visible_tick(shard)) - committed.clock
        require(not settled or behind <= BEHIND_MS_MAX, WITHDRAWN, f"cases are settled {behind} ms behind the ticks")

    def _fresh(self, content: Content, accounts: Accounts) -> list[StoredRecord]:
        grown = [
            (stream, rows) for stream, rows in content.streams.items() if rows[-1].version > accounts.heads[stream]
        ]
        return [row.record() for stream, rows in grown for row in rows if row.version > accounts.heads[stream]]

    def counted(self, shard: int, writer: UnsteadyStore, counts: BatchCounts) -> None:
        """See `Watch`."""
        require(not counts.undecided, SOUND, "a case could not be decided")
        found, writer.found = writer.found, None
        if found is None:
            violate(COUNTED, "a batch is counted that was not stored")
        self.accounts[shard].counted(found, counts)

    def confirmed(self, shard: int, positions: Mapping[str, int]) -> None:
        """See `Watch`."""
        self.disclosures[shard].confirmed(positions)

    def _witness(self, shard: int, ends: Mapping[str, int]) -> Witness:
        return _ShardWitness(self, shard, ends)

    def handed_over(self, shard: int, record: OutputRecord, ends: Mapping[str, int]) -> None:
        """A worker that took the shard when its inputs ended at `ends` hands a record to its client."""
        accounts, disclosures = self.accounts[shard], self.disclosures[shard]
        unread = self.unread[shard]
        unread[:] = [one for one in unread if one.offset >= accounts.positions.get(one.topic, 0)]
        told = disclosures.numbered.get((record.party, record.number))
        key = pseudonym_once(SECRET, told.case_id, record.party, shard, PARTITIONS) if told else ""
        due = self.disks[shard].content.due.get(told.case_id) if told else None
        waits = record.value is not None and due is not None and due <= disclosures.clock
        require(not waits, WITHDRAWN, f"number {record.number} of {record.party} has content, and its case is due")
        disclosures.handed_over(record, key.encode(), self._heeded(shard, ends))

    def _heeded(self, shard: int, ends: Mapping[str, int]) -> Iterator[Unread]:
        """The withdrawals that are not taken in and must be obeyed by whoever took the shard at `ends`.

        What no reader can see yet, nobody can obey.
        """
        newest_tick = self._newest_visible_tick(shard)
        for one in self.unread[shard]:
            lay_there = one.offset < ends[one.topic]
            lay_long = newest_tick - one.timestamp > LONG_UNREAD_MS
            if (lay_there or lay_long) and one.offset < self.network.end(one.topic, shard):
                yield one

    def _newest_visible_tick(self, shard: int) -> int:
        end = 0 if HUB_INPUT in self.network.unread else self.network.end(HUB_INPUT, shard)
        return self.network.broker.log(HUB_INPUT, shard)[end - 1].timestamp if end else 0

    def _logs(self, shard: int) -> dict[str, list[InputRecord]]:
        return {topic: self.network.broker.log(topic, shard) for topic in INPUTS}

    # --- the quiet phase, and the end

    def settle(self) -> str:
        """Undo every fault, let time pass until everything is delivered, and judge the end; return when that was."""
        self._heal()
        for seconds in range(0, QUIET_SECONDS_MAX, 5):
            self.tick(5_000)
            self._work()
            if seconds and self.is_delivered():
                self._judge()
                return f"delivered after {seconds + 5} s"
        require(False, DELIVERED, self._missing())
        return ""

    def _heal(self) -> None:
        self.network.heal()
        self.network.arrive(len(self.network.late))
        for disk in self.disks:
            disk.is_full, disk.next_commit = False, ""
        for worker in self.workers:
            worker.program.points_left = None
        for receiver in self.receivers.values():
            receiver.program.points_left = None

    def _work(self) -> None:
        """Let everybody work until there is nothing to do; then the group tells every worker what is not its own."""
        for shard, owner in enumerate(self.owner):
            worker = self.workers[owner]
            if worker.is_dead:
                worker.start()
            if shard not in worker.shards:
                worker.take(shard)
        for worker in self.workers:
            for shard in list(worker.shards):
                for _ in range(STEPS_MAX):
                    if shard not in worker.shards or not self._goes_on(worker, shard):
                        break
            for shard in [each for each in worker.shards if self.workers[self.owner[each]] is not worker]:
                worker.give_up(shard)
        for receiver in self.receivers.values():
            while receiver.advance():
                pass

    def _goes_on(self, worker: Worker, shard: int) -> bool:
        """Step a shard, and say whether there is more to do: a batch of ticks is no work, what follows it may be."""
        has_worked = worker.step(shard) == "worked"
        return has_worked or (shard in worker.shards and worker.shards[shard].inputs.lag_records() > 0)

    def is_delivered(self) -> bool:
        """Whether nothing is left to be read, settled, sent or received."""
        return not self._missing()

    def _missing(self) -> str:
        for shard, disk in enumerate(self.disks):
            store = MemoryStores(disk.content).read()
            if left := self.accounts[shard].left_unread(self._logs(shard)):
                return f"{left} of shard {shard} is not read"
            if store.due(self._latest(shard), 1):
                return f"a case of shard {shard} is due and not settled"
            if unended := [party for party, last in store.resyncs().items() if last.step != COMPLETED]:
                return f"a resync of {unended} on shard {shard} has no end"
            for party, number in store.head().numbers.items():
                if shard in self.receivers[party].store.filling():
                    return f"{party} of shard {shard} does not know that it has everything"
                position = self.receivers[party].store.positions().get(shard)
                reached = position.last_number if position else 0
                if store.send_positions().get(party, 0) != number or reached != number:
                    return f"{party} of shard {shard}: {number} numbers, {reached} received"
        return ""

    def _latest(self, shard: int) -> int:
        """The newest time that anything on the shard's inputs has."""
        return max(record.timestamp for record in chain(*self._logs(shard).values()))

    def _judge(self) -> None:
        expected = [self._expected(shard) for shard in range(PARTITIONS)]
        for shard in range(PARTITIONS):
            self.accounts[shard].close(self._logs(shard))
            stored = MemoryStores(self.disks[shard].content).read().open_parked()
            held = {(f"parked:{one.party}", one.number) for one in stored}
            require(held == set(self.accounts[shard].open().values()), ACCOUNTED, f"open on {shard}: {sorted(held)}")
        for party, receiver in self.receivers.items():
            topic = NAMES.output(party)
            folded = [fold(self.network.broker.log(topic, shard))[0] for shard in range(PARTITIONS)]
            view_equals_fold(
                party, receiver.store.visible(), {place: each for one in folded for place, each in one.items()}
            )
            for shard in range(PARTITIONS):
                topic_equals_filter(party, folded[shard], expected[shard][party])

    def _expected(self, shard: int) -> dict[str, Seen]:
        """What each party's topic must show at the end."""
        store, at = MemoryStores(self.disks[shard].content).read(), self._latest(shard)
        expected: dict[str, Seen] = {party: {} for party in PARTIES}
        for case_id in store.cases():
            key_in = partial(_key, case_id, shard)
            seen = decided_afresh(store.case_records(case_id), lambda name: POLICIES.in_force(name, at), at, key_in)
            for party, of_case in seen.items():
                expected[party] |= of_case
        return expected

    def snapshot(self) -> Beginning:
        """This world as a beginning."""
        topics = [*INPUTS, *map(NAMES.output, PARTIES)]
        logs = {
            (topic, shard): self.network.broker.log(topic, shard) for topic in topics for shard in range(PARTITIONS)
        }
        return Beginning(
            self.time.now,
            logs,
            [disk.content for disk in self.disks],
            self.accounts,
            self.disclosures,
            {party: receiver.content() for party, receiver in self.receivers.items()},
        )


def _key(case_id: str, shard: int, party: str) -> str:
    return pseudonym_once(SECRET, case_id, party, shard, PARTITIONS)


class _ShardWitness(Witness):
    """Tells the world of which shard it hears, and at which ends of its inputs that was taken."""

    def __init__(self, world: World, shard: int, ends: Mapping[str, int]) -> None:
        self._world, self._shard, self._ends = world, shard, ends

    def handed_over(self, partition: int, record: OutputRecord) -> None:
        self._world.handed_over(self._shard, record, self._ends)

    def arrived(self, partition: int, record: OutputRecord) -> None:
        self._world.disclosures[self._shard].arrived(record)


def _broker(logs: Mapping[tuple[str, int], Iterable[InputRecord]]) -> SimulatedBroker:
    broker = SimulatedBroker(PARTITIONS)
    broker.create_topics(NAMES, REGISTRY)
    for (topic, shard), records in logs.items():
        broker.log(topic, shard).extend(records)
    return broker


def nothing_yet() -> Beginning:
    """A hub that has just been made."""
    contents = []
    for identity in IDENTITIES:
        places = MemoryStores()
        places.create(identity).close()
        assert places.content is not None
        contents.append(places.content)
    accounts = [Accounts(INPUTS) for _ in range(PARTITIONS)]
    disclosures = [Disclosures(RULE_SETS, REGISTRY.digest) for _ in range(PARTITIONS)]
    return Beginning(BEGINNING, {}, contents, accounts, disclosures, {party: empty_store(party) for party in PARTIES})
