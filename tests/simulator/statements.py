"""What parties state in a history: sound facts and what follows from them, and records that the hub must park.

Rules:
- Everything is drawn from the history's own chance; the same draws give the same bytes.
- Consents are stated on purpose only: each has an id of its own, and what ends it is known to the checkers.
- A party names only what it stated itself, whether it was admitted or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any, Final, NamedTuple

from contracts.catalogue import catalogue
from contracts.categories import Category
from contracts.civil_time import day_number
from contracts.cloudevents import Attributes, published_headers
from contracts.codec import codec
from contracts.event_types import NEVER, EventType
from contracts.schema_ids import schema_ids
from tests.safety.stories import PURPOSES, REFERRING, new_id, payload_of
from tests.simulator.citizens import ENROLLED, NAMES, PARTIES, REGISTRY, Citizen, key_of

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
CUSTODY: Final = "c0000000-0000-4000-8000-000000000001"
OPENERS: Final = ("ImprisonmentStarted", "CaseOpened", "ReleaseDateSet", "SentencePlanAgreed", "TreatmentStarted")
RELEASES: Final = ("ReleasedOnParole", "ReleasedAtEndOfSentence")
VARIANTS: Final = 8
"""How many payloads are drawn for each event type, once for all histories; what matters is drawn in each."""
BEGINNING: Final = 1_736_150_400_000
"""2025-01-06 08:00 UTC: when every history begins."""
KNOWN: Final = 64
"""How many statements are remembered, to be corrected, taken back or repeated."""

Headers = tuple[tuple[str, bytes], ...]


class Statement(NamedTuple):
    """One record of a party, ready to be sent: `consent_id` is that of a consent which it ends."""

    party: str
    citizen: Citizen
    event_id: str
    event_type: str
    payload: dict[str, Any]
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    ends_consent: str = ""


@lru_cache(maxsize=1)
def statable() -> tuple[tuple[EventType, tuple[str, ...]], ...]:
    """The event types about a citizen that is stated at random, each with who of the parties may state it."""
    found = []
    for event_type in catalogue().event_types.values():
        able = tuple(party.id for party in REGISTRY if event_type.may_state(party.role))
        is_consent = event_type.anchor == Category.CO and event_type.name.startswith("Consent")
        about_nobody = event_type.control or event_type.anchor == NEVER or event_type.without_subject
        if able and not about_nobody and not is_consent and event_type.name not in REFERRING:
            found.append((event_type, able))
    return tuple(found)


@lru_cache(maxsize=64)
def stating(name: str) -> tuple[str, ...]:
    """The parties that may state an event type."""
    return tuple(party.id for party in REGISTRY if catalogue().event_types[name].may_state(party.role))


@lru_cache(maxsize=4_096)
def drawn_payload(name: str, variant: int) -> dict[str, Any]:
    """One of the payloads of an event type; nobody changes it."""
    return payload_of(catalogue().event_types[name].fields, Random(f"{name} {variant}"), BEGINNING)


def record_of(
    chance: Random, party: str, citizen: Citizen, name: str, payload: dict[str, Any], occurred_at: int, **more: Any
) -> Statement:
    """The record of one sound statement."""
    event_type = catalogue().event_types[name]
    event_id = more.get("event_id") or new_id(chance)
    value = codec().encode(schema_ids().published(name), {"occurredAt": occurred_at, **payload})
    attributes = Attributes(event_id, f"urn:party:{party}:main", event_type.ce_type, occurred_at, more.get("corrects"))
    headers = tuple(published_headers(attributes))
    topic, key = NAMES.input(party), key_of(citizen, party)
    ends = payload["consentId"] if name == "ConsentWithdrawn" else ""
    return Statement(party, citizen, event_id, name, payload, topic, citizen.shard, key, value, headers, ends)


@dataclass(slots=True)
class Author:
    """Draws statements; `citizens` are those whom somebody may speak of."""

    chance: Random
    citizens: list[Citizen] = field(default_factory=lambda: list(ENROLLED))
    said: list[Statement] = field(default_factory=list)
    consents: list[Statement] = field(default_factory=list)
    clock_off_ms: int = 0
    """How far the parties' clocks are ahead."""

    def remember(self, statement: Statement) -> Statement:
        """Keep a statement for later."""
        self.said = [*self.said[-KNOWN:], statement]
        if statement.event_type in ("ConsentGiven", "ConsentAmended"):
            self.consents = [*self.consents[-KNOWN:], statement]
        return statement

    def _occurred(self, now: int) -> int:
        return now + self.clock_off_ms - self.chance.choice((0, 0, 0, HOUR_MS, 3 * DAY_MS, 40 * DAY_MS))

    def _payload(self, name: str, **values: Any) -> dict[str, Any]:
        drawn = drawn_payload(name, self.chance.randrange(VARIANTS))
        return drawn | {name: value for name, value in values.items() if name in drawn}

    def fact(self, now: int) -> Statement:
        """Any fact about a citizen, or one that opens something."""
        at = self._occurred(now)
        if self.chance.random() < 0.5:
            name = self.chance.choice(OPENERS)
            party = self.chance.choice(stating(name))
            plain = {"custodyId": CUSTODY, "homeMunicipality": "A", "legalStatus": "CONVICTED", "planDuty": True}
            payload = self._payload(name, **plain, priorCustodyId=None)
        else:
            event_type, able = self.chance.choice(statable())
            name, party = event_type.name, self.chance.choice(able)
            payload = self._payload(name)
        return self.remember(record_of(self.chance, party, self.chance.choice(self.citizens), name, payload, at))

    def release(self, now: int) -> Statement:
        """A release from prison."""
        name = self.chance.choice(RELEASES)
        payload = self._payload(name, custodyId=CUSTODY)
        return self.remember(record_of(self.chance, "PRI", self.chance.choice(self.citizens), name, payload, now))

    def consent(self, now: int) -> Statement:
        """A consent, wide enough that many facts rest on it."""
        party = self.chance.choice(stating("ConsentGiven"))
        payload = self._payload("ConsentGiven", **self._scope(now, party))
        statement = record_of(self.chance, party, self.chance.choice(self.citizens), "ConsentGiven", payload, now)
        return self.remember(statement)

    def _scope(self, now: int, party: str) -> dict[str, Any]:
        chance = self.chance
        return {
            "consentId": new_id(chance),
            "version": 1,
            "collectedBy": party,
            "categories": [category.value for category in chance.sample([*Category], chance.randrange(6, 18))],
            "sources": chance.sample(PARTIES, 4),
            "recipients": chance.sample(PARTIES, 4),
            "purposes": chance.sample(PURPOSES, 9),
            "form": chance.choice(("WRITTEN", "DIGITAL")),
            "givenBy": chance.choice(("SUBJECT", "SUBJECT", "SUBJECT_AND_GUARDIAN")),
            "validFrom": now - HOUR_MS,
            "dataFrom": day_number_of(now) - 100,
            "validUntil": chance.choice((None, None, now + DAY_MS, now + 60_000)),
        }

    def amendment(self, now: int) -> Statement | None:
        """Another scope for a consent that was stated; `None` where there is none."""
        if not self.consents:
            return None
        of = self.chance.choice(self.consents)
        scope = self._scope(now, of.party) | {"consentId": of.payload["consentId"], "version": 2}
        payload = self._payload("ConsentAmended", **scope)
        return self.remember(record_of(self.chance, of.party, of.citizen, "ConsentAmended", payload, now))

    def withdrawal(self, now: int) -> Statement | None:
        """The end of a consent that was stated."""
        return self._end(self.chance.choice(self.consents[-6:]), now) if self.consents else None

    def withdrawal_of_the_last(self, now: int) -> Statement | None:
        """The end of the consent that was stated last."""
        return self._end(self.consents[-1], now) if self.consents else None

    def _end(self, of: Statement, now: int) -> Statement:
        payload = self._payload("ConsentWithdrawn", consentId=of.payload["consentId"])
        party = of.payload["collectedBy"]
        return self.remember(record_of(self.chance, party, of.citizen, "ConsentWithdrawn", payload, now))

    def correction(self, now: int) -> Statement | None:
        """The same fact stated anew by its party; of a consent, the same consent."""
        if not self.said:
            return None
        of = self.chance.choice(self.said[-20:])
        if of.event_type in REFERRING:
            return None
        kept: dict[str, Any] = {name: of.payload[name] for name in ("consentId", "custodyId") if name in of.payload}
        at = min(now, self._occurred(now))
        if of.event_type == "ConsentGiven":
            kept = {**self._scope(now, of.party), **kept}
        if of.event_type == "ConsentWithdrawn":
            at = now
        payload = self._payload(of.event_type, **kept)
        anew = record_of(self.chance, of.party, of.citizen, of.event_type, payload, at, corrects=of.event_id)
        return self.remember(anew)

    def retraction(self, now: int) -> Statement | None:
        """Taking back what was stated."""
        if not self.said:
            return None
        of = self.chance.choice(self.said[-20:])
        if of.event_type in REFERRING:
            return None
        payload = self._payload("EventRetracted", targetEventId=of.event_id)
        return self.remember(record_of(self.chance, of.party, of.citizen, "EventRetracted", payload, now))

    def repeat(self, now: int) -> Statement | None:
        """Something that was stated, once more, byte for byte."""
        return self.chance.choice(self.said) if self.said else None

    def unsound(self, now: int) -> Statement:
        """A record that must be parked, under one reason or another."""
        base = self.fact(now) if self.chance.random() < 0.5 or not self.said else self.chance.choice(self.said)
        return self.chance.choice(UNSOUND)(base, self.chance)


def day_number_of(at: int) -> int:
    """The number of the day (UTC) of an instant."""
    return at // DAY_MS


def _other_bytes(base: Statement, chance: Random) -> Statement:
    """Something else under an id that is known: the party's own words, a day earlier."""
    return record_of(
        chance, base.party, base.citizen, base.event_type, base.payload,
        (base.payload.get("at") or day_number(base.citizen.born) * DAY_MS) - 7, event_id=base.event_id,
    )._replace(ends_consent="")  # fmt: skip


UNSOUND: Final[tuple[Callable[[Statement, Random], Statement], ...]] = (
    lambda base, chance: base._replace(value=b"\x00 nonsense", ends_consent=""),
    lambda base, chance: base._replace(value=None, ends_consent=""),
    lambda base, chance: base._replace(key=b"nobody's key", ends_consent=""),
    lambda base, chance: base._replace(partition=1 - base.partition, ends_consent=""),
    lambda base, chance: base._replace(headers=base.headers[1:], ends_consent=""),
    _other_bytes,
)
