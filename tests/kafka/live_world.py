"""A hub at work as in production: two shards on the real broker, its own clock and ticks, three agencies.

Rules:
- The citizen is enrolled through the identity service; the prison has begun an imprisonment, so that what social
  services of the home municipality state of housing is disclosed to the prison.
- Bad records are written by a plain Kafka client under the agency's own user, as any agency could write them.
- Every wait ends.
"""

from __future__ import annotations

import re
import time
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kafka import KafkaProducer

from consumers.hub_signatures import HubSignatures
from consumers.kafka_source import KafkaSource
from consumers.store import PartyStore, store_path
from consumers.subscription import Subscription
from contracts.cloudevents import SIG, SIG_KEY
from contracts.fact import event_id_of
from contracts.parties import Party, PartyRegistry
from contracts.signatures import signed_headers
from deploy.hub_process import HubProcess, create_hub
from deploy.identity_command import create_vault, opened_identity
from deploy.key_registration import register_all
from deploy.stores import opened_stores
from deploy.world import HUB_KEY, World
from hub.store.places import DatabaseOwner
from hub.store.records import RecordParked
from producers.kafka_transport import KafkaTransport
from producers.publisher import Publisher
from producers.statement import Statement
from producers.transport import OutgoingRecord

PARTITIONS: Final = 2
TICK_SECONDS: Final = 0.5
WAIT_SECONDS_MAX: Final = 30.0
REGISTRY: Final = PartyRegistry.of([Party("A.SOC"), Party("A.BEN"), Party("PRI")])
NATIONAL_ID: Final = "1204880017"
STRANGER_ID: Final = "0507911235"
_SAMPLE: Final = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record for a plain client. Without `partition` the client's partitioner chooses."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    partition: int | None = None


class LiveWorld:
    """The running hub of `world`, with the agencies' clients; `owner` makes its stores where they lie in databases."""

    def __init__(self, world: World, owner: DatabaseOwner | None = None, module: str = "hub") -> None:
        self.world = world
        self._closing = ExitStack()
        self._publishers: dict[str, Publisher] = {}
        self.stated = 0
        """How many records of housing were made; the last has this number."""
        try:
            create_hub(world, owner)
            create_vault(world)
            register_all(world, REGISTRY.parties)
            self.hub = HubProcess(world, tick_seconds=TICK_SECONDS, module=module)
            self._closing.callback(self.hub.stop)
            self.hub.start()
            self._listen("PRI")
            self.keys = self.enrol(NATIONAL_ID)
            self.imprison(self.keys["PRI"])
        except BaseException:
            self._closing.close()
            raise

    def close(self) -> None:
        """Stop the hub and release every client."""
        self._closing.close()

    def _listen(self, party: str) -> None:
        names = self.world.names
        self._store = PartyStore.create(store_path(self.world.directory, party), party)
        self._closing.callback(self._store.close)
        source = KafkaSource(self.world.connection(names.user(party)), names, party)
        signatures = HubSignatures(names.output(party), [self.world.signing_key(HUB_KEY).public])
        self._subscription = Subscription(party, source, self._store, signatures)
        self._closing.callback(self._subscription.close)

    def enrol(self, national_id: str) -> dict[str, str]:
        """Enrol a citizen; return each party's key."""
        with opened_identity(self.world) as identity:
            return {party.id: identity.key_for(national_id, party.id) for party in REGISTRY}

    def imprison(self, key: str) -> None:
        """State under the prison's key of a citizen that imprisonment has begun."""
        values = {
            "custodyId": uuid.uuid5(uuid.NAMESPACE_OID, key),
            "startedAt": self.moment(),
            "institution": "PRI",
            "legalStatus": "CONVICTED",
            "planDuty": True,
            "sentenceDays": 480,
            "offenceGroup": "VIOLENCE",
            "homeMunicipality": "A",
        }
        record = self.publisher("PRI").prepare(
            Statement("ImprisonmentStarted", values, self.moment()), key=key, source_ref=f"custody of {key}"
        )
        self.publisher("PRI").publish_many([record])

    @staticmethod
    def moment() -> datetime:
        """A moment a while ago, to the millisecond."""
        return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)

    def publisher(self, party: str) -> Publisher:
        """The publisher of a party."""
        if party not in self._publishers:
            names = self.world.names
            transport = KafkaTransport(self.world.connection(names.user(party)))
            self._closing.callback(transport.close)
            signing_key = self.world.signing_key(party)
            self._publishers[party] = Publisher(
                party, transport, b"live world " * 3, system="live", names=names, signing_key=signing_key
            )
        return self._publishers[party]

    def housing(self, key: str | None = None) -> OutgoingRecord:
        """A good record of A.SOC that was never stated before: housing, which the prison may see."""
        return self.housing_at("Nygade 1", key)

    def housing_at(self, address: str, key: str | None = None) -> OutgoingRecord:
        """The same, at an address."""
        self.stated += 1
        values = {"housingId": uuid.uuid4(), "kind": "OWN_TENANCY", "at": self.moment(), "address": address}
        return self.publisher("A.SOC").prepare(
            Statement("HousingSecured", values, self.moment()),
            key=key or self.keys["A.SOC"],
            source_ref=_housing_ref(self.stated),
        )

    def publish(self, record: OutgoingRecord) -> str:
        """Publish a record of A.SOC; return its id as the hub knows it."""
        self.publisher("A.SOC").publish_many([record])
        return event_id_of("A.SOC", header(record, "ce_id").decode())

    def take_back_housing(self, number: int, key: str | None = None) -> None:
        """Retract A.SOC's record of housing of that number."""
        self.publisher("A.SOC").retract(
            "HousingSecured",
            _housing_ref(number),
            key=key or self.keys["A.SOC"],
            reason="NOT_OCCURRED",
            at=self.moment(),
        )

    def write(self, record: RawRecord) -> None:
        """Write a record on A.SOC's topic with a plain client, whatever it is."""
        self.write_all([record])

    def write_all(self, records: Sequence[RawRecord]) -> None:
        """Write records on A.SOC's topic with one plain client, in order."""
        names = self.world.names
        producer = KafkaProducer(**self.world.connection(names.user("A.SOC")).producer_options())
        try:
            for record in records:
                producer.send(
                    names.input("A.SOC"),
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                    partition=record.partition,
                ).get(timeout=10.0)
        finally:
            producer.close(timeout=2.0)

    def parked(self) -> list[RecordParked]:
        """Every record of A.SOC that was ever parked, in order within its shard."""
        with opened_stores(self.world) as stores:
            return [record for store in stores for record, _ in store.parked("A.SOC")]

    def seen_by_prison(self) -> set[str]:
        """The events of others that the prison sees, by the hub's id."""
        self._subscription.advance(0.05)
        return {event_id_of(event.party, event.event_id) for event in self._store.visible() if event.party != "PRI"}

    def seen_by_prison_under(self, key: str) -> set[str]:
        """The events of others that the prison sees under one of its keys, by the hub's id."""
        self._subscription.advance(0.05)
        return {
            event_id_of(event.party, event.event_id)
            for event in self._store.visible()
            if event.party != "PRI" and event.key == key
        }

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until `condition` holds; fail, with the hub's last words, where it does not come to hold."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not condition():
            last_words = self.hub.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
            assert self.hub.is_running, f"the hub ended: {last_words}"
            assert time.monotonic() < deadline, f"waited in vain until {what}; the hub said: {last_words}"
            time.sleep(0.02)

    def metrics_page(self) -> str:
        """What `/metrics` answers."""
        return _page(self.hub.metrics_url())

    def metrics(self) -> dict[tuple[str, str], float]:
        """Every sample on `/metrics` by (name, labels as written)."""
        return sample_values(self.hub.metrics_url())


def sample_values(url: str) -> dict[tuple[str, str], float]:
    """Every sample of a worker's `/metrics` by (name, labels as written)."""
    found = _SAMPLE.finditer(_page(url))
    return {(sample["name"], sample["labels"] or ""): float(sample["value"]) for sample in found}


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10.0) as answer:
        return str(answer.read().decode("utf-8"))


def _housing_ref(number: int) -> str:
    return f"housing-{number}"


def header(record: OutgoingRecord, name: str) -> bytes:
    """The value of one header of a record."""
    return next(value for given, value in record.headers if given == name)


def raw(live: LiveWorld, record: OutgoingRecord, **changes: Any) -> RawRecord:
    """The record as a plain client of its party would write it, with `changes`: signed as it then is."""
    changed = RawRecord(**{"key": record.key, "value": record.value, "headers": list(record.headers)} | changes)
    unsigned = [(name, value) for name, value in changed.headers if name not in (SIG, SIG_KEY)]
    signing_key = live.world.signing_key("A.SOC")
    headers = signed_headers(signing_key, record.topic, changed.key, unsigned, changed.value)
    return replace(changed, headers=headers)
