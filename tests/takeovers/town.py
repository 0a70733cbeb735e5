"""A town whose citizens are stated about without a pause, on the real broker, while workers come and go.

Rules:
- Every citizen is in prison; social services state housing, take some of it back, repeat themselves, and write what
  must be parked. What the broker has confirmed is remembered, and nothing else is expected of the hub.
- Workers are processes of the real hub under names of their own, as in production: own clock, ticks of the workers.
- Every wait ends.

`Town` is the world and what is stated in it; `tests.takeovers.checks` says whether the hub kept all of it.
"""

from __future__ import annotations

import random
import re
import threading
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer

from contracts.connection import KafkaConnection
from contracts.fact import event_id_of
from contracts.failures import TransportFailure
from contracts.parties import Party, PartyRegistry
from deploy.hub_places import world_stores
from deploy.hub_process import HubProcess, create_hub
from deploy.key_registration import register_all
from deploy.world import World
from deploy.world_making import create_world, remove_world
from hub.identity.pseudonyms import pseudonym
from hub.store.places import DatabaseOwner
from producers.kafka_transport import KafkaTransport
from producers.publisher import Publisher
from producers.statement import Statement
from producers.transport import OutgoingRecord
from tests.kafka.operator_records import OperatorRecords
from tests.kafka.out_topics import ends_of

REGISTRY: Final = PartyRegistry.of([Party("A.SOC"), Party("A.BEN"), Party("PRI")])
TICK_SECONDS: Final = 0.5
WAIT_SECONDS_MAX: Final = 60.0
PER_TURN: Final = 10
BAD_VALUE: Final = b"\x01\x02"
_AT_WORK: Final = re.compile(r'^hub_shard_at_work\{shard="(\d+)"\} 1\.0$', re.MULTILINE)


@dataclass
class Stated:
    """What was stated: `tried` by event id, `confirmed` those that the broker has, `bad` the confirmed bad records."""

    tried: set[str] = field(default_factory=set)
    confirmed: Counter[str] = field(default_factory=Counter)
    bad: int = 0


class Town:
    """The world of `citizens`, spread evenly over its shards. `changes` are settings of its workers.

    `databases` are the URLs of its stores, which `owner` makes, where they are not files; `module` is what
    a worker runs.
    """

    def __init__(
        self,
        admin: KafkaConnection,
        directory: Path,
        *,
        citizens: int,
        partitions: int,
        databases: Mapping[str, str] | None = None,
        owner: DatabaseOwner | None = None,
        module: str = "hub",
        **changes: Any,
    ) -> None:
        self._changes = {"module": module, **changes}
        self._closing = ExitStack()
        self.workers: dict[str, HubProcess] = {}
        self.stated = Stated()
        try:
            self.world: World = create_world(
                directory,
                admin,
                REGISTRY,
                partitions=partitions,
                played=False,
                world_name=directory.name,
                **(databases or {}),
            )
            self._closing.callback(remove_world, self.world, admin)
            create_hub(self.world, owner)
            register_all(self.world, self.world.registry.parties)
            self._open_stores()
            names = self.world.names
            self._publishers = {party.id: self._publisher(party.id) for party in REGISTRY}
            self._ends = KafkaConsumer(**self.world.connection(names.service("reader")).consumer_options())
            self._closing.callback(self._ends.close)
            self._operator = OperatorRecords(self.world)
            self._closing.callback(self._operator.close)
            self.cases = {str(uuid.uuid5(uuid.NAMESPACE_OID, f"town {n}")): n % partitions for n in range(citizens)}
        except BaseException:
            self._closing.close()
            raise

    def _open_stores(self) -> None:
        place = world_stores(self.world)
        keys = place.open_keys(self.world.master_key, read_only=True)
        self._closing.callback(keys.close)
        self.stores = [place.open_for_reading(shard, keys) for shard in range(self.world.partitions)]
        for store in self.stores:
            self._closing.callback(store.close)

    def _publisher(self, party: str) -> Publisher:
        names = self.world.names
        transport = KafkaTransport(self.world.connection(names.user(party)))
        self._closing.callback(transport.close)
        secret, key = f"a secret of {party}, and long".encode() * 2, self.world.signing_key(party)
        return Publisher(party, transport, secret, "town", names, signing_key=key)

    def close(self) -> None:
        """Stop every worker, release every client, take the world off the cluster."""
        for worker in self.workers.values():
            worker.kill()
        self._closing.close()

    def settle_in(self) -> None:
        """Enrol everybody, give each party its keys, and let the prison state that everybody is in prison."""
        records: list[tuple[int, str, Mapping[str, Any]]] = []
        for case_id in self.cases:
            records += [self.enrolment(case_id), *(self.issue(case_id, party.id) for party in REGISTRY)]
        self.control(records)
        self.publish("PRI", [self._imprisonment(case_id) for case_id in self.cases])

    def enrolment(self, case_id: str) -> tuple[int, str, Mapping[str, Any]]:
        """The control record that enrols a citizen."""
        return self.cases[case_id], "CitizenEnrolled", {"caseId": case_id, "birthDate": 6_000, "jurisdiction": "DK"}

    def issue(self, case_id: str, party: str) -> tuple[int, str, Mapping[str, Any]]:
        """The control record that gives a party its key of a citizen."""
        return self.cases[case_id], "KeyIssued", {"caseId": case_id, "party": party, "key": self.key(case_id, party)}

    def control(self, records: Sequence[tuple[int, str, Mapping[str, Any]]]) -> None:
        """Let the operator say something to the shards."""
        self._operator.send(records, time.time_ns() // 1_000_000)

    def key(self, case_id: str, party: str) -> str:
        """The party's own pseudonym of a citizen."""
        return pseudonym(self.world.hub_secret, case_id, party, self.cases[case_id], self.world.partitions)

    def worker(self, name: str) -> HubProcess:
        """The worker of that name; a new one is not started yet."""
        if name not in self.workers:
            self.workers[name] = HubProcess(self.world, tick_seconds=TICK_SECONDS, worker=name, **self._changes)
        return self.workers[name]

    def at_work(self, name: str) -> set[int]:
        """The shards that a worker says are at work there; none where it does not answer."""
        try:
            with urllib.request.urlopen(self.workers[name].metrics_url(), timeout=2.0) as answer:
                return {int(shard) for shard in _AT_WORK.findall(answer.read().decode())}
        except OSError:  # not at work yet, frozen, or dead
            return set()

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS_MAX) -> float:
        """Wait until `condition` holds; return how long it took, fail where it does not come to hold."""
        began = time.monotonic()
        if not self.comes_true(condition, seconds):
            raise AssertionError(f"waited {seconds:.0f} s in vain until {what}: {self.last_words()}")
        return time.monotonic() - began

    def comes_true(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until `condition` holds, `seconds` at most; return whether it does."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                return False
            time.sleep(0.05)
        return True

    def last_words(self) -> Mapping[str, list[str]]:
        """What each worker said last."""
        said = {name: worker.log_file for name, worker in self.workers.items()}
        return {
            name: file.read_text(encoding="utf-8", errors="replace").splitlines()[-4:]
            for name, file in said.items()
            if file.exists()
        }

    def ends(self) -> dict[tuple[str, int], int]:
        """The end of every input, by topic and shard."""
        names = self.world.names
        topics = [names.hub_input, *(names.input(party.id) for party in REGISTRY)]
        return ends_of(self._ends, topics, self.world.partitions)

    def has_taken(self, ends: Mapping[tuple[str, int], int]) -> bool:
        """Whether everything before `ends` of the parties' inputs is stored."""
        hub_input = self.world.names.hub_input
        for shard, store in enumerate(self.stores):
            head = store.head()
            if any(
                head.positions.get(topic, 0) < end
                for (topic, partition), end in ends.items()
                if partition == shard and topic != hub_input
            ):
                return False
        return True

    def is_quiet(self) -> bool:
        """Whether everything that was stated is stored, nothing is due, and every number is confirmed sent."""
        if not self.has_taken(self.ends()):
            return False
        for store in self.stores:
            head, due = store.head(), store.next_due()
            if (due is not None and due <= head.clock) or dict(store.send_positions()) != dict(head.numbers):
                return False
        return True

    def given_out(self) -> list[Mapping[str, int]]:
        """The last number of each party, shard by shard."""
        return [store.head().numbers for store in self.stores]

    def has_sent(self, given_out: Sequence[Mapping[str, int]]) -> bool:
        """Whether these numbers and all before them are confirmed sent."""
        sent = [store.send_positions() for store in self.stores]
        return all(
            sent[shard].get(party, 0) >= number
            for shard, numbers in enumerate(given_out)
            for party, number in numbers.items()
        )

    def refused_by_the_fence(self) -> int:
        """How often any worker was told so, by its log."""
        logs = [worker.log_file for worker in self.workers.values() if worker.log_file.exists()]
        return sum(log.read_text(encoding="utf-8", errors="replace").count("by another owner") for log in logs)

    def owner(self, shard: int) -> str:
        """Who stored the last batch of a shard, by the name of that taking."""
        return self.stores[shard].batch(self.stores[shard].head().batch).owner

    def traffic(self, seed: int, pause_seconds: float) -> Traffic:
        """Somebody who states, until told to stop."""
        return Traffic(partial(self._state_some, random.Random(seed)), pause_seconds)

    def _state_some(self, draw: random.Random, told: list[tuple[str, str]]) -> None:
        """State some housing; now and then take one back, say one again, or write what must be parked."""
        cases = draw.choices(list(self.cases), k=PER_TURN)
        fresh = [(case_id, f"housing-{uuid.UUID(int=draw.getrandbits(128))}") for case_id in cases]
        records = [self.housing(case_id, ref) for case_id, ref in fresh]
        if told and draw.random() < 0.3:
            records.append(self.housing(*draw.choice(told[-200:])))
        self.publish("A.SOC", records)
        if draw.random() < 0.2:
            self.publish_bad(records[0])
        if told and draw.random() < 0.5:
            case_id, ref = told.pop(draw.randrange(max(0, len(told) - 200), len(told)))
            self.publish("A.SOC", [self.retraction(case_id, ref)])
        told += fresh

    def publish_bad(self, record: OutgoingRecord) -> None:
        """Write what must be parked in the place of a record of social services."""
        with suppress(TransportFailure):
            self.stated.bad += len(self._publishers["A.SOC"].publish_many([replace(record, value=BAD_VALUE)]))

    def retraction(self, case_id: str, ref: str) -> OutgoingRecord:
        """Social services take back what they stated of housing under `ref`."""
        target = self._publishers["A.SOC"].event_id("HousingSecured", ref)
        values = {"targetEventId": target, "at": moment_of(ref), "reason": "NOT_OCCURRED"}
        return self.record("A.SOC", "EventRetracted", values, case_id, target)

    def publish(self, party: str, records: list[OutgoingRecord]) -> None:
        """Send `records` of a party; those that the broker confirms are expected of the hub."""
        ids = [event_id_of(party, dict(record.headers)["ce_id"].decode()) for record in records]
        self.stated.tried.update(ids)
        with suppress(TransportFailure):
            self._publishers[party].publish_many(records)
            self.stated.confirmed.update(ids)

    def _imprisonment(self, case_id: str) -> OutgoingRecord:
        values = {
            "custodyId": uuid.uuid5(uuid.NAMESPACE_OID, case_id), "startedAt": moment_of(case_id),
            "institution": "PRI", "legalStatus": "CONVICTED", "planDuty": True, "sentenceDays": 480,
            "offenceGroup": "VIOLENCE", "homeMunicipality": "A",
        }  # fmt: skip
        return self.record("PRI", "ImprisonmentStarted", values, case_id, f"custody of {case_id}")

    def housing(self, case_id: str, ref: str) -> OutgoingRecord:
        """Social services state housing of a citizen; `ref` names it."""
        values = {
            "housingId": uuid.uuid5(uuid.NAMESPACE_OID, ref), "kind": "OWN_TENANCY", "at": moment_of(ref),
            "address": "Nygade 1",
        }  # fmt: skip
        return self.record("A.SOC", "HousingSecured", values, case_id, ref)

    def record(
        self, party: str, event_type: str, values: dict[str, Any], case_id: str, ref: str, at: datetime | None = None
    ) -> OutgoingRecord:
        """What a party states of a citizen, ready to be sent; `ref` names it among its own, and when it was."""
        statement = Statement(event_type, values, at or moment_of(ref))
        return self._publishers[party].prepare(statement, key=self.key(case_id, party), source_ref=ref)


class Traffic:
    """A thread that calls `state_some` with what it has told so far, pausing between two calls."""

    def __init__(self, state_some: Callable[[list[tuple[str, str]]], None], pause_seconds: float) -> None:
        self._state_some = state_some
        self._pause_seconds = pause_seconds
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        told: list[tuple[str, str]] = []
        try:
            while not self._stopped.wait(self._pause_seconds):
                self._state_some(told)
        except BaseException as failure:
            self._failure = failure


def moment_of(ref: str) -> datetime:
    """A moment of the past days, the same for the same reference: what is stated again must be the same."""
    seconds = uuid.uuid5(uuid.NAMESPACE_OID, ref).int % 86_400
    return _BEGAN - timedelta(days=2, seconds=seconds)


_BEGAN: Final = datetime.now(UTC).replace(microsecond=0)
