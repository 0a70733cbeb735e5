"""The checked-in schemas equal the catalogue, and an id never changes its meaning."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from contracts.avro_schemas import Form, fingerprint, forms_of, is_disclosable, schema_of, schema_text
from contracts.catalogue import Catalogue, catalogue
from contracts.event_types import NEVER, EventType, Kind
from contracts.failures import BadContract
from contracts.schema_ids import DIRECTORY, IDS_FILE, read_schema_ids, schema_file, schema_ids, write_schemas
from tests.contracts.second_version import with_successor

FIRST_IDS = 333
FIRST_IDS_SHA256 = "93f2c6039824c31c6c243fb34c20d5d82e6cc65eafc32d026212d6856098332e"


def _fields(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in schema["fields"]}


def _changed(contracts: Catalogue, name: str, **changes: Any) -> Catalogue:
    event_type = dataclasses.replace(contracts.event_types[name], **changes)
    return dataclasses.replace(contracts, event_types={**contracts.event_types, name: event_type})


def _without_last_field(event_type: EventType) -> Any:
    return event_type.fields[:-1]


def test_the_checked_in_files_are_what_the_catalogue_derives() -> None:
    contracts, expected = catalogue(), set()
    for event_type in contracts.every_version:
        for form in forms_of(event_type):
            path = DIRECTORY / schema_file(event_type, form)
            assert path.read_text(encoding="utf-8") == schema_text(schema_of(event_type, form, contracts)), path.name
            expected.add(path)
    assert set(DIRECTORY.rglob("*.avsc")) == expected


def test_the_first_ids_are_for_ever() -> None:
    lines = (DIRECTORY / IDS_FILE).read_text().splitlines()[3 : 3 + FIRST_IDS]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == FIRST_IDS_SHA256


def test_generating_again_changes_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "schemas"
    shutil.copytree(DIRECTORY, directory)
    before = {path: path.read_bytes() for path in directory.rglob("*.*")}
    assert write_schemas(directory) == []
    assert {path: path.read_bytes() for path in directory.rglob("*.*")} == before


def test_a_new_version_gets_new_ids_after_the_old(tmp_path: Path) -> None:
    directory, contracts = tmp_path / "schemas", catalogue()
    shutil.copytree(DIRECTORY, directory)
    old_lines = (directory / IDS_FILE).read_text().splitlines()
    housing = contracts.event_types["HousingSecured"]
    changed = with_successor(contracts, "HousingSecured", fields=_without_last_field(housing))
    last = max(schema_ids().entries)
    assert write_schemas(directory, changed) == [last + 1, last + 2]
    assert (directory / IDS_FILE).read_text().splitlines()[: len(old_lines) - 1] == old_lines[:-1]
    assert read_schema_ids(directory / IDS_FILE, changed).published("HousingSecured") == last + 1
    assert (directory / "municipality" / "HousingSecured.v1.avsc").exists()


def test_a_schema_may_not_change_under_its_version(tmp_path: Path) -> None:
    directory, contracts = tmp_path / "schemas", catalogue()
    shutil.copytree(DIRECTORY, directory)
    before = {path: path.read_bytes() for path in directory.rglob("*.*")}
    housing = contracts.event_types["HousingSecured"]
    changed = _changed(contracts, "HousingSecured", fields=_without_last_field(housing))
    with pytest.raises(BadContract, match=r"HousingSecured.*version"):
        write_schemas(directory, changed)
    with pytest.raises(BadContract, match=r"HousingSecured.*version"):
        read_schema_ids(directory / IDS_FILE, changed)
    assert {path: path.read_bytes() for path in directory.rglob("*.*")} == before


def test_a_better_doc_is_no_change() -> None:
    contracts = catalogue()
    housing = contracts.event_types["HousingSecured"]
    mended = dataclasses.replace(housing, doc="Said better.")
    published = Form.PUBLISHED
    assert fingerprint(schema_of(housing, published, contracts)) == fingerprint(schema_of(mended, published, contracts))


def test_a_type_without_an_id_is_refused() -> None:
    contracts = with_successor(catalogue(), "HousingSecured")
    with pytest.raises(BadContract, match="HousingSecured"):
        read_schema_ids(DIRECTORY / IDS_FILE, contracts)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{ id = 2,", "{ id = 1,"),
        ("{ id = 2,", "{ id = 0,"),
        ("{ id = 2,", '{ id = "2",'),
        ("{ id = 2, type", "{ type"),
        ("schema = [", "schemas = ["),
        ("schema = [", "schema = ["[:-1]),
    ],
)
def test_a_damaged_ids_file_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = (DIRECTORY / IDS_FILE).read_text()
    assert old in text
    path = tmp_path / IDS_FILE
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BadContract, match=r"ids\.toml"):
        read_schema_ids(path, catalogue())


def test_ids_are_found_by_type_and_form() -> None:
    ids = schema_ids()
    entry = ids.entry(ids.disclosed("HousingSecured"))
    assert entry is not None
    assert (entry.event_type.name, entry.form) == ("HousingSecured", Form.DISCLOSED)
    assert ids.entry(10**6) is None
    assert ids.published("HousingSecured") != ids.disclosed("HousingSecured")


@pytest.mark.parametrize("name", ["ShardTicked", "CitizenEnrolled", "AnonymousOutreachCounted"])
def test_what_is_never_disclosed_has_no_disclosed_form(name: str) -> None:
    assert not is_disclosable(catalogue().event_types[name])
    with pytest.raises(KeyError):
        schema_ids().disclosed(name)


def test_the_disclosed_form_can_leave_everything_out_and_never_holds_what_is_never_shown() -> None:
    contracts = catalogue()
    for event_type in contracts.event_types.values():
        if not is_disclosable(event_type):
            continue
        schema = schema_of(event_type, Form.DISCLOSED, contracts)
        assert all(field["type"][0] == "null" for field in schema["fields"])
        shown = [field.name for field in event_type.fields if field.category != NEVER]
        assert [field["name"] for field in schema["fields"]] == shown
        assert not {"lateReason", "legalBasisCode"} & set(shown)


def test_only_what_was_optional_defaults_to_null() -> None:
    contracts = catalogue()
    for form in Form:
        fields = _fields(schema_of(contracts.event_types["HousingSecured"], form, contracts))
        assert "default" not in fields["housingId"]
        assert fields["address"]["default"] is None
    consent = schema_of(contracts.event_types["ConsentGiven"], Form.PUBLISHED, contracts)
    assert not any("default" in field for field in consent["fields"])
    request = _fields(schema_of(contracts.event_types["BreakGlassRequested"], Form.PUBLISHED, contracts))
    assert "default" not in request["categories"]


def test_types_travel_as_avro_knows_them() -> None:
    contracts = catalogue()
    housing = _fields(schema_of(contracts.event_types["HousingSecured"], Form.PUBLISHED, contracts))
    assert housing["housingId"]["type"] == {"type": "string", "logicalType": "uuid"}
    assert housing["at"]["type"] == {"type": "long", "logicalType": "timestamp-millis"}
    assert housing["startsOn"]["type"] == ["null", {"type": "int", "logicalType": "date"}]
    assert housing["reason"]["type"] == ["null", "string"]
    assert housing["kind"]["type"]["default"] == "OTHER"
    assert housing["address"]["category"] == "AD"
    benefit = _fields(schema_of(contracts.event_types["BenefitGranted"], Form.PUBLISHED, contracts))
    assert benefit["monthlyAmount"]["type"][1]["logicalType"] == "decimal"
    assert contracts.event_types["BenefitGranted"].field["monthlyAmount"].kind is Kind.DECIMAL


def test_a_schema_file_is_json_that_names_its_type() -> None:
    schema = json.loads((DIRECTORY / "municipality" / "HousingSecured.v1.disclosed.avsc").read_text())
    assert (schema["namespace"], schema["name"]) == ("org.casehub.municipality", "HousingSecuredDisclosed")
