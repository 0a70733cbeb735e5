"""The catalogue holds every event of the domain, and the loader refuses what it cannot vouch for."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from contracts.catalogue import DIRECTORY, Catalogue, catalogue, read_catalogue
from contracts.categories import BIT, Category, mask_of
from contracts.event_types import DOMAIN, NEVER, REFERENCE_FIELDS, Kind
from contracts.failures import BadContract

EVENTS_PER_AREA = {
    "prison_and_probation": 36,
    "municipality": 54,
    "youth_guidance": 14,
    "psychiatry": 17,
    "child_and_family": 13,
    "consent": 11,
    "governance": 26,
    "hub": 18,
}


@pytest.fixture(scope="module")
def contracts() -> Catalogue:
    return catalogue()


def test_every_area_has_its_events_and_an_owner(contracts: Catalogue) -> None:
    counted: dict[str, int] = {}
    for event_type in contracts.event_types.values():
        counted[event_type.area] = counted.get(event_type.area, 0) + 1
    assert counted == EVENTS_PER_AREA
    assert set(contracts.areas) == set(EVENTS_PER_AREA)
    assert all(area.owner and area.doc for area in contracts.areas.values())


def test_every_code_list_of_the_domain_ends_with_other(contracts: Catalogue) -> None:
    assert len(contracts.code_lists) == 71
    assert {code_list.symbols[-1] for code_list in contracts.code_lists.values()} == {"OTHER"}
    extensible = {name for name, code_list in contracts.code_lists.items() if code_list.extensible}
    assert extensible == {
        "OffenceGroup",
        "ParoleCondition",
        "BreachCode",
        "HousingReason",
        "BenefitKind",
        "TreatmentType",
        "EduGoal",
        "ConcernCode",
    }


def test_the_category_list_is_the_projects_own(contracts: Catalogue) -> None:
    assert contracts.code_lists["Category"].symbols[:-1] == tuple(Category)


@pytest.mark.parametrize(
    ("event", "field", "category"),
    [
        ("ImprisonmentStarted", "startedAt", "CU"),
        ("ImprisonmentStarted", "offenceGroup", "OF"),
        ("ImprisonmentStarted", "planDuty", "PL"),
        ("ImprisonmentStarted", "caresForChild", "CF"),
        ("HousingSecured", "address", "AD"),
        ("HousingSecured", "occurredAt", "HO"),
        ("CaseKeptOpen", "caseNo", "CA"),
        ("TreatmentStarted", "setting", "CU"),
        ("TreatmentStarted", "funding", "FI"),
        ("OutreachContactMade", "setting", "SU"),
        ("MentorAssigned", "bridgesTo", "SU"),
        ("JointPlanAgreed", "items", DOMAIN),
        ("NeuroAssessmentCompleted", "supportNeeds", "MH"),
        ("ProgrammeStarted", "activityId", DOMAIN),
        ("ReleasedFromRemand", "endReason", "OF"),
        ("HousingSecured", "lateReason", NEVER),
    ],
)
def test_a_field_has_the_category_of_the_domain_specification(
    contracts: Catalogue, event: str, field: str, category: str
) -> None:
    assert contracts.event_types[event].field[field].category == category


def test_the_envelope_comes_first_and_takes_the_anchor(contracts: Catalogue) -> None:
    for event_type in contracts.event_types.values():
        assert [field.name for field in event_type.fields[:3]] == ["occurredAt", "lateReason", "legalBasisCode"]
        assert event_type.field["occurredAt"].category == event_type.anchor
        assert event_type.field["occurredAt"].mandatory


def test_the_anchor_of_a_programme_is_that_of_its_domain(contracts: Catalogue) -> None:
    programme = contracts.event_types["ProgrammeStarted"]
    assert programme.anchor_bit({"domain": "EMPLOYMENT"}) == BIT[Category.EM]
    assert programme.anchor_bit({"domain": "OTHER"}) == 0
    shown = programme.categories_in({"occurredAt": 1, "domain": "OFFENDING", "activityId": "x"})
    assert shown == mask_of(["RI"])


def test_an_anonymous_count_is_anchored_in_nothing(contracts: Catalogue) -> None:
    counted = contracts.event_types["AnonymousOutreachCounted"]
    payload = {field.name: 1 for field in counted.fields}
    assert counted.anchor_bit(payload) == 0
    assert counted.categories_in(payload) == 0


def test_items_count_by_their_own_domain(contracts: Catalogue) -> None:
    plan = contracts.event_types["SentencePlanAgreed"]
    payload = {"planId": "x", "items": [{"domain": "HOUSING"}, {"domain": "OTHER"}, {"domain": "SUBSTANCE"}]}
    assert plan.categories_in(payload) == mask_of(["PL", "HO", "SU"])


def test_only_the_hub_states_control_records_but_for_signs_of_life(contracts: Catalogue) -> None:
    control = {name for name, event_type in contracts.event_types.items() if event_type.control}
    assert contracts.event_types["PublisherAlive"].may_state("SOC")
    between_shards = {"MergeOpened", "MergeCompleted", "MergeUndone", "MergeReturned", "MergeRemoved"}
    to_shards = {"ShardTicked", "CitizenEnrolled", "KeyIssued", "ParkedRetried", "CaseMerged", "CaseUnlinked"}
    to_every_shard = {"SigningKeyRegistered", "SigningKeyRotated", "SigningKeyRevoked", "ResyncRequested"}
    of_a_shard_to_itself = {"WithdrawalDelivered", "MergeRemovalDelivered"}
    assert control - {"PublisherAlive"} == to_shards | to_every_shard | between_shards | of_a_shard_to_itself
    for name in control - {"PublisherAlive"}:
        assert contracts.event_types[name].may_state("HUB")
        assert not contracts.event_types[name].may_state("SOC")


def test_roles_are_those_that_the_event_names(contracts: Catalogue) -> None:
    assert contracts.event_types["TreatmentTrialStarted"].may_state("ADD")
    assert not contracts.event_types["TreatmentTrialStarted"].may_state("SOC")
    assert contracts.event_types["ConsentGiven"].may_state("VOL")
    assert contracts.event_types["BreakGlassReviewed"].may_state("HUB")


def test_every_reference_that_rules_read_is_a_field_of_some_event(contracts: Catalogue) -> None:
    fields = {field.name for event_type in contracts.event_types.values() for field in event_type.fields}
    assert set(REFERENCE_FIELDS) <= fields


def test_a_ce_type_finds_its_event(contracts: Catalogue) -> None:
    by_ce_type = {event_type.ce_type: event_type for event_type in contracts.every_version}
    found = by_ce_type["org.casehub.municipality.HousingSecured.v1"]
    assert found is contracts.event_types["HousingSecured"]
    assert len(by_ce_type) == len(contracts.every_version)


def test_a_consent_names_its_scope_and_its_explanations(contracts: Catalogue) -> None:
    consent = contracts.event_types["ConsentGiven"].field
    assert all(consent[name].non_empty for name in ("categories", "sources", "recipients", "purposes"))
    assert all(consent[name].must_be_true for name in ("withdrawalExplained", "capacityConfirmed"))
    assert consent["categories"].kind is Kind.ENUM


GOOD = """
[area]
name = "trial"
owner = "somebody"
doc = "something"

[[family]]
stated_by = ["SOC"]
anchor = "HO"

[family.events]
ThingHappened = "Something has happened to the citizen."

[family.fields]
thingId = { type = "uuid", category = "HO", mandatory = true, doc = "One thing, from start to end." }
"""


def _written(directory: Path, text: str) -> Path:
    shutil.copy(DIRECTORY / "code_lists.toml", directory)
    (directory / "trial.toml").write_text(text)
    return directory


def test_a_good_file_is_read(tmp_path: Path) -> None:
    read = read_catalogue(_written(tmp_path, GOOD))
    assert [field.name for field in read.event_types["ThingHappened"].fields][3:] == ["thingId"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('category = "HO", ', "", "thingId"),
        ('category = "HO"', 'category = "XX"', "thingId"),
        ('type = "uuid"', 'type = "Uuid"', "thingId"),
        ('type = "uuid", ', "", "thingId"),
        ("mandatory = true", 'mandatory = "yes"', "thingId"),
        ("mandatory = true", "obligatory = true", "obligatory"),
        ("mandatory = true", "non_empty = true", "non_empty"),
        ("mandatory = true", "must_be_true = true", "must_be_true"),
        ("thingId =", "occurredAt =", "occurredAt"),
        ('anchor = "HO"', 'anchor = "home"', "anchor"),
        ('anchor = "HO"', 'anchor = "domain"', "domain"),
        ('anchor = "HO"', 'anchor = "HO"\nanker = 1', "anker"),
        ('stated_by = ["SOC"]', "stated_by = []", "stated_by"),
        ('stated_by = ["SOC"]', 'stated_by = "SOC"', "stated_by"),
        ('name = "trial"', 'name = "other"', "area"),
        ("[area]", "[areas]", "areas"),
        ('ThingHappened = "Something has happened to the citizen."', "", "family.events"),
        ("[[family]]", "[[family]", "not TOML"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, old: str, new: str, named: str) -> None:
    assert old in GOOD
    with pytest.raises(BadContract) as refused:
        read_catalogue(_written(tmp_path, GOOD.replace(old, new, 1)))
    assert "trial.toml" in str(refused.value)
    assert named in str(refused.value)


def test_an_event_name_is_given_once(tmp_path: Path) -> None:
    directory = _written(tmp_path, GOOD)
    (directory / "second.toml").write_text(GOOD.replace('name = "trial"', 'name = "second"'))
    with pytest.raises(BadContract, match="ThingHappened"):
        read_catalogue(directory)


def test_a_catalogue_needs_its_code_lists(tmp_path: Path) -> None:
    with pytest.raises(BadContract, match=r"code_lists\.toml"):
        read_catalogue(tmp_path)


@pytest.mark.parametrize("addition", ["[code_list.X]\nsymbols = 3\n", "[other]\nx = 1\n"])
def test_bad_code_lists_are_refused(tmp_path: Path, addition: str) -> None:
    directory = _written(tmp_path, GOOD)
    with (directory / "code_lists.toml").open("a") as file:
        file.write(addition)
    with pytest.raises(BadContract, match=r"code_lists\.toml"):
        read_catalogue(directory)


def test_the_digest_follows_the_files(tmp_path: Path) -> None:
    directory = _written(tmp_path, GOOD)
    before = read_catalogue(directory).digest
    assert before == read_catalogue(directory).digest
    (directory / "trial.toml").write_text(GOOD + "# a comment counts too\n")
    assert read_catalogue(directory).digest != before


def test_event_types_are_immutable(contracts: Catalogue) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        contracts.event_types["ConsentGiven"].anchor = "HO"  # type: ignore[misc]
