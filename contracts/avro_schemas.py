"""Derives the Avro schemas of an event type: the published form and the disclosed form.

Rules:
- Deterministic: the same catalogue gives the same schema, byte for byte, so fingerprints and ids can be stable.
- Published form: mandatory fields are plain, optional ones `["null", T]`.
- Disclosed form: every field that can ever be shown, all `["null", T]`, in the same order; the record's name ends in
  `Disclosed`, so that no reader can take one form for the other by its short name. List items keep their form: an
  item is shown whole or not at all.
- A nullable field defaults to null only where it was optional, and never in a consent or in a consent's scope: no
  reader may fill in what nobody said.
- A closed code list is an enum whose default is its last symbol, `OTHER`; an extensible one travels as text.

From here: `contracts.schema_ids` (files and ids) and `contracts.codec` (bytes).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from contracts.catalogue import Catalogue
from contracts.event_types import CONSENT_AREA, NEVER, OTHER, SCOPE_CODE_LISTS, EventType, Field, Kind, base_name
from contracts.limits import DECIMAL_PRECISION, DECIMAL_SCALE

Schema = dict[str, Any]

NAMESPACE: Final = "org.casehub"

_TEXT_KINDS: Final = frozenset(
    {Kind.STRING, Kind.PARTY, Kind.MUNICIPALITY, Kind.STAFF, Kind.PERSON, Kind.CODE}
)  # fmt: skip


class Form(StrEnum):
    """The two forms in which an event travels."""

    PUBLISHED = "published"
    DISCLOSED = "disclosed"


def is_disclosable(event_type: EventType) -> bool:
    """Whether anybody but its publisher may ever be shown an event of this type."""
    return not event_type.control and event_type.anchor != NEVER


def forms_of(event_type: EventType) -> tuple[Form, ...]:
    """The forms that an event type has: what is never disclosed has no disclosed form."""
    return (Form.PUBLISHED, Form.DISCLOSED) if is_disclosable(event_type) else (Form.PUBLISHED,)


def fields_of(event_type: EventType, form: Form) -> tuple[Field, ...]:
    """The fields of one form, in wire order."""
    if form is Form.PUBLISHED:
        return event_type.fields
    return tuple(field for field in event_type.fields if field.category != NEVER)


def schema_of(event_type: EventType, form: Form, catalogue: Catalogue) -> Schema:
    """Return the Avro schema of `event_type` in `form`, as JSON-shaped values."""
    defined: set[str] = set()
    disclosed = form is Form.DISCLOSED
    doc = f"{event_type.doc} In the form in which it is disclosed." if disclosed else event_type.doc
    return {
        "type": "record",
        "name": event_type.name + ("Disclosed" if disclosed else ""),
        "namespace": f"{NAMESPACE}.{event_type.area}",
        "doc": doc,
        "fields": [
            _field_schema(
                field,
                nullable=disclosed or not field.mandatory,
                default=_may_default(event_type, field),
                catalogue=catalogue,
                defined=defined,
            )
            for field in fields_of(event_type, form)
        ],
    }


def _may_default(event_type: EventType, field: Field) -> bool:
    return not field.mandatory and event_type.area != CONSENT_AREA and field.base_type not in SCOPE_CODE_LISTS


def _field_schema(field: Field, *, nullable: bool, default: bool, catalogue: Catalogue, defined: set[str]) -> Schema:
    value: Any = _value_schema(field, catalogue, defined)
    if field.repeated:
        value = {"type": "array", "items": value}
    schema: Schema = {"name": field.name, "type": ["null", value] if nullable else value}
    if nullable and default:
        schema["default"] = None
    schema["doc"] = field.doc
    schema["category"] = field.category
    return schema


def _value_schema(field: Field, catalogue: Catalogue, defined: set[str]) -> Any:
    if field.kind in _TEXT_KINDS:
        return "string"
    if field.kind is Kind.ENUM:
        return _enum_schema(field.type_name, catalogue, defined)
    if field.kind is Kind.RECORD:
        return _record_schema(field.type_name, catalogue, defined)
    return _PLAIN[field.kind]


_PLAIN: Final[Mapping[Kind, Any]] = {
    Kind.UUID: {"type": "string", "logicalType": "uuid"},
    Kind.INT: "int",
    Kind.BOOL: "boolean",
    Kind.TIMESTAMP: {"type": "long", "logicalType": "timestamp-millis"},
    Kind.DATE: {"type": "int", "logicalType": "date"},
    Kind.DECIMAL: {
        "type": "bytes",
        "logicalType": "decimal",
        "precision": DECIMAL_PRECISION,
        "scale": DECIMAL_SCALE,
    },
}


def _enum_schema(name: str, catalogue: Catalogue, defined: set[str]) -> Any:
    full_name = f"{NAMESPACE}.codes.{base_name(name)}"
    if full_name in defined:
        return full_name
    defined.add(full_name)
    code_list = catalogue.code_lists[name]
    return {
        "type": "enum",
        "name": base_name(name),
        "namespace": f"{NAMESPACE}.codes",
        "doc": code_list.doc,
        "symbols": list(code_list.symbols),
        "default": OTHER,
    }


def _record_schema(name: str, catalogue: Catalogue, defined: set[str]) -> Any:
    full_name = f"{NAMESPACE}.records.{base_name(name)}"
    if full_name in defined:
        return full_name
    defined.add(full_name)
    record = catalogue.records[name]
    return {
        "type": "record",
        "name": base_name(name),
        "namespace": f"{NAMESPACE}.records",
        "doc": record.doc,
        "fields": [
            _field_schema(
                field,
                nullable=not field.mandatory,
                default=not field.mandatory,
                catalogue=catalogue,
                defined=defined,
            )
            for field in record.fields
        ],
    }


def schema_text(schema: Schema) -> str:
    """The text of an `.avsc` file: what is fingerprinted and what an agency's developer reads."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def fingerprint(schema: Schema) -> str:
    """SHA-256 (hex) over everything in a schema that readers and writers depend on; docs may be mended freely."""
    return hashlib.sha256(json.dumps(_bare(schema), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def without_logical_types(schema: Any) -> Any:
    """The same schema read as wire values: times as numbers, uuids as text, decimals as bytes; same bytes."""
    if isinstance(schema, dict):
        if "logicalType" in schema:
            return schema["type"]
        return {key: without_logical_types(value) for key, value in schema.items()}
    return [without_logical_types(part) for part in schema] if isinstance(schema, list) else schema


def _bare(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _bare(value) for key, value in schema.items() if key != "doc"}
    return [_bare(part) for part in schema] if isinstance(schema, list) else schema
