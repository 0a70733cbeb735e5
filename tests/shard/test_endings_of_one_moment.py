"""Ends of consents that fall on the moment, or into the settlement, of something else that takes away."""

from __future__ import annotations

import pytest

from tests.shard.harness import HOUR_MS, ShardUnderTest, imprisonment
from tests.shard.reminding import released
from tests.shard.test_consent_endings import told_of_endings
from tests.shard.test_disclosing import CONSENT_ID, given, withdrawn
from tests.shard.test_hidden_endings import hub as hidden_hub
from tests.shard.test_hidden_endings import outreach, shown_then_hidden, shown_until_the_release
from tests.shard.test_withdrawals import acknowledged, hub

__all__ = ["hidden_hub", "hub"]


def test_a_correction_in_the_same_settlement_hides_no_ending(hub: ShardUnderTest) -> None:
    """After an outage all is settled at once."""
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now) | {"sentenceDays": 90}, "start", revision=1)
    withdrawn(hub)
    hub.settle()
    assert "custodyId" not in str(hub.view("B.SOC"))
    assert len(told_of_endings(hub, "B.SOC")) == 1


def test_a_withdrawal_recorded_at_the_instant_of_the_release_is_told_to_the_prison(hidden_hub: ShardUnderTest) -> None:
    shown_until_the_release(hidden_hub)
    withdrawn(hidden_hub)  # the next batch, recorded in the same millisecond
    hidden_hub.settle()
    assert len(told_of_endings(hidden_hub, "FAC")) == 1
    assert len(told_of_endings(hidden_hub, "PRI")) == 1


def test_a_withdrawal_that_arrives_a_little_late_behind_the_release(hidden_hub: ShardUnderTest) -> None:
    """Its broker time is before that of the batch before, so it is recorded at that batch's clock."""
    given(hidden_hub, ["SU"], ["PRI", "FAC"], sources=["A.ADD"])
    contact = outreach(hidden_hub)
    hidden_hub.settle()
    hidden_hub.tick(HOUR_MS)
    released(hidden_hub)
    hidden_hub.tick(5)
    hidden_hub.settle()
    assert contact not in hidden_hub.view("PRI")
    hidden_hub.now -= 5
    withdrawn(hidden_hub)
    hidden_hub.now += 5
    hidden_hub.settle()
    assert len(told_of_endings(hidden_hub, "FAC")) == 1
    assert len(told_of_endings(hidden_hub, "PRI")) == 1


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


def test_acknowledged_only_when_the_order_to_who_lost_it_by_a_gate_is_confirmed(hidden_hub: ShardUnderTest) -> None:
    shown_then_hidden(hidden_hub)
    hidden_hub.broker.unreachable.add(hidden_hub.names.output("PRI"))
    values = {"consentId": CONSENT_ID, "at": hidden_hub.now, "by": "SUBJECT"}
    hidden_hub.state("FAC", "ConsentWithdrawn", values, "letter")
    for _ in range(30):
        hidden_hub.shard.step(0.0)
    assert hidden_hub.parked() == []
    assert sorted(owed.party for owed in hidden_hub.store.obligations().values()) == ["FAC", "PRI"]
    assert told_of_endings(hidden_hub, "PRI") == []
    assert acknowledged(hidden_hub, "FAC") == [], "the prison has not got its order to remove"
