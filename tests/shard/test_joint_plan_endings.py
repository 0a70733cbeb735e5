"""Whoever was shown a joint plan hears that the plan's consent has ended, as of any other: it owes a receipt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.fact import ce_id_of
from tests.shard.harness import HOUR_MS, ShardUnderTest, imprisonment
from tests.shard.reminding import released
from tests.shard.test_consent_endings import amended, invalidated, told_of_endings
from tests.shard.test_disclosing import CONSENT_ID, SECOND_CONSENT_ID, given, withdrawn
from tests.shard.test_withdrawals import acknowledged

PARTIES = ("PRI", "KIF", "A.SOC", "B.SOC", "MNT")
JOINT: Any = {"purposes": ["JOINT_PLANNING"]}


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    return hub


def plan(hub: ShardUnderTest, party: str = "PRI", participants: tuple[str, ...] = ("B.SOC", "MNT")) -> str:
    item = {"itemId": CONSENT_ID, "goal": "g", "activityType": "a", "responsible": party, "status": "PLANNED"}
    values = {
        "planId": "f0000000-0000-4000-8000-000000000001",
        "version": 1,
        "at": hub.now,
        "basis": "DK_JOINT",
        "consentId": CONSENT_ID,
        "participants": list(participants),
        "leadParty": party,
        "items": [item | {"domain": "HOUSING"}],
    }
    return hub.state(party, "JointPlanAgreed", values, "plan")


def test_a_withdrawal_ends_the_plan_for_all_who_had_it_and_each_owes_a_receipt(hub: ShardUnderTest) -> None:
    record = given(hub, ["HO"], ["B.SOC", "MNT", "KIF"], **JOINT)
    other = given(hub, ["HO"], ["B.SOC", "MNT"], consentId=SECOND_CONSENT_ID, purposes=["SUPPORT"])
    stated = plan(hub)
    hub.settle()
    assert all(stated in hub.view(party) for party in ("B.SOC", "MNT"))
    assert stated not in hub.view("KIF")
    hub.tick(HOUR_MS)
    withdrawn(hub, SECOND_CONSENT_ID)
    hub.settle()
    assert [told_of_endings(hub, party) for party in PARTIES] == [[]] * 5
    hub.tick(HOUR_MS)
    withdrawn(hub)
    hub.settle()
    told = [(ce_id_of(record), hub.now)]
    assert [told_of_endings(hub, party) for party in PARTIES] == [[], [], [], told, told]
    assert sorted(owed.party for owed in hub.store.obligations().values()) == ["B.SOC", "MNT"]
    hub.tick(HOUR_MS)
    hub.restart()
    hub.settle()
    assert [told_of_endings(hub, party) for party in PARTIES] == [[], [], [], told, told]
    assert ce_id_of(other) != ce_id_of(record)


@pytest.mark.parametrize(
    "end",
    [
        invalidated,
        lambda hub: amended(hub, categories=["HO"], recipients=["MNT"], **JOINT),
        lambda hub: amended(hub, categories=["HO"], recipients=["B.SOC"], purposes=["SUPPORT"]),
        lambda hub: amended(hub, categories=["FI"], recipients=["B.SOC"], **JOINT),
        lambda hub: amended(hub, categories=["HO"], recipients=["B.SOC"], form="ORAL", **JOINT),
    ],
    ids=["invalidated", "party", "purpose", "one category", "form"],
)
def test_whatever_else_ends_the_plans_consent_for_the_party_is_told_too(
    hub: ShardUnderTest, end: Callable[[ShardUnderTest], object]
) -> None:
    record = given(hub, ["HO"], ["B.SOC"], **JOINT)
    plan(hub)
    hub.settle()
    hub.tick(HOUR_MS)
    end(hub)
    hub.settle()
    assert told_of_endings(hub, "B.SOC") == [(ce_id_of(record), hub.now)]


def test_an_amendment_that_leaves_the_party_its_plan_is_no_ending(hub: ShardUnderTest) -> None:
    given(hub, ["HO", "FI"], ["B.SOC", "MNT"], **JOINT)
    stated = plan(hub)
    hub.settle()
    hub.tick(HOUR_MS)
    amended(hub, categories=["HO"], sources=["A.SOC"], recipients=["B.SOC"], **JOINT)
    hub.settle()
    assert stated in hub.view("B.SOC")
    assert [len(told_of_endings(hub, party)) for party in ("B.SOC", "MNT")] == [0, 1]


def test_a_plan_that_a_gate_closes_while_its_consent_stands_has_not_ended(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["HO"], ["PRI"], **JOINT)
    stated = plan(hub, "A.SOC", ("PRI",))
    hub.settle()
    assert stated in hub.view("PRI")
    hub.tick(HOUR_MS)
    released(hub)
    hub.settle()
    assert stated not in hub.view("PRI")
    assert told_of_endings(hub, "PRI") == []


def test_a_withdrawal_waits_for_who_lost_the_plan_when_its_consent_lapsed(hub: ShardUnderTest) -> None:
    given(hub, ["HO"], ["B.SOC"], validUntil=hub.now + 2 * HOUR_MS, **JOINT)
    stated = plan(hub)
    hub.settle()
    assert stated in hub.view("B.SOC")
    hub.broker.unreachable.add(hub.names.output("B.SOC"))
    hub.tick(3 * HOUR_MS)
    hub.settle()
    withdrawal = withdrawn(hub)
    for _ in range(20):
        hub.shard.step(0.0)
    assert stated in hub.view("B.SOC")
    assert acknowledged(hub) == []
    hub.broker.unreachable.clear()
    hub.restart()
    hub.settle()
    assert stated not in hub.view("B.SOC")
    assert acknowledged(hub) == [ce_id_of(withdrawal)]
