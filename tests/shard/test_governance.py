"""What is about no citizen has a timeline of its own: who may state what on it, who is told, and what the hub says."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import catalogue
from contracts.civil_time import day_number, moment_of
from contracts.failures import StoreUnavailable
from hub.consent.rule_reader import RULES_FOLDER
from hub.identity.pseudonyms import governance_case, governance_key
from hub.shard.governance import policy_version
from hub.store.records import DecisionsRecorded, FactRecorded, GovernanceOpened
from tests.shard.harness import CASE, DAY_MS, SECRET, START, ShardUnderTest, imprisonment

GOVERNANCE = governance_case(SECRET, "DK", 0)
SWEDISH_GOVERNANCE = governance_case(SECRET, "SE", 0)
AGREEMENT = "a0000000-0000-4000-8000-000000000001"
COUNTED = {"date": date(2025, 1, 5), "setting": "CONSUMPTION_ROOM", "contacts": 14}
PARTNERS = ["PRI", "A.SOC"]


def agreement(**more: Any) -> dict[str, Any]:
    return {
        "agreementId": AGREEMENT,
        "kind": "PARTNERSHIP",
        "parties": PARTNERS,
        "startsOn": date(2025, 1, 1),
        "categories": ["SU"],
        "costRule": "HOST_BEARS",
        **more,
    }


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.settle()
    return hub


def facts(hub: ShardUnderTest, case_id: str, *event_types: str) -> list[FactRecorded]:
    found = (record for record in hub.store.case_records(case_id) if isinstance(record, FactRecorded))
    return [record for record in found if not event_types or record.event_type in event_types]


def payloads(hub: ShardUnderTest, case_id: str, event_type: str) -> list[dict[str, Any]]:
    codec = hub.shard.cases.reader.codec
    return [codec.decode_body(record.schema_id, record.value) for record in facts(hub, case_id, event_type)]


def test_a_shard_opens_one_timeline_for_each_jurisdiction(hub: ShardUnderTest) -> None:
    for case_id, jurisdiction in ((GOVERNANCE, "DK"), (SWEDISH_GOVERNANCE, "SE")):
        first, *_ = hub.store.case_records(case_id)
        assert isinstance(first, GovernanceOpened)
        assert first.jurisdiction == jurisdiction
    assert set(hub.store.cases()) == {GOVERNANCE, SWEDISH_GOVERNANCE, CASE}


def test_a_count_of_anonymous_contacts_enters_without_any_citizen_and_is_told_to_nobody(hub: ShardUnderTest) -> None:
    event_id = hub.state("A.ADD", "AnonymousOutreachCounted", COUNTED, "week 1", case_id=GOVERNANCE)
    hub.settle()
    assert hub.parked() == []
    assert [record.event_id for record in facts(hub, GOVERNANCE, "AnonymousOutreachCounted")] == [event_id]
    assert facts(hub, CASE) == []
    assert [party for party in hub.parties if hub.told(party)] == []


def test_the_key_of_what_is_about_nobody_is_each_partys_own() -> None:
    keys = {governance_key(SECRET, "DK", party, 4) for party in ("A.ADD", "A.SOC", "HUB")}
    assert len(keys) == 3
    assert governance_key(SECRET, "SE", "A.ADD", 4) not in keys


@pytest.mark.parametrize("event_type", ["AnonymousOutreachCounted", "AgreementRegistered"])
def test_what_is_about_nobody_is_parked_under_a_citizens_key(hub: ShardUnderTest, event_type: str) -> None:
    if event_type == "AgreementRegistered":
        hub.state("HUB", event_type, agreement(), "an agreement")
    else:
        hub.state("A.ADD", event_type, COUNTED, "week 1")
    hub.settle()
    assert [(record.reason, record.field) for record in hub.parked()] == [("unknown_key", "key")]
    assert facts(hub, CASE) == []


def test_a_fact_about_a_citizen_is_parked_under_the_key_of_governance(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "custody", case_id=GOVERNANCE)
    hub.settle()
    assert [(record.reason, record.field) for record in hub.parked()] == [("unknown_key", "key")]
    assert facts(hub, GOVERNANCE, "ImprisonmentStarted") == []


def test_every_type_of_the_contracts_belongs_on_one_kind_of_timeline(hub: ShardUnderTest) -> None:
    about_nobody = {each.name for each in catalogue().event_types.values() if each.without_subject}
    assert about_nobody >= {
        "AgreementRegistered", "AgreementEnded", "StaffRoleChanged", "AgencyJoined", "AgencyLeft", "PolicyActivated",
        "EvaluationSnapshotTaken", "AnonymousOutreachCounted",
    }  # fmt: skip
    for name in about_nobody:
        # A citizen is named by no field of theirs.
        assert not {"person"} & {field.kind.value for field in catalogue().event_types[name].fields}
        assert not catalogue().event_types[name].control


def test_a_count_can_be_corrected_and_taken_back_by_who_stated_it(hub: ShardUnderTest) -> None:
    hub.state("A.ADD", "AnonymousOutreachCounted", COUNTED, "week 1", case_id=GOVERNANCE)
    hub.state(
        "A.ADD", "AnonymousOutreachCounted", {**COUNTED, "contacts": 15}, "week 1", case_id=GOVERNANCE, revision=1
    )
    hub.state("A.ADD", "AnonymousOutreachCounted", COUNTED, "week 2", case_id=GOVERNANCE)
    hub.publisher("A.ADD").retract(
        "AnonymousOutreachCounted",
        "week 2",
        key=hub.key("A.ADD", GOVERNANCE),
        reason="NOT_OCCURRED",
        at=moment_of(hub.now),
        published_at=hub.now,
        timestamp_ms=hub.now,
    )
    hub.settle()
    assert hub.parked() == []
    timeline = hub.shard.cases.get(GOVERNANCE).timeline
    live = [
        event_id
        for event_id, entry in timeline.facts.items()
        if entry.record.event_type == "AnonymousOutreachCounted" and timeline.is_live(event_id, None)
    ]
    assert len(live) == 1


def test_an_agreement_is_told_to_its_parties_and_no_citizens_timeline_shows_it(hub: ShardUnderTest) -> None:
    event_id = hub.state("HUB", "AgreementRegistered", agreement(), "an agreement", case_id=GOVERNANCE)
    hub.settle()
    assert {party for party in hub.parties if event_id in hub.held(party)} == set(PARTNERS)
    assert hub.held("PRI")[event_id]["costRule"] == "HOST_BEARS"
    assert facts(hub, CASE) == []
    for record in hub.broker.log(hub.names.output("PRI"), 0):
        assert record.key == governance_key(SECRET, "DK", "PRI", 1).encode()


def test_the_hub_says_once_which_rules_are_in_force_and_who_takes_part(hub: ShardUnderTest) -> None:
    policies = hub.shard.cases.policies
    for case_id, jurisdiction in ((GOVERNANCE, "DK"), (SWEDISH_GOVERNANCE, "SE")):
        policy = policies.in_force(jurisdiction, hub.now)
        activated = payloads(hub, case_id, "PolicyActivated")
        assert [fact["policyVersion"] for fact in activated] == [policy_version(policy.rule_set, policy.digest)]
        assert {fact["party"] for fact in payloads(hub, case_id, "AgencyJoined")} == set(hub.parties)
    before = len(list(hub.store.case_records(GOVERNANCE)))
    for _ in range(3):
        hub.restart()
        hub.tick(DAY_MS)
        hub.settle()
    assert len(list(hub.store.case_records(GOVERNANCE))) == before
    assert [party for party in hub.parties if hub.told(party)] == []


def test_a_party_that_joins_or_leaves_is_recorded_when_the_hub_starts_with_it(hub: ShardUnderTest) -> None:
    hub.tick(DAY_MS)
    hub.join("B.ADD")
    hub.restart()
    hub.tick()
    hub.settle()
    *_, joined = payloads(hub, GOVERNANCE, "AgencyJoined")
    assert (joined["party"], joined["at"]) == ("B.ADD", hub.now)
    hub.leave("B.SOC")
    hub.restart()
    hub.tick(DAY_MS)
    hub.settle()
    assert [(fact["party"], fact["at"]) for fact in payloads(hub, GOVERNANCE, "AgencyLeft")] == [("B.SOC", hub.now)]
    assert len(payloads(hub, GOVERNANCE, "AgencyJoined")) == 8


def test_a_rule_set_that_comes_into_force_by_date_is_recorded_on_its_day(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    for file in RULES_FOLDER.glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    text = (folder / "DK-1.toml").read_text().replace('id = "DK-1"', 'id = "DK-2"')
    (folder / "DK-2.toml").write_text(text.replace("in_force_from = 2024-01-01", "in_force_from = 2025-01-08"))
    hub = ShardUnderTest(tmp_path, rules_folder=folder)
    hub.settle()
    midnight = (day_number(date(2025, 1, 8)) * 24 - 1) * 3_600_000  # 00:00 in Copenhagen
    hub.tick(midnight - 1 - hub.now)
    hub.settle()
    assert [fact["policyVersion"][:4] for fact in payloads(hub, GOVERNANCE, "PolicyActivated")] == ["DK-1"]
    hub.tick(1)
    hub.settle()
    said = payloads(hub, GOVERNANCE, "PolicyActivated")
    assert [(fact["policyVersion"][:4], fact["at"]) for fact in said] == [
        ("DK-1", hub.now - midnight + START),
        ("DK-2", midnight),
    ]
    assert len(payloads(hub, SWEDISH_GOVERNANCE, "PolicyActivated")) == 1


def test_a_batch_that_cannot_be_stored_says_nothing_twice(hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.join("B.ADD")
    hub.restart()
    commit = hub.store.commit

    def failing(writes: object) -> None:
        raise StoreUnavailable("no room")

    hub.tick(DAY_MS)
    hub.shard.step(0.0)
    monkeypatch.setattr(hub.store, "commit", failing)
    with pytest.raises(StoreUnavailable):
        hub.shard.step(0.0)
    monkeypatch.setattr(hub.store, "commit", commit)
    hub.settle()
    hub.tick()
    hub.settle()
    assert [fact["party"] for fact in payloads(hub, GOVERNANCE, "AgencyJoined")].count("B.ADD") == 1
    versions = [record.originator_version for record in hub.store.case_records(GOVERNANCE)]
    assert versions == list(range(1, len(versions) + 1))


def test_what_was_decided_of_governance_names_no_citizen(hub: ShardUnderTest) -> None:
    hub.state("HUB", "AgreementRegistered", agreement(), "an agreement", case_id=GOVERNANCE)
    hub.settle()
    decided = [record for record in hub.store.case_records(GOVERNANCE) if isinstance(record, DecisionsRecorded)]
    assert {
        (decision.party, basis) for one in decided for decision in one.decisions for basis, _ in decision.shown
    } == {
        ("PRI", "CO"),
        ("A.SOC", "CO"),
    }
