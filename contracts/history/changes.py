"""What changed from one schema to another, part by part, each change with its kind and in words.

Rules:
- Fields are the same where their names are; fields of another name are gone and new. Nothing is guessed.
- What no reader of bytes can see is told like the rest: category, logical type, unit, scale, namespace, doc.
- A named type is looked up where it is used, and compared once.

Pure. From here: `contracts.compatibility`, which says what of it is a break, and `hub contracts diff`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.avro_schemas import Form, Schema
from contracts.history.recorded import SchemaKey

_STRUCTURE: Final = frozenset(
    {"type", "name", "namespace", "doc", "fields", "symbols", "items", "values", "size", "default", "aliases"}
)
_KIND_OF_ATTRIBUTE: Final = {"logicalType": "logical-type", "scale": "scale", "precision": "precision"}
_TIMES: Final = ("timestamp-", "time-", "local-timestamp-")
_NONE: Final = object()


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change. `where` is the path of fields, empty for the schema itself."""

    kind: str
    where: str
    words: str

    def __str__(self) -> str:
        return f"`{self.where}`: {self.words}" if self.where else self.words


def changes(old: Schema, new: Schema) -> list[SchemaChange]:
    """Every change from `old` to `new`, in the order in which the parts stand."""
    return list(_Comparison().types(old, new, ""))


def differences(old: Mapping[SchemaKey, Schema], new: Mapping[SchemaKey, Schema]) -> list[str]:
    """What differs between two sets of schemas, event type by event type, in words.

    The newest versions are compared with each other, every earlier one with itself. A change that both forms of an
    event share is told once.
    """
    before, after = _newest(old), _newest(new)
    lines: list[str] = []
    for event_type in sorted({name for name, _ in (*before, *after)}):
        forms = [form for form in Form if (event_type, form) in before or (event_type, form) in after]
        said: dict[str, list[str]] = {}
        for form in forms:
            for words in _form_differences(before.get((event_type, form)), after.get((event_type, form))):
                said.setdefault(words, []).append(str(form))
        lines += _told(event_type, said, len(forms))
        lines += _earlier_differences(event_type, old, new)
    return lines


def _earlier_differences(
    event_type: str, old: Mapping[SchemaKey, Schema], new: Mapping[SchemaKey, Schema]
) -> list[str]:
    """What differs in the versions of one event type before the newest of both sets."""
    before, after = ({key for key in schemas if key.event_type == event_type} for schemas in (old, new))
    if not before or not after:
        return []
    newest = max(key.version for key in before | after)
    said: dict[str, list[str]] = {}
    for key in sorted(before | after):
        if key.version == newest:
            continue
        if key in before and key in after:
            words = [f"version {key.version} {change}" for change in changes(old[key], new[key])]
        else:
            words = [f"version {key.version} is {'gone' if key in before else 'new'}"]
        for each in words:
            said.setdefault(each, []).append(key.form)
    return _told(event_type, said, len({key.form for key in before | after}))


def _told(event_type: str, said: Mapping[str, list[str]], forms: int) -> list[str]:
    return [
        f"{event_type}{'' if len(where) == forms else f' ({where[0]} form)'} {words}" for words, where in said.items()
    ]


def _newest(schemas: Mapping[SchemaKey, Schema]) -> dict[tuple[str, str], tuple[int, Schema]]:
    return {(key.event_type, key.form): (key.version, schemas[key]) for key in sorted(schemas)}


def _form_differences(old: tuple[int, Schema] | None, new: tuple[int, Schema] | None) -> Iterator[str]:
    if old is None or new is None:
        yield "is new" if old is None else "is gone"
        return
    if old[0] != new[0]:
        yield f"version {old[0]} -> {new[0]}"
    yield from (str(change) for change in changes(old[1], new[1]))


class _Comparison:
    """Compares one pair of schemas; knows the named types of both."""

    def __init__(self) -> None:
        self._old: dict[str, Any] = {}
        self._new: dict[str, Any] = {}
        self._compared: set[tuple[str, str]] = set()

    def types(self, old: Any, new: Any, where: str) -> Iterator[SchemaChange]:
        """Compare two types that stand at one place."""
        was_optional, is_optional = _is_optional(old), _is_optional(new)
        if was_optional != is_optional:
            yield SchemaChange("optional", where, "may now be absent" if is_optional else "may no longer be absent")
        was, is_now = _branches(old), _branches(new)
        if len(was) != 1 or len(is_now) != 1:
            if was != is_now:
                yield SchemaChange("type", where, f"{_shown(old)} -> {_shown(new)}")
            return
        yield from self._one(_resolved(was[0], self._old), _resolved(is_now[0], self._new), where)

    def _one(self, old: Any, new: Any, where: str) -> Iterator[SchemaChange]:
        if old["type"] != new["type"]:
            yield SchemaChange("type", where, f"{_shown(old)} -> {_shown(new)}")
            return
        yield from _attributes(old, new, where)
        kind = old["type"]
        if kind in ("array", "map"):
            items = "items" if kind == "array" else "values"
            yield from self.types(old[items], new[items], f"{where}[]")
        elif kind in ("record", "enum", "fixed"):
            pair = _full_name(old), _full_name(new)
            if pair not in self._compared:
                self._compared.add(pair)
                yield from self._named(old, new, where)

    def _named(self, old: Schema, new: Schema, where: str) -> Iterator[SchemaChange]:
        if old["name"] != new["name"]:
            yield SchemaChange("name", where, f"{old['type']} {old['name']} -> {new['name']}")
        if old.get("namespace") != new.get("namespace"):
            words = f"namespace of {new['name']} {old.get('namespace')} -> {new.get('namespace')}"
            yield SchemaChange("namespace", where, words)
        yield from _aliases(old, new, where)
        yield from _docs(old, new, where)
        if old["type"] == "enum":
            yield from _symbols(old, new, where)
        elif old["type"] == "fixed" and old["size"] != new["size"]:
            yield SchemaChange("type", where, f"{old['size']} bytes -> {new['size']}")
        elif old["type"] == "record":
            yield from self._fields(old, new, where)

    def _fields(self, old: Schema, new: Schema, where: str) -> Iterator[SchemaChange]:
        before, after = ({field["name"]: field for field in schema["fields"]} for schema in (old, new))
        for name in dict.fromkeys((*before, *after)):
            place = f"{where}.{name}" if where else name
            if name not in after:
                _define(before[name]["type"], self._old)
                yield SchemaChange("field-removed", place, "is gone")
            elif name not in before:
                _define(after[name]["type"], self._new)
                field = after[name]
                how = "optional" if _is_optional(field["type"]) else "mandatory"
                yield SchemaChange("field-added", place, f"is new, {how}, category {field.get('category')}")
                yield from _aliases({}, field, place)
            else:
                yield from self._field(before[name], after[name], place)

    def _field(self, old: Schema, new: Schema, where: str) -> Iterator[SchemaChange]:
        yield from self.types(old["type"], new["type"], where)
        if old.get("category") != new.get("category"):
            yield SchemaChange("category", where, f"category {old.get('category')} -> {new.get('category')}")
        was, is_now = old.get("default", _NONE), new.get("default", _NONE)
        if was is not is_now and was != is_now:
            words = " -> ".join("none" if value is _NONE else repr(value) for value in (was, is_now))
            yield SchemaChange("default", where, f"default {words}")
        yield from _aliases(old, new, where)
        yield from _docs(old, new, where)


def _attributes(old: Schema, new: Schema, where: str) -> Iterator[SchemaChange]:
    for name in dict.fromkeys((*old, *new)):
        was, is_now = old.get(name), new.get(name)
        if name in _STRUCTURE or was == is_now:
            continue
        kind = _KIND_OF_ATTRIBUTE.get(name, "unit" if name == "unit" else "attribute")
        if name == "logicalType" and str(was).startswith(_TIMES) and str(is_now).startswith(_TIMES):
            kind = "unit"
        yield SchemaChange(kind, where, f"{name} {was} -> {is_now}")


def _symbols(old: Schema, new: Schema, where: str) -> Iterator[SchemaChange]:
    for symbol in old["symbols"]:
        if symbol not in new["symbols"]:
            yield SchemaChange("symbol-removed", where, f"{new['name']} no longer has {symbol}")
    for symbol in new["symbols"]:
        if symbol not in old["symbols"]:
            yield SchemaChange("symbol-added", where, f"{new['name']} now has {symbol}")
    if old.get("default") != new.get("default"):
        yield SchemaChange("default", where, f"default of {new['name']} {old.get('default')} -> {new.get('default')}")


def _aliases(old: Schema, new: Schema, where: str) -> Iterator[SchemaChange]:
    if old.get("aliases", []) != new.get("aliases", []):
        yield SchemaChange("alias", where, f"aliases {_list(old)} -> {_list(new)}")


def _list(schema: Schema) -> str:
    return ", ".join(schema.get("aliases", [])) or "none"


def _docs(old: Schema, new: Schema, where: str) -> Iterator[SchemaChange]:
    if old.get("doc") != new.get("doc"):
        yield SchemaChange("doc", where, f'is now explained as "{new.get("doc", "")}", before "{old.get("doc", "")}"')


def _is_optional(schema: Any) -> bool:
    return isinstance(schema, list) and "null" in schema


def _branches(schema: Any) -> list[Any]:
    return [part for part in schema if part != "null"] if isinstance(schema, list) else [schema]


def _resolved(schema: Any, defined: dict[str, Any]) -> Any:
    """A type as a dictionary; a named one is remembered, and found again by its name."""
    if isinstance(schema, str):
        return defined.get(schema, {"type": schema})
    _define(schema, defined)
    return schema


def _define(schema: Any, defined: dict[str, Any]) -> None:
    if isinstance(schema, list):
        for part in schema:
            _define(part, defined)
    elif isinstance(schema, dict):
        if "name" in schema and schema.get("type") in ("record", "enum", "fixed"):
            if _full_name(schema) in defined:
                return
            defined[_full_name(schema)] = schema
        for key in ("items", "values", "type"):
            _define(schema.get(key), defined)
        for field in schema.get("fields", []):
            _define(field["type"], defined)


def _full_name(schema: Schema) -> str:
    namespace = schema.get("namespace")
    return f"{namespace}.{schema['name']}" if namespace else str(schema["name"])


def _shown(schema: Any) -> str:
    if isinstance(schema, list):
        return " or ".join(_shown(part) for part in schema)
    if isinstance(schema, dict):
        if "items" in schema:
            return f"list of {_shown(schema['items'])}"
        return str(schema.get("name", schema["type"]))
    return str(schema)
