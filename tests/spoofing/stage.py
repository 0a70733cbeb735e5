"""The stage: a hub's very shard on the real broker, an attacker with one party's credentials, and the three layers.

Rules:
- A layer is switched off at its seam, here and nowhere else: the broker's by rights for the attacker on every topic,
  the others by putting a function that refuses nothing in the check's place.
- A record that was written counts as accepted unless it is parked; one on an output, unless its receiver refuses it.
- With the broker's layer on, whether a write is denied depends on user and topic alone: one in so many is tried.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from unittest.mock import patch

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ACLOperation, ResourceType
from kafka.errors import TopicAuthorizationFailedError

from consumers.hub_signatures import HubSignatures
from consumers.source import ReceivedRecord
from contracts.connection import KafkaConnection
from contracts.failures import ForgedRecord
from contracts.parties import Party, PartyRegistry
from contracts.signatures import SigningKey
from deploy.benchmark.whole_way import open_shard
from deploy.hub_places import hub_directory
from deploy.hub_process import create_hub
from deploy.key_registration import register_parties
from deploy.operator_channel import operator_channel
from deploy.rights import Right, grant
from deploy.world import HUB_KEY, World
from deploy.world_making import administering
from hub.arrival.principals import CONTROL_RECORDS, IDENTITY
from hub.broker.signature_pool import SignaturePool
from hub.identity.pseudonyms import pseudonym
from hub.store.records import FactRecorded
from producers.publisher import now_ms
from tests.spoofing.forgeries import Attacker, Forgery
from tests.spoofing.withdrawal import PRISON, consent_given, consent_withdrawn, notice_to, state

ATTACKER: Final = "A.BEN"
VICTIM: Final = "B.SOC"
REGISTRY: Final = PartyRegistry.of([Party(ATTACKER), Party(VICTIM), Party("A.JOB"), Party(PRISON)])
BROKER, SOURCE, SIGNATURE = "broker", "source", "signature"
LAYERS: Final = (BROKER, SOURCE, SIGNATURE)
DENIED_TRIED_SHARE: Final = 50
WAIT_SECONDS_MAX: Final = 300.0
RIGHTS_SECONDS: Final = 1.0
"""How long the broker takes at most to go by changed rights. A write that fails all the same fails the round."""


@dataclass(slots=True)
class Outcome:
    """What became of the attempts of one round."""

    attempts: int = 0
    denied: int = 0
    """By the broker; `denied_tried` of them were really sent to it, the others have the same user and topic."""
    denied_tried: int = 0
    written: int = 0
    accepted: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    """Records that reached a topic, by what was forged."""


class Stage:
    """One world, one shard. `make_world` gives a world that is not played; `admin` is the deployer's connection."""

    def __init__(self, world: World, admin: KafkaConnection) -> None:
        self._world, self._admin, self._names = world, admin, world.names
        self._closing = ExitStack()
        create_hub(world)
        self._control = operator_channel(world)
        self._closing.callback(self._control.close)
        self._announcing = operator_channel(world, IDENTITY)
        self._closing.callback(self._announcing.close)
        self._revoked = SigningKey(b"\x21" * 32)
        self._cases = [str(uuid.uuid4()), str(uuid.uuid4())]
        self._told = 0
        register_parties(world, world.registry.parties, self._control)
        self._say("SigningKeyRegistered", {"party": VICTIM, "publicKey": self._revoked.public.hex()})
        for case_id in self._cases:
            self._say("CitizenEnrolled", {"caseId": case_id, "birthDate": 7_000, "jurisdiction": "DK"})
            for party in world.registry.parties:
                self._say("KeyIssued", {"caseId": case_id, "party": party, "key": self._pseudonym(case_id, party)})
        self._say("SigningKeyRevoked", {"party": VICTIM, "keyId": self._revoked.id})
        self._shard = open_shard(world, hub_directory(world), SignaturePool(0))
        self._closing.callback(self._shard.close)
        self._shard.start()
        self._handle()
        for events in (consent_given(VICTIM), consent_withdrawn()):
            state(world, self._pseudonym(self._cases[0], PRISON), events)
            self._handle()
        while self._shard.promises.waiting:  # What the shard itself says of it is a fact too, and none of a round.
            self._handle()
        self._notice = notice_to(self._shard.store, self._cases[0], VICTIM)

    def close(self) -> None:
        """Close the shard and every client."""
        self._closing.close()

    def _say(self, event_type: str, payload: dict[str, Any]) -> None:
        is_identitys = event_type in CONTROL_RECORDS[IDENTITY]
        (self._announcing if is_identitys else self._control).publish(0, event_type, payload)

    def _pseudonym(self, case_id: str, party: str) -> str:
        return pseudonym(self._world.hub_secret, case_id, party, 0, 1)

    def attacker(self, seed: int) -> Attacker:
        """Somebody with the attacker's credentials; all that it draws comes from `seed`."""
        random = Random(seed)
        first, other = self._cases
        pseudonyms = {party: self._pseudonym(first, party).encode() for party in self._world.registry.parties}
        pseudonyms[f"{VICTIM}/other"] = self._pseudonym(other, VICTIM).encode()
        own, victims = self._world.signing_key(ATTACKER), self._world.signing_key(VICTIM)
        future = SigningKey(random.randbytes(32))
        return Attacker(
            self._names, ATTACKER, VICTIM, pseudonyms, own, victims, self._revoked, future, self._notice, now_ms(),
            random,
        )  # fmt: skip

    def play(self, attempts: int, off: frozenset[str], seed: int) -> Outcome:
        """Let the attacker try `attempts` times with the layers `off` switched off; say what became of them."""
        attacker, outcome = self.attacker(seed), Outcome()
        before, facts = sum(self._shard.state.parked.values()), self._facts()
        victims_output = self._names.output(VICTIM)
        first_output = self._ends([victims_output], self._names.user(VICTIM))[victims_output]
        with self._switched_off(off):
            self._write(attacker, attempts, off, outcome)
            # Registered only now: it does not count for what came before.
            self._say("SigningKeyRegistered", {"party": VICTIM, "publicKey": attacker.future.public.hex()})
            self._handle()
            refused_outputs = self._refused_outputs(first_output)
        parked = sum(self._shard.state.parked.values()) - before
        outcome.accepted = outcome.written - parked - refused_outputs
        if outcome.accepted == 0 and self._facts() != facts:
            raise AssertionError("a fact is on a timeline, though every attempt counts as refused")
        return outcome

    def _write(self, attacker: Attacker, attempts: int, off: frozenset[str], outcome: Outcome) -> None:
        """Write what the broker takes."""
        options = self._world.connection(self._names.user(ATTACKER)).producer_options()
        producer = KafkaProducer(**options | {"enable_idempotence": False, "linger_ms": 5})
        own, foreign = self._names.input(ATTACKER), 0
        sent: list[Any] = []
        for forgery in attacker.forgeries(attempts):
            outcome.attempts += 1
            if forgery.topic != own and BROKER not in off:
                outcome.denied += 1
                foreign += 1
                if foreign % DENIED_TRIED_SHARE == 1:
                    self._require_denied(options, forgery)
                    outcome.denied_tried += 1
                continue
            sent.append(producer.send(forgery.topic, forgery.value, forgery.key, forgery.headers, partition=0))
            outcome.written += 1
            outcome.by_kind[forgery.kind] += 1
        producer.flush()
        for future in sent:
            future.get(0)  # raises where the broker did not take it
        producer.close()

    @staticmethod
    def _require_denied(options: dict[str, Any], forgery: Forgery) -> None:
        producer = KafkaProducer(**options | {"enable_idempotence": False})
        try:
            producer.send(forgery.topic, forgery.value, forgery.key, forgery.headers, partition=0).get(30)
        except TopicAuthorizationFailedError:
            return
        finally:
            producer.close(1)
        raise AssertionError(f"the broker took a record that it must deny: {forgery.kind}")

    def _handle(self) -> None:
        """Step the shard past all that lies on its inputs."""
        self._say("ShardTicked", {})
        inputs = [self._names.hub_input, *map(self._names.input, self._world.registry.parties)]
        ends = self._ends(inputs, self._names.service("reader"))
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while any(self._shard.state.positions.get(topic, 0) < end for topic, end in ends.items()):
            self._shard.step(0.05)
            assert time.monotonic() < deadline, "the shard does not get to the ends of its inputs"

    def _ends(self, topics: list[str], user: str) -> dict[str, int]:
        with self._reader(user) as consumer:
            found = consumer.end_offsets([TopicPartition(topic, 0) for topic in topics])
        return {place.topic: end for place, end in found.items()}

    def _refused_outputs(self, first: int) -> int:
        """How many records on the victim's output it refuses, from offset `first` on: the hub's own are among them."""
        topic, refused = self._names.output(VICTIM), 0
        signatures = HubSignatures(topic, [self._world.signing_key(HUB_KEY).public])
        records: list[Any] = []
        with self._reader(self._names.user(VICTIM)) as consumer:
            place = TopicPartition(topic, 0)
            consumer.assign([place])
            end = consumer.end_offsets([place])[place]
            consumer.seek(place, first)
            while consumer.position(place) < end:
                records += consumer.poll(timeout_ms=1_000).get(place, [])
        for record in records:
            try:
                signatures.check(
                    ReceivedRecord(record.partition, record.offset, record.key, record.value, record.headers)
                )
            except ForgedRecord:
                refused += 1
        return refused

    @contextmanager
    def _reader(self, user: str) -> Iterator[KafkaConsumer]:
        consumer = KafkaConsumer(**self._world.connection(user).consumer_options())
        try:
            yield consumer
        finally:
            consumer.close(autocommit=False)

    def _facts(self) -> int:
        stored = (record for case_id in self._cases for record in self._shard.store.case_records(case_id))
        return sum(isinstance(record, FactRecorded) for record in stored)

    @contextmanager
    def _switched_off(self, off: frozenset[str]) -> Iterator[None]:
        with ExitStack() as switched:
            if BROKER in off:
                self._let_write_everywhere(switched)
            if SOURCE in off:
                for room in ("gate", "keyring"):
                    switched.enter_context(patch(f"hub.arrival.{room}.check_source", lambda *_: None))
            if SIGNATURE in off:
                switched.enter_context(patch("hub.shard.admission.authenticate", lambda *_: ""))
                switched.enter_context(patch.object(HubSignatures, "check", lambda *_: None))
            yield

    def _let_write_everywhere(self, switched: ExitStack) -> None:
        user = self._names.user(ATTACKER)
        prefix = self._names.prefix
        right = Right(user, ACLOperation.WRITE, ResourceType.TOPIC, prefix, by_prefix=True)
        with administering(self._admin) as client:
            grant(client, [right])
        time.sleep(RIGHTS_SECONDS)
        switched.callback(self._take_back, right)

    def _take_back(self, right: Right) -> None:
        with administering(self._admin) as client:
            client.delete_acls([right.acl()])
        time.sleep(RIGHTS_SECONDS)
