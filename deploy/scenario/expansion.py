"""Makes a scenario playable: its registry, and every event as a complete statement.

Rules (those of the scenario grammar, "Mandatory fields not shown"):
- Mandatory fields not shown are filled: a time = occurredAt, a date = its local day, a bool = false (true where
  it must be), a party = the producer, a code of a list = its first symbol, an int = 1, text = `x`, a uuid =
  UUIDv5 of scenario id, event id and field. Optional fields not shown are absent.
- A list not shown names one such value; a list of domains or of items is empty, for a domain would open a category.
- A plain date in a field that holds a time is 00:00 local of that date (4.9.1).
- A word in a uuid field is a symbol: UUIDv5 of scenario id and symbol, printed back as the symbol.
- `by cat src to for id` stand for givenBy, categories, sources, recipients, purposes, consentId where the event
  has no field of the short name; a ConsentGiven's own id is its consentId.
- The source reference is scenario id + event id; a correction is the next revision of what it corrects. Where two
  correct one event, the one recorded later corrects the one recorded earlier.
- A consent that its contract refuses is part of the story (4.4: rejected): it is kept as refused and not published.
- Registry: every producer, `X` party, consent source and recipient and party-typed field; not the hub itself.
- Everything else is checked against the contracts before anything is played; a fault names its line.

From `grammar`; to `player`. Pure.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final, NoReturn

from contracts.catalogue import catalogue
from contracts.categories import CATEGORY_OF_DOMAIN
from contracts.civil_time import day_date, day_number, day_of, moment_of, parse_local, start_of_day
from contracts.event_types import DOMAIN, EventType, Field, Kind
from contracts.failures import BadScenario, InvalidFact
from contracts.models import checked
from contracts.parties import PARTY_ID, Party, PartyRegistry
from contracts.topics import HUB_PARTY
from deploy.scenario.grammar import DATE, SYMBOL, TIME
from deploy.scenario.scenario import FieldText, Scenario, ScenarioEvent

SYMBOL_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:casehub:scenario")
HEALTH_ROLES: Final = frozenset({"PHE", "PSY"})
"""Roles that are healthcare providers without being listed in `health=`."""

SHORT_NAMES: Final[Mapping[str, str]] = {
    "by": "givenBy",
    "cat": "categories",
    "src": "sources",
    "to": "recipients",
    "for": "purposes",
    "id": "consentId",
}
OWN_ID_FIELDS: Final[Mapping[str, str]] = {"ConsentGiven": "consentId"}
"""The field that holds the event's own id, by event type."""

PLAYED_TEXTS: Final[Mapping[tuple[str, str], str]] = {
    ("BreakGlassRequested", "justification"): "played scenario: the danger that the scenario describes",
}
"""Optional texts without which an event would have no effect, by event type and field."""

EVENT_REFERENCE: Final = "targetEventId"

REJECTED_IF_UNSOUND: Final = frozenset({"ConsentGiven", "ConsentAmended"})
"""Event types of which a scenario may state one that the rules reject: not specific, not informed, not evidenced."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WHOLE: Final = re.compile(r"-?[0-9]{1,9}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Statement:
    """One event, complete. `values` are for the publisher, without occurredAt and without `targets`.

    `targets` maps a field to the scenario event that it names; its `ce_id` is the publisher's, known when played.
    `refused` says why the contract rejects it, and is empty where it does not; a refused one has no values.
    """

    event: ScenarioEvent
    values: Mapping[str, Any]
    source_ref: str
    revision: int
    targets: Mapping[str, str]
    refused: str = ""


@dataclass(frozen=True)
class Playbook:
    """All that a world needs: the registry, the statements in order of recorded time, the symbols of ids."""

    scenario: Scenario
    registry: PartyRegistry
    statements: tuple[Statement, ...]
    symbols: Mapping[str, str]

    @property
    def statement(self) -> Mapping[str, Statement]:
        """The statements by event id."""
        return {statement.event.id: statement for statement in self.statements}

    def basis_as_written(self, basis: str) -> str:
        """Return a basis with its consent as the scenario writes it: `C:k1`."""
        kind, colon, consent_id = basis.partition(":")
        return f"{kind}:{self.symbols.get(consent_id, consent_id)}" if colon else basis


def expand(scenario: Scenario) -> Playbook:
    """Return `scenario` ready to be played; raise `BadScenario` where a contract would refuse it."""
    expansion = _Expansion(scenario)
    statements = [expansion.statement(event) for event in scenario.events]
    statements.sort(key=lambda statement: statement.event.recorded_at)
    for expectation in scenario.expectations:
        expansion.party_ids.update(expectation.views)
    expansion.party_ids.update(scenario.health)
    expansion.party_ids.discard(HUB_PARTY)
    registry = PartyRegistry.of(
        _party(party_id, party_id in scenario.health) for party_id in sorted(expansion.party_ids)
    )
    return Playbook(scenario, registry, tuple(statements), expansion.symbols)


def symbol_id(scenario_id: str, symbol: str) -> uuid.UUID:
    """Return the id that `symbol` stands for in a scenario."""
    return uuid.uuid5(SYMBOL_NAMESPACE, f"{scenario_id}/{symbol}")


def _party(party_id: str, listed: bool) -> Party:
    party = Party(party_id)
    return Party(party_id, healthcare_provider=listed or party.role in HEALTH_ROLES)


@dataclass
class _Expansion:
    """The expansion of one scenario; gathers its parties and symbols on the way."""

    scenario: Scenario
    party_ids: set[str] = field(default_factory=set)
    symbols: dict[str, str] = field(default_factory=dict)

    def statement(self, event: ScenarioEvent) -> Statement:
        """Return one event complete and checked."""
        contract = self._contract(event)
        self.party_ids.add(event.party)
        shown = self._by_full_name(event, contract)
        targets = self._targets(event, shown)
        root, revision = self._root(event)
        source_ref = f"{self.scenario.id}/{root.id}"
        try:
            values = dict(self._values(event, contract, shown, targets))
            self._check(event, contract, values, targets)
        except BadScenario as fault:
            if event.type not in REJECTED_IF_UNSOUND:
                raise
            return Statement(event, {}, source_ref, revision, targets, refused=str(fault))
        return Statement(event, values, source_ref, revision, targets)

    def _contract(self, event: ScenarioEvent) -> EventType:
        contract = catalogue().event_types.get(event.type)
        if contract is None or contract.control:
            _refuse(event, f"event type `{event.type}`", "expected one that `hub contracts list` names")
        role = Party(event.party).role
        if not contract.may_state(role):
            roles = ", ".join(contract.stated_by)
            _refuse(event, f"`{event.type}` stated by `{event.party}`", f"expected a party in a role of: {roles}")
        return contract

    def _by_full_name(self, event: ScenarioEvent, contract: EventType) -> dict[str, FieldText]:
        shown: dict[str, FieldText] = {}
        for written, value in event.fields.items():
            name = written if written in contract.field else SHORT_NAMES.get(written, written)
            if name not in contract.field or name == "occurredAt":
                fields = ", ".join(each for each in contract.field if each != "occurredAt")
                _refuse(event, f"`{event.type}` has no field `{written}`", f"expected one of: {fields}")
            if name in shown:
                _refuse(event, f"field `{name}` stands twice, once by its short name", "keep one of them")
            shown[name] = value
        return shown

    def _targets(self, event: ScenarioEvent, shown: Mapping[str, FieldText]) -> dict[str, str]:
        target = shown.get(EVENT_REFERENCE)
        if target is None:
            return {}
        if not isinstance(target, str) or target not in self.scenario.event or target == event.id:
            _refuse(event, f"`{EVENT_REFERENCE}`", "expected the id of another event of this scenario")
        return {EVENT_REFERENCE: target}

    def _values(
        self,
        event: ScenarioEvent,
        contract: EventType,
        shown: Mapping[str, FieldText],
        targets: Mapping[str, str],
    ) -> Iterator[tuple[str, Any]]:
        for name, each in contract.field.items():
            if name in targets or name == "occurredAt":
                continue
            if name in shown:
                yield name, self._given(event, each, shown[name])
            elif OWN_ID_FIELDS.get(event.type) == name:
                yield name, self._symbol(event.id)
            elif (event.type, name) in PLAYED_TEXTS:
                yield name, PLAYED_TEXTS[event.type, name]
            elif each.mandatory:
                yield name, self._filled(event, each, name)

    def _given(self, event: ScenarioEvent, each: Field, text: FieldText) -> Any:
        if each.repeated != isinstance(text, tuple):
            _refuse(event, f"field `{each.name}`", "expected " + ("a list `[a,b]`" if each.repeated else "one word"))
        if isinstance(text, str):
            return self._parsed(event, each, text)
        if each.kind is Kind.RECORD:
            return [self._item(event, each, domain, n) for n, domain in enumerate(text)]
        return [self._parsed(event, each, word) for word in text]

    def _item(self, event: ScenarioEvent, each: Field, domain: str, index: int) -> dict[str, Any]:
        """Return one item of a list of records, of which the scenario names the domain only."""
        if domain not in CATEGORY_OF_DOMAIN:
            _refuse(event, f"domain `{domain}` in `{each.name}`", f"expected one of: {', '.join(CATEGORY_OF_DOMAIN)}")
        parts = catalogue().records[each.type_name].fields
        filled = {
            part.name: self._filled(event, part, f"{each.name}/{index}/{part.name}")
            for part in parts
            if part.mandatory and part.name != "domain"
        }
        return {"domain": domain} | filled

    def _parsed(self, event: ScenarioEvent, each: Field, text: str) -> Any:
        try:
            return self._typed(each.kind, text)
        except ValueError:
            _refuse(event, f"field `{each.name}`: `{text}`", f"expected {_EXPECTED[each.kind]}")

    def _typed(self, kind: Kind, text: str) -> Any:
        match kind:
            case Kind.UUID:
                return self._symbol(text)
            case Kind.TIMESTAMP if TIME.fullmatch(text):
                return moment_of(parse_local(text, self.scenario.zone))
            case Kind.TIMESTAMP if DATE.fullmatch(text):
                return moment_of(start_of_day(day_number(date.fromisoformat(text)), self.scenario.zone))
            case Kind.DATE if DATE.fullmatch(text):
                return date.fromisoformat(text)
            case Kind.INT if _WHOLE.fullmatch(text):
                return int(text)
            case Kind.DECIMAL if _NUMBER.fullmatch(text):
                return Decimal(text)
            case Kind.BOOL if text in ("true", "false"):
                return text == "true"
            case Kind.PARTY if PARTY_ID.fullmatch(text):
                self.party_ids.add(text)
                return text
            case Kind.STRING | Kind.CODE | Kind.ENUM | Kind.MUNICIPALITY | Kind.STAFF | Kind.PERSON:
                return text
        raise ValueError(kind)

    def _symbol(self, text: str) -> uuid.UUID:
        if _UUID.fullmatch(text):
            return uuid.UUID(text)
        if not SYMBOL.fullmatch(text):
            raise ValueError(text)
        value = symbol_id(self.scenario.id, text)
        self.symbols[str(value)] = text
        return value

    def _filled(self, event: ScenarioEvent, each: Field, path: str) -> Any:
        if not each.repeated:
            return self._default(event, each, path)
        if each.kind is Kind.RECORD or each.category == DOMAIN:
            return []
        return [self._default(event, each, f"{path}/0")]

    def _default(self, event: ScenarioEvent, each: Field, path: str) -> Any:
        match each.kind:
            case Kind.UUID:
                return uuid.uuid5(SYMBOL_NAMESPACE, f"{self.scenario.id}/{event.id}/{path}")
            case Kind.TIMESTAMP:
                return moment_of(event.occurred_at)
            case Kind.DATE:
                return day_date(day_of(event.occurred_at, self.scenario.zone))
            case Kind.BOOL:
                return each.must_be_true
            case Kind.INT:
                return 1
            case Kind.DECIMAL:
                return Decimal(1)
            case Kind.PARTY:
                return event.party
            case Kind.ENUM | Kind.CODE if each.type_name:
                return catalogue().code_lists[each.type_name].symbols[0]
        return "x"

    def _check(
        self, event: ScenarioEvent, contract: EventType, values: Mapping[str, Any], targets: Mapping[str, str]
    ) -> None:
        placeholders = {name: symbol_id(self.scenario.id, target) for name, target in targets.items()}
        try:
            checked(contract, {**values, **placeholders, "occurredAt": moment_of(event.occurred_at)})
        except InvalidFact as fault:
            raise BadScenario(f"line {event.line}: event `{event.id}`: {fault}") from fault

    def _root(self, event: ScenarioEvent) -> tuple[ScenarioEvent, int]:
        """Return the first statement of what `event` corrects (itself, if nothing), and its own revision."""
        root = self._first(event)
        family = [other for other in self.scenario.events if self._first(other) is root]
        return root, sorted(family, key=lambda other: other.recorded_at).index(event)

    def _first(self, event: ScenarioEvent) -> ScenarioEvent:
        steps = 0
        while event.corrects is not None:
            event = self.scenario.event[event.corrects]
            steps += 1
            if steps > len(self.scenario.events):
                _refuse(event, f"`{event.id}` corrects itself in a circle", "begin with the first statement")
        return event


_EXPECTED: Final[Mapping[Kind, str]] = {
    Kind.UUID: "a symbol such as `c1`, or a uuid",
    Kind.TIMESTAMP: "local time as `2025-01-25T09:00`, or a plain date for its 00:00",
    Kind.DATE: "a date as `2025-01-25`",
    Kind.INT: "a whole number",
    Kind.DECIMAL: "a number such as `1200.50`",
    Kind.BOOL: "`true` or `false`",
    Kind.PARTY: "a party id such as `A.SOC`",
    Kind.RECORD: "a list of domains",
}


def _refuse(event: ScenarioEvent, found: str, fix: str) -> NoReturn:
    raise BadScenario(f"line {event.line}: event `{event.id}`: {found}: {fix}")
