"""Each change between two schemas is told by itself, also where another rule of the gate would find it too."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from contracts.avro_schemas import Schema
from contracts.history.changes import changes

CODES = {"type": "enum", "name": "Kind", "doc": "Kinds.", "symbols": ["ONE", "OTHER"], "default": "OTHER"}
DIGEST = {"type": "fixed", "name": "Digest", "size": 16}
THING: Schema = {
    "type": "record",
    "name": "Thing",
    "namespace": "org.casehub.trial",
    "doc": "It happened.",
    "fields": [
        {"name": "kind", "type": CODES, "doc": "Its kind.", "category": "HO"},
        {"name": "digest", "type": DIGEST, "doc": "Its digest.", "category": "HO"},
    ],
}


def _kind(schema: Schema) -> dict[str, Any]:
    found: dict[str, Any] = schema["fields"][0]
    return found


def _codes(schema: Schema) -> dict[str, Any]:
    found: dict[str, Any] = _kind(schema)["type"]
    return found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda new: new.update(doc="Better."), 'is now explained as "Better.", before "It happened."'),
        (lambda new: _kind(new).update(doc="Better."), '`kind`: is now explained as "Better.", before "Its kind."'),
        (
            lambda new: _kind(new)["type"].update(doc="Better."),
            '`kind`: is now explained as "Better.", before "Kinds."',
        ),
        (lambda new: new.update(aliases=["Old"]), "aliases none -> Old"),
        (lambda new: _kind(new).update(aliases=["sort"]), "`kind`: aliases none -> sort"),
        (lambda new: _codes(new).update(aliases=["Sort"]), "`kind`: aliases none -> Sort"),
        (lambda new: new["fields"][1]["type"].update(size=32), "`digest`: 16 bytes -> 32"),
        (
            lambda new: new["fields"].append({"name": "more", "type": ["null", "int"], "category": "HO"}),
            "`more`: is new, optional, category HO",
        ),
    ],
)
def test_a_change_is_told_once_in_words(change: Callable[[Schema], object], told: str) -> None:
    new = copy.deepcopy(THING)
    change(new)
    assert [str(each) for each in changes(THING, new)] == [told]
    assert changes(THING, THING) == changes(new, new) == []


def test_a_new_field_that_has_an_alias_says_so_too() -> None:
    new = copy.deepcopy(THING)
    new["fields"].append({"name": "more", "type": "int", "category": "HO", "aliases": ["extra"]})
    found = [str(each) for each in changes(THING, new)]
    assert found == ["`more`: is new, mandatory, category HO", "`more`: aliases none -> extra"]
