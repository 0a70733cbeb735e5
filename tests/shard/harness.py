"""A shard under test: the real shard and store on the simulated broker, with every part in reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from contracts.catalogue import catalogue
from contracts.civil_time import day_number, instant_of, moment_of
from contracts.cloudevents import parse_disclosed
from contracts.codec import codec
from contracts.event_types import Kind
from contracts.parties import Party, PartyRegistry
from contracts.signatures import SigningKey
from contracts.topics import HUB_PARTY, Names
from deploy.scenario.simulated_broker import (
    SimulatedBroker,
    SimulatedControl,
    SimulatedInputs,
    SimulatedOutputs,
    SimulatedTransport,
)
from hub.arrival.keyring import Principals
from hub.arrival.principals import CONTROL_RECORDS, OPERATOR, principal_of
from hub.broker.ports import InputRecord, Outputs
from hub.consent.rule_reader import RULES_FOLDER
from hub.identity.pseudonyms import pseudonym
from hub.shard.worker import Shard
from hub.store.keys import KeyStore
from hub.store.ports import StoreIdentity
from hub.store.records import RecordParked
from hub.store.shard_store import DatabaseShardStore
from hub.store.sqlite import create_store, open_store
from hub.wiring import build_shard
from producers.publisher import Publisher

SECRET = b"\x07" * 32
START = instant_of(datetime(2025, 1, 6, 8, 0, tzinfo=UTC))
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CASE = "5f0c7d1e-0000-4000-8000-000000000001"
OTHER_CASE = "5f0c7d1e-0000-4000-8000-000000000002"
PARTIES = ("PRI", "KIF", "A.SOC", "A.JOB", "A.BEN", "A.ADD", "B.SOC")
CONTROL = frozenset(CONTROL_RECORDS)
"""As whom the control key signs."""
IDENTITY = StoreIdentity("simulated", "test", 0, 1)


class EveryPrincipal(SimulatedControl):
    """The hub's own input, on which each principal says what it may: one channel for all of them."""

    def publish(self, partition: int, event_type: str, payload: Mapping[str, Any]) -> None:
        """Append one control record of whoever states such."""
        self._principal = principal_of(catalogue().event_types[event_type])
        super().publish(partition, event_type, payload)


@dataclass
class ShardUnderTest:
    """One shard with one partition; `now` moves by hand."""

    directory: Path
    parties: Sequence[str] = PARTIES
    now: int = START
    facts_max: int = 200_000
    healthcare_providers: frozenset[str] = frozenset()
    rules_folder: Path = RULES_FOLDER
    control_key: SigningKey | None = None
    """With it, what the hub tells itself is signed; without it, that is taken as it comes."""
    other_principals: Principals = field(default_factory=dict)
    """Who signs there besides."""
    signing_keys: dict[str, SigningKey] = field(default_factory=dict)
    """The keys with which parties sign; who is not named does not sign."""
    names: Names = field(default_factory=lambda: Names("test"))
    left: list[str] = field(default_factory=list)
    """Who took part once."""

    def __post_init__(self) -> None:
        self.registry = self._registry()
        self.broker = SimulatedBroker(1)
        self.broker.create_topics(self.names, self.registry)
        self.broker.clock = self.now
        self.keys = KeyStore.create(self.directory / "keys.db", SECRET)
        self.store: DatabaseShardStore = create_store(self.directory / "shard-0.db", IDENTITY, self.keys)
        self.control = EveryPrincipal(self.broker, self.names, "test", self.control_key)
        self.publishers: dict[str, Publisher] = {}
        self.shard = self._build()
        self.tick()

    def _build(self) -> Shard:
        shard = build_shard(
            shard=0,
            partitions=1,
            registry=self.registry,
            names=self.names,
            secret=SECRET,
            store=self.store,
            inputs=SimulatedInputs(self.broker, self.names, self.registry, 0),
            outputs=self._outputs(),
            channel=self.control,
            idle_write_ms=0,
            rules_folder=self.rules_folder,
            principals={self.control_key.public: CONTROL, **self.other_principals} if self.control_key else None,
        )
        shard.cases.facts_max = self.facts_max
        shard.start()
        return shard

    def _outputs(self) -> Outputs:
        return SimulatedOutputs(self.broker, self.names, 0)

    def restart(self) -> None:
        """Lose everything in memory, as a killed worker does, and begin again from the store."""
        self.store.close()
        self.store = open_store(self.directory / "shard-0.db", IDENTITY, self.keys)
        self.shard = self._build()

    def join(self, party: str) -> None:
        """Take one more party into the registry; it takes part from the next restart on."""
        self.parties = [*self.parties, party]
        self.registry = self._registry()
        self.broker.create_topics(self.names, self.registry)

    def leave(self, party: str) -> None:
        """Have one party leave; from the next restart on the registry keeps it for what it stated alone."""
        self.parties = [each for each in self.parties if each != party]
        self.left.append(party)
        self.registry = self._registry()

    def _registry(self) -> PartyRegistry:
        everybody = [(party, False) for party in self.parties] + [(party, True) for party in self.left]
        return PartyRegistry.of(Party(each, each in self.healthcare_providers, left=left) for each, left in everybody)

    def tick(self, forward_ms: int = 0) -> None:
        """Move the clock and tick."""
        self.now += forward_ms
        self.broker.clock = self.now
        self.control.publish(0, "ShardTicked", {})

    def enrol(self, case_id: str = CASE, born: date = date(1988, 4, 12), jurisdiction: str = "DK") -> None:
        """Enrol a citizen and give every party its key."""
        payload = {"caseId": case_id, "birthDate": day_number(born), "jurisdiction": jurisdiction}
        self.control.publish(0, "CitizenEnrolled", payload)
        for party in self.parties:
            issued = {"caseId": case_id, "party": party, "key": self.key(party, case_id)}
            self.control.publish(0, "KeyIssued", issued)

    def key(self, party: str, case_id: str = CASE) -> str:
        """The party's own key of the case."""
        return pseudonym(SECRET, case_id, party, 0, 1)

    def publisher(self, party: str) -> Publisher:
        """The embedded publisher of a party."""
        if party not in self.publishers:
            transport = SimulatedTransport(self.broker)
            secret = party.encode().ljust(32, b"\x01")
            self.publishers[party] = Publisher(
                party,
                transport,
                secret,
                system=OPERATOR if party == HUB_PARTY and self.control_key else "test",
                names=self.names,
                signing_key=self._signing_key(party),
            )
        return self.publishers[party]

    def _signing_key(self, party: str) -> SigningKey | None:
        return self.control_key if party == HUB_PARTY else self.signing_keys.get(party)

    def sign(self, party: str, key: SigningKey | None) -> None:
        """Let a party sign with `key` from now on, whatever the hub knows of it."""
        self.publishers.pop(party, None)
        self.signing_keys.pop(party, None)
        if key is not None:
            self.signing_keys[party] = key

    def state(
        self,
        party: str,
        event_type: str,
        values: Mapping[str, Any],
        reference: str,
        *,
        case_id: str = CASE,
        **more: Any,
    ) -> str:
        """Publish one fact, occurred and recorded now; return its event id. Times are given in milliseconds."""
        self.publisher(party).publish_values(
            event_type,
            in_moments(event_type, values),
            occurred_at=more.pop("occurred_at", self.now),
            key=self.key(party, case_id),
            source_ref=reference,
            published_at=self.now,
            timestamp_ms=self.now,
            **more,
        )
        ce_id = self.publisher(party).event_id(event_type, reference, more.get("revision", 0))
        return f"{party}/{ce_id}"

    def settle(self) -> None:
        """Step until nothing is left to do."""
        for _ in range(10_000):
            if not self.shard.step(0.0):
                return
        raise AssertionError("the shard did not come to rest")

    def append(self, party: str, record: InputRecord) -> None:
        """Put a raw record on a party's topic."""
        topic = self.names.input(party)
        self.broker.append(topic, 0, record.key, record.value, list(record.headers), self.now)

    def last_input(self, party: str) -> InputRecord:
        """The newest record on a party's topic."""
        return self.broker.log(self.names.input(party), 0)[-1]

    def parked(self) -> list[RecordParked]:
        """Every parked record."""
        return [record for record, _ in self.store.parked()]

    def told(self, party: str) -> list[tuple[int, str, str, dict[str, Any]]]:
        """What lies on a party's output: (number, effect, event id, payload without absent fields)."""
        lines: list[tuple[int, str, str, dict[str, Any]]] = []
        for record in self.broker.log(self.names.output(party), 0):
            attributes = parse_disclosed(record.headers)
            payload = codec().decode(record.value).payload if record.value else {}
            present = {name: value for name, value in payload.items() if value is not None}
            lines.append((attributes.number, attributes.effect, f"{attributes.party}/{attributes.id}", present))
        return lines

    def view(self, party: str) -> dict[str, dict[str, Any]]:
        """What a receiver would hold of the agencies' events: event id -> payload."""
        return {event_id: payload for event_id, payload in self.held(party).items() if not is_notice(payload)}

    def notices(self, party: str) -> list[tuple[str, str]]:
        """The notices that a receiver would hold: (kind, the `ce_id` that it is about), in order of their numbers."""
        held = self.held(party).values()
        return [(said["kind"], said["targetEventId"]) for said in held if is_notice(said) and "kind" in said]

    def held(self, party: str) -> dict[str, dict[str, Any]]:
        """The fold of a party's output, as a receiver would hold it."""
        view: dict[str, dict[str, Any]] = {}
        expected = 1
        for number, effect, event_id, payload in self.told(party):
            if number >= expected:
                expected = number + 1
                if effect == "disclosed":
                    view[event_id] = payload
                else:
                    view.pop(event_id, None)
        return view


def is_notice(payload: Mapping[str, Any]) -> bool:
    """Whether this is what the hub itself says about other records: a notice, that a withdrawal is done, a mark."""
    about = ("targetEventId", "parkedNumber", "requestId")
    return "recipient" in payload and any(name in payload for name in about)


def in_moments(event_type: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` of one event, with the times that are given in milliseconds as a publisher takes them."""
    kinds = {each.name: each.kind for each in catalogue().event_types[event_type].fields}
    return {name: moment_of(value) if kinds[name] is Kind.TIMESTAMP else value for name, value in values.items()}


def imprisonment(at: int, municipality: str = "A") -> dict[str, Any]:
    """The values of an ImprisonmentStarted under sentence with plan duty."""
    return {
        "custodyId": "c0000000-0000-4000-8000-000000000001",
        "startedAt": at,
        "institution": "PRI",
        "legalStatus": "CONVICTED",
        "planDuty": True,
        "sentenceDays": 480,
        "offenceGroup": "VIOLENCE",
        "homeMunicipality": municipality,
    }


def consent(at: int, categories: Sequence[str], recipients: Sequence[str]) -> dict[str, Any]:
    """The values of a ConsentGiven from the prison and A's addiction treatment."""
    return {
        "consentId": "d0000000-0000-4000-8000-000000000001",
        "version": 1,
        "at": at,
        "collectedBy": "PRI",
        "collector": "s1",
        "givenBy": "SUBJECT",
        "form": "WRITTEN",
        "evidenceRef": "e1",
        "noticeVersion": "1",
        "language": "da",
        "withdrawalExplained": True,
        "capacityConfirmed": True,
        "categories": list(categories),
        "sources": ["PRI", "A.ADD"],
        "recipients": list(recipients),
        "purposes": ["SOCIAL_SUPPORT", "TREATMENT", "RELEASE_PLANNING"],
        "validFrom": at,
    }
