"""A party leaves: what it stated stays with whom the rules of law entitle, as stated by that party as it was."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from contracts.failures import BadRegistry
from contracts.parties import PartyRegistry
from tests.shard.harness import DAY_MS, ShardUnderTest, imprisonment

BENEFIT = "b0000000-0000-4000-8000-000000000001"
EPISODE = "b0000000-0000-4000-8000-000000000002"


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    parties = ("PRI", "KIF", "PHE", "PSY", "A.SOC", "A.JOB", "A.BEN", "A.ADD")
    hub = ShardUnderTest(tmp_path, parties, healthcare_providers=frozenset({"A.ADD"}))
    hub.enrol()
    return hub


def begin_without(hub: ShardUnderTest, party: str) -> None:
    hub.leave(party)
    hub.tick(DAY_MS)
    hub.restart()
    hub.tick()
    hub.settle()


def granted(hub: ShardUnderTest) -> str:
    values = {"benefitId": BENEFIT, "kind": "CASH_ASSISTANCE", "at": hub.now}
    return hub.state("A.BEN", "BenefitGranted", values, "benefit")


def test_a_benefit_stays_with_social_services_when_the_benefit_office_leaves(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    benefit = granted(hub)
    hub.settle()
    assert benefit in hub.view("A.SOC")
    begin_without(hub, "A.BEN")
    assert benefit in hub.view("A.SOC")


@pytest.mark.parametrize("party", ["PHE", "A.ADD"])
def test_medication_that_was_handed_over_stays_when_the_health_party_leaves(hub: ShardUnderTest, party: str) -> None:
    values = {
        "episodeId": EPISODE, "at": hub.now, "to": "PSY", "atcGroup": "N05A", "substitution": False,
        "validUntil": date(2025, 6, 1),
    }  # fmt: skip
    handed = hub.state(party, "MedicationHandedOver", values, "handed")
    hub.settle()
    assert handed in hub.view("PSY")
    begin_without(hub, party)
    assert handed in hub.view("PSY")


def test_what_the_prison_stated_stays_when_it_leaves(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    begin_without(hub, "PRI")
    assert start in hub.view("A.SOC")


def test_who_left_is_told_nothing_more(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    begin_without(hub, "A.BEN")
    values = {"custodyId": imprisonment(0)["custodyId"], "releasedAt": hub.now, "supervision": True}
    hub.state("PRI", "ReleasedOnParole", values, "released")
    hub.settle()
    assert [effect for _, effect, *_ in hub.told("A.BEN")] == ["disclosed", "retracted"]


def test_a_registry_without_a_party_that_was_known_is_refused(hub: ShardUnderTest) -> None:
    hub.settle()
    hub.registry = PartyRegistry.of(party for party in hub.registry if party.id != "A.BEN")
    with pytest.raises(BadRegistry, match=r"party `A\.BEN` was in the registry.*keep its entry"):
        hub.restart()


@pytest.mark.parametrize("is_granted", [True, False], ids=["granted before", "granted perhaps since"])
def test_nobody_is_told_that_there_is_no_income_once_the_benefit_office_left(
    hub: ShardUnderTest, is_granted: bool
) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    if is_granted:
        granted(hub)
    hub.tick(DAY_MS)
    released = {"custodyId": imprisonment(0)["custodyId"], "releasedAt": hub.now, "supervision": True}
    hub.state("PRI", "ReleasedOnParole", released, "released")
    hub.settle()
    begin_without(hub, "A.BEN")
    for _ in range(5):
        hub.tick(DAY_MS)
        hub.settle()
    kinds = {each.get("kind") for each in hub.held("A.SOC").values()}
    assert "RELEASED_WITHOUT_HOUSING" in kinds
    assert "RELEASED_WITHOUT_INCOME" not in kinds
