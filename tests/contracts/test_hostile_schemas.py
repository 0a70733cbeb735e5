"""Schemas that no catalogue of ours can express, as another registry could hold them: each is found by its rule."""

from __future__ import annotations

import copy
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.schema_lint import lint_schema


def _record(*types: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": f"f{n}", "type": each} for n, each in enumerate(types)],
    } | more


SCHEMAS: Final[dict[str, tuple[str, Any]]] = {
    "a loop through an inherited namespace": ("recursion", _record(_record(["null", "n.S"], name="S"), namespace="n")),
    "a loop through a dotted name": ("recursion", _record(["null", "n.R"], name="n.R")),
    "a loop of two": ("recursion", _record(_record(["null", "R"], name="S"))),
    "a loop without a union": ("recursion", _record("R")),
    "a list of nothing": ("zero-width-item", _record({"type": "array", "items": {"type": {"type": "null"}}})),
    "a list of a record of nothing": (
        "zero-width-item",
        _record(_record("null", name="S"), {"type": "array", "items": "S"}),
    ),
    "a list of itself": ("recursion", _record(_record("S", name="S"), {"type": "array", "items": "S"})),
    "deep nesting": ("nesting", _record({"type": "array", "items": [[[[[[[["null"]]]]]]]]})),
    "three branches": ("union", _record(["null", "string", "int"])),
    "null last": ("union", _record(["string", "null"])),
    "an empty union": ("union", _record([])),
    "a union in a union": ("union", _record(["null", ["null", "int"]])),
    "a float": ("unused-type", _record("double")),
    "a map": ("unused-type", _record({"type": "map", "values": "string"})),
    "bytes of a fixed size": ("unused-type", _record({"type": "fixed", "name": "F", "size": 2**31})),
    "another scale": (
        "logical-type",
        _record({"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 3}),
    ),
    "another precision": (
        "logical-type",
        _record({"type": "bytes", "logicalType": "decimal", "precision": 2**40, "scale": 2}),
    ),
    "another unit of time": ("logical-type", _record({"type": "long", "logicalType": "timestamp-micros"})),
    "a time in an int": ("logical-type", _record({"type": "int", "logicalType": "timestamp-millis"})),
    "a logical type of its own": ("logical-type", _record({"type": "string", "logicalType": "script"})),
    "an alias": ("alias", _record("int", aliases=["ConsentGiven"])),
    "two definitions of one name": (
        "duplicate-short-name",
        _record(_record("int", name="S"), _record("string", name="S")),
    ),
    "fields that fold together": (
        "duplicate-field",
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "A", "type": "int"}]},
    ),
    "an enum without end": (
        "schema-size",
        _record(
            {"type": "enum", "name": "E", "symbols": [*(f"S{n}" for n in range(999)), "OTHER"], "default": "OTHER"}
        ),
    ),
    "an enum without symbols": ("schema-form", _record({"type": "enum", "name": "E", "default": "OTHER"})),
    "a reference to nothing": ("schema-form", _record("org.casehub.Nothing")),
    "a type that is a number": ("schema-form", _record(7)),
    "fields that are none": ("schema-form", {"type": "record", "name": "R", "fields": [1]}),
    "a list": ("schema-form", ["null"]),
    "nothing": ("schema-form", None),
}


@pytest.mark.parametrize("case", SCHEMAS)
def test_a_hostile_schema_is_found_by_the_name_of_the_rule(case: str) -> None:
    rule, schema = SCHEMAS[case]
    before = copy.deepcopy(schema)
    assert rule in {finding.rule for finding in lint_schema(schema)}
    assert schema == before


_json = st.recursive(
    st.sampled_from([None, True, 0, -1, "null", "string", "int", "record", "array", "enum", "R", "", "OTHER"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "name", "fields", "items", "values", "symbols", "namespace", "default", "aliases", "size"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(_json)
def test_no_schema_whatever_it_is_crashes_the_lint(schema: Any) -> None:
    assert isinstance(lint_schema(schema), list)
    assert isinstance(lint_schema(_record(schema)), list)
