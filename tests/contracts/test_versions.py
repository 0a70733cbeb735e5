"""Two versions of an event type in the real contracts: ids, history, gate and commands hold both."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.avro_schemas import Form
from contracts.catalogue import Catalogue, catalogue, read_catalogue
from contracts.codec import codec
from contracts.compatibility import check
from contracts.failures import BadContract
from contracts.history.changes import differences
from contracts.history.recorded import (
    Accepted,
    SchemaKey,
    given_ids,
    record,
    recorded_schemas,
    schemas_in,
    todays_schemas,
)
from contracts.lint import lint
from contracts.models import fault_in
from contracts.schema_ids import DIRECTORY, IDS_FILE, read_schema_ids, schema_ids
from deploy.command_line import hub
from tests.contracts.second_version import HOUSING, grown, in_force
from tests.contracts.values import disclosed_payloads, payloads


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown(tmp_path_factory.mktemp("later"), ends_on="2031-01-01")


@pytest.fixture(scope="module")
def contracts(later: Path) -> Iterator[Catalogue]:
    with in_force(later):
        yield catalogue()


# --- the real contracts with a second version of the housing events


def test_the_later_contracts_are_clean_and_every_id_is_known(contracts: Catalogue, later: Path) -> None:
    assert lint(contracts) == []
    before = set(given_ids())
    after = given_ids(later / "schemas" / IDS_FILE)
    assert {key: after[key] for key in before} == given_ids()
    assert {key.event_type for key in after.keys() - before} == set(HOUSING)
    assert {key.version for key in after.keys() - before} == {2}
    assert schema_ids().entries.keys() == {schema_id for schema_id, _ in after.values()}
    newest = contracts.event_types["HousingSecured"]
    assert (newest.version, schema_ids().published("HousingSecured")) == (2, after[_key(2, "published")][0])
    assert contracts.versions("HousingSecured")[0].ends_on == date(2031, 1, 1)


def _key(version: int, form: str) -> SchemaKey:
    return SchemaKey("HousingSecured", version, form)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_fact_of_the_old_version_is_a_sound_fact_of_the_new(contracts: Catalogue, data: st.DataObject) -> None:
    old = contracts.versions("HousingSecured")[0]
    stated = data.draw(payloads(old))
    schema_id = schema_ids().of_version("HousingSecured", 1, Form.PUBLISHED)
    framed = codec().encode(schema_id, stated)
    decoded = codec().decode(framed)
    assert decoded.payload == stated, "what was stated is read as it was stated"
    assert (decoded.event_type.version, fault_in(decoded.event_type, stated)) == (1, None)
    read = codec().decode_body(schema_id, decoded.body)
    assert fault_in(contracts.event_types["HousingSecured"], read) is None
    assert read["cause"] == stated["reason"]
    assert read["tenancyEndsOn"] is None
    assert read["rentPaidBy"] == ("MUNICIPALITY" if stated["kind"] == "PENSION" else None)
    expected = {"PENSION": "OTHER", "TEMPORARY_107": "SHELTER_110"}
    assert read["kind"] == expected.get(stated["kind"], stated["kind"])
    assert read.items() >= {name: stated[name] for name in ("housingId", "at", "address", "occurredAt")}.items()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_disclosure_can_be_told_in_the_old_version(contracts: Catalogue, data: st.DataObject) -> None:
    newest = contracts.event_types["HousingSecured"]
    form = {name: value for name, value in data.draw(disclosed_payloads(newest)).items() if value is not None}
    schema_id = schema_ids().of_version("HousingSecured", 1, Form.DISCLOSED)
    told = codec().decode(codec().encode_trusted(schema_id, codec().older(schema_id, form))).payload
    assert told["reason"] == form.get("cause")
    assert told["startsOn"] is None
    kind = form.get("kind")
    assert told["kind"] == ("OTHER" if kind == "HALFWAY_HOUSE" else kind)
    assert told["address"] == form.get("address")


def _spoilt(later: Path, directory: Path, old: str, new: str) -> Catalogue:
    for path in (later / "catalogue").iterdir():
        (directory / path.name).write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return read_catalogue(directory)


ACCEPTED = tuple(
    Accepted(name, 2, rule, f"{name}{suffix}.{field}")
    for name in HOUSING
    for suffix in ("", "Disclosed")
    for rule, field in (("field-removed", "reason"), ("field-removed", "startsOn"), ("symbol-removed", "kind"))
)


def test_the_history_holds_both_versions_and_a_break_needs_a_word(later: Path, tmp_path: Path) -> None:
    contracts = read_catalogue(later / "catalogue")
    ids = later / "schemas" / IDS_FILE
    history = tmp_path / "schemas.jsonl"
    record(read_catalogue(later / "catalogue"), history, ids)
    recorded, given = recorded_schemas(history), given_ids(ids)
    assert recorded.items() >= recorded_schemas().items(), "what was recorded before stands in it unchanged"
    assert check(todays_schemas(contracts), recorded, given, ACCEPTED) == []
    found = check(todays_schemas(contracts), recorded, given)
    assert {finding.rule for finding in found} == {"field-removed", "symbol-removed"}
    assert {finding.where for finding in found} == {one.where for one in ACCEPTED}


def test_an_old_version_that_is_changed_or_removed_is_refused(later: Path, tmp_path: Path) -> None:
    ids, history = later / "schemas" / IDS_FILE, tmp_path / "schemas.jsonl"
    contracts = read_catalogue(later / "catalogue")
    record(contracts, history, ids)
    recorded, given = recorded_schemas(history), given_ids(ids)

    line = 'reason = { type = "HousingReason"'
    changed = _spoilt(later, tmp_path, line, f"{line}, mandatory = true")
    assert changed.event_types["HousingLost"].fields == contracts.event_types["HousingLost"].fields
    found = check(todays_schemas(changed), recorded, given, ACCEPTED)
    assert {finding.rule for finding in found} == {"changed-under-its-version"}
    assert {finding.where for finding in found} == {f"{name}.v1 {form}" for name in HOUSING for form in Form}
    with pytest.raises(BadContract, match="version 1"):
        read_schema_ids(ids, changed)

    left = {name: each for name, each in contracts.earlier.items() if name not in HOUSING}
    without = dataclasses.replace(contracts, earlier=left)
    found = check(todays_schemas(without), recorded, given, ACCEPTED)
    assert {finding.rule for finding in found} == {"version-removed"}
    assert {finding.where for finding in found} == {f"{name}.v1 {form}" for name in HOUSING for form in Form}
    with pytest.raises(BadContract, match=r"id `\d+` was given to the published form of `Housing\w+`, version 1"):
        read_schema_ids(ids, without)


def test_diff_tells_a_new_version_and_what_happens_to_the_old(later: Path, tmp_path: Path) -> None:
    today, after = schemas_in(DIRECTORY), schemas_in(later / "schemas")
    told = [line for line in differences(today, after) if line.startswith("HousingSecured ")]
    assert told == [
        "HousingSecured version 1 -> 2",
        "HousingSecured `kind`: HousingKind no longer has TEMPORARY_107",
        "HousingSecured `kind`: HousingKind no longer has PENSION",
        "HousingSecured `kind`: HousingKind now has HALFWAY_HOUSE",
        "HousingSecured `startsOn`: is gone",
        "HousingSecured `reason`: is gone",
        "HousingSecured `cause`: is new, optional, category HO",
        "HousingSecured `rentPaidBy`: is new, optional, category FI",
        "HousingSecured `tenancyEndsOn`: is new, optional, category HO",
    ]
    removed = {key: schema for key, schema in after.items() if (key.event_type, key.version) != ("HousingSecured", 1)}
    assert differences(after, removed) == ["HousingSecured version 1 is gone"]
    assert differences(removed, after) == ["HousingSecured version 1 is new"]
    key = SchemaKey("HousingSecured", 1, "published")
    moved = {**after, key: {**after[key], "namespace": "org.casehub.elsewhere"}}
    namespace = "namespace of HousingSecured org.casehub.municipality -> org.casehub.elsewhere"
    assert differences(after, moved) == [f"HousingSecured (published form) version 1 {namespace}"]


def test_list_and_lint_tell_the_versions(contracts: Catalogue) -> None:
    run = CliRunner().invoke
    listed = run(hub, ["contracts", "list", "HousingSecured"]).output
    assert "HousingSecured  v2" in listed
    assert re.search(r"\(also v1 schema \d+ until 2031-01-01\)", listed)
    assert "cause: code HousingReason" in listed
    (told,) = json.loads(run(hub, ["contracts", "list", "HousingSecured", "--json"]).output)
    assert (told["version"], told["ce_type"]) == (2, "org.casehub.municipality.HousingSecured.v2")
    assert told["earlier"] == [
        {
            "version": 1,
            "ce_type": "org.casehub.municipality.HousingSecured.v1",
            "schema_id": schema_ids().of_version("HousingSecured", 1, Form.PUBLISHED),
            "ends_on": "2031-01-01",
        }
    ]
    types = len(contracts.event_types)
    linted = run(hub, ["contracts", "lint"]).output
    versions = types + sum(map(len, contracts.earlier.values()))
    assert linted == f"{types} event types in {versions} versions, 0 findings\n"
