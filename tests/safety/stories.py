"""Seeded case histories that an agency could really state: every event type, complete and valid, dense in coincidences.

Rules:
- A story is a list of events in the order in which the hub records them, at the instants of a shared `DIARY`.
- Each begins with facts that open something (custody, a case, a broad consent, break-glass), so that most parties see
  some of it and nobody all of it.
- The same seed gives the same story. Ids are drawn from few, so consents, placements and episodes meet.

Goes to `transcripts` (the real shard) and to `twins` (the same story, changed where a party may not see).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from random import Random
from typing import Any, Final

from contracts.catalogue import catalogue
from contracts.categories import Category
from contracts.civil_time import day_number
from contracts.event_types import DOMAIN, NEVER, EventType, Field, Kind
from contracts.parties import Party, PartyRegistry
from hub.arrival.gate import REFERENCES
from tests.consent.production import Stated

DAY_MS: Final = 86_400_000
FIRST_INSTANT: Final = day_number(date(2025, 1, 7)) * DAY_MS + 9 * 3_600_000
DIARY: Final = tuple(FIRST_INSTANT + day * DAY_MS for day in (0, 1, 2, 9, 23, 40, 41, 75, 120, 200, 260, 380))
"""The instants at which anything is recorded, or time alone is looked at."""
SLOT_MS: Final = 1_000
"""Events recorded at one instant follow each other by this."""
SLOTS: Final = 40
PROVIDERS: Final = frozenset({"A.ADD", "PHE", "PSY"})
PARTIES: Final = (
    "PRI", "KIF", "PHE", "PSY", "FAC", "MNT", "VOL", "EVA", "GOV", "A.SOC", "A.JOB", "A.BEN", "A.CHI", "A.YTH", "A.HSG",
    "A.ADD", "B.SOC",
)  # fmt: skip
REGISTRY: Final = PartyRegistry.of(Party(party, party in PROVIDERS) for party in PARTIES)
PURPOSES: Final = (
    "RELEASE_PLANNING", "SUPERVISION", "TREATMENT", "SOCIAL_SUPPORT", "EMPLOYMENT", "BENEFIT", "HOUSING",
    "CHILD_WELFARE", "EDUCATION", "SUPPORT", "JOINT_PLANNING",
)  # fmt: skip
BIRTHS: Final = (date(1990, 5, 5), date(1990, 5, 5), date(2007, 4, 6), date(2010, 2, 28))
SHARED_IDS: Final = frozenset(
    {
        "consentId", "custodyId", "priorCustodyId", "newCustodyId", "placementId", "admissionId", "treatmentId",
        "trialId", "episodeId", "requestId", "agreementId",
    }
)  # fmt: skip
_FEW_IDS: Final = tuple(f"c0000000-0000-4000-8000-00000000000{n}" for n in range(1, 4))
EVALUATION: Final[dict[str, Any]] = {
    "agreementId": _FEW_IDS[0],
    "kind": "PARTNERSHIP",
    "parties": ["EVA"],
    "startsOn": DIARY[0] // DAY_MS - 10,
    "endsOn": DIARY[-3] // DAY_MS,
    "categories": [category.value for category in Category],
}
"""The agreement by which an evaluator follows the citizens whose cases cite it; wire values."""
REFERRING: Final = frozenset(REFERENCES)
"""Event types whose reference arrival checks: made on purpose only, never at random."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a story: what is stated, and the parts of its envelope that the contract leaves open."""

    stated: Stated
    published_at: int
    correlation: str | None = None
    causation: str | None = None

    @property
    def event_id(self) -> str:
        """The hub's id of the event."""
        return f"{self.stated.party}/{self.stated.id}"

    def with_payload(self, payload: dict[str, Any]) -> Event:
        """The same event saying something else."""
        return replace(self, stated=replace(self.stated, payload=payload))


@dataclass(frozen=True, slots=True)
class Story:
    """One citizen's history, in the order of recording."""

    case_id: str
    born: date
    jurisdiction: str
    events: tuple[Event, ...]

    def with_events(self, events: Iterable[Event]) -> Story:
        """The same citizen with other events."""
        return replace(self, events=tuple(sorted(events, key=lambda event: event.stated.recorded_at)))


@lru_cache(maxsize=1)
def statable() -> tuple[EventType, ...]:
    """The event types that a party may state of a citizen at random."""
    return tuple(
        event_type
        for event_type in catalogue().event_types.values()
        if not event_type.control
        and event_type.anchor != NEVER
        and event_type.name not in REFERRING
        and stating_parties(event_type)
    )


def stating_parties(event_type: EventType) -> list[str]:
    """The parties of the registry that may state it."""
    return [party.id for party in REGISTRY if event_type.may_state(party.role)]


def new_id(rng: Random) -> str:
    """A uuid."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def value_of(field: Field, rng: Random, at: int) -> Any:
    """A valid wire value of `field`, for an event at `at`."""
    if field.repeated:
        few = rng.randrange(1, 5)
        return [_one(field, rng, at) for _ in range(few)]
    return _one(field, rng, at)


def _one(field: Field, rng: Random, at: int) -> Any:
    kinds: dict[Kind, Callable[[], Any]] = {
        Kind.STRING: lambda: "danger to life, as the ward told " * rng.randrange(1, 3) + str(rng.randrange(99)),
        Kind.INT: lambda: rng.randrange(1, 900),
        Kind.BOOL: lambda: field.must_be_true or rng.random() < 0.7,
        Kind.TIMESTAMP: lambda: at + rng.choice((-30, -1, 0, 0, 1, 60)) * DAY_MS,
        Kind.DATE: lambda: at // DAY_MS + rng.choice((-200, -5, 0, 20, 90, 200)),
        Kind.DECIMAL: lambda: bytes([rng.randrange(1, 120)]),
        Kind.PARTY: lambda: rng.choice(PARTIES),
        Kind.MUNICIPALITY: lambda: rng.choice("AAAB"),
        Kind.STAFF: lambda: f"s-{rng.randrange(40)}",
        Kind.PERSON: lambda: f"p-{rng.randrange(40)}",
        Kind.UUID: lambda: rng.choice(_FEW_IDS) if field.name in SHARED_IDS else new_id(rng),
    }
    if field.kind in kinds:
        return kinds[field.kind]()
    if field.kind is Kind.RECORD:
        return payload_of(catalogue().records[field.type_name].fields, rng, at)
    if not field.type_name:
        return f"CODE_{rng.randrange(40)}"
    return rng.choice(catalogue().code_lists[field.type_name].symbols)


def payload_of(fields: Iterable[Field], rng: Random, at: int) -> dict[str, Any]:
    """Valid wire values for `fields`; half of what is optional is absent, and said to be so."""
    return {
        field.name: value_of(field, rng, at) if field.mandatory or rng.random() < 0.5 else None
        for field in fields
        if field.name != "occurredAt"
    }


def stated(rng: Random, event_type: EventType, party: str, slot: int, payload: dict[str, Any] | None = None) -> Event:
    """An event of `party`, recorded in `slot` (an index over all instants and their places)."""
    recorded_at = DIARY[slot // SLOTS] + slot % SLOTS * SLOT_MS
    occurred_at = recorded_at - rng.choice((0, 0, 0, 3_600_000, 20 * DAY_MS))
    said = payload_of(event_type.fields, rng, occurred_at) | (payload or {})
    of_party = Stated(new_id(rng), event_type.name, party, occurred_at, recorded_at, said)
    return Event(of_party, recorded_at - rng.choice((0, 60_000)))


@lru_cache(maxsize=1)
def mixed() -> tuple[EventType, ...]:
    """Those with fields of several categories, or items cut one by one: of these a party often sees a part."""
    return tuple(
        event_type
        for event_type in statable()
        if any(field.category == DOMAIN and field.repeated for field in event_type.fields)
        or len({field.category for field in event_type.fields} - {NEVER}) > 2
    )


def any_event(rng: Random, slot: int, not_by: str | None = None) -> Event:
    """An event of any type, stated by anybody but `not_by`."""
    while True:
        event_type = rng.choice(mixed() if rng.random() < 0.5 else statable())
        party = rng.choice(stating_parties(event_type))
        if party != not_by:
            return stated(rng, event_type, party, slot)


def story(seed: int) -> Story:
    """The story of this seed: 7 to 12 events."""
    rng = Random(seed)
    slots = iter(sorted(rng.sample(range(SLOTS * (len(DIARY) - 3)), 12)))
    events = [_opening(rng, next(slots)) for _ in range(rng.randrange(3, 5))]
    for _ in range(rng.randrange(4, 8)):
        slot = next(slots)
        again = _about_earlier(rng, slot, events) if rng.random() < 0.2 else None
        events.append(again or any_event(rng, slot))
    linked = [_linked(rng, event, events[:n]) for n, event in enumerate(events)]
    jurisdiction = "SE" if rng.random() < 0.3 else "DK"
    return Story(new_id(rng), rng.choice(BIRTHS), jurisdiction, tuple(linked))


def _opening(rng: Random, slot: int) -> Event:
    """An event that opens something to somebody."""
    types = catalogue().event_types
    name = rng.choice(("ImprisonmentStarted", "ConsentGiven", "CaseOpened", "ConsentGiven", "BreakGlassRequested"))
    if name == "ImprisonmentStarted":
        plain = {"homeMunicipality": "A", "legalStatus": "CONVICTED", "planDuty": True, "priorCustodyId": None}
        return stated(rng, types[name], "PRI", slot, plain)
    if name == "CaseOpened":
        return stated(rng, types[name], rng.choice(("A.SOC", "A.JOB", "A.CHI")), slot)
    if name == "BreakGlassRequested":
        party = rng.choice(("PSY", "PHE", "A.SOC", "A.CHI"))
        asked = {
            "party": party,
            "categories": [category.value for category in rng.sample([*Category], 9)],
            "expiresAt": DIARY[-1],
        }
        return stated(rng, types[name], party, slot, {**asked, "justification": "danger to life " * 3})
    scope = {
        "categories": _categories(rng, rng.randrange(8, 16)),
        "sources": rng.sample(PARTIES, 13),
        "recipients": rng.sample(PARTIES, 11),
        "purposes": rng.sample(PURPOSES, 9),
        "form": rng.choice(("WRITTEN", "DIGITAL", "ORAL")),
        "givenBy": rng.choice(("SUBJECT", "SUBJECT", "SUBJECT_AND_GUARDIAN")),
        "validFrom": DIARY[0] - DAY_MS,
        "dataFrom": DIARY[0] // DAY_MS - 100,
        "validUntil": None,
    }
    return stated(rng, types[name], rng.choice(PARTIES), slot, scope)


def _categories(rng: Random, number: int) -> list[str]:
    return [category.value for category in rng.sample([*Category], number)]


def _about_earlier(rng: Random, slot: int, events: list[Event]) -> Event | None:
    """A correction, retraction or amendment of something stated before; `None` where that cannot be."""
    ended = {event.stated.corrects for event in events}
    ended |= {event.stated.payload.get("targetEventId") for event in events}
    target = rng.choice(events).stated
    if target.id in ended or target.event_type in REFERRING:
        return None
    if target.event_type == "ConsentGiven":
        said = payload_of(catalogue().event_types["ConsentAmended"].fields, rng, target.occurred_at)
        scope = {name: target.payload[name] for name in said if name in target.payload and rng.random() < 0.8}
        same = {"consentId": target.payload["consentId"]}
        return stated(rng, catalogue().event_types["ConsentAmended"], target.party, slot, said | scope | same)
    return correction(rng, slot, target) if rng.random() < 0.5 else retraction(rng, slot, target)


def correction(rng: Random, slot: int, target: Stated) -> Event:
    """A correction of `target` by its publisher: the whole fact anew."""
    anew = stated(rng, catalogue().event_types[target.event_type], target.party, slot)
    return replace(anew, stated=replace(anew.stated, corrects=target.id))


def retraction(rng: Random, slot: int, target: Stated) -> Event:
    """The retraction of `target` by its publisher."""
    naming = {"targetEventId": target.id}
    return stated(rng, catalogue().event_types["EventRetracted"], target.party, slot, naming)


def _linked(rng: Random, event: Event, before: list[Event]) -> Event:
    """The event with links of its publisher to earlier events, its own or anybody's."""
    if not before or rng.random() < 0.6:
        return event
    own = [each.stated.id for each in before if each.stated.party == event.stated.party] or [new_id(rng)]
    return replace(event, correlation=rng.choice(own), causation=rng.choice([None, rng.choice(own)]))
