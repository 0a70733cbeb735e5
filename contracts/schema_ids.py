"""The schema registry: which id on the wire stands for which event type, version and form.

Rules:
- `contracts/schemas/ids.toml` is append-only: an id never changes its meaning and is never given out again.
- A published schema never changes under its version. What changes is a new version, with new ids.
- Every id that was ever given out stays readable: its version stands in the catalogue, with a successor or without.
- The fingerprint of every entry is compared with what the catalogue derives, at start: a difference is refused.
- `hub contracts generate` writes the `.avsc` files and adds the ids that are missing; it changes none. What has a
  finding of the lint gets no file and no id.

From here: `contracts.codec`, and the `.avsc` files that agencies' developers use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from contracts.avro_schemas import Form, fingerprint, forms_of, schema_of, schema_text
from contracts.catalogue import Catalogue, catalogue
from contracts.event_types import EventType
from contracts.failures import BadContract
from contracts.lint import lint
from contracts.toml_file import read_toml

DIRECTORY: Final = Path(__file__).with_name("schemas")
IDS_FILE: Final = "ids.toml"

_HEAD: Final = (
    "# Schema ids on the wire. Written by `hub contracts generate`; append-only: an id never changes its meaning.\n"
)

_Key = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    """One schema id. `fingerprint` is SHA-256 in hex over the schema without its docs."""

    id: int
    event_type: EventType
    form: Form
    fingerprint: str


@dataclass(frozen=True)
class SchemaIds:
    """All ids that were ever given out; `by_key` has those of the newest versions."""

    entries: Mapping[int, SchemaEntry]
    by_key: Mapping[tuple[str, str], int]

    def published(self, event_type: str) -> int:
        """The id of the newest published form; raises `KeyError` for an unknown event type."""
        return self.by_key[event_type, Form.PUBLISHED]

    def disclosed(self, event_type: str) -> int:
        """The id of the newest disclosed form; raises `KeyError` for a type that is unknown or never disclosed."""
        return self.by_key[event_type, Form.DISCLOSED]

    def of_version(self, event_type: str, version: int, form: Form) -> int:
        """The id of one version's form; raises `KeyError` where there is none."""
        return self._of_version[event_type, version, form]

    @cached_property
    def _of_version(self) -> Mapping[_Key, int]:
        return {
            (entry.event_type.name, entry.event_type.version, str(entry.form)): entry.id
            for entry in self.entries.values()
        }

    def entry(self, schema_id: int) -> SchemaEntry | None:
        """What `schema_id` stands for, or `None`."""
        return self.entries.get(schema_id)


@lru_cache(maxsize=1)
def schema_ids() -> SchemaIds:
    """Return the ids that come with this program, checked against the catalogue."""
    return read_schema_ids(DIRECTORY / IDS_FILE, catalogue())


def read_schema_ids(path: Path, contracts: Catalogue) -> SchemaIds:
    """Read the ids at `path`; raise `BadContract` where one is missing, doubled, or has another schema."""
    recorded = _recorded(path)
    entries: dict[int, SchemaEntry] = {}
    by_key: dict[tuple[str, str], int] = {}
    for event_type in contracts.every_version:
        for form in forms_of(event_type):
            expected = fingerprint(schema_of(event_type, form, contracts))
            found = recorded.pop((event_type.name, event_type.version, str(form)), None)
            if found is None:
                what = f"version {event_type.version} of `{event_type.name}`"
                raise BadContract(f"no-id: {what} has no {form} schema id: run `hub contracts generate`")
            _refuse_changed(event_type, form, found[1], expected)
            entries[found[0]] = SchemaEntry(found[0], event_type, form, expected)
            by_key[event_type.name, form] = found[0]  # the newest version comes last
    if recorded:
        (name, version, written), (schema_id, _) = min(recorded.items(), key=lambda item: item[1])
        what = f"id `{schema_id}` was given to the {written} form of `{name}`, version {version}"
        fix = "keep that version, as `[[earlier]]` if it has a successor"
        raise BadContract(f"version-removed: {what}, and facts of it are stored: {fix}")
    return SchemaIds(entries, by_key)


def write_schemas(directory: Path, contracts: Catalogue | None = None) -> list[int]:
    """Write every `.avsc` file under `directory` and add missing ids to its `ids.toml`; return the added ids.

    Raises `BadContract`, and writes nothing, where a schema changed without a new version, or the lint finds anything.
    """
    contracts = contracts or catalogue()
    if findings := lint(contracts):
        first = findings[0]
        more = f" (and {len(findings) - 1} more: `hub contracts lint`)" if len(findings) > 1 else ""
        raise BadContract(f"{first.rule}: `{first.where}` {first.message}{more}")
    recorded = _recorded(directory / IDS_FILE) if (directory / IDS_FILE).exists() else {}
    next_id = max((schema_id for schema_id, _ in recorded.values()), default=0) + 1
    added: list[int] = []
    texts: dict[Path, str] = {}
    for event_type in contracts.every_version:
        for form in forms_of(event_type):
            schema = schema_of(event_type, form, contracts)
            texts[directory / schema_file(event_type, form)] = schema_text(schema)
            key, derived = (event_type.name, event_type.version, str(form)), fingerprint(schema)
            if key in recorded:
                _refuse_changed(event_type, form, recorded[key][1], derived)
                continue
            recorded[key] = (next_id, derived)
            added.append(next_id)
            next_id += 1
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (directory / IDS_FILE).write_text(_ids_text(recorded), encoding="utf-8")
    return added


def schema_file(event_type: EventType, form: Form) -> str:
    """The path of a schema's `.avsc` file below the schemas' directory."""
    suffix = ".disclosed" if form is Form.DISCLOSED else ""
    return f"{event_type.area}/{event_type.name}.v{event_type.version}{suffix}.avsc"


def _refuse_changed(event_type: EventType, form: Form, recorded: str, derived: str) -> None:
    if recorded != derived:
        raise BadContract(
            f"changed-under-its-version: the {form} schema of `{event_type.name}` differs from the one under which its "
            f"version {event_type.version} has its id: raise the family's `version`, or take the change back"
        )


def _recorded(path: Path) -> dict[_Key, tuple[int, str]]:
    rows = read_toml(path, BadContract).get("schema")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadContract(f"`{path.name}`: ids-form: expected `schema`, a list of tables: restore it from history")
    recorded: dict[_Key, tuple[int, str]] = {}
    ids: set[int] = set()
    for row in rows:
        try:
            schema_id, key = row["id"], (str(row["type"]), int(str(row["version"])), str(row["form"]))
            sha256 = str(row["sha256"])
        except (KeyError, ValueError) as error:
            what = "an entry lacks id, type, version, form or sha256: restore it from history"
            raise BadContract(f"`{path.name}`: ids-form: {what}") from error
        if type(schema_id) is not int or not 0 < schema_id < 2**31:
            raise BadContract(f"`{path.name}`: ids-form: an id is a whole number from 1 that fits into 31 bits")
        if schema_id in ids or key in recorded:
            raise BadContract(
                f"`{path.name}`: id-reused: id `{schema_id}` or its type stands twice: give out a new one"
            )
        ids.add(schema_id)
        recorded[key] = (schema_id, sha256)
    return recorded


def _ids_text(recorded: Mapping[_Key, tuple[int, str]]) -> str:
    lines = [_HEAD, "schema = ["]
    for (name, version, form), (schema_id, sha256) in sorted(recorded.items(), key=lambda item: item[1][0]):
        lines.append(
            f'  {{ id = {schema_id}, type = "{name}", version = {version}, form = "{form}", sha256 = "{sha256}" }},'
        )
    return "\n".join([*lines, "]", ""])
