"""Forgeries: records in another's name, made by somebody who has the credentials and the key of one party alone.

Rules:
- The attacker knows all that is not secret: topics, contracts, everybody's pseudonyms, authentic records of the victim.
  It also has a key of the victim's that was revoked, and one that is not registered yet.
- Apart from what is forged, each record is flawless: with every layer off, it would be taken.
- Each has an id of its own, so none passes for a repeat.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from contracts.catalogue import catalogue
from contracts.cloudevents import SIG, SIG_KEY, Attributes, Headers, published_headers
from contracts.codec import codec
from contracts.schema_ids import schema_ids
from contracts.signatures import SigningKey, disclosed_message, signature_headers, signed_headers
from contracts.topics import Names
from hub.arrival.gate import RECEIPT
from hub.broker.control_records import control_record, signed_control

EVENT: Final = "CaseOpened"


class Forgery(NamedTuple):
    """One record to try, on `topic`; `kind` says what is forged."""

    kind: str
    topic: str
    key: bytes | None
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Attacker:
    """What the attacker `party` has: its own key, and what it knows of the `victim`."""

    names: Names
    party: str
    victim: str
    pseudonyms: Mapping[str, bytes]
    own: SigningKey
    victims: SigningKey
    """Used for records that the victim made itself, and were overheard."""
    revoked: SigningKey
    future: SigningKey
    notice: uuid.UUID
    """The order to remove that the victim was sent, and has not answered."""
    now: int
    random: Random

    def forgeries(self, count: int) -> Iterator[Forgery]:
        """`count` records, the kinds in turn."""
        kinds = list(KINDS.items())
        for number in range(count):
            kind, forge = kinds[number % len(kinds)]
            yield forge(self)._replace(kind=kind)

    def stated(self, source: str, topic: str, *, event_type: str = EVENT, key: SigningKey | None = None) -> Forgery:
        """A sound record of `source` on the topic of another, signed with `key` where there is one."""
        at = self.now - self.random.randrange(1, 10**9)
        attributes = Attributes(
            id=str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            source=f"urn:party:{source}:forged",
            type=catalogue().event_types[event_type].ce_type,
            time=at,
        )
        payload = {"caseNo": "x"} if event_type == EVENT else {"targetEventId": str(self.notice), "outcome": "PURGED"}
        value = codec().encode(schema_ids().published(event_type), {"occurredAt": at, "at": at} | payload)
        place, pseudonym = self.names.input(topic), self.pseudonyms[topic]
        headers = published_headers(attributes)
        if key is not None:
            headers = signed_headers(key, place, pseudonym, headers, value)
        return Forgery("", place, pseudonym, value, headers)

    def authentic(self) -> Forgery:
        """A record of the victim's own, as it was overheard."""
        return self.stated(self.victim, self.victim, key=self.victims)

    def control(self, event_type: str, payload: dict[str, object], *, signed: bool) -> Forgery:
        """A control record in the operator's name, on the hub's own input."""
        value, headers = control_record("operator", event_type, payload, self.now)
        topic = self.names.hub_input
        return Forgery("", topic, None, value, signed_control(self.own if signed else None, topic, value, headers))

    def disclosed(self, key: SigningKey | None) -> Forgery:
        """A record in the hub's name, on the victim's output."""
        stated = self.stated(self.party, self.victim)
        topic = self.names.output(self.victim)
        headers = [*stated.headers, ("hub_seq", b"1"), ("hub_effect", b"disclosed"), ("hub_decision", b"0" * 36)]
        if key is not None:
            signature = key.sign(disclosed_message(topic, stated.key, headers, stated.value))
            headers += signature_headers(key.id, signature)
        return stated._replace(topic=topic, headers=headers)


def _changed(record: Forgery, name: str, value: bytes) -> Forgery:
    return record._replace(headers=[(each, value if each == name else was) for each, was in record.headers])


def _doubled(record: Forgery, name: str, value: bytes) -> Forgery:
    return record._replace(headers=[*record.headers, (name, value)])


def _without(record: Forgery, *names: str) -> Forgery:
    return record._replace(headers=[(name, value) for name, value in record.headers if name not in names])


def _source(party: str) -> bytes:
    return f"urn:party:{party}:forged".encode()


def _rewritten(attacker: Attacker) -> Forgery:
    authentic, other = attacker.authentic(), attacker.authentic()
    return authentic._replace(value=other.value)


def _reordered(attacker: Attacker) -> Forgery:
    authentic = attacker.authentic()
    key = attacker.pseudonyms[f"{attacker.victim}/other"]
    return authentic._replace(headers=[*reversed(authentic.headers)], key=key)


KINDS: Final[Mapping[str, Callable[[Attacker], Forgery]]] = {
    "own topic, another's source, own key": lambda a: a.stated(a.victim, a.party, key=a.own),
    "own topic, another's source, unsigned": lambda a: a.stated(a.victim, a.party),
    "own topic, another's record replayed": lambda a: a.authentic()._replace(
        topic=a.names.input(a.party), key=a.pseudonyms[a.party]
    ),
    "own topic, another's key named over an own signature": lambda a: _changed(
        a.stated(a.victim, a.party, key=a.own), SIG_KEY, a.victims.id.encode()
    ),
    "own topic, another's source beside the own one": lambda a: _doubled(
        a.stated(a.party, a.party, key=a.own), "ce_source", _source(a.victim)
    ),
    "own topic, another's source, a receipt, own key": lambda a: a.stated(
        a.victim, a.party, event_type=RECEIPT, key=a.own
    ),
    "another's topic, a receipt, own key": lambda a: a.stated(a.victim, a.victim, event_type=RECEIPT, key=a.own),
    "another's topic, own source, own key": lambda a: a.stated(a.party, a.victim, key=a.own),
    "another's topic, own key": lambda a: a.stated(a.victim, a.victim, key=a.own),
    "another's topic, signature stripped": lambda a: _without(a.authentic(), SIG, SIG_KEY),
    "another's topic, only the name of a key": lambda a: _without(a.authentic(), SIG),
    "another's topic, another's key named over an own signature": lambda a: _changed(
        a.stated(a.victim, a.victim, key=a.own), SIG_KEY, a.victims.id.encode()
    ),
    "another's topic, signature doubled": lambda a: _doubled(
        a.stated(a.victim, a.victim, key=a.own), SIG, a.victims.sign(b"").hex().encode()
    ),
    "another's topic, replayed under another citizen's key": lambda a: a.authentic()._replace(
        key=a.pseudonyms[f"{a.victim}/other"]
    ),
    "another's topic, replayed with another time": lambda a: _changed(
        a.authentic(), "ce_time", b"2025-03-01T00:00:00.000Z"
    ),
    "another's topic, replayed with another id": lambda a: _changed(
        a.authentic(), "ce_id", str(uuid.UUID(int=a.random.getrandbits(128), version=4)).encode()
    ),
    "another's topic, replayed with another value": _rewritten,
    "another's topic, replayed in another order under another key": _reordered,
    "another's topic, revoked key": lambda a: a.stated(a.victim, a.victim, key=a.revoked),
    "another's topic, key not yet registered": lambda a: a.stated(a.victim, a.victim, key=a.future),
    "the hub's input, a key registered": lambda a: a.control(
        "SigningKeyRegistered",
        {"party": a.victim, "publicKey": SigningKey(a.random.randbytes(32)).public.hex()},
        signed=True,
    ),
    "the hub's input, a key revoked": lambda a: a.control(
        "SigningKeyRevoked", {"party": a.victim, "keyId": a.victims.id}, signed=False
    ),
    "the hub's input, a tick": lambda a: a.control("ShardTicked", {}, signed=True),
    "another's output, unsigned": lambda a: a.disclosed(None),
    "another's output, own key": lambda a: a.disclosed(a.own),
}
"""What is forged, by name. Who writes where is the broker's to check; source and signature are the hub's."""
