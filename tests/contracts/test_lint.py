"""The contracts are clean, and every lint rule has a red example."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from contracts import lint as lint_module
from contracts import schema_lint as schema_lint_module
from contracts.catalogue import Catalogue, catalogue
from contracts.event_types import DOMAIN, CodeList, EventType, Field, Kind, RecordType
from contracts.lint import lint
from contracts.schema_lint import lint_schema
from tests.contracts.second_version import with_successor

DOC = "A sentence that says what this is."


def _rules(contracts: Catalogue) -> set[str]:
    return {finding.rule for finding in lint(contracts)}


def _field(**changes: Any) -> Field:
    values: dict[str, Any] = {"name": "thing", "kind": Kind.STRING, "category": "HO", "doc": DOC}
    return Field(**values | changes)


def _catalogue(**changes: Any) -> Catalogue:
    """One small clean catalogue, with one event that `changes` can spoil."""
    values: dict[str, Any] = {
        "name": "ThingHappened",
        "area": "trial",
        "stated_by": ("SOC",),
        "anchor": "HO",
        "fields": (_field(),),
        "doc": DOC,
    }
    event_type = EventType(**values | changes)
    code_lists = {
        "Domain": CodeList("Domain", ("HOUSING", "OTHER"), DOC),
        "Purpose": CodeList("Purpose", ("SUPPORT", "OTHER"), DOC),
    }
    records = {"Item": RecordType("Item", (_field(name="domain", category=DOMAIN),), DOC)}
    return Catalogue({}, {event_type.name: event_type}, code_lists, records, "")


def _record(*types: Any, **changes: Any) -> dict[str, Any]:
    fields = [{"name": f"f{number}", "type": kind} for number, kind in enumerate(types)]
    return {"type": "record", "name": "R", "fields": fields} | changes


def _nested(levels: int) -> Any:
    return _record("int", name=f"L{levels}") if levels == 0 else _record(_nested(levels - 1), name=f"L{levels}")


def test_the_contracts_are_clean() -> None:
    assert lint(catalogue()) == []


def test_the_small_catalogue_is_clean() -> None:
    assert lint(_catalogue()) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"fields": (_field(category=""),)}, "unclassified-field"),
        ({"fields": (_field(category="ho"),)}, "unclassified-field"),
        ({"anchor": "none"}, "unclassified-field"),
        ({"fields": (_field(category=DOMAIN),)}, "category-without-domain"),
        ({"fields": (_field(category=DOMAIN, repeated=True),)}, "category-without-domain"),
        ({"fields": (_field(name="setting"),)}, "whereabouts"),
        ({"fields": (_field(name="inCustody"),)}, "whereabouts"),
        ({"fields": (_field(doc="  "),)}, "missing-doc"),
        ({"doc": "short"}, "missing-doc"),
        ({"fields": (_field(name="Thing"),)}, "name-form"),
        ({"name": "thingHappened"}, "name-form"),
        ({"name": "Item"}, "duplicate-short-name"),
        ({"name": "Domain"}, "duplicate-short-name"),
        ({"stated_by": ("SOCK",)}, "unknown-role"),
        ({"control": True}, "control"),
        ({"control": True, "anchor": "never"}, "control"),
        ({"control": True, "anchor": "never", "stated_by": ("any",)}, "control"),
    ],
)
def test_a_bad_event_is_found(changes: dict[str, Any], rule: str) -> None:
    assert rule in _rules(_catalogue(**changes))


@pytest.mark.parametrize(
    ("code_list", "rule"),
    [
        (CodeList("Domain", ("HOUSING",), DOC), "enum-without-other"),
        (CodeList("Domain", ("OTHER", "HOUSING"), DOC), "enum-without-other"),
        (CodeList("Domain", ("housing", "OTHER"), DOC), "name-form"),
        (CodeList("Domain", ("A", "A", "OTHER"), DOC), "name-form"),
        (CodeList("Domain", ("A", "OTHER"), ""), "missing-doc"),
    ],
)
def test_a_bad_code_list_is_found(code_list: CodeList, rule: str) -> None:
    contracts = _catalogue()
    assert rule in _rules(dataclasses.replace(contracts, code_lists={"Domain": code_list}))


def test_a_disclosed_name_may_not_be_an_events_name() -> None:
    one = _catalogue()
    other = EventType("ThingHappenedDisclosed", "trial", ("SOC",), "HO", (_field(),), DOC)
    both = dataclasses.replace(one, event_types={**one.event_types, other.name: other})
    assert "duplicate-short-name" in _rules(both)


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        (RecordType("Item", (_field(),), "short"), "missing-doc"),
        (RecordType("Item", (_field(doc=""),), DOC), "missing-doc"),
        (RecordType("Item", (_field(category="none"),), DOC), "unclassified-field"),
        (RecordType("Item", (_field(name="Thing"),), DOC), "name-form"),
    ],
)
def test_a_bad_record_is_found(record: RecordType, rule: str) -> None:
    contracts = _catalogue()
    assert rule in _rules(dataclasses.replace(contracts, records={"Item": record}))


@pytest.mark.parametrize("spoilt", ["earlier", "newest"])
def test_an_earlier_version_is_judged_like_the_newest(spoilt: str) -> None:
    fields = {name: (_field(doc="" if name == spoilt else DOC),) for name in ("earlier", "newest")}
    grown = with_successor(_catalogue(fields=fields["earlier"]), "ThingHappened", fields=fields["newest"])
    assert [finding.rule for finding in lint(grown)] == ["missing-doc"]


def test_a_record_that_holds_itself_is_found() -> None:
    contracts = _catalogue(fields=(_field(kind=Kind.RECORD, type_name="Item", repeated=True),))
    inner = _field(name="inner", kind=Kind.RECORD, type_name="Item", category="HO", repeated=True)
    looped = dataclasses.replace(contracts, records={"Item": RecordType("Item", (inner,), DOC)})
    assert "recursion" not in _rules(contracts)
    assert "recursion" in _rules(looped)


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        (_record({"type": "array", "items": "null"}), "zero-width-item"),
        (_record({"type": "array", "items": _record(name="Empty")}), "zero-width-item"),
        (_record({"type": "array", "items": _record("null", name="Nothing")}), "zero-width-item"),
        (_record({"type": "map", "values": "null"}), "zero-width-item"),
        (_record({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}), "zero-width-item"),
        (_record(["null", "R"]), "recursion"),
        (_record(["null", "n.R"], namespace="n"), "recursion"),
        (_record("int", aliases=["Old"]), "alias"),
        (_record({"type": _record("int", name="Inner", aliases=["Outer"])}), "alias"),
        ({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int", "aliases": ["b"]}]}, "alias"),
        ({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int", "default": 0}]}, "default-value"),
        (_record({"type": "enum", "name": "E", "symbols": ["A", "OTHER"]}), "enum-without-other"),
        (_record({"type": "enum", "name": "E", "symbols": ["OTHER", "A"], "default": "OTHER"}), "enum-without-other"),
        (_nested(8), "nesting"),
    ],
)
def test_a_bad_schema_is_found(schema: dict[str, Any], rule: str) -> None:
    assert rule in {finding.rule for finding in lint_schema(schema)}


def test_a_schema_at_the_limit_is_clean() -> None:
    assert lint_schema(_nested(6)) == []
    assert lint_schema(_record("int", {"type": "array", "items": "int"})) == []


def test_nobody_is_made_to_have_consented() -> None:
    field = {"name": "a", "type": ["null", "string"], "default": None}
    schema = {"type": "record", "name": "R", "fields": [field]}
    assert lint_schema(schema) == []
    assert [finding.rule for finding in lint_schema(schema, consent=True)] == ["default-on-consent"]
    purpose = {"type": "enum", "name": "Purpose", "namespace": "org.casehub.codes", "symbols": ["OTHER"]}
    scope: dict[str, Any] = {"type": "array", "items": purpose | {"default": "OTHER"}}
    found = lint_schema(_record() | {"fields": [{"name": "a", "type": ["null", scope], "default": None}]})
    assert [finding.rule for finding in found] == ["default-on-consent"]


def test_nobody_is_made_to_have_a_purpose() -> None:
    codes = {
        "type": "enum",
        "name": "Purpose",
        "namespace": "org.casehub.codes",
        "symbols": ["OTHER"],
        "default": "OTHER",
    }
    later = {"name": "b", "type": ["null", "org.casehub.codes.Purpose"], "default": None}
    found = lint_schema(_record() | {"fields": [{"name": "a", "type": codes}, later]})
    assert [(finding.rule, finding.where) for finding in found] == [("default-on-consent", "R.b")]


@pytest.mark.parametrize(
    "nested",
    [
        {"type": "enum", "name": "E", "symbols": ["OTHER"], "default": "OTHER", "aliases": ["F"]},
        {
            "type": "array",
            "items": {"type": "enum", "name": "F", "symbols": ["OTHER"], "default": "OTHER", "aliases": ["G"]},
        },
        ["null", _record("int", name="Inner", aliases=["Outer"])],
    ],
)
def test_an_alias_is_found_however_deep_it_lies(nested: Any) -> None:
    assert [finding.rule for finding in lint_schema(_record(nested))] == ["alias"]


def test_every_rule_that_the_lint_knows_has_a_red_example_here() -> None:
    modules = [Path(str(module.__file__)) for module in (lint_module, schema_lint_module)]
    known = {rule for file in modules for rule in re.findall(r'Finding\("([a-z-]+)"', file.read_text(encoding="utf-8"))}
    files = Path(__file__).parent.glob("*.py")
    shown = {
        rule for file in files for rule in re.findall(r'"([a-z]+-[a-z-]+|[a-z]+)"', file.read_text(encoding="utf-8"))
    }
    assert len(known) > 10
    assert known - shown == set()
