"""Today's contracts break nothing that was ever recorded; each rule of the gate has a red example."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from contracts.avro_schemas import Schema, fingerprint
from contracts.catalogue import Catalogue, catalogue
from contracts.compatibility import breaks, check
from contracts.failures import BadContract
from contracts.history.changes import changes, differences
from contracts.history.recorded import (
    ACCEPTED_FILE,
    HISTORY_FILE,
    Accepted,
    SchemaKey,
    accepted_breaks,
    given_ids,
    record,
    recorded_schemas,
    schemas_in,
    todays_schemas,
)
from contracts.schema_ids import write_schemas
from deploy import contracts_command
from deploy.command_line import hub

FIRST_RECORDED = 333
FIRST_RECORDED_SHA256 = "1fb16c4e6d47a27b27e7c92777bf46939561455f7cfa1a9a97110bcf1296d688"

KIND = {
    "type": "enum",
    "name": "Kind",
    "namespace": "org.casehub.codes",
    "doc": "What it is.",
    "symbols": ["ONE", "TWO", "OTHER"],
    "default": "OTHER",
}
ITEM = {
    "type": "record",
    "name": "Item",
    "namespace": "org.casehub.records",
    "doc": "One of several.",
    "fields": [{"name": "kind", "type": "org.casehub.codes.Kind", "doc": "Its kind.", "category": "HO"}],
}


def _field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "doc": f"What {name} is.", "category": "HO", **more}


THING: Schema = {
    "type": "record",
    "name": "Thing",
    "namespace": "org.casehub.trial",
    "doc": "It happened.",
    "fields": [
        _field("at", {"type": "long", "logicalType": "timestamp-millis"}),
        _field("amount", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}),
        _field("length", {"type": "int", "unit": "days"}),
        _field("kind", KIND),
        _field("note", ["null", "string"], default=None),
        _field("items", ["null", {"type": "array", "items": ITEM}], default=None),
    ],
}
KEY = SchemaKey("Thing", 1, "published")
Change = Callable[[dict[str, Any]], object]


def _thing(*mutations: Change) -> dict[str, Any]:
    schema = copy.deepcopy(THING)
    for change in mutations:
        change(schema)
    return schema


def _part(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(field for field in schema["fields"] if field["name"] == name)
    return found


def _set(*path: str | int, **values: Any) -> Change:
    """Change the field `path[0]`, or what lies below it."""

    def change(schema: dict[str, Any]) -> None:
        part: Any = _part(schema, str(path[0])) if path else schema
        for step in path[1:]:
            part = part[step]
        part.update(values)

    return change


def _add(**field: Any) -> Change:
    return lambda schema: schema["fields"].append(_field(**field))


def _rules(schema: Schema, old: Schema = THING) -> set[str]:
    return {finding.rule for finding in breaks(old, schema)}


def _gate(versions: dict[int, Schema], today: int, *accepted: Accepted) -> list[str]:
    """The findings of the gate, `rule message`, where `today` is the newest of these recorded versions."""
    recorded = {SchemaKey("Thing", version, "published"): schema for version, schema in versions.items()}
    ids = {key: (number, fingerprint(recorded[key])) for number, key in enumerate(recorded, 1)}
    newest = SchemaKey("Thing", today, "published")
    return [
        f"{finding.rule} {finding.message}" for finding in check({newest: versions[today]}, recorded, ids, accepted)
    ]


# --- breaks between two versions


@pytest.mark.parametrize(
    "harmless",
    [
        (),
        (_set(doc="Said better."), _set("note", doc="Said better."), _set("kind", "type", doc="Said better.")),
        (_add(name="more", kind=["null", "string"], default=None),),
        (_set("kind", "type", symbols=["ONE", "TWO", "THREE", "OTHER"]),),
    ],
)
def test_what_every_reader_can_read_both_ways_is_no_break(harmless: tuple[Change, ...]) -> None:
    assert breaks(THING, _thing(*harmless)) == []
    assert bool(changes(THING, _thing(*harmless))) == bool(harmless)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (_set("at", "type", logicalType="timestamp-micros"), "unit"),
        (_set("length", "type", unit="hours"), "unit"),
        (_set("at", "type", logicalType=None), "logical-type"),
        (_set("length", "type", logicalType="date"), "logical-type"),
        (_set("amount", "type", scale=3), "scale"),
        (_set("amount", "type", precision=9), "precision"),
        (_set(namespace="org.casehub.other"), "namespace"),
        (_set("items", "type", 1, "items", namespace="org.casehub.other"), "namespace"),
        (_set("note", category="MH"), "category"),
        (_set("items", "type", 1, "items", "fields", 0, category="MH"), "category"),
        (lambda schema: schema["fields"].pop(4), "field-removed"),
        (_set("kind", "type", symbols=["ONE", "OTHER"]), "symbol-removed"),
        (_set(aliases=["Old"]), "alias"),
        (_set("note", aliases=["remark"]), "alias"),
        (_set("note", default="nothing"), "default"),
        (_set("kind", "type", default="TWO"), "default"),
        (_set("at", "type", accuracy="to the minute"), "attribute"),
    ],
)
def test_what_avro_does_not_see_is_a_break(change: Change, rule: str) -> None:
    changed = _thing(change)
    assert rule in _rules(changed)
    assert "avro" not in _rules(changed), "Avro sees it by now: the gate need not look for it itself"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (_set("note", type=["null", "int"]), "type"),
        (_set("length", type="string"), "type"),
        (_set("note", type=["null", "string", "int"]), "type"),
        (_set("note", type="string"), "optional"),
        (_set("length", type=["null", "int"]), "optional"),
        (_set("items", "type", 1, items="string"), "type"),
        (_set("kind", "type", name="Sort"), "name"),
    ],
)
def test_what_avro_sees_is_told_in_words_too(change: Change, rule: str) -> None:
    assert {"avro", rule} <= _rules(_thing(change))


def test_a_new_field_that_old_facts_lack_is_a_break() -> None:
    mandatory = breaks(THING, _thing(_add(name="more", kind="string")))
    assert [finding.rule for finding in mandatory] == ["avro"]
    assert "cannot read the old: more" in mandatory[0].message


def test_a_symbol_without_a_fallback_is_a_break_in_the_direction_of_the_older_reader() -> None:
    without = _thing(lambda schema: _part(schema, "kind")["type"].pop("default"))
    grown = copy.deepcopy(without)
    _part(grown, "kind")["type"]["symbols"].insert(0, "NEW")
    (found,) = breaks(without, grown)
    assert (found.rule, "older" in found.message or "old version cannot read" in found.message) == ("avro", True)


@pytest.mark.parametrize("scope", ["Purpose", "Category"])
def test_nobody_is_made_to_have_consented_by_a_new_version(scope: str) -> None:
    codes = {**KIND, "name": scope}
    added = _add(name="more", kind=["null", {"type": "array", "items": codes}], default=None)
    assert _rules(_thing(added)) == {"default-on-consent"}
    consent = _thing(_set(namespace="org.casehub.consent"))
    assert "default-on-consent" in _rules(consent, consent)


def test_a_schema_that_avro_refuses_is_a_finding_and_no_crash() -> None:
    doubled = _thing(_add(name="note", kind="string"))
    assert "avro" in _rules(doubled)


# --- the gate


def test_today_breaks_nothing_that_was_ever_recorded() -> None:
    assert check(todays_schemas(catalogue()), recorded_schemas(), given_ids(), accepted_breaks()) == []


def test_the_first_records_are_for_ever() -> None:
    lines = HISTORY_FILE.read_text(encoding="utf-8").splitlines()[:FIRST_RECORDED]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == FIRST_RECORDED_SHA256


def test_every_older_version_is_asked_not_only_the_last() -> None:
    first = _thing()
    second = _thing(lambda schema: schema["fields"].pop(4))
    third = _thing(_set("note", type=["null", "int"]))
    versions = {1: first, 2: second, 3: third}
    accepted = Accepted("Thing", 2, "field-removed", "Thing.note")
    assert breaks(second, third) == []
    found = _gate(versions, 3, accepted)
    assert {line.split()[0] for line in found} == {"avro", "type"}
    assert all("(against version 1)" in line for line in found)


def test_a_break_is_accepted_by_name_alone_and_from_its_version_on() -> None:
    versions = {1: _thing(), 2: _thing(_set("note", category="MH")), 3: _thing(_set("note", category="MH"))}
    assert _gate(versions, 2) == ["category category HO -> MH (against version 1)"]
    accepted = Accepted("Thing", 2, "category", "Thing.note")
    assert _gate(versions, 2, accepted) == []
    assert _gate(versions, 3, accepted) == []
    for other in (
        Accepted("Thing", 3, "category", "Thing.note"),
        Accepted("Thing", 2, "scale", "Thing.note"),
        Accepted("Thing", 2, "category", "Thing.at"),
        Accepted("Other", 2, "category", "Thing.note"),
    ):
        assert _gate(versions, 2, other) != []


def _changed(name: str, **fields: Any) -> Catalogue:
    contracts = catalogue()
    event_type = contracts.event_types[name]
    spoiled = tuple(dataclasses.replace(field, **fields.get(field.name, {})) for field in event_type.fields)
    changed = dataclasses.replace(event_type, fields=spoiled)
    return dataclasses.replace(contracts, event_types={**contracts.event_types, name: changed})


def _found(contracts: Catalogue) -> dict[str, str]:
    findings = check(todays_schemas(contracts), recorded_schemas(), given_ids())
    return {f"{finding.rule} {finding.where}": finding.message for finding in findings}


def test_a_change_under_its_version_is_said_in_words() -> None:
    found = _found(_changed("HousingSecured", address={"category": "HO"}))
    assert found.keys() == {
        "changed-under-its-version HousingSecured.v1 published",
        "changed-under-its-version HousingSecured.v1 disclosed",
    }
    assert all("`address`: category AD -> HO: raise" in message for message in found.values())


def test_fields_in_another_order_are_a_change_too() -> None:
    contracts = catalogue()
    event_type = contracts.event_types["HousingSecured"]
    turned = dataclasses.replace(event_type, fields=tuple(reversed(event_type.fields)))
    found = _found(dataclasses.replace(contracts, event_types={**contracts.event_types, "HousingSecured": turned}))
    assert any("another order" in message for message in found.values())


def test_a_better_doc_passes() -> None:
    assert _found(_changed("HousingSecured", address={"doc": "Said better than it was."})) == {}


def test_an_event_type_that_was_recorded_stays() -> None:
    contracts = catalogue()
    fewer = {name: each for name, each in contracts.event_types.items() if name != "HousingSecured"}
    assert "event-removed HousingSecured" in _found(dataclasses.replace(contracts, event_types=fewer))


def test_a_new_version_needs_an_id_and_a_record() -> None:
    contracts = catalogue()
    second = dataclasses.replace(contracts.event_types["HousingSecured"], version=2)
    raised = dataclasses.replace(contracts, event_types={**contracts.event_types, "HousingSecured": second})
    assert {"no-id HousingSecured.v2 published", "no-id HousingSecured.v2 disclosed"} == _found(raised).keys()
    ids = {**given_ids(), SchemaKey("HousingSecured", 2, "published"): (10_000, "0")}
    findings = check(todays_schemas(raised), recorded_schemas(), ids)
    assert ("unrecorded", "HousingSecured.v2 published") in {(each.rule, each.where) for each in findings}


def test_a_history_that_is_not_what_the_ids_were_given_for_is_found() -> None:
    recorded = recorded_schemas()
    key = SchemaKey("HousingSecured", 1, "published")
    recorded[key] = {**recorded[key], "namespace": "org.casehub.elsewhere"}
    rules = {(each.rule, each.where) for each in check(todays_schemas(catalogue()), recorded, given_ids())}
    assert ("history-changed", "HousingSecured.v1 published") in rules


# --- the recorded history


def test_recording_adds_what_lacks_and_changes_no_line(tmp_path: Path) -> None:
    lines = HISTORY_FILE.read_text(encoding="utf-8").splitlines(keepends=True)
    history = tmp_path / "schemas.jsonl"
    history.write_text("".join(lines[:-3]), encoding="utf-8")
    assert record(catalogue(), history) == [json.loads(line)["id"] for line in lines[-3:]]
    assert history.read_text(encoding="utf-8") == "".join(lines)
    assert record(catalogue(), history) == []


@pytest.mark.parametrize("damage", ["{", '{"id": 1}', "[]", "twice"])
def test_a_damaged_history_is_refused(tmp_path: Path, damage: str) -> None:
    line = HISTORY_FILE.read_text(encoding="utf-8").splitlines()[0]
    history = tmp_path / "schemas.jsonl"
    history.write_text(f"{line}\n{line if damage == 'twice' else damage}\n", encoding="utf-8")
    with pytest.raises(BadContract, match=r"schemas\.jsonl"):
        recorded_schemas(history)


@pytest.mark.parametrize("why", ['why = " "', 'reason = "we like it"', "why = 1"])
def test_a_break_is_not_accepted_without_a_reason(tmp_path: Path, why: str) -> None:
    file = tmp_path / "accepted.toml"
    entry = f'[[accepted]]\ntype = "Thing"\nversion = 2\nrule = "category"\nwhere = "Thing.note"\n{why}\n'
    file.write_text(entry, encoding="utf-8")
    with pytest.raises(BadContract, match=r"accepted\.toml"):
        accepted_breaks(file)
    file.write_text(entry.replace(why, 'why = "Decided."'), encoding="utf-8")
    assert accepted_breaks(file) == {Accepted("Thing", 2, "category", "Thing.note")}
    assert accepted_breaks(ACCEPTED_FILE) == frozenset()


# --- the commands


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hub, ["contracts", *arguments])


def test_check_says_what_breaks_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = run("check")
    assert (clean.exit_code, clean.output) == (0, f"{len(recorded_schemas())} recorded schemas, 0 findings\n")
    monkeypatch.setattr(contracts_command, "catalogue", lambda: _changed("HousingSecured", address={"category": "HO"}))
    broken = run("check")
    assert broken.exit_code == 1
    assert "changed-under-its-version  HousingSecured.v1 published: `address`: category AD -> HO" in broken.output


def test_diff_tells_each_change_once_in_words(tmp_path: Path) -> None:
    same = run("diff")
    assert (same.exit_code, same.output) == (0, "nothing differs\n")
    write_schemas(tmp_path)
    area = tmp_path / "municipality"
    (area / "HousingLost.v1.avsc").unlink()
    (area / "HousingLost.v1.disclosed.avsc").unlink()
    for path in area.glob("HousingSecured.v1*.avsc"):
        path.write_text(path.read_text(encoding="utf-8").replace('"category": "AD"', '"category": "HO"'))
    schema = json.loads((area / "HousingOffered.v1.avsc").read_text(encoding="utf-8"))
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "address"]
    (area / "HousingOffered.v2.avsc").write_text(json.dumps(schema), encoding="utf-8")
    differing = run("diff", "today", str(tmp_path))
    assert differing.exit_code == 1
    assert differing.output.splitlines() == [
        "HousingLost is gone",
        "HousingOffered (published form) version 1 -> 2",
        "HousingOffered (published form) `address`: is gone",
        "HousingSecured `address`: category AD -> HO",
    ]
    assert differences(schemas_in(tmp_path), todays_schemas(catalogue()))[0] == "HousingLost is new"


def test_diff_with_a_directory_without_schemas_is_refused(tmp_path: Path) -> None:
    assert isinstance(run("diff", str(tmp_path)).exception, BadContract)


def test_record_leaves_a_complete_history_alone() -> None:
    before = HISTORY_FILE.read_bytes()
    assert run("record").output == "0 schemas recorded\n"
    assert HISTORY_FILE.read_bytes() == before
