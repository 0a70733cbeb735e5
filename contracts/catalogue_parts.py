"""Reads the parts of the contracts that several areas share: code lists, records, and a field wherever it stands.

Rules:
- Whatever the grammar does not know is refused with file, place, rule and what was expected.
- A name goes into a message only as far as it can be one.

From here: `contracts.catalogue`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from contracts.categories import Category
from contracts.event_types import DOMAIN, NEVER, CodeList, Field, Kind, RecordType
from contracts.failures import BadContract

CODE_LISTS_FILE: Final = "code_lists.toml"

_SCALARS: Final[Mapping[str, Kind]] = {
    kind.value: kind for kind in Kind if kind not in (Kind.ENUM, Kind.RECORD)
}  # fmt: skip
CATEGORIES: Final = frozenset(Category) | {DOMAIN, NEVER}
_FIELD_KEYS: Final = frozenset({"type", "category", "mandatory", "list", "doc", "non_empty", "must_be_true"})
_NAME_CHARACTERS_MAX: Final = 80
_TYPE_NAME: Final = re.compile(r"\w+(?:@[1-9]\d*)?")


def refuse(file: str, where: str, field: str, rule: str, problem: str) -> NoReturn:
    """Raise `BadContract`: in `file`, of family or event `where`, `rule` is broken by `problem`."""
    place = f"`{file}`, `{shown(where)}`" + (f", field `{shown(field)}`" if field else "")
    raise BadContract(f"{place}: {rule}: {problem}")


def shown(name: str) -> str:
    """A name as far as it can be one: what steers a terminal, or has no end, is not repeated."""
    return name if name.isprintable() and len(name) <= _NAME_CHARACTERS_MAX else "(no name)"


def read_code_lists_and_records(document: dict[str, Any]) -> tuple[dict[str, CodeList], dict[str, RecordType]]:
    """Return the code lists and records of the file that holds them; raise `BadContract` for anything else in it."""
    code_lists: dict[str, CodeList] = {}
    for name, entry in table_of(CODE_LISTS_FILE, "code_list", document.pop("code_list", {})).items():
        table_of(CODE_LISTS_FILE, name, entry)
        symbols, doc, extensible = entry.get("symbols"), entry.get("doc", ""), entry.get("extensible", False)
        wrong = set(entry) - {"symbols", "extensible", "doc"} or not isinstance(extensible, bool)
        wrong = wrong or not isinstance(doc, str) or not isinstance(symbols, list)
        if wrong or not all(isinstance(symbol, str) for symbol in symbols):
            refuse(
                CODE_LISTS_FILE,
                name,
                "",
                "code-list-form",
                "expected `symbols` (a list of texts), `doc` and `extensible` only",
            )
        _check_type_name(name)
        code_lists[name] = CodeList(name, tuple(symbols), doc, extensible)
    records: dict[str, RecordType] = {}
    for name, entry in table_of(CODE_LISTS_FILE, "record", document.pop("record", {})).items():
        _check_type_name(name)
        table_of(CODE_LISTS_FILE, name, entry)
        fields = tuple(
            read_field(CODE_LISTS_FILE, name, field_name, table, code_lists, {})
            for field_name, table in table_of(CODE_LISTS_FILE, name, entry.get("fields", {})).items()
        )
        records[name] = RecordType(name, fields, str(entry.get("doc", "")))
    if document:
        what = "expected `code_list` and `record` tables only"
        refuse(CODE_LISTS_FILE, ", ".join(sorted(document)), "", "unknown-key", what)
    return code_lists, records


def table_of(file: str, where: str, value: object) -> dict[str, Any]:
    """Return `value`, which has to be a table."""
    if not isinstance(value, dict):
        refuse(file, where, "", "table-form", "expected a table")
    return value


def _check_type_name(name: str) -> None:
    if not _TYPE_NAME.fullmatch(name):
        what = "expected a name, for an earlier version with `@` and its number after it"
        refuse(CODE_LISTS_FILE, name, "", "name-form", what)


def read_field(
    file: str,
    where: str,
    name: str,
    table: object,
    code_lists: Mapping[str, CodeList],
    records: Mapping[str, RecordType],
) -> Field:
    """Return the field `name` as its `table` says; raise `BadContract` where it says too much or too little."""
    if not isinstance(table, dict):
        refuse(file, where, name, "field-form", "expected an inline table with type, category, doc")
    if unknown := set(table) - _FIELD_KEYS:
        known = ", ".join(sorted(_FIELD_KEYS))
        refuse(file, where, name, "unknown-key", f"unknown key `{shown(min(unknown))}`: expected one of {known}")
    category = table.get("category")
    if not isinstance(category, str) or category not in CATEGORIES:
        what = "expected a category (one of the 18, `domain` or `never`): classify the field"
        refuse(file, where, name, "unclassified-field", what)
    for flag in ("mandatory", "list", "non_empty", "must_be_true"):
        if not isinstance(table.get(flag, False), bool):
            refuse(file, where, name, "flag-form", f"`{flag}` is true or false")
    kind, type_name = _kind_of(table.get("type"), code_lists, records)
    if kind is None:
        refuse(file, where, name, "unknown-type", "`type`: expected a kind, a code list or a record")
    if (table.get("non_empty") and not table.get("list")) or (table.get("must_be_true") and kind is not Kind.BOOL):
        refuse(file, where, name, "flag-form", "`non_empty` belongs to a list and `must_be_true` to a bool")
    return Field(
        name,
        kind,
        str(category),
        str(table.get("doc", "")),
        table.get("mandatory", False),
        table.get("list", False),
        type_name,
        table.get("non_empty", False),
        table.get("must_be_true", False),
    )


def _kind_of(
    written: object, code_lists: Mapping[str, CodeList], records: Mapping[str, RecordType]
) -> tuple[Kind | None, str]:
    if not isinstance(written, str):
        return None, ""
    if written in _SCALARS:
        return _SCALARS[written], ""
    if written in code_lists:
        return (Kind.CODE if code_lists[written].extensible else Kind.ENUM), written
    return (Kind.RECORD, written) if written in records else (None, "")
