"""Reads the contracts (`contracts/catalogue/*.toml`) into event types, code lists and records.

Rules:
- The TOML files are the one source of truth; the `.avsc` files, the checks and every decision follow from them.
- One file is one area: `[area]` names who owns the contract; each `[[family]]` holds events that share their fields.
- Every field states its category, also where it equals the anchor; nothing is assumed for a field that states none.
- The loader puts the envelope fields (`occurredAt`, `lateReason`, `legalBasisCode`) before each event's own.
- A file that cannot hold is refused with a message that names file, family or event, and field.

From here: `contracts.avro_schemas` (wire form), `contracts.models` (checks), and every room that reads an `EventType`.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, NoReturn

from contracts.categories import Category
from contracts.event_types import DOMAIN, NEVER, CodeList, EventType, Field, Kind, RecordType
from contracts.failures import BadContract

DIRECTORY: Final = Path(__file__).with_name("catalogue")
CODE_LISTS_FILE: Final = "code_lists.toml"
OTHER: Final = "OTHER"

_SCALARS: Final[Mapping[str, Kind]] = {
    kind.value: kind for kind in Kind if kind not in (Kind.ENUM, Kind.RECORD)
}  # fmt: skip
_CATEGORIES: Final = frozenset(Category) | {DOMAIN, NEVER}
_FIELD_KEYS: Final = frozenset({"type", "category", "mandatory", "list", "doc", "non_empty", "must_be_true"})
_FAMILY_KEYS: Final = frozenset({"stated_by", "anchor", "control", "without_subject", "version", "events", "fields"})


@dataclass(frozen=True, slots=True)
class Area:
    """One area of the contracts. `owner` is who decides about a change of it."""

    name: str
    owner: str
    doc: str


@dataclass(frozen=True)
class Catalogue:
    """All contracts. `digest` is the SHA-256 (hex) of the files they were read from."""

    areas: Mapping[str, Area]
    event_types: Mapping[str, EventType]
    code_lists: Mapping[str, CodeList]
    records: Mapping[str, RecordType]
    digest: str

    @cached_property
    def by_ce_type(self) -> Mapping[str, EventType]:
        """The event types by their CloudEvents type."""
        return {event_type.ce_type: event_type for event_type in self.event_types.values()}


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Return the contracts that come with this program, read once."""
    return read_catalogue(DIRECTORY)


def read_catalogue(directory: Path) -> Catalogue:
    """Read every `*.toml` of `directory`; raise `BadContract` on anything that the grammar does not know."""
    paths = sorted(directory.glob("*.toml"))
    contents = {path.name: path.read_bytes() for path in paths}
    if CODE_LISTS_FILE not in contents:
        raise BadContract(f"`{directory}` has no `{CODE_LISTS_FILE}`: expected the code lists and records there")
    documents = {name: _parsed(name, content) for name, content in contents.items()}
    code_lists, records = _code_lists_and_records(documents.pop(CODE_LISTS_FILE))
    areas: dict[str, Area] = {}
    event_types: dict[str, EventType] = {}
    for name, document in documents.items():
        reader = _AreaReader(name, document, code_lists, records)
        areas[reader.area.name] = reader.area
        for event_type in reader.event_types():
            if event_type.name in event_types:
                _refuse(name, event_type.name, "", "this event name is taken: give each event one name in one file")
            event_types[event_type.name] = event_type
    digest = hashlib.sha256(b"".join(f"{name}\n".encode() + contents[name] for name in contents)).hexdigest()
    return Catalogue(areas, event_types, code_lists, records, digest)


def _parsed(name: str, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadContract(f"`{name}` is not TOML: {error}") from error


def _refuse(file: str, where: str, field: str, problem: str) -> NoReturn:
    place = f"`{file}`, `{where}`" + (f", field `{field}`" if field else "")
    raise BadContract(f"{place}: {problem}")


def _code_lists_and_records(document: dict[str, Any]) -> tuple[dict[str, CodeList], dict[str, RecordType]]:
    code_lists: dict[str, CodeList] = {}
    for name, entry in document.pop("code_list", {}).items():
        unknown = set(entry) - {"symbols", "extensible", "doc"}
        symbols = entry.get("symbols")
        if unknown or not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            _refuse(CODE_LISTS_FILE, name, "", "expected `symbols` (a list of texts), `doc` and `extensible` only")
        code_lists[name] = CodeList(name, tuple(symbols), entry.get("doc", ""), entry.get("extensible", False))
    records: dict[str, RecordType] = {}
    for name, entry in document.pop("record", {}).items():
        fields = tuple(
            _field(CODE_LISTS_FILE, name, field_name, table, code_lists, {})
            for field_name, table in entry.get("fields", {}).items()
        )
        records[name] = RecordType(name, fields, entry.get("doc", ""))
    if document:
        _refuse(CODE_LISTS_FILE, ", ".join(sorted(document)), "", "expected `code_list` and `record` tables only")
    return code_lists, records


def _field(
    file: str,
    where: str,
    name: str,
    table: object,
    code_lists: Mapping[str, CodeList],
    records: Mapping[str, RecordType],
) -> Field:
    if not isinstance(table, dict):
        _refuse(file, where, name, "expected an inline table with type, category, doc")
    if unknown := set(table) - _FIELD_KEYS:
        _refuse(file, where, name, f"unknown key `{min(unknown)}`: expected one of {', '.join(sorted(_FIELD_KEYS))}")
    category = table.get("category")
    if category not in _CATEGORIES:
        _refuse(file, where, name, "expected a category (one of the 18, `domain` or `never`): classify the field")
    for flag in ("mandatory", "list", "non_empty", "must_be_true"):
        if not isinstance(table.get(flag, False), bool):
            _refuse(file, where, name, f"`{flag}` is true or false")
    kind, type_name = _kind_of(table.get("type"), code_lists, records)
    if kind is None:
        _refuse(file, where, name, f"type `{table.get('type')}`: expected a kind, a code list or a record")
    if (table.get("non_empty") and not table.get("list")) or (table.get("must_be_true") and kind is not Kind.BOOL):
        _refuse(file, where, name, "`non_empty` belongs to a list and `must_be_true` to a bool")
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


class _AreaReader:
    """Reads one area's document into its event types."""

    def __init__(
        self,
        file: str,
        document: dict[str, Any],
        code_lists: Mapping[str, CodeList],
        records: Mapping[str, RecordType],
    ) -> None:
        self._file, self._code_lists, self._records = file, code_lists, records
        if unknown := set(document) - {"area", "family"}:
            _refuse(file, min(unknown), "", "expected one `[area]` and `[[family]]` tables only")
        head = document.get("area")
        if not isinstance(head, dict) or set(head) != {"name", "owner", "doc"} or head["name"] != Path(file).stem:
            _refuse(file, "area", "", "expected `[area]` with `name` (that of the file), `owner` and `doc`")
        self.area = Area(head["name"], head["owner"], head["doc"])
        self._families = document.get("family", [])

    def event_types(self) -> Iterator[EventType]:
        """Every event type of the area, in the order of the file."""
        return chain.from_iterable(self._family(number, table) for number, table in enumerate(self._families, 1))

    def _family(self, number: int, table: dict[str, Any]) -> Iterator[EventType]:
        events = table.get("events")
        where = next(iter(events)) if isinstance(events, dict) and events else f"family {number}"
        if unknown := set(table) - _FAMILY_KEYS:
            _refuse(self._file, where, "", f"unknown key `{min(unknown)}`: expected {', '.join(sorted(_FAMILY_KEYS))}")
        if not isinstance(events, dict) or not events:
            _refuse(self._file, where, "", "expected `[family.events]` with a doc for each event")
        anchor, stated_by = table.get("anchor"), table.get("stated_by")
        if anchor not in _CATEGORIES:
            _refuse(self._file, where, "", "expected an `anchor`: one of the 18 categories, `domain` or `never`")
        if not isinstance(stated_by, list) or not stated_by or not all(isinstance(role, str) for role in stated_by):
            _refuse(self._file, where, "", "expected `stated_by`: the roles that may state these events")
        fields = _envelope(str(anchor)) + tuple(
            _field(self._file, where, name, field, self._code_lists, self._records)
            for name, field in table.get("fields", {}).items()
        )
        names = [field.name for field in fields]
        for name in names:
            if names.count(name) > 1:
                _refuse(self._file, where, name, "the envelope has a field of this name: choose another")
        if anchor == DOMAIN and "domain" not in names:
            _refuse(self._file, where, "domain", "an event anchored in its domain needs this field")
        for name, doc in events.items():
            yield EventType(
                name,
                self.area.name,
                tuple(stated_by),
                str(anchor),
                fields,
                str(doc),
                table.get("version", 1),
                table.get("control", False),
                table.get("without_subject", False),
            )


def _envelope(anchor: str) -> tuple[Field, ...]:
    return (
        Field(
            "occurredAt",
            Kind.TIMESTAMP,
            anchor,
            "When it happened, by the agency's own knowledge; may lie before the day on which it is stated.",
            mandatory=True,
        ),
        Field(
            "lateReason",
            Kind.CODE,
            NEVER,
            "Why the event is stated long after it happened; read by auditors, shown to no receiver.",
        ),
        Field(
            "legalBasisCode",
            Kind.CODE,
            NEVER,
            "The agency's own reference to the law it states this under; read by auditors, shown to no receiver.",
        ),
    )
