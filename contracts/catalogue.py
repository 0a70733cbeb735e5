"""Reads the contracts (`contracts/catalogue/*.toml`) into event types, code lists and records.

Rules:
- The TOML files are the one source of truth; the `.avsc` files, the checks and every decision follow from them.
- One file is one area: `[area]` names who owns the contract; each `[[family]]` holds events that share their fields.
- Every field states its category, also where it equals the anchor; nothing is assumed for a field that states none.
- The loader puts the envelope fields (`occurredAt`, `lateReason`, `legalBasisCode`) before each event's own.
- A version that has a successor stands on, whole, as `[[earlier]]`, with the rules by which it is read as the next; so
  do the code lists and records that it names, as `[code_list."HousingKind@1"]`. None is ever taken out.
- A file that cannot hold is refused with a message that names file, family or event, field, and the rule it breaks.

From here: `contracts.avro_schemas` (wire form), `contracts.models` (checks), and every room that reads an `EventType`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Final

from contracts.catalogue_parts import (
    CATEGORIES,
    CODE_LISTS_FILE,
    read_code_lists_and_records,
    read_field,
    refuse,
    shown,
    table_of,
)
from contracts.event_types import DOMAIN, NEVER, CodeList, EventType, Field, Kind, RecordType
from contracts.failures import BadContract
from contracts.toml_file import parse_toml, read_offered
from contracts.upcast import Translation, Types, Upcast, translation

DIRECTORY: Final = Path(__file__).with_name("catalogue")

_FAMILY_KEYS: Final = frozenset({"stated_by", "anchor", "control", "without_subject", "version", "events", "fields"})
_EARLIER_KEYS: Final = _FAMILY_KEYS | {"ends_on", "upcast"}
_UPCAST_KEYS: Final = frozenset({"renamed", "dropped", "codes", "records"})


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
    contents = read_offered(directory, "*.toml", BadContract)
    if CODE_LISTS_FILE not in contents:
        raise BadContract(f"`{directory}` has no `{CODE_LISTS_FILE}`: expected the code lists and records there")
    documents = {name: parse_toml(content, name, BadContract) for name, content in contents.items()}
    code_lists, records = read_code_lists_and_records(documents.pop(CODE_LISTS_FILE))
    areas: dict[str, Area] = {}
    event_types: dict[str, EventType] = {}
    earlier: dict[str, tuple[Earlier, ...]] = {}
    for name, document in documents.items():
        reader = _AreaReader(name, document, code_lists, records)
        areas[reader.area.name] = reader.area
        present = {}
        for event_type in reader.event_types():
            if event_type.name in event_types:
                refuse(
                    name,
                    event_type.name,
                    "",
                    "duplicate-event",
                    "this event name is taken: give each event one name in one file",
                )
            present[event_type.name] = event_types[event_type.name] = event_type
        earlier |= reader.earlier(present)
    digest = hashlib.sha256(b"".join(f"{name}\n".encode() + contents[name] for name in contents)).hexdigest()
    return Catalogue(areas, event_types, code_lists, records, digest, earlier)


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
            what = "expected one `[area]`, `[[family]]` and `[[earlier]]` tables only"
            refuse(file, min(unknown), "", "unknown-key", what)
        head = document.get("area")
        keys = {"name", "owner", "doc"}
        is_whole = isinstance(head, dict) and set(head) == keys and all(isinstance(each, str) for each in head.values())
        if not isinstance(head, dict) or not is_whole or head["name"] != Path(file).stem:
            what = "expected `[area]` with `name` (that of the file), `owner` and `doc`"
            refuse(file, "area", "", "area-form", what)
        self.area = Area(head["name"], head["owner"], head["doc"])
        self._families, self._earlier = document.get("family", []), document.get("earlier", [])
        for each in (self._families, self._earlier):
            if not isinstance(each, list) or not all(isinstance(table, dict) for table in each):
                refuse(file, "family", "", "table-form", "expected `[[family]]` and `[[earlier]]` tables")

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
                    what = "an earlier version stands in the file of the newest one"
                    refuse(self._file, event_type.name, "", "version-ladder", what)
                rules = self._upcast(event_type.name, table.get("upcast", {}))
                versions = found.setdefault(event_type.name, {})
                if event_type.version in versions:
                    what = f"version {event_type.version} stands twice: keep one"
                    refuse(self._file, event_type.name, "", "version-ladder", what)
                versions[event_type.version] = event_type, rules
        types = Types(self._code_lists, self._records)
        ladders: dict[str, tuple[Earlier, ...]] = {}
        for name, newest in present.items():
            versions = found.get(name, {})
            if newest.version != len(versions) + 1 or max(versions, default=0) > len(versions):
                missing = "every version from 1 up to the one before the newest, each once"
                what = f"version {newest.version}: expected as `[[earlier]]` {missing}"
                refuse(self._file, name, "", "version-ladder", what)
            steps = [*(versions[number] for number in sorted(versions)), (newest, Upcast())]
            ladders[name] = tuple(
                Earlier(old, translation(old, new, rules, types)) for (old, rules), (new, _) in pairwise(steps)
            )
        return {name: ladder for name, ladder in ladders.items() if ladder}

    def _upcast(self, where: str, table: object) -> Upcast:
        if not isinstance(table, dict) or set(table) - _UPCAST_KEYS:
            refuse(self._file, where, "", "upcast", f"`upcast`: expected {', '.join(sorted(_UPCAST_KEYS))} only")
        renamed, dropped = table.get("renamed", {}), table.get("dropped", [])
        codes, records = table.get("codes", {}), table.get("records", {})
        tables = all(isinstance(part, dict) for part in (renamed, codes, records)) and isinstance(dropped, list)
        if not tables or not all(isinstance(name, str) for name in (*renamed.values(), *dropped)):
            refuse(
                self._file,
                where,
                "",
                "upcast",
                "`upcast`: expected `dropped` as a list of names and the others as tables",
            )
        back = {old: new for new, old in renamed.items()}
        told: dict[str, dict[str, dict[str, str]]] = {}
        for name, parts in codes.items():
            if not isinstance(parts, dict):
                refuse(self._file, where, name, "upcast", "`upcast.codes`: expected a table of codes")
            # A code alone is that of the same field, under the name that it has now.
            one = {old: {back.get(name, name): new} if isinstance(new, str) else new for old, new in parts.items()}
            if not all(
                isinstance(new, dict) and all(type(code) is str for code in new.values()) for new in one.values()
            ):
                refuse(
                    self._file,
                    where,
                    name,
                    "upcast",
                    "`upcast.codes`: expected old code = new code, or a table of fields",
                )
            told[name] = one
        inner = {name: self._upcast(where, part) for name, part in records.items()}
        return Upcast(renamed, frozenset(dropped), told, inner)

    def _family(self, number: int, table: dict[str, Any], keys: frozenset[str]) -> Iterator[EventType]:
        events = table.get("events")
        where = next(iter(events)) if isinstance(events, dict) and events else f"family {number}"
        if unknown := set(table) - keys:
            what = f"unknown key `{shown(min(unknown))}`: expected {', '.join(sorted(keys))}"
            refuse(self._file, where, "", "unknown-key", what)
        version, ends_on = table.get("version", 1), table.get("ends_on")
        if type(version) is not int or version < 1:
            refuse(self._file, where, "", "version-form", "`version` is a whole number from 1")
        if ends_on is not None and (not isinstance(ends_on, date) or isinstance(ends_on, datetime)):
            refuse(self._file, where, "", "version-form", "`ends_on` is a day, such as 2031-01-01")
        if not isinstance(events, dict) or not events:
            refuse(self._file, where, "", "events-form", "expected `[family.events]` with a doc for each event")
        anchor, stated_by = table.get("anchor"), table.get("stated_by")
        if not isinstance(anchor, str) or anchor not in CATEGORIES:
            what = "expected an `anchor`: one of the 18 categories, `domain` or `never`"
            refuse(self._file, where, "", "unclassified-field", what)
        if not isinstance(stated_by, list) or not stated_by or not all(isinstance(role, str) for role in stated_by):
            what = "expected `stated_by`: the roles that may state these events"
            refuse(self._file, where, "", "unknown-role", what)
        for flag in ("control", "without_subject"):
            if not isinstance(table.get(flag, False), bool):
                refuse(self._file, where, "", "flag-form", f"`{flag}` is true or false")
        fields = _envelope(str(anchor)) + tuple(
            read_field(self._file, where, name, field, self._code_lists, self._records)
            for name, field in table_of(self._file, where, table.get("fields", {})).items()
        )
        names = [field.name for field in fields]
        for name in names:
            if names.count(name) > 1:
                refuse(
                    self._file, where, name, "duplicate-field", "the envelope has a field of this name: choose another"
                )
        if anchor == DOMAIN and "domain" not in names:
            refuse(
                self._file,
                where,
                "domain",
                "category-without-domain",
                "an event anchored in its domain needs this field",
            )
        self._check_one_version_of_each_type(where, fields)
        for name, doc in events.items():
            if not isinstance(doc, str):
                refuse(self._file, name, "", "missing-doc", "expected a doc for each event")
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
                what = f"names another version of `{each.base_type}` than other fields"
                refuse(self._file, where, each.name, "mixed-versions", what)
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
