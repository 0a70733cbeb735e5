"""The gate before a changed contract: today's schemas against every one that was ever recorded, FULL_TRANSITIVE.

Rules:
- Under one version nothing changes but docs, because an id never changes its meaning: the gate says in words what did.
- Every version that was ever recorded stays, and stays what it was: facts of it are stored, agencies go on stating it.
- A new version must read, and be read by, every older version of its event type and form. Avro's own checker judges
  names, types, defaults and symbols; it is blind for what follows, so the gate looks for it itself: a changed logical
  type, unit, scale, precision or namespace, a changed category, a removed field or symbol, an alias, a changed
  default. None of these is an error for Avro, and each changes what a value means or who may see it.
- A consent, a purpose and all that says whom a consent covers have no default: nobody is made to have consented.
- A break on purpose is accepted by name, with a reason, in `contracts/history/accepted.toml`.

The history comes from `contracts.history.recorded`; findings go to `hub contracts check`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.errors import AvroException
from avro.schema import parse

from contracts.avro_schemas import NAMESPACE, Schema, fingerprint
from contracts.event_types import CONSENT_AREA
from contracts.history.changes import changes
from contracts.history.recorded import Accepted, SchemaKey
from contracts.schema_lint import Finding, lint_schema

HARMLESS: Final = frozenset({"doc", "field-added", "symbol-added"})
"""Changes that Avro's checker judges alone: whether a new field can be left out, whether a symbol has a fallback."""
_LINT_RULES: Final = frozenset({"alias", "default-on-consent", "default-value"})


def check(
    today: Mapping[SchemaKey, Schema],
    recorded: Mapping[SchemaKey, Schema],
    ids: Mapping[SchemaKey, tuple[int, str]],
    accepted: Iterable[Accepted] = (),
) -> list[Finding]:
    """Return all that stands against today's schemas; empty means that they may be published."""
    findings = [*_history_itself(today, recorded, ids)]
    taken = list(accepted)
    for key, schema in today.items():
        findings += _against_itself(key, schema, recorded.get(key))
        for older in sorted(recorded):
            if (older.event_type, older.form) == (key.event_type, key.form) and older.version < key.version:
                findings += [
                    Finding(finding.rule, finding.where, f"{finding.message} (against version {older.version})")
                    for finding in breaks(recorded[older], schema)
                    if not any(_accepts(one, finding, older, key) for one in taken)
                ]
    return sorted(set(findings), key=lambda finding: (finding.where, finding.rule, finding.message))


def breaks(old: Schema, new: Schema) -> list[Finding]:
    """Return what makes `new` another thing than `old` to a reader, in either direction; empty means compatible."""
    name = str(new.get("name", "?"))
    found = [
        Finding(change.kind, f"{name}.{change.where}" if change.where else name, change.words)
        for change in changes(old, new)
        if change.kind not in HARMLESS
    ]
    found += _avro(new, old, name, "the new version cannot read the old")
    found += _avro(old, new, name, "readers of the old version cannot read the new")
    consent = new.get("namespace") == f"{NAMESPACE}.{CONSENT_AREA}"
    found += [finding for finding in lint_schema(new, consent=consent) if finding.rule in _LINT_RULES]
    return list(dict.fromkeys(found))


def _accepts(accepted: Accepted, finding: Finding, older: SchemaKey, newer: SchemaKey) -> bool:
    """Whether the break was accepted on the way from the older version to the newer one."""
    same = (accepted.event_type, accepted.rule, accepted.where) == (newer.event_type, finding.rule, finding.where)
    return same and older.version < accepted.version <= newer.version


def _history_itself(
    today: Mapping[SchemaKey, Schema],
    recorded: Mapping[SchemaKey, Schema],
    ids: Mapping[SchemaKey, tuple[int, str]],
) -> Iterator[Finding]:
    names = {key.event_type for key in today}
    for key in today.keys() | ids.keys():
        if key in ids and key not in recorded:
            yield Finding("unrecorded", _place(key), "has an id and is not in the history: run `hub contracts record`")
        elif key not in ids:
            yield Finding("no-id", _place(key), "has no id: run `hub contracts generate contracts/schemas`")
    for key, schema in recorded.items():
        if key not in ids or fingerprint(schema) != ids[key][1]:
            yield Finding("history-changed", _place(key), "is not what its id was given for: restore the history")
        if key.event_type not in names:
            yield Finding("event-removed", key.event_type, "facts of it are stored and must stay readable: keep it")
        elif key not in today:
            what = "facts of this version are stored and must stay readable: keep it as `[[earlier]]`"
            yield Finding("version-removed", _place(key), what)


def _against_itself(key: SchemaKey, schema: Schema, recorded: Schema | None) -> list[Finding]:
    if recorded is None or fingerprint(recorded) == fingerprint(schema):
        return []
    found = [change for change in changes(recorded, schema) if change.kind != "doc"]
    words = "; ".join(str(change) for change in found) or "its parts stand in another order"
    what = f"{words}: raise the family's `version` and keep this one as `[[earlier]]`, or take it back"
    return [Finding("changed-under-its-version", _place(key), what)]


def _avro(reader: Schema, writer: Schema, name: str, what: str) -> list[Finding]:
    try:
        reading, writing = (parse(json.dumps(_for_avro(schema))) for schema in (reader, writer))
    except AvroException as error:
        return [Finding("avro", name, f"Avro refuses the schema: {' '.join(str(error).split())}")]
    result = ReaderWriterCompatibilityChecker().get_compatibility(reading, writing)  # type: ignore[no-untyped-call]
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    where = ", ".join(sorted(result.locations))
    why = ", ".join(sorted(result.messages) or [str(each.value) for each in result.incompatibilities])
    return [Finding("avro", name, f"{what}: {why} (at {where})")]


def _for_avro(schema: Any) -> Any:
    """The schema without logical types: Avro's checker does not look at them, and its parser warns of unknown ones."""
    if isinstance(schema, dict):
        return {key: _for_avro(value) for key, value in schema.items() if key != "logicalType"}
    return [_for_avro(part) for part in schema] if isinstance(schema, list) else schema


def _place(key: SchemaKey) -> str:
    return f"{key.event_type}.v{key.version} {key.form}"
