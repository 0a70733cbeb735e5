"""Reads the contracts (`contracts/catalogue/*.toml`) into event types, code lists and records.

Rules:
- The TOML files are the one source of truth; the `.avsc` files, the checks and every decision follow from them.
- One file is one area: `[area]` names who owns the contract; each `[[family]]` holds events that share their fields.
- Every field states its category, also where it equals the anchor; nothing is assumed for a field that states none.
- The loader puts the envelope fields (`occurredAt`, `lateReason`, `legalBasisCode`) before each event's own.
- A version that has a successor stands on, whole, as `[[earlier]]`, with the rules by which it is read as the next; so
  do the code lists and records that it names, as `[code_list."HousingKind@1"]`. None is ever taken out.
- A file that cannot hold is refused with a message that names file, family or event, and field.

From here: `contracts.avro_schemas` (wire form), `contracts.models` (checks), and every room that reads an `EventType`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Final, NoReturn

from contracts.categories import Category
from contracts.event_types import DOMAIN, NEVER, CodeList, EventType, Field, Kind, RecordType
from contracts.failures import BadContract
from contracts.upcast import Translation, Types, Upcast, translation

DIRECTORY: Final = Path(__file__).with_name("catalogue")
CODE_LISTS_FILE: Final = "code_lists.toml"

_SCALARS: Final[Mapping[str, Kind]] = {
    kind.value: kind for kind in Kind if kind not in (Kind.ENUM, Kind.RECORD)
}  # fmt: skip
_CATEGORIES: Final = frozenset(Category) | {DOMAIN, NEVER}
_FIELD_KEYS: Final = frozenset({"type", "category", "mandatory", "list", "doc", "non_empty", "must_be_true"})
_FAMILY_KEYS: Final = frozenset({"stated_by", "anchor", "control", "without_subject", "version", "events", "fields"})
_EARLIER_KEYS: Final = _FAMILY_KEYS | {"ends_on", "upcast"}
_UPCAST_KEYS: Final = frozenset({"renamed", "dropped", "codes", "records"})
_TYPE_NAME: Final = re.compile(r"\w+(?:@[1-9]\d*)?")


@dataclass(frozen=True, slots=True)
class Area:
    """One area of the contracts. `owner` is who decides about a change of it."""

    name: str
    owner: str
    doc: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """A version that has a successor, and how its values are read as the next one's."""

    event_type: EventType
    to_next: Translation


@dataclass(frozen=True)
class Catalogue:
    """All contracts. `digest` is the SHA-256 (hex) of the files they were read from.

    `event_types` has the newest version of each. `earlier` has those before it, the oldest first; `code_lists` and
    `records` hold theirs too, under names that end in `@<n>`.
    """

    areas: Mapping[str, Area]
    event_types: Mapping[str, EventType]
    code_lists: Mapping[str, CodeList]
    records: Mapping[str, RecordType]
    digest: str
    earlier: Mapping[str, tuple[Earlier, ...]] = field(default_factory=dict)

    @cached_property
    def every_version(self) -> tuple[EventType, ...]:
        """Every version of every event type, those of one type from the oldest to the newest."""
        return tuple(chain.from_iterable(self.versions(name) for name in self.event_types))

    def versions(self, name: str) -> tuple[EventType, ...]:
        """Every version of one event type, the newest last; raises `KeyError` for an unknown name."""
        return (*(each.event_type for each in self.earlier.get(name, ())), self.event_types[name])


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
    earlier: dict[str, tuple[Earlier, ...]] = {}
    for name, document in documents.items():
        reader = _AreaReader(name, document, code_lists, records)
        areas[reader.area.name] = reader.area
        present = {}
        for event_type in reader.event_types():
            if event_type.name in event_types:
                _refuse(name, event_type.name, "", "this event name is taken: give each event one name in one file")
            present[event_type.name] = event_types[event_type.name] = event_type
        earlier |= reader.earlier(present)
    digest = hashlib.sha256(b"".join(f"{name}\n".encode() + contents[name] for name in contents)).hexdigest()
    return Catalogue(areas, event_types, code_lists, records, digest, earlier)


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
        _check_type_name(name)
        code_lists[name] = CodeList(name, tuple(symbols), entry.get("doc", ""), entry.get("extensible", False))
    records: dict[str, RecordType] = {}
    for name, entry in document.pop("record", {}).items():
        _check_type_name(name)
        fields = tuple(
            _field(CODE_LISTS_FILE, name, field_name, table, code_lists, {})
            for field_name, table in entry.get("fields", {}).items()
        )
        records[name] = RecordType(name, fields, entry.get("doc", ""))
    if document:
        _refuse(CODE_LISTS_FILE, ", ".join(sorted(document)), "", "expected `code_list` and `record` tables only")
    return code_lists, records


def _check_type_name(name: str) -> None:
    if not _TYPE_NAME.fullmatch(name):
        _refuse(CODE_LISTS_FILE, name, "", "expected a name, for an earlier version with `@` and its number after it")


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
        if unknown := set(document) - {"area", "family", "earlier"}:
            _refuse(file, min(unknown), "", "expected one `[area]`, `[[family]]` and `[[earlier]]` tables only")
        head = document.get("area")
        if not isinstance(head, dict) or set(head) != {"name", "owner", "doc"} or head["name"] != Path(file).stem:
            _refuse(file, "area", "", "expected `[area]` with `name` (that of the file), `owner` and `doc`")
        self.area = Area(head["name"], head["owner"], head["doc"])
        self._families, self._earlier = document.get("family", []), document.get("earlier", [])

    def event_types(self) -> Iterator[EventType]:
        """Every event type of the area in its newest version, in the order of the file."""
        return chain.from_iterable(
            self._family(number, table, _FAMILY_KEYS) for number, table in enumerate(self._families, 1)
        )

    def earlier(self, present: Mapping[str, EventType]) -> dict[str, tuple[Earlier, ...]]:
        """The versions before the `present` ones of this area, each with its way to the next."""
        found: dict[str, dict[int, tuple[EventType, Upcast]]] = {}
        for number, table in enumerate(self._earlier, 1):
            for event_type in self._family(number, table, _EARLIER_KEYS):
                if event_type.name not in present:
                    _refuse(self._file, event_type.name, "", "an earlier version stands in the file of the newest one")
                rules = self._upcast(event_type.name, table.get("upcast", {}))
                versions = found.setdefault(event_type.name, {})
                if event_type.version in versions:
                    _refuse(self._file, event_type.name, "", f"version {event_type.version} stands twice")
                versions[event_type.version] = event_type, rules
        types = Types(self._code_lists, self._records)
        ladders: dict[str, tuple[Earlier, ...]] = {}
        for name, newest in present.items():
            versions = found.get(name, {})
            if sorted(versions) != list(range(1, newest.version)):
                missing = "every version from 1 up to the one before the newest, each once"
                _refuse(self._file, name, "", f"version {newest.version}: expected as `[[earlier]]` {missing}")
            steps = [*(versions[number] for number in sorted(versions)), (newest, Upcast())]
            ladders[name] = tuple(
                Earlier(old, translation(old, new, rules, types)) for (old, rules), (new, _) in pairwise(steps)
            )
        return {name: ladder for name, ladder in ladders.items() if ladder}

    def _upcast(self, where: str, table: object) -> Upcast:
        if not isinstance(table, dict) or set(table) - _UPCAST_KEYS:
            _refuse(self._file, where, "", f"`upcast`: expected {', '.join(sorted(_UPCAST_KEYS))} only")
        renamed, dropped = table.get("renamed", {}), table.get("dropped", [])
        codes, records = table.get("codes", {}), table.get("records", {})
        tables = all(isinstance(part, dict) for part in (renamed, codes, records)) and isinstance(dropped, list)
        if not tables or not all(isinstance(name, str) for name in (*renamed.values(), *dropped)):
            _refuse(self._file, where, "", "`upcast`: expected `dropped` as a list of names and the others as tables")
        back = {old: new for new, old in renamed.items()}
        told: dict[str, dict[str, dict[str, str]]] = {}
        for name, parts in codes.items():
            if not isinstance(parts, dict):
                _refuse(self._file, where, name, "`upcast.codes`: expected a table of codes")
            # A code alone is that of the same field, under the name that it has now.
            one = {old: {back.get(name, name): new} if isinstance(new, str) else new for old, new in parts.items()}
            if not all(
                isinstance(new, dict) and all(type(code) is str for code in new.values()) for new in one.values()
            ):
                _refuse(self._file, where, name, "`upcast.codes`: expected old code = new code, or a table of fields")
            told[name] = one
        inner = {name: self._upcast(where, part) for name, part in records.items()}
        return Upcast(renamed, frozenset(dropped), told, inner)

    def _family(self, number: int, table: dict[str, Any], keys: frozenset[str]) -> Iterator[EventType]:
        events = table.get("events")
        where = next(iter(events)) if isinstance(events, dict) and events else f"family {number}"
        if unknown := set(table) - keys:
            _refuse(self._file, where, "", f"unknown key `{min(unknown)}`: expected {', '.join(sorted(keys))}")
        version, ends_on = table.get("version", 1), table.get("ends_on")
        if type(version) is not int or version < 1:
            _refuse(self._file, where, "", "`version` is a whole number from 1")
        if ends_on is not None and (not isinstance(ends_on, date) or isinstance(ends_on, datetime)):
            _refuse(self._file, where, "", "`ends_on` is a day, such as 2031-01-01")
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
        self._check_one_version_of_each_type(where, fields)
        for name, doc in events.items():
            yield EventType(
                name,
                self.area.name,
                tuple(stated_by),
                str(anchor),
                fields,
                str(doc),
                version,
                table.get("control", False),
                ends_on,
                table.get("without_subject", False),
            )

    def _check_one_version_of_each_type(self, where: str, fields: tuple[Field, ...]) -> None:
        """In Avro both versions of a code list have one name: within one schema there can be one of them."""
        taken: dict[str, str] = {}
        waiting = list(fields)
        while waiting:
            each = waiting.pop()
            if taken.setdefault(each.base_type, each.type_name) != each.type_name:
                _refuse(self._file, where, each.name, f"names another version of `{each.base_type}` than other fields")
            if each.kind is Kind.RECORD:
                waiting.extend(self._records[each.type_name].fields)


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
