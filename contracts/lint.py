"""Judges the contracts: what may never get into a catalogue, each rule with the harm that it prevents.

Rules (each has a red example in the tests):
- unclassified-field, category-without-domain: nothing may leave whose category is not known.
- whereabouts: `setting` and `inCustody` are always of category CU; shown only when harmless they would betray the rest.
- missing-doc, doc-form: an agency's developer must be able to state the field from the contract alone, and nothing in
  a doc may steer the terminal or browser that shows it.
- name-form, duplicate-short-name, duplicate-field: Avro readers match records by their short name, files and columns
  carry the names; two alike, capitals aside, are read as each other.
- national-id: who somebody is travels over the identity service alone, never in an event.
- control: what the hub states to itself is stated by it alone and shown to nobody; a party's own control record says
  nothing but that it was sent.
- enum-without-other: a reader that is older than a symbol must have something to fall back to.
- unknown-role: an event that nobody may state, or that a misspelt role may, is a mistake.
- schema-size: a reader parses all of it at its start.
- The schemas that are derived from it are judged too, by `contracts.schema_lint`.

From here: `hub contracts lint`; and `contracts.schema_ids`, which gives no id to what has a finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from contracts.avro_schemas import Form, forms_of, schema_of
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
    EventType,
    Field,
    Kind,
    base_name,
)
from contracts.limits import DOC_CHARACTERS_MAX, FIELDS_COUNT_MAX, SYMBOLS_COUNT_MAX
from contracts.schema_lint import Finding, lint_schema

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
_TYPE_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]{1,39}")
_AREA_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,39}")
_NATIONAL_ID: Final = re.compile("cpr|personnummer|personalid|nationalid|civilreg|socialsecurity|ssn", re.IGNORECASE)
_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
_CATEGORIES: Final = frozenset(Category) | {DOMAIN, NEVER}


def lint(catalogue: Catalogue) -> list[Finding]:
    """Return every breach in `catalogue` and in the schemas derived from it; empty means clean."""
    findings = [*_code_lists(catalogue), *_names(catalogue)]
    for record in catalogue.records.values():
        findings += [*_doc(record.name, record.doc), *_type_name(record.name), *_together(record.name, record.fields)]
        for field in record.fields:
            findings += _field(f"{record.name}.{field.name}", field, has_domain=True)
    for event_type in catalogue.every_version:
        findings += _event_type(event_type)
        for form in forms_of(event_type):
            schema = schema_of(event_type, form, catalogue)
            findings += lint_schema(schema, consent=event_type.area == CONSENT_AREA)
    return sorted(set(findings), key=lambda finding: (finding.where, finding.rule))


# --- the catalogue


def _event_type(event_type: EventType) -> Iterator[Finding]:
    name = event_type.name
    yield from _doc(name, event_type.doc)
    yield from _together(name, event_type.fields)
    if not _AREA_NAME.fullmatch(event_type.area):
        yield Finding("name-form", name, "its area has a lower-case letter first, then lower-case letters, digits, `_`")
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
    if _NATIONAL_ID.search(field.name.replace("_", "")):
        yield Finding(
            "national-id", where, "no event carries a national id: name the citizen by the record's key alone"
        )
    if field.category not in _CATEGORIES:
        yield Finding("unclassified-field", where, "give it one of the 18 categories, `domain` or `never`")
    item_has_domain = field.repeated and (field.kind is Kind.RECORD or field.base_type == "Domain")
    if field.category == DOMAIN and not (item_has_domain if field.repeated else has_domain):
        yield Finding("category-without-domain", where, "there is no domain to take the category from: name a category")


def _doc(where: str, doc: str) -> Iterator[Finding]:
    if len(doc.strip()) < _DOC_CHARACTERS_MIN:
        yield Finding("missing-doc", where, "say in one sentence what it means and how to fill it")
    if len(doc) > DOC_CHARACTERS_MAX or not doc.isprintable():
        yield Finding("doc-form", where, f"expected at most {DOC_CHARACTERS_MAX} characters that can be printed")


def _together(where: str, fields: tuple[Field, ...]) -> Iterator[Finding]:
    """What is wrong with the fields of one record as a whole."""
    if len(fields) > FIELDS_COUNT_MAX:
        yield Finding("schema-size", where, f"has more than {FIELDS_COUNT_MAX} fields: split the event")
    folded = [field.name.casefold() for field in fields]
    for name in {each for each in folded if folded.count(each) > 1}:
        yield Finding("duplicate-field", f"{where}.{name}", "the name stands twice, capitals aside: rename one")


def _type_name(name: str) -> Iterator[Finding]:
    if not _TYPE_NAME.fullmatch(base_name(name)):
        yield Finding("name-form", name, "expected an upper-case letter first, then letters and digits")


def _code_lists(catalogue: Catalogue) -> Iterator[Finding]:
    for name, code_list in catalogue.code_lists.items():
        yield from _doc(name, code_list.doc)
        yield from _type_name(name)
        if len(code_list.symbols) > SYMBOLS_COUNT_MAX:
            yield Finding(
                "schema-size", name, f"has more than {SYMBOLS_COUNT_MAX} symbols: let the agency's code travel"
            )
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
