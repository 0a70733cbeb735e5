"""Fills in what a contract asks of an event, so that a generated history says only what matters.

Rules:
- Every mandatory field gets a wire value of its type; optional ones come by chance.
- Numbers of episodes, plans, placements and the like come from small pools, so that events find each other.
- Enum symbols are the known ones; `OTHER` stays out, since the text gives it no meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final
from uuid import UUID

from contracts.catalogue import catalogue
from contracts.event_types import Field, Kind

DOMAINS: Final = (
    "HOUSING", "FINANCE", "EMPLOYMENT", "EDUCATION", "SUBSTANCE", "MENTAL", "PHYSICAL", "FAMILY", "NETWORK",
    "OFFENDING", "RELEASE",
)  # fmt: skip
POOLED: Final = ("custodyId", "priorCustodyId", "newCustodyId", "treatmentId", "trialId", "episodeId", "admissionId",
                 "placementId")  # fmt: skip


def number(chance: Random) -> str:
    """Return a new id."""
    return str(UUID(int=chance.getrandbits(128), version=4))


class Values:
    """Makes the values of one history."""

    def __init__(self, chance: Random, parties: Sequence[str], municipalities: Sequence[str]) -> None:
        self.chance, self.parties, self.municipalities = chance, parties, municipalities
        self.pool: dict[str, list[str]] = {name: [number(chance) for _ in range(2)] for name in POOLED}
        self.pool["priorCustodyId"] = self.pool["newCustodyId"] = self.pool["custodyId"]

    def payload(self, event_type: str, party: str, at: int, day: int, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return a payload that the contract accepts, with what is `said` in it; `None` leaves a field out."""
        found = {name: value for name, value in said.items() if value is not None}
        for field in catalogue().event_types[event_type].fields[1:]:
            if field.name not in said and (field.mandatory or self._by_chance(field)):
                found[field.name] = self._value(field, party, at, day)
        return found

    def _by_chance(self, field: Field) -> bool:
        return field.category != "never" and field.kind is not Kind.DECIMAL and self.chance.random() < 0.5

    def _value(self, field: Field, party: str, at: int, day: int) -> Any:
        if field.repeated:
            least = 0 if field.category == "domain" else 1
            count = self.chance.randint(least, 3)
            return [self._single(field, party, at, day) for _ in range(count)]
        return self._single(field, party, at, day)

    def _single(self, field: Field, party: str, at: int, day: int) -> Any:
        kind, chance = field.kind, self.chance
        if kind is Kind.UUID:
            return chance.choice(self.pool[field.name]) if field.name in self.pool else number(chance)
        if kind is Kind.PARTY:
            return chance.choice((party, *self.parties))
        if kind is Kind.MUNICIPALITY:
            return chance.choice(self.municipalities)
        if kind is Kind.DATE:
            return day + chance.choice((-30, -1, 0, 1, 5, 30, 90, 200))
        if kind is Kind.RECORD:
            return self._record(field.type_name, party, at, day)
        if kind is Kind.BOOL:
            return field.must_be_true or chance.random() < 0.6
        if field.type_name == "Domain":
            return chance.choice(DOMAINS)
        if kind is Kind.ENUM or field.type_name:
            symbols = catalogue().code_lists[field.type_name].symbols
            return chance.choice([symbol for symbol in symbols if symbol != "OTHER"])
        return {Kind.TIMESTAMP: at, Kind.INT: 1}.get(kind, "x")

    def _record(self, name: str, party: str, at: int, day: int) -> dict[str, Any]:
        fields = catalogue().records[name].fields
        return {field.name: self._value(field, party, at, day) if field.mandatory else None for field in fields}
