"""The recorded history of the schemas: what an id stood for on the day it was given out, text included.

Rules:
- `schemas.jsonl` has a line for each id, in order of the ids. It is append-only: `hub contracts record` adds the ids
  that it lacks and changes no line.
- A line's schema must have the fingerprint that `contracts/schemas/ids.toml` has for the id. The fingerprint says that
  something changed; the history says what.
- Today's schemas come from the catalogue alone, so that they can be compared also when their ids refuse them.

From here: `contracts.compatibility`, `hub contracts check|record|diff`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.avro_schemas import Form, Schema, forms_of, schema_of
from contracts.catalogue import Catalogue
from contracts.failures import BadContract
from contracts.schema_ids import DIRECTORY, IDS_FILE
from contracts.schema_lint import lint_schema
from contracts.toml_file import read_toml

HISTORY_FILE: Final = Path(__file__).with_name("schemas.jsonl")
ACCEPTED_FILE: Final = Path(__file__).with_name("accepted.toml")
_SCHEMA_FILE: Final = re.compile(r"(?P<type>\w+)\.v(?P<version>\d+)(?P<disclosed>\.disclosed)?\.avsc")


@dataclass(frozen=True, slots=True, order=True)
class SchemaKey:
    """Which schema: event type, version, form."""

    event_type: str
    version: int
    form: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A break that was accepted on purpose."""

    event_type: str
    version: int
    rule: str
    where: str


def todays_schemas(contracts: Catalogue) -> dict[SchemaKey, Schema]:
    """Every schema that the catalogue derives, those of versions that have a successor too."""
    return {
        SchemaKey(event_type.name, event_type.version, str(form)): schema_of(event_type, form, contracts)
        for event_type in contracts.every_version
        for form in forms_of(event_type)
    }


def recorded_schemas(path: Path = HISTORY_FILE) -> dict[SchemaKey, Schema]:
    """Every schema of the history at `path`; raise `BadContract` where it cannot be read."""
    return {key: schema for key, (_, schema) in _lines(path).items()}


def schemas_in(directory: Path) -> dict[SchemaKey, Schema]:
    """Every schema of a directory that `hub contracts generate` wrote; raise `BadContract` where there is none."""
    found: dict[SchemaKey, Schema] = {}
    try:
        paths = sorted(directory.rglob("*.avsc"))
    except OSError:
        paths = []
    for path in paths:
        if named := _SCHEMA_FILE.fullmatch(path.name):
            form = Form.DISCLOSED if named["disclosed"] else Form.PUBLISHED
            key = SchemaKey(named["type"], int(named["version"]), str(form))
            found[key] = _schema_in(path)
    if not found:
        raise BadContract(f"`{directory}` holds no schemas: expected what `hub contracts generate` writes")
    return found


def _schema_in(path: Path) -> Schema:
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        what = f"cannot be read ({type(error).__name__}): expected a schema that `hub contracts generate` wrote"
        raise BadContract(f"`{path.name}`: schema-form: {what}") from None
    if findings := [each for each in lint_schema(schema) if each.rule == "schema-form"]:
        raise BadContract(f"`{path.name}`: schema-form: {findings[0].message}")
    return schema  # type: ignore[no-any-return]  # the lint has seen that it is one


def given_ids(path: Path = DIRECTORY / IDS_FILE) -> dict[SchemaKey, tuple[int, str]]:
    """The id and fingerprint of every schema that has one, as `ids.toml` says."""
    rows = read_toml(path, BadContract).get("schema", [])
    try:
        return {SchemaKey(row["type"], row["version"], row["form"]): (row["id"], row["sha256"]) for row in rows}
    except (KeyError, TypeError) as error:
        raise BadContract(f"`{path.name}`: ids-form: an entry lacks a key: restore it from history") from error


def accepted_breaks(path: Path = ACCEPTED_FILE) -> frozenset[Accepted]:
    """The breaks that were accepted; raise `BadContract` where one does not say why."""
    try:
        rows = read_toml(path, BadContract)["accepted"]
        if not all(row["why"].strip() for row in rows):
            raise BadContract(f"`{path.name}`: an accepted break does not say why")
        return frozenset(Accepted(row["type"], row["version"], row["rule"], row["where"]) for row in rows)
    except (KeyError, AttributeError, TypeError) as error:
        what = f"`{path.name}` cannot be read ({type(error).__name__})"
        raise BadContract(f"{what}: expected type, version, rule, where and why of each break") from error


def record(contracts: Catalogue, path: Path = HISTORY_FILE, ids: Path = DIRECTORY / IDS_FILE) -> list[int]:
    """Add every schema of `contracts` that has an id and no line yet; return the ids that were added."""
    known = _lines(path) if path.exists() else {}
    today, given = todays_schemas(contracts), given_ids(ids)
    new = sorted((given[key][0], key) for key in today.keys() & given.keys() - known.keys())
    with path.open("a", encoding="utf-8") as history:
        for schema_id, key in new:
            line = {"id": schema_id, "type": key.event_type, "version": key.version, "form": key.form}
            text = json.dumps({**line, "schema": today[key]}, ensure_ascii=False, separators=(",", ":"))
            history.write(f"{text}\n")
    return [schema_id for schema_id, _ in new]


def _lines(path: Path) -> dict[SchemaKey, tuple[int, Schema]]:
    found: dict[SchemaKey, tuple[int, Schema]] = {}
    last = 0
    try:
        for text in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            key = SchemaKey(line["type"], line["version"], line["form"])
            if key in found or line["id"] <= last:
                raise BadContract(f"`{path.name}`: id `{line['id']}` is out of order, or its schema stands twice")
            last = line["id"]
            found[key] = (last, line["schema"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadContract(f"`{path.name}` cannot be read ({type(error).__name__}): restore it from history") from error
    return found
