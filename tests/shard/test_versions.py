"""Two versions of one event type through the shard: both admitted, decided alike, told in the version that is read."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.avro_schemas import Form
from contracts.catalogue import catalogue
from contracts.civil_time import day_date, day_number, moment_of
from contracts.cloudevents import Attributes, parse_disclosed, published_headers
from contracts.codec import codec
from contracts.parties import Party, PartyRegistry
from contracts.reasons import Reason
from contracts.schema_ids import schema_ids
from hub.broker.ports import InputRecord
from hub.evidence.disclosures import seen_between
from hub.evidence.explanation import explain
from hub.evidence.replay import Replay, replay
from hub.store.records import FactRecorded
from tests.contracts.second_version import grown, in_force
from tests.shard.harness import CASE, DAY_MS, START, ShardUnderTest

PARTIES = ("PRI", "A.SOC", "A.BEN", "A.HSG", "A.ADD")
ENDS_ON = "2025-03-01"
HOUSING_ID = "b0000000-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown(tmp_path_factory.mktemp("later"), ends_on=ENDS_ON)


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    """A hub of today, with a case that A has opened."""
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "case")
    hub.settle()
    return hub


@pytest.fixture
def upgraded(hub: ShardUnderTest, later: Path) -> Iterator[ShardUnderTest]:
    """The same hub on the later contracts. A.ADD still reads the first version of HousingSecured."""
    with in_force(later):
        hub.registry = PartyRegistry.of(
            Party(party, reads=(("HousingSecured", 1),) if party == "A.ADD" else ()) for party in PARTIES
        )
        hub.publishers.clear()
        hub.restart()
        yield hub


def _first(at: int, **values: Any) -> dict[str, Any]:
    """The wire values of a HousingSecured of the first version."""
    values = {"housingId": HOUSING_ID, "kind": "PENSION", "at": at, "startsOn": 20_200, "reason": "DEBT"} | values
    return {"occurredAt": at, "address": "Street 1", **values}


def _state_first(hub: ShardUnderTest, party: str, ce_id: str = "", corrects: str | None = None, **values: Any) -> str:
    """State a HousingSecured as an agency does that has not heard of the second version; return its event id."""
    old = catalogue().versions("HousingSecured")[0]
    value = codec().encode(schema_ids().of_version("HousingSecured", 1, Form.PUBLISHED), _first(hub.now, **values))
    ce_id = ce_id or str(uuid.uuid4())
    headers = published_headers(Attributes(ce_id, f"urn:party:{party}:old", old.ce_type, hub.now, corrects))
    key = hub.key(party).encode("ascii")
    hub.append(party, InputRecord(hub.names.input(party), 0, 0, hub.now, key, value, headers))
    return f"{party}/{ce_id}"


def _state_second(hub: ShardUnderTest, party: str, reference: str, tenancyEndsOn: int = 0, **more: Any) -> str:  # noqa: N803
    values = {"housingId": HOUSING_ID, "kind": "HALFWAY_HOUSE", "at": hub.now, "address": "Street 2"}
    values |= {"cause": "EVICTION", "rentPaidBy": "REGION"}
    values |= {"tenancyEndsOn": day_date(tenancyEndsOn)} if tenancyEndsOn else {}
    return hub.state(party, "HousingSecured", values, reference, **more)


def _types(hub: ShardUnderTest, party: str) -> dict[str, str]:
    """Event id -> the type under which `party` was told of it last."""
    told = [parse_disclosed(record.headers) for record in hub.broker.log(hub.names.output(party), 0)]
    return {f"{each.party}/{each.id}": each.type.rpartition(".")[2] for each in told}


def test_both_versions_are_admitted_and_reach_a_receiver_in_one_shape(upgraded: ShardUnderTest) -> None:
    hub = upgraded
    old, new = _state_first(hub, "A.SOC"), _state_second(hub, "A.HSG", "flat")
    hub.settle()
    assert hub.parked() == []
    view = hub.view("A.BEN")
    assert view[old] == {
        "occurredAt": hub.now,
        "housingId": HOUSING_ID,
        "kind": "OTHER",
        "at": hub.now,
        "address": "Street 1",
        "cause": "DEBT",
        "rentPaidBy": "MUNICIPALITY",
    }
    assert {name: view[new][name] for name in ("kind", "cause", "rentPaidBy")} == {
        "kind": "HALFWAY_HOUSE",
        "cause": "EVICTION",
        "rentPaidBy": "REGION",
    }
    assert {_types(hub, "A.BEN")[event] for event in (old, new)} == {"v2"}


def test_a_party_that_reads_the_first_version_is_told_in_it(upgraded: ShardUnderTest) -> None:
    hub = upgraded
    old, new = _state_first(hub, "A.SOC"), _state_second(hub, "A.HSG", "flat")
    lost = hub.state("A.HSG", "HousingLost", {"housingId": HOUSING_ID, "kind": "NONE", "at": hub.now}, "lost")
    hub.settle()
    view = hub.view("A.ADD")
    assert view[old] == {
        "occurredAt": hub.now,
        "housingId": HOUSING_ID,
        "kind": "OTHER",
        "at": hub.now,
        "reason": "DEBT",
    }
    assert view[new] == {
        "occurredAt": hub.now,
        "housingId": HOUSING_ID,
        "kind": "OTHER",
        "at": hub.now,
        "reason": "EVICTION",
    }
    assert [_types(hub, "A.ADD")[event] for event in (old, new, lost)] == ["v1", "v1", "v2"]


def _replayed_with_a_field_of_the_second(hub: ShardUnderTest) -> tuple[str, Replay]:
    """A fact with a field that the first version cannot carry, and the case as it is then."""
    event = _state_second(hub, "A.HSG", "flat", tenancyEndsOn=20_500)
    hub.settle()
    return event, replay(hub.store.case_records(CASE), CASE, hub.shard.cases.reader)


def test_an_explanation_shows_no_field_that_the_version_which_a_party_reads_does_not_carry(
    upgraded: ShardUnderTest,
) -> None:
    hub, policies, reader = upgraded, upgraded.shard.cases.policies, upgraded.shard.cases.reader
    event, replayed = _replayed_with_a_field_of_the_second(hub)
    fields = {
        party: {field.field: field for field in explain(replayed, event, party, hub.now, policies, reader).fields}
        for party in ("A.ADD", "A.SOC")
    }
    shown = {party: {name for name, field in of.items() if field.shown} for party, of in fields.items()}
    names_now = {"reason": "cause"}
    assert shown["A.ADD"] == {names_now.get(name, name) for name in hub.view("A.ADD")[event]}
    assert shown["A.SOC"] == set(hub.view("A.SOC")[event])
    assert "tenancyEndsOn" in shown["A.SOC"] - shown["A.ADD"]
    assert "version 1" in fields["A.ADD"]["tenancyEndsOn"].why


def test_the_disclosure_log_names_no_field_that_the_version_which_a_party_reads_does_not_carry(
    upgraded: ShardUnderTest,
) -> None:
    hub, policies, reader = upgraded, upgraded.shard.cases.policies, upgraded.shard.cases.reader
    event, replayed = _replayed_with_a_field_of_the_second(hub)
    seen = {
        each.party: set(each.fields)
        for each in seen_between(replayed, reader, lambda _: policies)
        if each.event_id == event
    }
    names_now = {"reason": "cause"}
    assert seen["A.ADD"] == {names_now.get(name, name) for name in hub.view("A.ADD")[event]}
    assert seen["A.SOC"] == set(hub.view("A.SOC")[event])
    assert "tenancyEndsOn" in seen["A.SOC"] - seen["A.ADD"]


def test_parties_who_may_see_the_same_of_a_fact_are_each_told_in_their_own_version(tmp_path: Path, later: Path) -> None:
    """Benefits, children's services and housing see the same; what one was told in is not handed on to the next."""
    with in_force(later):
        hub = ShardUnderTest(tmp_path, ("A.SOC", "A.BEN", "A.CHI", "A.HSG"))
        reading = {"A.CHI": (("HousingSecured", 1),)}
        hub.registry = PartyRegistry.of(Party(party, reads=reading.get(party, ())) for party in hub.parties)
        hub.restart()
        hub.enrol()
        hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "case")
        values = {"housingId": HOUSING_ID, "kind": "FAMILY", "at": hub.now, "address": "Street 1", "cause": "DEBT"}
        event = hub.state("A.SOC", "HousingSecured", values, "flat")
        hub.settle()
        told = {party: (hub.view(party)[event], _types(hub, party)[event]) for party in hub.parties}
    newest = {**values, "occurredAt": hub.now}
    oldest = {name: value for name, value in newest.items() if name != "cause"} | {"reason": "DEBT"}
    assert told.pop("A.CHI") == (oldest, "v1")
    assert set(told) == {"A.SOC", "A.BEN", "A.HSG"}
    assert all(each == (newest, "v2") for each in told.values())


def test_what_was_stated_before_stays_readable_in_the_new_shape(hub: ShardUnderTest, later: Path) -> None:
    before = hub.state(
        "A.SOC", "HousingSecured", {**_values(hub.now), "startsOn": moment_of(START + DAY_MS).date()}, "flat"
    )
    hub.settle()
    stated = hub.view("A.BEN")[before]
    assert (stated["kind"], stated["reason"], "startsOn" in stated) == ("TEMPORARY_107", "DEBT", True)
    with in_force(later):
        hub.publishers.clear()
        hub.restart()
        reader = hub.shard.cases.reader
        replayed = replay(hub.store.case_records(CASE), CASE, reader).fact(before).payload
        assert (replayed["kind"], replayed["cause"]) == ("SHELTER_110", "DEBT")
        assert "reason" not in replayed
        stored = [record for record in hub.store.case_records(CASE) if isinstance(record, FactRecorded)]
        kept = next(record for record in stored if record.event_id == before)
        first = schema_ids().of_version("HousingSecured", 1, Form.PUBLISHED)
        assert kept.schema_id == first, "what was stated is kept as it was stated"
        assert codec().decode(codec().frame(first, kept.value)).payload["reason"] == "DEBT"

        corrected = _state_second(hub, "A.SOC", "flat", revision=1)
        hub.settle()
        assert hub.parked() == []
        assert hub.view("A.BEN").keys() & {before, corrected} == {corrected}


def _values(at: int) -> dict[str, Any]:
    return {"housingId": HOUSING_ID, "kind": "TEMPORARY_107", "at": at, "address": "Street 1", "reason": "DEBT"}


def test_a_fact_of_either_version_is_decided_alike(tmp_path: Path, later: Path) -> None:
    """The same thing said in the first version and in the second: every party is told the same, byte by byte."""
    said: list[dict[str, list[tuple[bytes | None, list[tuple[str, bytes]]]]]] = []
    ce_id = "a0000000-0000-8000-8000-000000000001"
    with in_force(later):
        for version in (1, 2):
            directory = tmp_path / str(version)
            directory.mkdir()
            hub = ShardUnderTest(directory, PARTIES)
            hub.enrol()
            hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "case")
            payload = _first(hub.now)
            first = schema_ids().of_version("HousingSecured", 1, Form.PUBLISHED)
            schema_id = first if version == 1 else schema_ids().published("HousingSecured")
            stated = payload if version == 1 else codec().newest(first, payload)
            ce_type = catalogue().versions("HousingSecured")[version - 1].ce_type
            headers = published_headers(Attributes(ce_id, "urn:party:A.SOC:s", ce_type, hub.now))
            key, value = hub.key("A.SOC").encode("ascii"), codec().encode(schema_id, stated)
            hub.append("A.SOC", InputRecord(hub.names.input("A.SOC"), 0, 0, hub.now, key, value, headers))
            hub.settle()
            assert hub.parked() == []
            outputs = {party: hub.broker.log(hub.names.output(party), 0) for party in PARTIES}
            said.append({party: [(each.value, list(each.headers)) for each in log] for party, log in outputs.items()})
    assert said[0] == said[1]
    assert any(value for value, _ in said[0]["A.BEN"])


def test_a_version_that_has_ended_is_parked_and_the_next_record_handled(upgraded: ShardUnderTest) -> None:
    hub = upgraded
    kept = _state_first(hub, "A.SOC")
    hub.settle()
    last = day_number(moment_of(hub.now).date().fromisoformat(ENDS_ON)) * DAY_MS
    hub.tick(last - hub.now - 1)
    in_time = _state_first(hub, "A.SOC")
    hub.settle()
    hub.tick(1)
    too_late = _state_first(hub, "A.SOC")
    newer = _state_second(hub, "A.SOC", "flat")
    hub.settle()
    (parked,) = hub.parked()
    assert (parked.reason, parked.field) == (Reason.UNKNOWN_SCHEMA, "schema id")
    assert {kept, in_time, newer} <= hub.view("A.BEN").keys()
    assert too_late not in hub.view("A.BEN")


def test_what_was_parked_in_a_version_that_has_ended_is_stated_anew_in_one_that_goes_on(
    upgraded: ShardUnderTest,
) -> None:
    hub = upgraded
    ce_id = str(uuid.uuid4())
    parked_in_time = _state_first(hub, "A.SOC", ce_id, corrects=str(uuid.uuid4()))
    hub.settle()
    assert [each.reason for each in hub.parked()] == [Reason.CORRECTS_NOTHING]
    hub.tick(day_number(moment_of(hub.now).date().fromisoformat(ENDS_ON)) * DAY_MS - hub.now)
    hub.control.publish(0, "ParkedRetried", {"party": "A.SOC", "parkedNumber": 1})
    hub.settle()
    _, parked = hub.parked()
    assert (parked.reason, parked.originator_version) == (Reason.UNKNOWN_SCHEMA, 3)
    assert "no retry brings it in" in parked.fix
    assert "anew in a version that goes on" in parked.fix
    anew = _state_second(hub, "A.SOC", "anew")
    hub.settle()
    assert parked_in_time not in hub.view("A.BEN")
    assert anew in hub.view("A.BEN")


def test_a_fact_is_not_stated_again_in_another_version(upgraded: ShardUnderTest) -> None:
    """The same `ce_id` under another schema is other bytes: what is to change is corrected."""
    hub = upgraded
    stated = _state_second(hub, "A.SOC", "flat")
    _state_first(hub, "A.SOC", ce_id=stated.rpartition("/")[2])
    hub.settle()
    (parked,) = hub.parked()
    assert parked.reason == Reason.SAME_ID_OTHER_BYTES
    assert hub.view("A.BEN")[stated]["cause"] == "EVICTION"


def test_an_old_version_is_judged_by_its_own_contract(upgraded: ShardUnderTest) -> None:
    hub = upgraded
    _state_first(hub, "A.SOC", address="")
    new_type = catalogue().event_types["HousingSecured"].ce_type
    value = codec().encode(schema_ids().of_version("HousingSecured", 1, Form.PUBLISHED), _first(hub.now))
    headers = published_headers(Attributes(str(uuid.uuid4()), "urn:party:A.SOC:old", new_type, hub.now))
    key = hub.key("A.SOC").encode("ascii")
    hub.append("A.SOC", InputRecord(hub.names.input("A.SOC"), 0, 0, hub.now, key, value, headers))
    hub.settle()
    assert [parked.reason for parked in hub.parked()] == [Reason.VALUE_OUTSIDE_MODEL, Reason.TYPE_NOT_SCHEMAS]


def test_a_case_in_a_small_cache_and_after_a_restart_reads_the_same(upgraded: ShardUnderTest) -> None:
    hub = upgraded
    old = _state_first(hub, "A.SOC")
    hub.settle()
    before = hub.view("A.BEN")[old]
    hub.restart()
    corrected = _state_first(hub, "A.SOC", corrects=old.rpartition("/")[2], kind="FAMILY")
    hub.settle()
    after = hub.view("A.BEN")
    assert old not in after
    assert after[corrected] == {name: before[name] for name in before if name != "rentPaidBy"} | {"kind": "FAMILY"}
