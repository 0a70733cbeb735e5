"""What a probation office says about records of the hub or of its own is no record of the citizen: it stays asleep."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.fact import ce_id_of
from tests.shard.harness import HOUR_MS, ShardUnderTest, imprisonment
from tests.shard.test_disclosing import given, withdrawn


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, ("PRI", "KIF", "A.SOC"))
    hub.enrol()
    return hub


def test_a_receipt_for_a_consent_that_ended_opens_nothing(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["CU"], ["KIF"], purposes=["SUPERVISION"])
    hub.settle()
    assert start in hub.view("KIF")
    hub.tick(HOUR_MS)
    withdrawn(hub)
    hub.settle()
    assert start not in hub.view("KIF")
    (notice,) = [event_id for event_id, said in hub.held("KIF").items() if said.get("kind") == "CONSENT_ENDED"]
    values = {"targetEventId": ce_id_of(notice), "at": hub.now, "outcome": "PURGED"}
    hub.state("KIF", "RemovalReceipted", values, "receipt")
    hub.settle()
    assert (hub.parked(), start in hub.view("KIF")) == ([], False)
    hub.restart()
    hub.tick(HOUR_MS)
    hub.settle()
    assert start not in hub.view("KIF")


def test_an_office_that_took_its_only_record_back_sees_what_it_saw_before(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    stated = hub.state("KIF", "PlanOfficerAssigned", {"staff": "s1", "at": hub.now}, "officer")
    hub.settle()
    assert start in hub.view("KIF")
    hub.tick(HOUR_MS)
    values = {"targetEventId": ce_id_of(stated), "at": hub.now, "reason": "WRONG_PERSON"}
    hub.state("KIF", "EventRetracted", values, "taken back")
    hub.settle()
    assert (hub.parked(), start in hub.view("KIF")) == ([], False)
