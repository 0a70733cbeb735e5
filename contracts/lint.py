"""Judges the contracts: what may never get into a catalogue or a schema, each rule with the harm that it prevents.

Rules (each has a red example in the tests):
- unclassified-field, category-without-domain: nothing may leave whose category is not known.
- whereabouts: `setting` and `inCustody` are always of category CU; shown only when harmless they would betray the rest.
- missing-doc: an agency's developer must be able to state the field from the contract alone.
- name-form, duplicate-short-name: Avro readers match records by their short name; two alike are read as each other.
- control: what the hub states to itself is stated by it alone and shown to nobody; a party's own control record says
  nothing but that it was sent.
- default-value: only null may be a default, so that no reader invents a value.
- enum-without-other: a reader that is older than a symbol must have something to fall back to.
- unknown-role: an event that nobody may state, or that a misspelt role may, is a mistake.
- alias, default-on-consent: resolution may move or fill in a value; nobody may be made to have consented by it.
- recursion, zero-width-item, nesting: a few bytes of input could crash a reader or fill its memory.

From here: `hub contracts lint`, and the test that keeps the catalogue clean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.avro_schemas import NAMESPACE, Form, Schema, forms_of, schema_of
from contracts.catalogue import Catalogue
from contracts.categories import Category
from contracts.event_types import (
    ANY_ROLE,
    CITIZEN,
    CONSENT_AREA,
    DOMAIN,
    HUB,
    NEVER,
    OTHER,
    SCOPE_CODE_LISTS,
    EventType,
    Field,
    Kind,
)
from contracts.limits import NESTING_LEVELS_MAX

ROLES: Final = frozenset(
    {"PRI", "KIF", "PHE", "FAC", "SOC", "JOB", "BEN", "ADD", "HSG", "CHI", "YTH", "PSY", "MNT", "VOL"}
    | {"EVA", "GOV", "AUD", "OPS", CITIZEN}
)
WHEREABOUTS_FIELDS: Final = frozenset({"setting", "inCustody"})
NEVER_IN_CUSTODY: Final = frozenset({"OutreachContactMade"})
"""Events that by their contract cannot take place in custody, so that their setting betrays nothing."""

_ENVELOPE_FIELDS: Final = frozenset({"occurredAt", "lateReason", "legalBasisCode"})
_DOC_CHARACTERS_MIN: Final = 15
_EVENT_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]{2,59}")
_FIELD_NAME: Final = re.compile(r"[a-z][A-Za-z0-9]{0,39}")
_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
_CATEGORIES: Final = frozenset(Category) | {DOMAIN, NEVER}


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach: which rule, where (`Event.field`), and what to do about it."""

    rule: str
    where: str
    message: str


def lint(catalogue: Catalogue) -> list[Finding]:
    """Return every breach in `catalogue` and in the schemas derived from it; empty means clean."""
    findings = [*_code_lists(catalogue), *_names(catalogue)]
    for record in catalogue.records.values():
        findings += _doc(record.name, record.doc)
        for field in record.fields:
            findings += _field(f"{record.name}.{field.name}", field, has_domain=True)
    for event_type in catalogue.every_version:
        findings += _event_type(event_type)
        for form in forms_of(event_type):
            schema = schema_of(event_type, form, catalogue)
            findings += lint_schema(schema, consent=event_type.area == CONSENT_AREA)
    return sorted(set(findings), key=lambda finding: (finding.where, finding.rule))


def lint_schema(schema: Schema, *, consent: bool = False) -> list[Finding]:
    """Return every breach in one Avro record schema; `consent` says that it belongs to the area of consent."""
    return list(_SchemaWalk(consent).walk(schema, str(schema.get("name", "?")), ()))


# --- the catalogue


def _event_type(event_type: EventType) -> Iterator[Finding]:
    name = event_type.name
    yield from _doc(name, event_type.doc)
    if not _EVENT_NAME.fullmatch(name):
        yield Finding("name-form", name, "expected an upper-case letter first, then letters and digits")
    if event_type.anchor not in _CATEGORIES:
        yield Finding("unclassified-field", name, "the anchor is no category: choose one of the 18, or `never`")
    if event_type.control and (event_type.anchor != NEVER or not _is_control(event_type)):
        yield Finding("control", name, "a control record is stated by HUB alone and anchored in `never`")
    for role in event_type.stated_by:
        if role not in ROLES and role not in (ANY_ROLE, HUB):
            yield Finding("unknown-role", name, f"`{role}` is no role: expected one of {', '.join(sorted(ROLES))}")
    has_domain = "domain" in event_type.field
    for field in event_type.fields:
        yield from _field(f"{name}.{field.name}", field, has_domain=has_domain)
        whereabouts = field.name in WHEREABOUTS_FIELDS and name not in NEVER_IN_CUSTODY
        if whereabouts and field.category not in (Category.CU, NEVER):
            yield Finding("whereabouts", f"{name}.{field.name}", "give it category CU, whatever its value can be")


def _is_control(event_type: EventType) -> bool:
    says_nothing = all(field.name in _ENVELOPE_FIELDS for field in event_type.fields)
    return event_type.stated_by == (HUB,) or (event_type.stated_by == (ANY_ROLE,) and says_nothing)


def _field(where: str, field: Field, *, has_domain: bool) -> Iterator[Finding]:
    yield from _doc(where, field.doc)
    if not _FIELD_NAME.fullmatch(field.name):
        yield Finding("name-form", where, "expected a lower-case letter first, then letters and digits")
    if field.category not in _CATEGORIES:
        yield Finding("unclassified-field", where, "give it one of the 18 categories, `domain` or `never`")
    item_has_domain = field.repeated and (field.kind is Kind.RECORD or field.base_type == "Domain")
    if field.category == DOMAIN and not (item_has_domain if field.repeated else has_domain):
        yield Finding("category-without-domain", where, "there is no domain to take the category from: name a category")


def _doc(where: str, doc: str) -> Iterator[Finding]:
    if len(doc.strip()) < _DOC_CHARACTERS_MIN:
        yield Finding("missing-doc", where, "say in one sentence what it means and how to fill it")


def _code_lists(catalogue: Catalogue) -> Iterator[Finding]:
    for name, code_list in catalogue.code_lists.items():
        yield from _doc(name, code_list.doc)
        if not code_list.symbols or code_list.symbols[-1] != OTHER:
            yield Finding("enum-without-other", name, f"end its symbols with `{OTHER}`")
        if len(set(code_list.symbols)) != len(code_list.symbols):
            yield Finding("name-form", name, "a symbol stands twice")
        for symbol in code_list.symbols:
            if not _SYMBOL.fullmatch(symbol):
                yield Finding("name-form", f"{name}.{symbol}", "expected capitals, digits and `_`")


def _names(catalogue: Catalogue) -> Iterator[Finding]:
    names = [(name, "code list") for name in catalogue.code_lists]
    names += [(name, "record") for name in catalogue.records]
    for event_type in catalogue.event_types.values():
        for form in forms_of(event_type):
            names.append((event_type.name + ("Disclosed" if form is Form.DISCLOSED else ""), f"{form} event"))
    taken: dict[str, str] = {}
    for name, what in names:
        if name.lower() in taken:
            yield Finding("duplicate-short-name", name, f"is the name of a {taken[name.lower()]} too: rename one")
        taken[name.lower()] = what


# --- the schemas


class _SchemaWalk:
    """Walks one schema depth first. `inside` holds the names of the records that enclose a part."""

    def __init__(self, consent: bool) -> None:
        self._consent = consent
        self._defined: dict[str, Any] = {}

    def walk(self, schema: Any, where: str, inside: tuple[str, ...], level: int = 1) -> Iterator[Finding]:
        if level > NESTING_LEVELS_MAX:
            yield Finding("nesting", where, f"is nested deeper than {NESTING_LEVELS_MAX} levels: flatten it")
            return
        if isinstance(schema, list):
            for part in schema:
                yield from self.walk(part, where, inside, level)
        elif isinstance(schema, str):
            if schema in inside:
                yield Finding("recursion", where, f"`{schema}` holds itself: a few bytes could crash a reader")
        elif isinstance(schema, dict):
            yield from self._named(schema, where, inside, level)

    def _named(self, schema: Schema, where: str, inside: tuple[str, ...], level: int) -> Iterator[Finding]:
        if schema.get("aliases"):
            yield Finding("alias", where, "aliases move values between names: make a new version instead")
        kind = schema["type"]
        if kind == "array" or kind == "map":
            items = schema["items" if kind == "array" else "values"]
            if self._is_zero_width(items):
                yield Finding("zero-width-item", where, "its items take no bytes: a few bytes could fill the memory")
            yield from self.walk(items, f"{where}[]", inside, level + 1)
        elif kind == "enum":
            self._defined[_full_name(schema)] = schema
            if schema.get("default") != OTHER or schema["symbols"][-1:] != [OTHER]:
                yield Finding("enum-without-other", where, f"end the symbols with `{OTHER}` and make it the default")
        elif kind == "record":
            self._defined[_full_name(schema)] = schema
            for field in schema["fields"]:
                yield from self._field(field, f"{where}.{field['name']}", (*inside, _full_name(schema)), level)
        elif isinstance(kind, dict | list):
            yield from self.walk(kind, where, inside, level)

    def _field(self, field: Schema, where: str, inside: tuple[str, ...], level: int) -> Iterator[Finding]:
        if field.get("aliases"):
            yield Finding("alias", where, "aliases move values between names: make a new version instead")
        if "default" in field and (self._consent or _names_scope(field["type"])):
            yield Finding("default-on-consent", where, "nobody may be made to have consented: leave the default out")
        if field.get("default") is not None:
            yield Finding("default-value", where, "only null may be a default: a reader must not invent a value")
        yield from self.walk(field["type"], where, inside, level + 1)

    def _is_zero_width(self, schema: Any) -> bool:
        if isinstance(schema, str):
            return schema == "null" or (schema in self._defined and self._is_zero_width(self._defined[schema]))
        if not isinstance(schema, dict):
            return False
        if schema["type"] == "record":
            return all(self._is_zero_width(field["type"]) for field in schema["fields"])
        return bool(schema["type"] == "null" or (schema["type"] == "fixed" and schema["size"] == 0))


def _full_name(schema: Mapping[str, Any]) -> str:
    namespace = schema.get("namespace")
    return f"{namespace}.{schema['name']}" if namespace else str(schema["name"])


def _names_scope(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(_names_scope(part) for part in schema)
    if isinstance(schema, dict):
        return _names_scope(schema["items"]) if schema["type"] == "array" else _names_scope(_full_name_or_type(schema))
    return isinstance(schema, str) and schema.removeprefix(f"{NAMESPACE}.codes.") in SCOPE_CODE_LISTS


def _full_name_or_type(schema: Mapping[str, Any]) -> str:
    return _full_name(schema) if "name" in schema else str(schema["type"])
