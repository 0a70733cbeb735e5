"""Generated wire values for any event type, and the Avro primitives that hostile bodies are made of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from contracts.avro_schemas import Form, fields_of
from contracts.catalogue import catalogue
from contracts.event_types import EventType, Field, Kind
from contracts.limits import DAY_MAX, DAY_MIN, INSTANT_MAX, INSTANT_MIN, INT_MAX
from contracts.models import _decimal_bytes

SAMPLE = "HousingSecured"

_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
_VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.UUID: st.uuids().map(str),
    Kind.STRING: _text,
    Kind.INT: st.integers(0, INT_MAX),
    Kind.BOOL: st.booleans(),
    Kind.TIMESTAMP: st.integers(INSTANT_MIN, INSTANT_MAX),
    Kind.DATE: st.integers(DAY_MIN, DAY_MAX),
    Kind.DECIMAL: st.integers(-(10**10) + 1, 10**10 - 1).map(_decimal_bytes),
    Kind.PARTY: st.from_regex(r"\A[A-Za-z0-9]{1,8}(\.[A-Z]{3}){0,2}\Z"),
    Kind.MUNICIPALITY: st.from_regex(r"\A[A-Za-z0-9]{1,6}\Z"),
    Kind.STAFF: st.from_regex(r"\As-[a-z0-9]{1,12}\Z"),
    Kind.PERSON: st.from_regex(r"\Ap-[a-z0-9]{1,12}\Z"),
    Kind.CODE: st.from_regex(r"\A[A-Z][A-Z0-9_.:-]{0,20}\Z"),
}


def _values(field: Field) -> st.SearchStrategy[Any]:
    if field.must_be_true:
        return st.just(True)
    if field.kind is Kind.ENUM:
        value: st.SearchStrategy[Any] = st.sampled_from(catalogue().code_lists[field.type_name].symbols)
    elif field.kind is Kind.RECORD:
        value = st.fixed_dictionaries(
            {part.name: _optional(part) for part in catalogue().records[field.type_name].fields}
        )
    else:
        value = _VALUES[field.kind]
    return st.lists(value, min_size=int(field.non_empty), max_size=4) if field.repeated else value


def _optional(field: Field) -> st.SearchStrategy[Any]:
    return _values(field) if field.mandatory else st.none() | _values(field)


def payloads(event_type: EventType) -> st.SearchStrategy[dict[str, Any]]:
    """Complete published payloads of `event_type`: every key there, absent values `None`."""
    return st.fixed_dictionaries({field.name: _optional(field) for field in event_type.fields})


def disclosed_payloads(event_type: EventType) -> st.SearchStrategy[dict[str, Any]]:
    """Complete disclosed payloads of `event_type`: anything may be `None`."""
    fields = fields_of(event_type, Form.DISCLOSED)
    return st.fixed_dictionaries({field.name: st.none() | _values(field) for field in fields})


def event_types() -> st.SearchStrategy[EventType]:
    """Any event type of the catalogue."""
    return st.sampled_from(list(catalogue().event_types.values()))


def varint(number: int) -> bytes:
    """The shortest zig-zag variable-length encoding of `number`."""
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def text(value: str) -> bytes:
    """Avro's encoding of a string."""
    encoded = value.encode()
    return varint(len(encoded)) + encoded
