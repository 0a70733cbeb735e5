"""What a contract says of one event type: its fields, their categories, who may state it.

Rules:
- `EventType` and `FieldType` are data, read from `contracts/catalogue/*.toml` by `contracts.catalogue`.
- Every field has exactly one category. `DOMAIN` stands for "the category of the item's (or the event's) own
  domain"; `NEVER` for the two envelope fields that no receiver gets.
- Pure; nothing here reads a file.

Source: domain specification, 2.1 to 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from contracts.categories import BIT, CATEGORY_OF_DOMAIN, NO_CATEGORY, Category
from contracts.civil_time import day_number

DOMAIN: Final = "domain"
NEVER: Final = "never"
ANY_ROLE: Final = "any"
CITIZEN: Final = "CITIZEN"
"""The role of the citizen as a publisher: of consents, through a channel of their own."""
HUB: Final = "HUB"
OTHER: Final = "OTHER"
_DAY_MS: Final = 86_400_000
REFERENCE_FIELDS: Final = (
    "to", "parties", "participants", "consentId", "placementId", "collectedBy", "sources", "recipients",
    "party", "grantedBy", "requestId", "targetEventId", "recipient", "admissionId", "source",
)  # fmt: skip
"""The fields that rules read of any fact: who is addressed, named or taking part; which consent or placement."""
CONSENT_AREA: Final = "consent"
SCOPE_CODE_LISTS: Final = frozenset({"Category", "Purpose", "ConsentGiver", "ConsentForm"})
"""The code lists that say whom and what a consent covers: no value of theirs is ever filled in or translated."""


class Kind(StrEnum):
    """The kinds of value that a field can carry."""

    UUID = "uuid"
    STRING = "string"
    INT = "int"
    BOOL = "bool"
    TIMESTAMP = "timestamp"
    DATE = "date"
    DECIMAL = "decimal"
    PARTY = "party"
    MUNICIPALITY = "municipality"
    STAFF = "staff"
    PERSON = "person"
    CODE = "code"
    ENUM = "enum"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event or of a record inside one.

    `type_name` is the code list's or record's name for `ENUM`, `CODE` with a list, and `RECORD`, else empty.
    `category` is a `Category`, `DOMAIN` or `NEVER`.
    """

    name: str
    kind: Kind
    category: str
    doc: str
    mandatory: bool = False
    repeated: bool = False
    type_name: str = ""
    non_empty: bool = False
    """A list that must name at least one thing, even where the event is otherwise complete (consent scope)."""
    must_be_true: bool = False
    """A statement without which the event may not be made at all (a consent's explanations)."""

    @property
    def base_type(self) -> str:
        """The name of the code list or record, whichever version of it: `HousingKind` of `HousingKind@1`."""
        return base_name(self.type_name)


@dataclass(frozen=True, slots=True)
class CodeList:
    """A code list. Closed ones are Avro enums; extensible ones travel as strings of the same symbols."""

    name: str
    symbols: tuple[str, ...]
    doc: str
    extensible: bool = False


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record that stands in a list of an event, `PlanItem` or `Need`; items are cut by their own domain."""

    name: str
    fields: tuple[Field, ...]
    doc: str


@dataclass(frozen=True, eq=False)
class EventType:
    """One event type. `anchor` is a `Category`, `DOMAIN` where the event's own `domain` field decides, or `NEVER`
    where there is no subject (or it is the hub's own record) and nobody is ever shown it.

    `fields` starts with the envelope fields (`occurredAt`, `lateReason`, `legalBasisCode`).
    """

    name: str
    area: str
    stated_by: tuple[str, ...]
    anchor: str
    fields: tuple[Field, ...]
    doc: str
    version: int = 1
    control: bool = False
    """A record of the hub to itself (`in.hub.v1`): never a fact of a case, never disclosed."""
    ends_on: date | None = None
    """The day (UTC) from which this version is no longer taken, for one that has a successor."""
    without_subject: bool = False
    """It is about no citizen: it belongs on a governance timeline and on no other."""

    @cached_property
    def ends_at(self) -> int | None:
        """The instant (milliseconds) from which a record of this version is parked; `None` for never."""
        return None if self.ends_on is None else day_number(self.ends_on) * _DAY_MS

    @cached_property
    def ce_type(self) -> str:
        """The CloudEvents type: reverse DNS, the version last."""
        return f"org.casehub.{self.area}.{self.name}.v{self.version}"

    @cached_property
    def field(self) -> Mapping[str, Field]:
        """The fields by name."""
        return {field.name: field for field in self.fields}

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The fields that refer to what rules read, in the order of `REFERENCE_FIELDS`."""
        return tuple(name for name in REFERENCE_FIELDS if name in self.field)

    def may_state(self, role: str) -> bool:
        """Whether a party in `role` may state this event."""
        return ANY_ROLE in self.stated_by or role in self.stated_by

    def anchor_bit(self, payload: Mapping[str, Any]) -> int:
        """The anchor category of one fact as a mask; no bit (so: shown to nobody) for an unknown domain or `NEVER`."""
        return domain_bit(payload.get("domain")) if self.anchor == DOMAIN else self._fixed_anchor_bit

    @cached_property
    def _fixed_anchor_bit(self) -> int:
        return NO_CATEGORY if self.anchor in (DOMAIN, NEVER) else BIT[Category(self.anchor)]

    def categories_in(self, payload: Mapping[str, Any]) -> int:
        """The mask of categories that one fact has something in: present fields, list items by their domain.

        A category without a present value is not in it: opened or closed, it changes nothing that is sent.
        """
        mask = self.anchor_bit(payload)
        for name, bit in self._fixed_bits:
            if payload.get(name) is not None:
                mask |= bit
        for field in self._domain_fields:
            if field.repeated:
                for item in payload.get(field.name) or ():
                    mask |= domain_bit(item["domain"] if isinstance(item, dict) else item)
            elif payload.get(field.name) is not None:
                mask |= domain_bit(payload.get("domain"))
        return mask

    @cached_property
    def _fixed_bits(self) -> tuple[tuple[str, int], ...]:
        return tuple(
            (field.name, BIT[Category(field.category)])
            for field in self.fields
            if field.category not in (DOMAIN, NEVER)
        )

    @cached_property
    def _domain_fields(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.category == DOMAIN)


def base_name(type_name: str) -> str:
    """Return the name that every version of a code list or record has in common, which is its name in Avro."""
    return type_name.partition("@")[0]


def domain_bit(domain: object) -> int:
    """Return the category bit of a domain; an unknown one has none, so nothing of it is ever shown."""
    category = CATEGORY_OF_DOMAIN.get(domain) if isinstance(domain, str) else None
    return BIT[category] if category else NO_CATEGORY
