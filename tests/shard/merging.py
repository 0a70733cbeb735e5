"""Two cases of what turns out to be one citizen, on one shard or on two: the real shards on the simulated broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings

from contracts.avro_schemas import Form
from contracts.civil_time import day_date, day_number
from contracts.cloudevents import parse_disclosed
from contracts.codec import codec
from contracts.fact import event_id_of
from contracts.failures import TransportFailure
from contracts.parties import Party, PartyRegistry
from contracts.schema_ids import schema_ids
from contracts.topics import Names
from deploy.scenario.simulated_broker import (
    SimulatedBroker,
    SimulatedControl,
    SimulatedInputs,
    SimulatedOutputs,
    SimulatedTransport,
)
from hub.arrival.forwarded import is_forwarded
from hub.broker.control_records import control_record
from hub.broker.ports import Headers, InputRecord
from hub.case_timeline.timeline import CONFIRMED, REMOVED
from hub.identity.pseudonyms import pseudonym
from hub.shard.merging import CONTROLS, FOLLOWS
from hub.shard.worker import Shard
from hub.store.keys import KeyStore
from hub.store.ports import StoreIdentity
from hub.store.records import DecisionsRecorded, FactRecorded, MergeStepped, RecordParked
from hub.store.shard_store import DatabaseShardStore
from hub.store.sqlite import create_store, open_store
from hub.wiring import build_shard
from producers.publisher import Publisher
from tests.shard.harness import HOUR_MS, PARTIES, SECRET, START, consent, imprisonment, in_moments

PARTITIONS = 2
LOSER = "5f0c7d1e-0000-4000-8000-00000000000a"
WINNER = "5f0c7d1e-0000-4000-8000-00000000000b"
THIRD = "5f0c7d1e-0000-4000-8000-00000000000c"
BORN = date(1988, 4, 12)


DRAWN_HISTORIES: Final = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target],
)
"""How drawn histories of merges are played: each takes long, so a failing one is not made smaller."""


def _event_type(record: InputRecord) -> str:
    """The name of what a control record says."""
    return dict(record.headers)["ce_type"].decode().split(".")[-2]


@dataclass
class UnsureChannel(SimulatedControl):
    """A way into the hub's own input that fails when told to: before or after the broker has stored the record.

    It can speak as hubs did whose words to other cases were of the first version.
    """

    def __init__(self, broker: SimulatedBroker, names: Names) -> None:
        super().__init__(broker, names, "merges")
        self.fail_before = self.fail_after = self.speaks_first_version = False

    def publish(self, partition: int, event_type: str, payload: Mapping[str, Any]) -> None:
        self._fail_where(self.fail_before)
        if self.speaks_first_version and event_type in FOLLOWS:
            self._publish_first_version(partition, event_type, payload)
        else:
            super().publish(partition, event_type, payload)
        self._fail_where(self.fail_after)

    def _publish_first_version(self, partition: int, event_type: str, payload: Mapping[str, Any]) -> None:
        _, headers = control_record("merges", event_type, payload, self._broker.clock)
        said = {name: value for name, value in payload.items() if name != "recordVersion"}
        first = schema_ids().of_version(event_type, 1, Form.PUBLISHED)
        value = codec().encode(first, {"occurredAt": self._broker.clock, **said})
        super().publish_record(partition, value, [(name, value.replace(b".v2", b".v1")) for name, value in headers])

    def publish_record(self, partition: int, value: bytes, headers: Headers) -> None:
        self._fail_where(self.fail_before)
        super().publish_record(partition, value, headers)
        self._fail_where(self.fail_after)

    def _fail_where(self, told_to: bool) -> None:
        if told_to:
            self.fail_before = self.fail_after = False
            raise TransportFailure("the broker did not confirm: expected it to; try again")


@dataclass
class MergingShards:
    """All shards of a hub with two partitions. `shards_of` says on which shard each case lies."""

    directory: Path
    shards_of: Mapping[str, int]
    parties: Sequence[str] = PARTIES
    now: int = START
    names: Names = field(default_factory=lambda: Names("test"))
    changes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registry = PartyRegistry.of(Party(party) for party in self.parties)
        self.broker = SimulatedBroker(PARTITIONS)
        self.broker.create_topics(self.names, self.registry)
        self.broker.clock = self.now
        self.keys = KeyStore.create(self.directory / "keys.db", SECRET)
        self.control = SimulatedControl(self.broker, self.names, "test")
        self.channel = UnsureChannel(self.broker, self.names)
        self.publishers: dict[str, Publisher] = {}
        self.stores: list[DatabaseShardStore] = [
            create_store(self._path(number), self._identity(number), self.keys) for number in range(PARTITIONS)
        ]
        self.shards = [self._build(number) for number in range(PARTITIONS)]
        self.tick()
        for case_id in self.shards_of:
            self.enrol(case_id)
        self.settle()

    def _path(self, number: int) -> Path:
        return self.directory / f"shard-{number}.db"

    def _identity(self, number: int) -> StoreIdentity:
        return StoreIdentity("simulated", "test", number, PARTITIONS)

    def _build(self, number: int) -> Shard:
        shard = build_shard(
            shard=number,
            partitions=PARTITIONS,
            registry=self.registry,
            names=self.names,
            secret=SECRET,
            store=self.stores[number],
            inputs=SimulatedInputs(self.broker, self.names, self.registry, number),
            outputs=SimulatedOutputs(self.broker, self.names, number),
            channel=self.channel,
            idle_write_ms=0,
        )
        shard.start()
        return shard

    def restart(self, number: int) -> None:
        """Lose all that one shard has in memory, as a killed worker does, and begin again from its store."""
        self.stores[number].close()
        self.stores[number] = open_store(self._path(number), self._identity(number), self.keys)
        self.shards[number] = self._build(number)

    def tick(self, forward_ms: int = 0) -> None:
        """Move the clock and tick every shard."""
        self.now += forward_ms
        self.broker.clock = self.now
        for number in range(PARTITIONS):
            self.control.publish(number, "ShardTicked", {})

    def enrol(self, case_id: str) -> None:
        """Enrol a citizen and give every party its key."""
        shard = self.shards_of[case_id]
        born = {"caseId": case_id, "birthDate": day_number(BORN), "jurisdiction": "DK"}
        self.control.publish(shard, "CitizenEnrolled", born)
        for party in self.parties:
            issued = {"caseId": case_id, "party": party, "key": self.key(party, case_id)}
            self.control.publish(shard, "KeyIssued", issued)

    def merge(self, losing: str = LOSER, winning: str = WINNER) -> None:
        """Say that the two are one citizen, who is known as `winning`."""
        payload = {"caseId": losing, "other": winning, "otherShard": self.shards_of[winning]}
        self.control.publish(self.shards_of[losing], "CaseMerged", payload | {"change": self._next_change(losing)})

    def unlink(self, losing: str = LOSER) -> None:
        """Say that they are not."""
        payload = {"caseId": losing, "change": self._next_change(losing)}
        self.control.publish(self.shards_of[losing], "CaseUnlinked", payload)

    def _next_change(self, losing: str) -> int:
        self.changes[losing] = self.changes.get(losing, 0) + 1
        return self.changes[losing]

    def say_again(self, event_type: str, case_id: str = LOSER) -> None:
        """Put the newest control record of a type once more on the hub's own input."""
        log = self.broker.log(self.names.hub_input, self.shards_of[case_id])
        told = next(each for each in reversed(log) if event_type.encode() in dict(each.headers)["ce_type"])
        self.broker.append(told.topic, told.partition, None, told.value, told.headers, self.now)

    def say_all_again(self) -> None:
        """Put all that was ever said in merges once more on the hub's own input, in the order in which it came."""
        for told in self._said_in_merges():
            self.broker.append(told.topic, told.partition, None, told.value, told.headers, self.now)

    def say_something_again(self, chance: Random) -> None:
        """Put one thing that was said in merges, at any time, once more on the hub's own input."""
        if said := self._said_in_merges():
            told = chance.choice(said)
            self.broker.append(told.topic, told.partition, None, told.value, told.headers, self.now)

    def _said_in_merges(self) -> list[InputRecord]:
        logs = (self.broker.log(self.names.hub_input, number) for number in range(PARTITIONS))
        return [record for log in logs for record in log if is_forwarded(record) or _event_type(record) in CONTROLS]

    def key(self, party: str, case_id: str) -> str:
        """The party's own key of a case."""
        return pseudonym(SECRET, case_id, party, self.shards_of[case_id], PARTITIONS)

    def publisher(self, party: str) -> Publisher:
        """The embedded publisher of a party."""
        if party not in self.publishers:
            transport = SimulatedTransport(self.broker)
            secret = party.encode().ljust(32, b"\x01")
            self.publishers[party] = Publisher(party, transport, secret, system="test", names=self.names)
        return self.publishers[party]

    def state(
        self,
        party: str,
        event_type: str,
        values: Mapping[str, Any],
        reference: str,
        case_id: str,
        revision: int = 0,
        corrects: str | None = None,
    ) -> str:
        """Publish one fact under the party's key of a case, occurred and recorded now; return its event id."""
        self.publisher(party).publish_values(
            event_type,
            in_moments(event_type, values),
            occurred_at=self.now,
            key=self.key(party, case_id),
            source_ref=reference,
            published_at=self.now,
            timestamp_ms=self.now,
            revision=revision,
            corrects=corrects,
        )
        return f"{party}/{self.publisher(party).event_id(event_type, reference, revision)}"

    def step(self) -> bool:
        """One step of every shard; whether any did something."""
        worked = [shard.step(0.0) for shard in self.shards]
        return any(worked)

    def settle(self) -> None:
        """Let everything reach everybody, and step until nothing is left to do."""
        self.reachable()
        for _ in range(20_000):
            for shard in self.shards:
                shard.forwarding.pause.until = 0.0
            if not self.step() and not any(shard.forwarding.waiting for shard in self.shards):
                return
        raise AssertionError("the shards did not come to rest")

    def parked(self) -> list[RecordParked]:
        """Every parked record of every shard."""
        return [record for store in self.stores for record, _ in store.parked()]

    def steps(self, case_id: str) -> list[str]:
        """The steps of merges on a case."""
        records = self.stores[self.shards_of[case_id]].case_records(case_id)
        return [record.step for record in records if isinstance(record, MergeStepped)]

    def moves(self, case_id: str) -> list[str]:
        """The steps of merges on a case, but for those that say what is confirmed."""
        return [step for step in self.steps(case_id) if step not in (REMOVED, CONFIRMED)]

    def held(self, party: str, case_id: str, *, of_the_hub: bool = False) -> dict[str, dict[str, Any]]:
        """What a receiver holds under its key of a case: event id -> payload; what agencies stated, or the hub."""
        held: dict[str, dict[str, Any]] = {}
        key, expected = self.key(party, case_id).encode(), 1
        for record in self.broker.log(self.names.output(party), self.shards_of[case_id]):
            attributes = parse_disclosed(record.headers)
            assert attributes.number <= expected, "a number is missing"
            if attributes.number == expected:
                expected += 1
                event_id = f"{attributes.party}/{attributes.id}"
                if record.key == key and (attributes.party == "HUB") is of_the_hub:
                    if record.value is None:
                        held.pop(event_id, None)
                    else:
                        held[event_id] = codec().decode(record.value).payload
        return held

    def views(self, case_id: str) -> dict[str, dict[str, dict[str, Any]]]:
        """What every party holds under its key of a case."""
        return {party: self.held(party, case_id) for party in self.parties}

    def unreachable(self, party: str, shard: int) -> None:
        """Let no record of one shard reach a receiver."""
        self.broker.unreachable.add((self.names.output(party), shard))

    def reachable(self) -> None:
        """Let everything reach everybody again, at once."""
        self.broker.unreachable.clear()
        for shard in self.shards:
            shard.sending._paused_until.clear()

    def go_on(self) -> None:
        """Let the shards go on as far as they come while a receiver cannot be reached."""
        for _ in range(60):
            for shard in self.shards:
                shard.forwarding.pause.until = 0.0
            self.step()

    def acknowledged(self, party: str = "PRI") -> list[str]:
        """The event ids of the withdrawals that a party was told are done, shard by shard."""
        logs = [self.broker.log(self.names.output(party), shard) for shard in range(PARTITIONS)]
        told = (codec().decode(record.value) for log in logs for record in log if record.value)
        done = [each.payload for each in told if each.event_type.name == "WithdrawalAcknowledged"]
        return [event_id_of(payload["recipient"], payload["targetEventId"]) for payload in done]

    def consent_of(self, withdrawal: str) -> str:
        """The consent that was withdrawn by an event."""
        for case_id, shard in self.shards_of.items():
            fact = self.shards[shard].cases.get(case_id).timeline.gate_facts.get(withdrawal)
            if fact is not None:
                return str(fact.payload["consentId"])
        raise AssertionError("no case has the withdrawal")

    def still_held(self, consent_id: str) -> list[tuple[str, str, str]]:
        """What a receiver still holds of what was taken back from it, and had rested on the consent.

        (Case, party, event id), by the decisions that are stored, and what lies on the topics.
        """
        found: list[tuple[str, str, str]] = []
        for case_id, shard in self.shards_of.items():
            event_at: dict[int, str] = {}
            shown: dict[tuple[str, str], bool] = {}
            for record in self.stores[shard].case_records(case_id):
                if isinstance(record, FactRecorded):
                    event_at[record.originator_version] = record.event_id
                for one in record.decisions if isinstance(record, DecisionsRecorded) else ():
                    line = (one.party, event_at[one.fact_version])
                    if line in shown or f"C:{consent_id}" in dict(one.shown):
                        shown[line] = bool(one.shown)
            found += [
                (case_id, party, event_id)
                for (party, event_id), is_shown in shown.items()
                if not is_shown and event_id in self.held(party, case_id)
            ]
        return found


CONSENT_ID = consent(0, (), ())["consentId"]
SAME_SHARD = {LOSER: 0, WINNER: 0, THIRD: 0}
ACROSS = {LOSER: 0, WINNER: 1, THIRD: 0}


def hour(shards: MergingShards) -> None:
    """Let an hour pass."""
    shards.tick(HOUR_MS)


def imprisoned(hub: MergingShards, case_id: str) -> str:
    return hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id)


def dated(hub: MergingShards, case_id: str, day: int = 20_300, revision: int = 0, reference: str = "date") -> str:
    values = {"custodyId": imprisonment(0)["custodyId"], "releaseDate": day_date(day), "kind": "PAROLE"}
    return hub.state("PRI", "ReleaseDateSet", values, reference, case_id, revision)


def consented(hub: MergingShards, case_id: str, recipients: tuple[str, ...] = ("A.JOB",)) -> str:
    values = consent(hub.now, ["CU", "RE"], recipients) | {"purposes": ["EMPLOYMENT", "SOCIAL_SUPPORT"]}
    return hub.state("PRI", "ConsentGiven", values, "given", case_id)


def withdrawn(hub: MergingShards, case_id: str) -> str:
    values = {"consentId": CONSENT_ID, "at": hub.now, "by": "SUBJECT"}
    return hub.state("PRI", "ConsentWithdrawn", values, "withdrawn", case_id)


def opened(hub: MergingShards, case_id: str, party: str = "A.JOB") -> str:
    return hub.state(party, "CaseOpened", {"caseNo": "1", "at": hub.now}, f"opened {case_id}", case_id)
