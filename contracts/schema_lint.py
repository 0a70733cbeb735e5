"""Judges one Avro schema, whoever wrote it: what may never be in one, each rule with the harm that it prevents.

Rules:
- schema-form: what is no record schema at all is named, and crashes nobody.
- recursion, zero-width-item, nesting: a few bytes of input could crash a reader or fill its memory.
- alias, default-on-consent: resolution may move or fill in a value; nobody may be made to have consented by it.
- default-value: only null may be a default, so that no reader invents a value.
- enum-without-other: a reader that is older than a symbol must have something to fall back to.
- union: null and one other type; with more, one value has several encodings and a reader guesses.
- unused-type, logical-type: what the wire page does not know, no agency's system can be asked to read.
- duplicate-field: two names that differ in capitals alone are one name to somebody's database.
- schema-size: a reader parses all of it at its start.

From here: `contracts.lint` for each schema of the catalogue, and the gate of `contracts.compatibility`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.avro_schemas import NAMESPACE, Schema
from contracts.event_types import OTHER, SCOPE_CODE_LISTS
from contracts.limits import DECIMAL_PRECISION, DECIMAL_SCALE, FIELDS_COUNT_MAX, NESTING_LEVELS_MAX, SYMBOLS_COUNT_MAX

_PLAIN: Final = frozenset({"null", "string", "int", "long", "boolean", "bytes"})
_UNUSED: Final = frozenset({"float", "double", "fixed", "map"})
_NAMED: Final = frozenset({"record", "enum", "fixed"})
_LOGICAL: Final[Mapping[str, Mapping[str, Any]]] = {
    "uuid": {"type": "string"},
    "timestamp-millis": {"type": "long"},
    "date": {"type": "int"},
    "decimal": {"type": "bytes", "precision": DECIMAL_PRECISION, "scale": DECIMAL_SCALE},
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach: which rule, where (`Event.field`), and what to do about it."""

    rule: str
    where: str
    message: str


def lint_schema(schema: Any, *, consent: bool = False) -> list[Finding]:
    """Return every breach in one Avro record schema; `consent` says that it belongs to the area of consent."""
    name = schema.get("name") if isinstance(schema, dict) else None
    if not isinstance(name, str) or schema.get("type") != "record":
        return [Finding("schema-form", "?", "expected a record schema with a name")]
    return list(_Walk(consent).walk(schema, name, ()))


class _Walk:
    """Walks one schema depth first. `inside` holds the full names of the records that enclose a part."""

    def __init__(self, consent: bool) -> None:
        self._consent = consent
        self._defined: dict[str, Schema] = {}
        self._space = ""

    def walk(self, schema: Any, where: str, inside: tuple[str, ...], level: int = 1) -> Iterator[Finding]:
        if level > NESTING_LEVELS_MAX:
            yield Finding("nesting", where, f"is nested deeper than {NESTING_LEVELS_MAX} levels: flatten it")
        elif isinstance(schema, list):
            yield from self._union(schema, where, inside, level)
        elif isinstance(schema, str):
            yield from self._reference(schema, where, inside)
        elif isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
            yield from self.walk(schema["type"], where, inside, level + 1)
        elif isinstance(schema, dict) and isinstance(schema.get("type"), str):
            yield from self._type(schema, where, inside, level)
        else:
            yield Finding("schema-form", where, "expected a type: a name, a union or a schema with a `type`")

    def _union(self, union: list[Any], where: str, inside: tuple[str, ...], level: int) -> Iterator[Finding]:
        if len(union) != 2 or union[0] != "null" or union[1] == "null" or isinstance(union[1], list):
            yield Finding("union", where, "expected null first and one other type")
        for part in union:
            yield from self.walk(part, where, inside, level + isinstance(part, list))

    def _reference(self, name: str, where: str, inside: tuple[str, ...]) -> Iterator[Finding]:
        full_name = self._resolved(name)
        if full_name in inside:
            yield Finding("recursion", where, f"`{name}` holds itself: a few bytes could crash a reader")
        elif name in _UNUSED:
            yield Finding("unused-type", where, f"`{name}` is no type of the wire page: use one that is")
        elif name not in _PLAIN and full_name not in self._defined:
            yield Finding("schema-form", where, "names a type that is not defined before it")

    def _type(self, schema: Schema, where: str, inside: tuple[str, ...], level: int) -> Iterator[Finding]:
        kind = schema["type"]
        if schema.get("aliases"):
            yield Finding("alias", where, "aliases move values between names: make a new version instead")
        if kind in _UNUSED:
            yield Finding("unused-type", where, f"`{kind}` is no type of the wire page: use one that is")
        if kind in _NAMED:
            yield from self._named(schema, where, inside, level)
        elif kind in ("array", "map"):
            items = schema.get("items" if kind == "array" else "values")
            if self._is_zero_width(items, ()):
                yield Finding("zero-width-item", where, "its items take no bytes: a few bytes could fill the memory")
            yield from self.walk(items, f"{where}[]", inside, level + 1)
        else:
            yield from self._plain(schema, where)
            yield from self._reference(kind, where, inside)

    def _plain(self, schema: Schema, where: str) -> Iterator[Finding]:
        logical = schema.get("logicalType")
        if logical is None:
            return
        expected = _LOGICAL.get(logical) if isinstance(logical, str) else None
        if expected is None or any(schema.get(name) != value for name, value in expected.items()):
            words = "expected `uuid`, `timestamp-millis`, `date` or `decimal` on the type that the wire page gives it"
            yield Finding("logical-type", where, words)

    def _named(self, schema: Schema, where: str, inside: tuple[str, ...], level: int) -> Iterator[Finding]:
        if not isinstance(schema.get("name"), str):
            yield Finding("schema-form", where, f"expected a name for this {schema['type']}")
            return
        outer, self._space = self._space, self._space_of(schema)
        full_name = self._resolved(schema["name"])
        if full_name in self._defined:
            yield Finding("duplicate-short-name", where, f"`{schema['name']}` is defined twice: rename one")
        self._defined[full_name] = schema
        if schema["type"] == "enum":
            yield from _symbols(schema, where)
        elif schema["type"] == "record":
            yield from self._fields(schema, where, (*inside, full_name), level)
        self._space = outer

    def _fields(self, schema: Schema, where: str, inside: tuple[str, ...], level: int) -> Iterator[Finding]:
        fields = schema.get("fields")
        if not isinstance(fields, list) or not all(
            isinstance(each, dict) and isinstance(each.get("name"), str) and "type" in each for each in fields
        ):
            yield Finding("schema-form", where, "expected `fields`, each with a name and a type")
            return
        if len(fields) > FIELDS_COUNT_MAX:
            yield Finding("schema-size", where, f"has more than {FIELDS_COUNT_MAX} fields: split the event")
        folded = [each["name"].casefold() for each in fields]
        for name in sorted({each for each in folded if folded.count(each) > 1}):
            yield Finding("duplicate-field", f"{where}.{name}", "the name stands twice, capitals aside: rename one")
        for field in fields:
            yield from self._field(field, f"{where}.{field['name']}", inside, level)

    def _field(self, field: Schema, where: str, inside: tuple[str, ...], level: int) -> Iterator[Finding]:
        if field.get("aliases"):
            yield Finding("alias", where, "aliases move values between names: make a new version instead")
        if "default" in field and (self._consent or self._names_scope(field["type"])):
            yield Finding("default-on-consent", where, "nobody may be made to have consented: leave the default out")
        if field.get("default") is not None:
            yield Finding("default-value", where, "only null may be a default: a reader must not invent a value")
        yield from self.walk(field["type"], where, inside, level + 1)

    def _is_zero_width(self, schema: Any, seen: tuple[str, ...]) -> bool:
        """Whether a value of this type takes no bytes; a record within itself is another rule's finding."""
        if isinstance(schema, str):
            name = self._resolved(schema)
            known = name in self._defined and name not in seen
            return schema == "null" or (known and self._is_zero_width(self._defined[name], (*seen, name)))
        if not isinstance(schema, dict):
            return False
        if schema.get("type") == "record" and isinstance(schema.get("fields"), list):
            return all(self._is_zero_width(each.get("type"), seen) for each in schema["fields"] if each)
        if schema.get("type") == "fixed":
            return not schema.get("size")
        return schema.get("type") not in ("enum", "array", "map") and self._is_zero_width(schema.get("type"), seen)

    def _names_scope(self, schema: Any) -> bool:
        if isinstance(schema, list):
            return any(self._names_scope(part) for part in schema)
        if isinstance(schema, dict):
            inner = schema.get("items", schema.get("values", schema.get("type")))
            space = f"{schema['namespace']}." if isinstance(schema.get("namespace"), str) else ""
            return self._names_scope(f"{space}{schema['name']}" if "name" in schema else inner)
        return isinstance(schema, str) and schema.removeprefix(f"{NAMESPACE}.codes.") in SCOPE_CODE_LISTS

    def _space_of(self, schema: Schema) -> str:
        """The namespace of a named type: its own, that of a dotted name, else that of what encloses it."""
        name, given = schema["name"], schema.get("namespace")
        if "." in name:
            return str(name.rpartition(".")[0])
        return given if isinstance(given, str) else self._space

    def _resolved(self, name: str) -> str:
        return name if "." in name or not self._space or name in _PLAIN else f"{self._space}.{name}"


def _symbols(schema: Schema, where: str) -> Iterator[Finding]:
    symbols = schema.get("symbols")
    if not isinstance(symbols, list) or not symbols or not all(isinstance(each, str) for each in symbols):
        yield Finding("schema-form", where, "expected `symbols`, a list of texts")
        return
    if schema.get("default") != OTHER or symbols[-1] != OTHER:
        yield Finding("enum-without-other", where, f"end the symbols with `{OTHER}` and make it the default")
    if len(symbols) > SYMBOLS_COUNT_MAX:
        yield Finding("schema-size", where, f"has more than {SYMBOLS_COUNT_MAX} symbols: let it travel as text")
    if len({each.casefold() for each in symbols}) != len(symbols):
        yield Finding("duplicate-field", where, "a symbol stands twice, capitals aside: rename one")
