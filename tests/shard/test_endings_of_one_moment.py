"""Ends of consents that fall on the moment, or into the settlement, of something else that takes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shard.harness import HOUR_MS, ShardUnderTest, imprisonment
from tests.shard.reminding import released
from tests.shard.test_consent_endings import told_of_endings
from tests.shard.test_disclosing import CONSENT_ID, given, withdrawn
from tests.shard.test_hidden_endings import outreach
from tests.shard.test_withdrawals import acknowledged, hub

__all__ = ["hub"]
HIDDEN = ("PRI", "KIF", "A.SOC", "A.ADD", "FAC")


def test_a_correction_in_the_same_settlement_hides_no_ending(hub: ShardUnderTest) -> None:
    """After an outage all is settled at once."""
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now) | {"sentenceDays": 90}, "start", revision=1)
    withdrawn(hub)
    hub.settle()
    assert "custodyId" not in str(hub.view("B.SOC"))
    assert len(told_of_endings(hub, "B.SOC")) == 1


def hidden_hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, HIDDEN)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    return hub


def test_a_withdrawal_recorded_at_the_instant_of_the_release_is_told_to_the_prison(tmp_path: Path) -> None:
    hub = hidden_hub(tmp_path)
    given(hub, ["SU"], ["PRI", "FAC"], sources=["A.ADD"])
    contact = outreach(hub)
    hub.settle()
    assert contact in hub.view("PRI")
    hub.tick(HOUR_MS)
    released(hub)
    hub.settle()
    assert contact not in hub.view("PRI")
    withdrawn(hub)  # the next batch, recorded in the same millisecond
    hub.settle()
    assert len(told_of_endings(hub, "FAC")) == 1
    assert len(told_of_endings(hub, "PRI")) == 1


def test_a_withdrawal_that_arrives_a_little_late_behind_the_release(tmp_path: Path) -> None:
    """Its broker time is before that of the batch before, so it is recorded at that batch's clock."""
    hub = hidden_hub(tmp_path)
    given(hub, ["SU"], ["PRI", "FAC"], sources=["A.ADD"])
    contact = outreach(hub)
    hub.settle()
    hub.tick(HOUR_MS)
    released(hub)
    hub.tick(5)
    hub.settle()
    assert contact not in hub.view("PRI")
    hub.now -= 5
    withdrawn(hub)
    hub.now += 5
    hub.settle()
    assert len(told_of_endings(hub, "FAC")) == 1
    assert len(told_of_endings(hub, "PRI")) == 1


@pytest.mark.parametrize("hidden", [False, True])
def test_an_ending_at_the_instant_of_the_last_settlement_is_dated_by_nothing_hidden(
    hub: ShardUnderTest, *, hidden: bool
) -> None:
    seen = {"coordinator": "s0", "party": "A.SOC", "at": hub.now}
    hub.state("A.SOC", "CoordinatorAssigned", seen, "before")
    hub.settle()
    ended = hub.now
    withdrawn(hub)  # recorded in the millisecond of the settlement before
    for minute in range(1, 4 if hidden else 1):
        hub.now += 10_000
        hub.state("A.SOC", "CoordinatorAssigned", seen | {"coordinator": f"s{minute}"}, f"hidden {minute}")
    hub.settle()
    assert [at for _, at in told_of_endings(hub, "B.SOC")] == [ended]


def test_acknowledged_only_when_the_order_to_who_lost_it_by_a_gate_is_confirmed(tmp_path: Path) -> None:
    hub = hidden_hub(tmp_path)
    given(hub, ["SU"], ["PRI", "FAC"], sources=["A.ADD"])
    contact = outreach(hub)
    hub.settle()
    hub.tick(HOUR_MS)
    released(hub)
    hub.settle()
    assert contact not in hub.view("PRI")
    hub.tick(HOUR_MS)
    hub.broker.unreachable.add(hub.names.output("PRI"))
    values = {"consentId": CONSENT_ID, "at": hub.now, "by": "SUBJECT"}
    hub.state("FAC", "ConsentWithdrawn", values, "letter")
    for _ in range(30):
        hub.shard.step(0.0)
    assert hub.parked() == []
    assert sorted(owed.party for owed in hub.store.obligations().values()) == ["FAC", "PRI"]
    assert told_of_endings(hub, "PRI") == []
    assert acknowledged(hub, "FAC") == [], "the prison has not got its order to remove"
