"""Checks the values of an event: strictly for a publisher, and again for what arrives from outside.

Rules:
- `checked` takes Python values (UUID, aware datetime, date, Decimal, text, int, bool, list, dict) and gives wire
  values. Nothing is converted in silence: `1` is no boolean, `"1"` no number, a naive time has no instant.
- `fault_in` checks wire values: mandatory fields, formats, ranges, lengths, list sizes, closed code lists.
- Both give the field (`items[2].goal`), the rule it broke and, for a publisher, what to do; never the value.
- People and staff are pseudonyms: what looks like a national id is refused.

From here: `producers` (checked) and `hub.arrival` (fault_in, then parks `value_outside_model`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from pydantic_core import SchemaValidator, ValidationError
from pydantic_core import core_schema as rules

from contracts.catalogue import Catalogue, catalogue
from contracts.civil_time import day_number, instant_of
from contracts.event_types import EventType, Field, Kind
from contracts.failures import InvalidFact
from contracts.limits import (
    CODE_CHARACTERS_MAX,
    DAY_MAX,
    DAY_MIN,
    DECIMAL_BYTES_MAX,
    DECIMAL_PRECISION,
    DECIMAL_SCALE,
    INSTANT_MAX,
    INSTANT_MIN,
    INT_MAX,
    LIST_ITEMS_MAX,
    TEXT_CHARACTERS_MAX,
)
from contracts.parties import PARTY_ID
from contracts.phrases import lower_first

UUID_TEXT: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z"


class _Form(NamedTuple):
    """The form of a text: what it must match, its greatest length, and the rule in words, as the wire page has it."""

    pattern: str
    characters_max: int
    rule: str


# Danish (6-4 digits) and Swedish (6- or 8-4 digits) national ids never travel, not even in a pseudonym's place.
_NO_NATIONAL_ID: Final = r"^(?!(?:\d{2})?\d{6}[-+ ]?\d{4}\Z)"
_PSEUDONYM: Final = _NO_NATIONAL_ID + r"[A-Za-z0-9._:-]{1,80}\Z"
_TEXT: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+\z"
_PSEUDONYM_FORM: Final = _Form(
    _PSEUDONYM, 80, "is a pseudonym of 1 to 80 letters, digits and `._:-`, and nothing that looks like a national id"
)
_FORMS: Final[Mapping[Kind, _Form]] = {
    Kind.UUID: _Form(UUID_TEXT, 36, "is a UUID in lower case, with hyphens"),
    Kind.STRING: _Form(
        _TEXT,
        TEXT_CHARACTERS_MAX,
        f"is text of 1 to {TEXT_CHARACTERS_MAX} characters, without control characters but tab and line breaks",
    ),
    Kind.PARTY: _Form(
        rf"^(?:{PARTY_ID.pattern})\z", 163, "is a party id: 1 to 4 parts of 1 to 40 letters and digits, joined by `.`"
    ),
    Kind.MUNICIPALITY: _Form(r"^[A-Za-z0-9]{1,40}\z", 40, "is a municipality code of 1 to 40 letters and digits"),
    Kind.STAFF: _PSEUDONYM_FORM,
    Kind.PERSON: _PSEUDONYM_FORM,
    Kind.CODE: _Form(
        rf"^[A-Za-z0-9_.:-]{{1,{CODE_CHARACTERS_MAX}}}\z",
        CODE_CHARACTERS_MAX,
        f"is a code of 1 to {CODE_CHARACTERS_MAX} letters, digits and `_.:-`",
    ),
}
_UNSCALED_MAX: Final = 10**DECIMAL_PRECISION - 1

_UUID: Final = re.compile(UUID_TEXT.replace(r"\z", r"\Z"))


def fault_in(event_type: EventType, payload: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first (field, rule) that the wire values of `payload` break, or `None`."""
    try:
        _validator(event_type).validate_python(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return _path(first["loc"]), _rule(first["type"], first["msg"], first.get("ctx", {}))
    return None


def checked(event_type: EventType, values: Mapping[str, object]) -> dict[str, Any]:
    """Return Python `values` as wire values; raise `InvalidFact` naming field, rule and fix."""
    payload = _converted_record(event_type.field, values, "")
    fault = fault_in(event_type, payload)
    if fault is not None:
        raise InvalidFact(fault[0], fault[1], "see the field's type and doc in the contract")
    return payload


# --- arrival: wire values


@lru_cache(maxsize=1024)
def _validator(event_type: EventType) -> SchemaValidator:
    return SchemaValidator(_record_rules(event_type.fields, catalogue()))


def _record_rules(fields: tuple[Field, ...], contracts: Catalogue) -> rules.CoreSchema:
    return rules.typed_dict_schema(
        {
            field.name: rules.typed_dict_field(
                _list_or_value_rules(field, contracts)
                if field.mandatory
                else rules.nullable_schema(_list_or_value_rules(field, contracts)),
                required=field.mandatory,
            )
            for field in fields
        },
        extra_behavior="forbid",
        strict=True,
    )


def _list_or_value_rules(field: Field, contracts: Catalogue) -> rules.CoreSchema:
    value = _value_rules(field, contracts)
    if not field.repeated:
        return value
    return rules.list_schema(value, min_length=int(field.non_empty), max_length=LIST_ITEMS_MAX, strict=True)


def _value_rules(field: Field, contracts: Catalogue) -> rules.CoreSchema:
    if field.kind is Kind.RECORD:
        return _record_rules(contracts.records[field.type_name].fields, contracts)
    if field.kind is Kind.ENUM:
        return rules.literal_schema(list(contracts.code_lists[field.type_name].symbols))
    if field.must_be_true:
        return rules.literal_schema([True])
    return _RULES[field.kind]


def _text_rules(form: _Form) -> rules.CoreSchema:
    engine: Literal["python-re", "rust-regex"] = "python-re" if form is _PSEUDONYM_FORM else "rust-regex"
    return rules.str_schema(pattern=form.pattern, max_length=form.characters_max, strict=True, regex_engine=engine)


def _check_decimal(value: bytes) -> bytes:
    unscaled = int.from_bytes(value, "big", signed=True)
    if not value or _decimal_bytes(unscaled) != value or abs(unscaled) > _UNSCALED_MAX:
        raise ValueError("not a shortest decimal")
    return value


_RULES: Final[Mapping[Kind, rules.CoreSchema]] = {
    **{kind: _text_rules(form) for kind, form in _FORMS.items()},
    Kind.INT: rules.int_schema(ge=0, le=INT_MAX, strict=True),
    Kind.BOOL: rules.bool_schema(strict=True),
    Kind.TIMESTAMP: rules.int_schema(ge=INSTANT_MIN, le=INSTANT_MAX, strict=True),
    Kind.DATE: rules.int_schema(ge=DAY_MIN, le=DAY_MAX, strict=True),
    Kind.DECIMAL: rules.no_info_after_validator_function(
        _check_decimal, rules.bytes_schema(min_length=1, max_length=DECIMAL_BYTES_MAX, strict=True)
    ),
}

_RULE_OF_PATTERN: Final = {form.pattern: form.rule for form in _FORMS.values()}
_RULE_OF_LENGTH: Final = {form.characters_max: form.rule for form in _FORMS.values()}
_INT_RULE: Final = f"is a whole number from 0 to {INT_MAX}"
_INSTANT_RULE: Final = "is an instant of the years 1900 to 2199, in milliseconds"
_DAY_RULE: Final = "is a day of the years 1900 to 2199"
_RULE_OF_BOUND: Final[Mapping[int, str]] = {
    0: _INT_RULE,
    INT_MAX: _INT_RULE,
    INSTANT_MIN: _INSTANT_RULE,
    INSTANT_MAX: _INSTANT_RULE,
    DAY_MIN: _DAY_RULE,
    DAY_MAX: _DAY_RULE,
}
_RULE_TEXT: Final[Mapping[str, str]] = {
    "missing": "is mandatory",
    "extra_forbidden": "is not in the contract",
    "literal_error": "is outside its closed code list or must be true",
    "value_error": "is no shortest two's complement of a decimal(10,2)",
}


def _rule(kind: str, message: str, limits: Mapping[str, Any]) -> str:
    match kind:
        case "string_pattern_mismatch":
            return _RULE_OF_PATTERN[limits["pattern"]]
        case "string_too_long":
            return _RULE_OF_LENGTH[limits["max_length"]]
        case "greater_than_equal" | "less_than_equal":
            return _RULE_OF_BOUND[limits["ge" if kind == "greater_than_equal" else "le"]]
        case _:
            return _RULE_TEXT.get(kind) or lower_first(message)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        # an unknown name is the sender's own text: it is named only as far as it can be a field's name
        path += f"[{part}]" if isinstance(part, int) else ("." if path else "") + _name(part)
    return path or "value"


def _name(written: object) -> str:
    text = str(written)
    return text if text.isascii() and text.isidentifier() and len(text) <= 40 else "(no field name)"


# --- publisher: Python values


def _converted_record(fields: Mapping[str, Field], values: Mapping[str, object], prefix: str) -> dict[str, Any]:
    for name in values:
        if name not in fields:
            known = ", ".join(f"`{known}`" for known in fields)
            raise InvalidFact(prefix + _name(name), "is not in the contract", f"leave it out, or use one of {known}")
    payload: dict[str, Any] = {}
    for name, field in fields.items():
        value = values.get(name)
        if value is not None:
            payload[name] = _converted(field, value, prefix + name)
        elif field.mandatory:
            raise InvalidFact(prefix + name, "is mandatory", f"give {_EXPECTED[field.kind]}")
        elif prefix:
            # A record inside a list is written as it stands: there an absent field is a null, not a missing key.
            payload[name] = None
    return payload


def _converted(field: Field, value: object, path: str) -> object:
    if not field.repeated:
        return _converted_value(field, value, path)
    if not isinstance(value, list | tuple):
        raise InvalidFact(path, "is a list", "give a list, also for one item")
    if field.non_empty and not value:
        raise InvalidFact(path, "may not be empty", "name at least one")
    if len(value) > LIST_ITEMS_MAX:
        raise InvalidFact(path, f"has at most {LIST_ITEMS_MAX} items", "state the rest as another event")
    return [_converted_value(field, item, f"{path}[{number}]") for number, item in enumerate(value)]


def _converted_value(field: Field, value: object, path: str) -> object:
    if field.kind is Kind.RECORD:
        if not isinstance(value, Mapping):
            raise InvalidFact(path, "is a record", f"give a dict with the fields of `{field.type_name}`")
        record = catalogue().records[field.type_name]
        return _converted_record({part.name: part for part in record.fields}, value, f"{path}.")
    if field.kind is Kind.ENUM:
        symbols = catalogue().code_lists[field.type_name].symbols
        if not isinstance(value, str) or value not in symbols:
            raise InvalidFact(path, f"is outside the code list `{field.type_name}`", f"use one of {', '.join(symbols)}")
        return str(value)
    if field.must_be_true and value is not True:
        raise InvalidFact(path, "must be true", "do it before you state this event")
    convert = _CONVERT.get(field.kind, _converted_text)
    try:
        return convert(value)
    except ValueError as error:
        raise InvalidFact(path, str(error), f"give {_EXPECTED[field.kind]}") from None


def _converted_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("is text")
    return str(value)


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in the form in which every id of this exchange is written: lower case, with hyphens."""
    return _UUID.match(text) is not None


def _converted_uuid(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str) and is_uuid(value):
        return str(value)
    raise ValueError("is a UUID")


def _converted_int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("is a whole number")
    return int(value)


def _converted_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is true or false")
    return value


def _converted_timestamp(value: object) -> int:
    if not isinstance(value, datetime):
        raise ValueError("is an instant")
    if value.utcoffset() is None:
        raise ValueError("is an instant, and a time without a zone is none")
    return instant_of(value)


def _converted_date(value: object) -> int:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError("is a day")
    return day_number(value)


def _converted_decimal(value: object) -> bytes:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError("is a decimal amount")
    if not value:
        return _decimal_bytes(0)
    # By its digits: the context of whoever calls may round what is computed, or have no room for it.
    sign, digits, exponent = value.as_tuple()
    shift = int(exponent) + DECIMAL_SCALE
    whole, beyond = (digits, ()) if shift >= 0 else (digits[:shift], digits[shift:])
    if any(beyond):
        raise ValueError(f"has at most {DECIMAL_SCALE} decimals")
    if value.adjusted() >= DECIMAL_PRECISION - DECIMAL_SCALE:
        raise ValueError(f"has at most {DECIMAL_PRECISION} digits")
    unscaled = int("".join(map(str, whole))) * 10 ** max(shift, 0)
    return _decimal_bytes(-unscaled if sign else unscaled)


def _decimal_bytes(unscaled: int) -> bytes:
    """The shortest two's complement of `unscaled`, as Avro writes a decimal."""
    bits = (unscaled if unscaled >= 0 else ~unscaled).bit_length()
    return unscaled.to_bytes(bits // 8 + 1, "big", signed=True)


_CONVERT: Final[Mapping[Kind, Callable[[object], object]]] = {
    Kind.UUID: _converted_uuid,
    Kind.INT: _converted_int,
    Kind.BOOL: _converted_bool,
    Kind.TIMESTAMP: _converted_timestamp,
    Kind.DATE: _converted_date,
    Kind.DECIMAL: _converted_decimal,
}

_EXPECTED: Final[Mapping[Kind, str]] = {
    Kind.UUID: "a uuid.UUID, or its lower-case text",
    Kind.STRING: f"text of 1 to {TEXT_CHARACTERS_MAX} characters without control characters but tab and line breaks",
    Kind.INT: f"an int from 0 to {INT_MAX}",
    Kind.BOOL: "True or False",
    Kind.TIMESTAMP: "a datetime with a time zone",
    Kind.DATE: "a datetime.date",
    Kind.DECIMAL: "a decimal.Decimal of at most 10 digits, 2 of them after the point",
    Kind.PARTY: "a party id such as `A.SOC`",
    Kind.MUNICIPALITY: "a municipality code of letters and digits",
    Kind.STAFF: "the agency's own pseudonym for the person, never a national id",
    Kind.PERSON: "a pseudonym, never a national id",
    Kind.CODE: f"a code of 1 to {CODE_CHARACTERS_MAX} letters, digits and `_.:-`",
    Kind.ENUM: "a symbol of its code list",
    Kind.RECORD: "a dict with the record's fields",
}
