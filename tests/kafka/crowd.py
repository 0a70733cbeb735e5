"""Many citizens who all live through one scenario, in one world on the real broker with the real hub process.

Rules:
- Each event is stated of every citizen under a source reference of its own, by the real publishers, instant by instant.
- Publishers have fixed secrets: two crowds give the same event the same id, so their views can be compared.
- What the broker could not confirm is published again; a repeat has no effect.
- Every wait ends: with what was waited for, or with a failure that says what the hub said last.

`Crowd` is the world; `tests.kafka.test_drills` plays and disturbs it.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer

from consumers.examine import Step
from consumers.kafka_source import KafkaSource
from consumers.store import Move, PartyStore, store_path
from consumers.subscription import Subscription
from consumers.visible import VisibleEvent
from contracts.catalogue import catalogue
from contracts.civil_time import day_number, moment_of
from contracts.connection import KafkaConnection
from contracts.fact import ce_id_of, event_id_of
from contracts.failures import TransportFailure
from contracts.topics import HUB_PARTY
from deploy.hub_places import world_stores
from deploy.hub_process import HubProcess, create_hub
from deploy.key_registration import register_all
from deploy.scenario import expansion
from deploy.scenario.comparison import Terms, compared
from deploy.scenario.expansion import Playbook
from deploy.scenario.world import newest_decisions
from deploy.world_making import create_world, remove_world
from hub.identity.pseudonyms import pseudonym
from hub.store.records import CaseRecord, FactRecorded
from producers.kafka_transport import KafkaTransport
from producers.publisher import Publisher
from producers.statement import Statement
from producers.transport import OutgoingRecord
from tests.kafka.operator_records import OperatorRecords
from tests.kafka.out_topics import ends_of, sent_to

WAIT_SECONDS_MAX: Final = 60.0
TRANSPORT_SECONDS: Final = 10.0

Snapshot = Mapping[tuple[int, str], frozenset[tuple[str, int, str]]]
"""What each (citizen, party) sees: event of the scenario, its categories, its payload as text."""


@dataclass(frozen=True, slots=True)
class Citizen:
    """One of the crowd. `number` counts from 0."""

    number: int
    case_id: str
    shard: int


class CountingStore(PartyStore):
    """A party's store that counts how often each (partition, number) was applied."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.applied: Counter[tuple[int, int]] = Counter()

    def apply(self, steps: Sequence[Step], moves: Sequence[Move]) -> None:
        super().apply(steps, moves)
        self.applied.update((step.partition, step.attributes.number) for step in steps)


class Crowd:
    """The world of `count` citizens. `hub` is its process."""

    def __init__(
        self, admin: KafkaConnection, playbook: Playbook, directory: Path, count: int, partitions: int
    ) -> None:
        self.playbook = playbook
        self.citizens = [
            Citizen(number, str(uuid.uuid5(expansion.SYMBOL_NAMESPACE, f"crowd/{number}")), number % partitions)
            for number in range(count)
        ]
        self._records: dict[int, list[CaseRecord]] = {}
        self._keys_of: dict[tuple[int, str], str] = {}
        self._closing = ExitStack()
        try:
            self.world = create_world(
                directory, admin, playbook.registry, partitions=partitions, played=True, world_name=directory.name
            )
            self._closing.callback(remove_world, self.world, admin)
            self._open_hub()
            self._open_parties()
        except BaseException:
            self._closing.close()
            raise

    def _open_hub(self) -> None:
        create_hub(self.world)
        register_all(self.world, self.world.registry.parties, clock=lambda: 1)
        self.hub = HubProcess(self.world, tick_seconds=0.0)
        self._closing.callback(self.hub.stop)
        self.hub.start()
        place = world_stores(self.world)
        self._keys = place.open_keys(self.world.master_key, read_only=True)
        self._closing.callback(self._keys.close)
        self.shards = [place.open_for_reading(k, self._keys) for k in range(self.world.partitions)]
        for shard in self.shards:
            self._closing.callback(shard.close)
        reader = self.world.connection(self.world.names.service("reader"))
        self._ends = KafkaConsumer(**reader.consumer_options())
        self._closing.callback(self._ends.close)
        self._operator = OperatorRecords(self.world)
        self._closing.callback(self._operator.close)

    def _open_parties(self) -> None:
        names = self.world.names
        self.stores: dict[str, CountingStore] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self._publishers: dict[str, Publisher] = {}
        for party in (party.id for party in self.world.registry):
            connection = self.world.connection(names.user(party))
            transport = KafkaTransport(connection, timeout_seconds=TRANSPORT_SECONDS)
            self._closing.callback(transport.close)
            secret = hashlib.sha256(f"crowd {party}".encode()).digest()
            key = self.world.signing_key(party)
            self._publishers[party] = Publisher(party, transport, secret, "crowd", names, signing_key=key)
            store = CountingStore.create(store_path(self.world.directory, party), party)
            self._closing.callback(store.close)
            self.stores[party] = store
            self.subscriptions[party] = Subscription(party, KafkaSource(connection, names, party), store)
            self._closing.callback(self.subscriptions[party].close)
        self._terms = [self._terms_of(citizen) for citizen in self.citizens]
        self._events = {
            hub_id: (number, symbol)
            for number, terms in enumerate(self._terms)
            for hub_id, symbol in terms.event_ids.items()
        }
        self._symbols = {ce_id_of(event_id): whose for event_id, whose in self._events.items()}

    def close(self) -> None:
        """Stop the hub, release every client, take the world off the cluster."""
        self._closing.close()

    def key(self, citizen: Citizen, party: str) -> str:
        """The party's own pseudonym of the citizen."""
        place = (citizen.number, party)
        if place not in self._keys_of:
            self._keys_of[place] = pseudonym(
                self.world.hub_secret, citizen.case_id, party, citizen.shard, self.world.partitions
            )
        return self._keys_of[place]

    def enrol(self, at: int) -> None:
        """Enrol everybody and issue each party's key, as the identity service does it one by one."""
        scenario = self.playbook.scenario
        records: list[tuple[int, str, Mapping[str, Any]]] = []
        for one in self.citizens:
            born = {"birthDate": day_number(scenario.born), "jurisdiction": scenario.jurisdiction}
            records.append((one.shard, "CitizenEnrolled", {"caseId": one.case_id} | born))
            for party in self.stores:
                issued = {"caseId": one.case_id, "party": party, "key": self.key(one, party)}
                records.append((one.shard, "KeyIssued", issued))
        self._control(records, at)

    def tick(self, at: int) -> None:
        """Tell every shard that it is `at`."""
        self._control([(shard, "ShardTicked", {}) for shard in range(self.world.partitions)], at)

    def stated_at(self, instant: int) -> list[OutgoingRecord]:
        """Every record of every citizen that is recorded at `instant`, in the scenario's order."""
        return [
            self._record(statement, citizen)
            for statement in self.playbook.statements
            if statement.event.recorded_at == instant
            for citizen in self.citizens
        ]

    def _record(self, statement: expansion.Statement, citizen: Citizen) -> OutgoingRecord:
        event = statement.event
        assert not statement.targets, "the crowd plays scenarios whose events name no other event in their payload"
        return self._publishers[event.party].prepare(
            Statement(event.type, statement.values, moment_of(event.occurred_at)),
            key=self.key(citizen, event.party),
            source_ref=_source_ref(statement, citizen),
            revision=statement.revision,
            published_at=event.recorded_at,
            timestamp_ms=event.recorded_at,
        )

    def publish(self, records: Sequence[OutgoingRecord]) -> int:
        """Publish `records`, again and again until the broker has them all; return how often it failed to say so."""
        failures = 0
        by_topic: dict[str, list[OutgoingRecord]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        for party, publisher in self._publishers.items():
            if of_party := by_topic.pop(self.world.names.input(party), []):
                failures += _again_until_done(partial(publisher.publish_many, of_party))
        assert not by_topic, "every record goes to the topic of a party of this world"
        return failures

    def _control(self, records: Sequence[tuple[int, str, Mapping[str, Any]]], at: int) -> None:
        _again_until_done(lambda: self._operator.send(records, at))

    def unprocessed(self) -> int:
        """How many records lie on the input topics behind the positions that the stores hold."""
        names = self.world.names
        topics = [names.hub_input, *(names.input(party) for party in self.stores)]
        ends = ends_of(self._ends, topics, self.world.partitions)
        heads = [shard.head() for shard in self.shards]
        return sum(end - heads[shard].positions.get(topic, 0) for (topic, shard), end in ends.items())

    def batches(self) -> int:
        """How many batches the stores hold."""
        return sum(shard.head().batch for shard in self.shards)

    def settle(self) -> None:
        """Wait until everything published is stored and nothing is due."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while self.unprocessed() or self._is_anything_due():
            self._give_up_after(deadline, "be stored")
            time.sleep(0.01)

    def _is_anything_due(self) -> bool:
        due = [(shard.next_due(), shard.head().clock) for shard in self.shards]
        return any(instant is not None and instant <= clock for instant, clock in due)

    def receive(self) -> None:
        """Wait until every party has applied the last number given out to it."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        for shard, store in enumerate(self.shards):
            for party, number in store.head().numbers.items():
                while self.subscriptions[party].numbers().get(shard, 0) < number:
                    self._give_up_after(deadline, f"reach `{party}`")
                    try:
                        self.subscriptions[party].advance(0.2)
                    except TransportFailure:
                        time.sleep(0.1)

    def _give_up_after(self, deadline: float, what: str) -> None:
        assert self.hub.is_running, f"the hub ended: {self._last_words()}"
        assert time.monotonic() < deadline, f"it took too long to {what}; the hub said: {self._last_words()}"

    def _last_words(self) -> str:
        return "\n".join(self.hub.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])

    def look_around(self, instant: int) -> tuple[Snapshot, list[str]]:
        """What every party's own store shows of every citizen, and how it differs from the `X` lines at `instant`."""
        visible = {party: _by_key(store) for party, store in self.stores.items()}
        snapshot: dict[tuple[int, str], frozenset[tuple[str, int, str]]] = {}
        differences: list[str] = []
        for citizen in self.citizens:
            seen = {party: visible[party].pop(self.key(citizen, party), []) for party in self.stores}
            for party, events in seen.items():
                snapshot[citizen.number, party] = frozenset(self._told(citizen, event) for event in events)
            differences += [f"citizen {citizen.number}, {one}" for one in self._differences(citizen, instant, seen)]
        assert not any(visible.values()), "a party holds events under a key that is nobody's"
        return snapshot, differences

    def _told(self, citizen: Citizen, event: VisibleEvent) -> tuple[str, int, str]:
        if event.event_type == "ReminderRaised":
            rests_on = {self._symbols[each] for each in event.payload["basedOn"]}
            assert {number for number, _ in rests_on} == {citizen.number}, "a reminder that rests on another's events"
            symbols = "+".join(sorted(symbol for _, symbol in rests_on))
            return f"reminder on {symbols}", event.payload["dueAt"], event.payload["kind"]
        about = event.payload["targetEventId"] if event.party == HUB_PARTY else event.event_id
        number, symbol = self._symbols[about]
        assert number == citizen.number, "an event of one citizen under the key of another"
        categories = catalogue().event_types[event.event_type].categories_in(event.payload)
        if event.party == HUB_PARTY:
            return f"notice of {symbol}", categories, event.payload["kind"]
        return symbol, categories, repr(sorted(event.payload.items()))

    def _differences(self, citizen: Citizen, instant: int, seen: Mapping[str, list[VisibleEvent]]) -> Iterator[str]:
        terms, records = self._terms[citizen.number], self._records_of(citizen)
        for expectation in self.playbook.scenario.expectations:
            if expectation.at == instant:
                for party, expected in expectation.views.items():
                    decided = terms.decided(newest_decisions(records, party), party)
                    _, found = compared(expected, decided, terms.seen(seen[party], party))
                    yield from (f"{party}: {one}" for one in found)

    def _records_of(self, citizen: Citizen) -> list[CaseRecord]:
        """The records of a citizen's case; those that were read before are not read again."""
        known = self._records.setdefault(citizen.number, [])
        known += self.shards[citizen.shard].case_records(citizen.case_id, after_version=len(known))
        return known

    def facts(self) -> Counter[str]:
        """How often each event of an agency, by the hub's id, is on a case timeline; notices stand there once."""
        stored = [
            record
            for citizen in self.citizens
            for record in self._records_of(citizen)
            if isinstance(record, FactRecorded)
        ]
        notices = [record.event_id for record in stored if record.party == HUB_PARTY]
        assert len(notices) == len(set(notices)) > 0
        return Counter(record.event_id for record in stored if record.party != HUB_PARTY)

    def expected_facts(self) -> Counter[str]:
        """Each event of the scenario once for every citizen."""
        return Counter(dict.fromkeys(self._events, 1))

    def sent_to(self, party: str) -> Iterator[Any]:
        """Every record of the party's output topic as the broker holds it, by partition and offset."""
        return sent_to(self.world, party)

    def _terms_of(self, citizen: Citizen) -> Terms:
        ids: dict[str, str] = {}
        for statement in self.playbook.statements:
            event, publisher = statement.event, self._publishers[statement.event.party]
            ce_id = publisher.event_id(event.type, _source_ref(statement, citizen), statement.revision)
            ids[event_id_of(event.party, ce_id)] = event.id
        return Terms(self.playbook, ids)


def _source_ref(statement: expansion.Statement, citizen: Citizen) -> str:
    return f"{statement.source_ref}/{citizen.number}"


def _by_key(store: PartyStore) -> dict[str, list[VisibleEvent]]:
    found: dict[str, list[VisibleEvent]] = {}
    for event in store.visible():
        found.setdefault(event.key, []).append(event)
    return found


def _again_until_done(send: Callable[[], object]) -> int:
    """Call `send` until it does not fail for want of a broker; return how often it failed."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    failures = 0
    while True:
        try:
            send()
        except TransportFailure:
            failures += 1
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return failures
