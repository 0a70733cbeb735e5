"""A case as known at a moment: the live facts, and what the contracts say of each of them (2.1, 2.3).

Rules:
- As known at T counts only records with recordedAt <= T.
- A correction kills what it corrects, a retraction its target, from its own recordedAt; killing is for good (4.9.17).
- Facts are read by occurredAt, then recordedAt, then event id.
- A field has the category of its contract, a list item that of its own domain; an absent field has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from contracts.catalogue import catalogue
from contracts.event_types import EventType
from tests.naive import civil

CATEGORY_OF_DOMAIN = {
    "HOUSING": "HO",
    "FINANCE": "FI",
    "EMPLOYMENT": "EM",
    "EDUCATION": "ED",
    "SUBSTANCE": "SU",
    "MENTAL": "MH",
    "PHYSICAL": "PH",
    "FAMILY": "CF",
    "NETWORK": "NW",
    "OFFENDING": "RI",
    "RELEASE": "RE",
}
MUNICIPAL_ROLES = ("SOC", "JOB", "BEN", "ADD", "HSG", "CHI", "YTH")


class Statement(Protocol):
    """What both readers are given: one event as its party stated it."""

    @property
    def id(self) -> str: ...
    @property
    def event_type(self) -> str: ...
    @property
    def party(self) -> str: ...
    @property
    def occurred_at(self) -> int: ...
    @property
    def recorded_at(self) -> int: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...
    @property
    def corrects(self) -> str | None: ...


def role(party: str) -> str:
    """Return the last part of a party's id."""
    return party.split(".")[-1]


def country(party: str) -> str | None:
    """Return the country of a party whose id names one: its first part."""
    code = party.split(".")[0].upper()
    return code if code in ("DK", "SE") and "." in party else None


def municipality(party: str) -> str | None:
    """Return the municipality of a municipal party: the first part of a two-part id."""
    parts = party.split(".")
    return parts[0] if len(parts) == 2 and parts[1] in MUNICIPAL_ROLES else None


@dataclass(frozen=True, eq=False)
class Fact:
    """One stated event with the categories that it has something in."""

    key: str
    kind: str
    party: str
    occurred: int
    recorded: int
    payload: Mapping[str, Any]
    anchor: str | None
    categories: frozenset[str]

    def __getitem__(self, field: str) -> Any:
        return self.payload.get(field)

    @property
    def role(self) -> str:
        """The role of its publisher."""
        return role(self.party)

    @property
    def order(self) -> tuple[int, int, str]:
        """Occurred, recorded, id."""
        return self.occurred, self.recorded, self.key


def _category(category: str, domain: object) -> str | None:
    if category == "domain":
        return CATEGORY_OF_DOMAIN.get(str(domain))
    return None if category == "never" else str(category)


def _categories(contract: EventType, payload: Mapping[str, Any]) -> frozenset[str]:
    found = {_category(contract.anchor, payload.get("domain"))}
    for field in contract.fields:
        value = payload.get(field.name)
        if value is None:
            continue
        if field.repeated and field.category == "domain":
            found |= {_category("domain", item["domain"] if isinstance(item, Mapping) else item) for item in value}
        else:
            found.add(_category(field.category, payload.get("domain")))
    return frozenset(category for category in found if category)


def fact_of(stated: Statement) -> Fact:
    """Read one statement by its contract."""
    contract = catalogue().event_types[stated.event_type]
    return Fact(
        f"{stated.party}/{stated.id}",
        stated.event_type,
        stated.party,
        stated.occurred_at,
        stated.recorded_at,
        stated.payload,
        _category(contract.anchor, stated.payload.get("domain")),
        _categories(contract, stated.payload),
    )


@dataclass(frozen=True, eq=False)
class History:
    """All that was ever stated of one citizen, and to which hub."""

    stated: tuple[Statement, ...]
    born: date
    jurisdiction: str
    providers: frozenset[str]
    """The parties with the flag `healthcareProvider`."""

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """Every statement, read."""
        return tuple(fact_of(stated) for stated in self.stated)

    @property
    def zone(self) -> ZoneInfo:
        """The civil time of the jurisdiction."""
        return civil.ZONES[self.jurisdiction]


@dataclass(frozen=True, eq=False)
class Case:
    """One citizen's case at the moment `at`, as known then."""

    history: History
    at: int

    def as_known_at(self, at: int) -> Case:
        """Return the same case at another moment, as known then."""
        return replace(self, at=at)

    @property
    def zone(self) -> ZoneInfo:
        """The civil time of the jurisdiction."""
        return self.history.zone

    @cached_property
    def known(self) -> tuple[tuple[Statement, Fact], ...]:
        """What has been recorded by then."""
        both = zip(self.history.stated, self.history.facts, strict=True)
        return tuple((stated, fact) for stated, fact in both if stated.recorded_at <= self.at)

    @cached_property
    def corrected(self) -> frozenset[str]:
        """The facts that another one replaces."""
        return frozenset(f"{stated.party}/{stated.corrects}" for stated, _ in self.known if stated.corrects)

    @cached_property
    def retracted(self) -> frozenset[str]:
        """The facts that their publisher has taken back."""
        known = (fact for _, fact in self.known if fact.kind == "EventRetracted")
        return frozenset(f"{fact.party}/{fact['targetEventId']}" for fact in known)

    @cached_property
    def live(self) -> tuple[Fact, ...]:
        """The live facts in their order."""
        dead = self.corrected | self.retracted
        return tuple(sorted((fact for _, fact in self.known if fact.key not in dead), key=lambda fact: fact.order))

    @cached_property
    def _of_kind(self) -> Mapping[str, tuple[Fact, ...]]:
        kinds: dict[str, tuple[Fact, ...]] = {}
        for fact in self.live:
            kinds[fact.kind] = (*kinds.get(fact.kind, ()), fact)
        return kinds

    def of_kind(self, *kinds: str) -> list[Fact]:
        """Return the live facts of these event types, in their order."""
        return sorted((fact for kind in kinds for fact in self._of_kind.get(kind, ())), key=lambda fact: fact.order)

    def latest(self, *kinds: str) -> Fact | None:
        """Return the last of them."""
        return next(iter(reversed(self.of_kind(*kinds))), None)

    def begun(self, day: int) -> bool:
        """Whether a date has begun: what begins at T has begun, what ends at T has ended."""
        return civil.midnight(day, self.zone) <= self.at

    def age_reached(self, years: int, at: int | None = None) -> bool:
        """Whether the citizen is `years` old at `at` (left out: now)."""
        return civil.birthday(self.history.born, years, self.zone) <= (self.at if at is None else at)

    @property
    def minor(self) -> bool:
        """Whether the citizen is under 18."""
        return not self.age_reached(18)


def named(facts: Iterable[Fact], field: str, value: object) -> Iterator[Fact]:
    """Yield those of `facts` whose `field` is `value`."""
    return (fact for fact in facts if fact[field] == value)
