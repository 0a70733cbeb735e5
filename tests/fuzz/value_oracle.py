"""Whether the values of a sound Avro record are those of the model: by the words of `contracts/WIRE.md`, by hand.

Rules:
- Written from the document and the contract's fields alone; nothing of `contracts.models` is used.
- The answer is yes or no: which field is named first is the model's own.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from contracts.catalogue import catalogue
from contracts.event_types import Field, Kind
from contracts.limits import CODE_CHARACTERS_MAX, LIST_ITEMS_MAX, TEXT_CHARACTERS_MAX

_LETTERS_AND_DIGITS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_FIRST_DAY, _LAST_DAY = -25_567, 84_005
_DAY_MS = 86_400_000


def values_are_sound(fields: Iterable[Field], values: Mapping[str, Any]) -> bool:
    """Whether every field has a value of its type, within form, range, length and code list."""
    return all(_field_is_sound(field, values.get(field.name)) for field in fields)


def _field_is_sound(field: Field, value: Any) -> bool:
    if value is None:
        return not field.mandatory
    if not field.repeated:
        return _is_sound(field, value)
    return int(field.non_empty) <= len(value) <= LIST_ITEMS_MAX and all(_is_sound(field, item) for item in value)


def _is_sound(field: Field, value: Any) -> bool:
    match field.kind:
        case Kind.RECORD:
            return values_are_sound(catalogue().records[field.type_name].fields, value)
        case Kind.ENUM:
            return value in catalogue().code_lists[field.type_name].symbols
        case Kind.BOOL:
            return value is True or not field.must_be_true
        case Kind.INT:
            return 0 <= int(value) <= 2_147_483_647
        case Kind.DATE:
            return _FIRST_DAY <= int(value) <= _LAST_DAY
        case Kind.TIMESTAMP:
            return _FIRST_DAY * _DAY_MS <= int(value) < (_LAST_DAY + 1) * _DAY_MS
        case Kind.DECIMAL:
            return _is_decimal(value)
        case Kind.UUID:
            return _is_uuid(value)
        case Kind.STRING:
            return 1 <= len(value) <= TEXT_CHARACTERS_MAX and not any(map(_is_control, value))
        case Kind.STAFF | Kind.PERSON:
            return _is_made_of(value, "._:-", 80) and not _looks_like_a_national_id(value)
        case Kind.PARTY:
            parts = value.split(".")
            return len(parts) <= 4 and all(_is_made_of(part, "", 40) for part in parts)
        case Kind.MUNICIPALITY:
            return _is_made_of(value, "", 40)
        case Kind.CODE:
            return _is_made_of(value, "_.:-", CODE_CHARACTERS_MAX)
    raise AssertionError(f"kind `{field.kind}` has no rule here: write it from WIRE.md")


def _is_made_of(text: str, more: str, characters_max: int) -> bool:
    return 1 <= len(text) <= characters_max and all(each in _LETTERS_AND_DIGITS or each in more for each in text)


def _is_control(character: str) -> bool:
    """A control character but tab and line breaks."""
    return unicodedata.category(character) == "Cc" and character not in "\t\r\n"


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _is_decimal(value: bytes) -> bool:
    """At most ten digits, in as few bytes as two's complement takes."""
    if not 1 <= len(value) <= 5 or abs(int.from_bytes(value, "big", signed=True)) > 9_999_999_999:
        return False
    if len(value) == 1:
        return True
    needless = (value[0] == 0x00 and value[1] < 0x80) or (value[0] == 0xFF and value[1] >= 0x80)
    return not needless


def _looks_like_a_national_id(text: str) -> bool:
    """Six or eight digits, a sign or none, four digits."""
    head, tail = text[:-4], text[-4:]
    body = head[:-1] if head[-1:] in "-+ " and head else head
    return tail.isdecimal() and len(tail) == 4 and body.isdecimal() and len(body) in (6, 8)
