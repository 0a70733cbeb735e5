"""An evaluator through the real shard and its own store: its cohort's releases fill its board, and go with the end."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from consumers.board import board_of
from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.civil_time import zone_of
from deploy.scenario.simulated_broker import SimulatedSource
from tests.shard.harness import CASE, DAY_MS, OTHER_CASE, ShardUnderTest, imprisonment
from tests.shard.test_governance import AGREEMENT, GOVERNANCE, agreement

COVERED = ["CU", "RE", "SU", "CA", "HO", "FI", "OF", "RI"]
EVALUATED = {"parties": ["EVA", "A.SOC"], "categories": COVERED, "endsOn": date(2025, 6, 1)}


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    """Two citizens in prison and released; the treatment of one rests on the agreement."""
    hub = ShardUnderTest(tmp_path, parties=("PRI", "A.SOC", "A.ADD", "EVA"))
    for case_id in (CASE, OTHER_CASE):
        hub.enrol(case_id)
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"s{case_id}", case_id=case_id)
        treatment = {
            "treatmentId": case_id,
            "kind": "SOCIAL",
            "targetGroup": "CANNABIS_MIXED",
            "setting": "PRISON",
            "basis": "SFL_45A",
            "provider": "A.ADD",
            "at": hub.now,
        }
        cited = {"agreementId": AGREEMENT} if case_id == CASE else {}
        hub.state("A.ADD", "TreatmentStarted", {**treatment, **cited}, f"t{case_id}", case_id=case_id)
    hub.tick(30 * DAY_MS)
    for case_id in (CASE, OTHER_CASE):
        released = {"custodyId": imprisonment(0)["custodyId"], "releasedAt": hub.now, "supervision": False}
        hub.state("PRI", "ReleasedOnParole", released, f"r{case_id}", case_id=case_id)
        secured = {"housingId": case_id, "kind": "OWN_TENANCY", "at": hub.now, "address": "Nygade 1"}
        hub.state("A.SOC", "HousingSecured", secured, f"h{case_id}", case_id=case_id)
    hub.settle()
    assert hub.parked() == []
    return hub


def lines(hub: ShardUnderTest, tmp_path: Path) -> list[dict[str, object]]:
    """The evaluator's board lines, as its own subscription folds them."""
    path = tmp_path / "eva.db"
    store = PartyStore.open(path, "EVA") if path.exists() else PartyStore.create(path, "EVA")
    subscription = Subscription("EVA", SimulatedSource(hub.broker, hub.names, "EVA"), store)
    while subscription.advance(0.0):
        pass
    found, _, _ = store.numbered_lines()
    board = board_of(store.view, "EVA", found, 0, zone_of("DK"))
    assert board.citizens == len(found)
    subscription.close()
    store.close()
    return [dict(line) for line in found]


def test_the_cohort_fills_the_evaluators_board_and_leaves_it_with_the_agreement(
    hub: ShardUnderTest, tmp_path: Path
) -> None:
    assert hub.told("EVA") == []
    assert lines(hub, tmp_path) == []
    hub.state("HUB", "AgreementRegistered", agreement(**EVALUATED), "evaluation", case_id=GOVERNANCE)
    hub.settle()
    (line,) = lines(hub, tmp_path)
    assert line["key"] == hub.key("EVA", CASE)
    assert (line["release_kind"], line["housing"]) == ("ReleasedOnParole", "OWN_TENANCY")
    assert line["custody_at"] is not None
    for *_, payload in hub.told("EVA"):
        assert payload.keys().isdisjoint({"sentenceDays", "offenceGroup", "address", "planDuty"})
    hub.state("HUB", "AgreementEnded", agreement(**EVALUATED), "end", case_id=GOVERNANCE)
    hub.settle()
    assert lines(hub, tmp_path) == []
    held = hub.view("EVA").values()
    assert {payload["agreementId"] for payload in held} == {AGREEMENT}, "the records of the agreement itself stay"


def test_extending_an_agreement_that_is_over_brings_the_cohort_back(hub: ShardUnderTest, tmp_path: Path) -> None:
    short = {**EVALUATED, "endsOn": date(2025, 2, 6)}
    hub.state("HUB", "AgreementRegistered", agreement(**short), "evaluation", case_id=GOVERNANCE)
    hub.settle()
    assert len(lines(hub, tmp_path)) == 1
    hub.tick(10 * DAY_MS)
    hub.settle()
    assert lines(hub, tmp_path) == []
    hub.state("HUB", "AgreementRegistered", agreement(**EVALUATED), "extended", case_id=GOVERNANCE)
    hub.settle()
    assert len(lines(hub, tmp_path)) == 1
