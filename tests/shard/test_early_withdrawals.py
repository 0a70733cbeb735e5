"""A withdrawal by a clock that is ahead: it counts from the moment that it names, and is acknowledged after that."""

from __future__ import annotations

from contracts.fact import ce_id_of
from hub.arrival.gate import CLOCK_SKEW_MS_MAX
from tests.shard.harness import DAY_MS, ShardUnderTest, imprisonment
from tests.shard.test_disclosing import CONSENT_ID
from tests.shard.test_withdrawals import acknowledged, hub

__all__ = ["hub"]


def test_it_is_not_acknowledged_while_more_is_told_on_the_consent(hub: ShardUnderTest) -> None:
    at = hub.now + CLOCK_SKEW_MS_MAX - 10_000
    values = {"consentId": CONSENT_ID, "at": at, "by": "SUBJECT"}
    withdrawal = hub.state("PRI", "ConsentWithdrawn", values, "ahead", occurred_at=at)
    hub.settle()
    assert hub.parked() == []
    assert acknowledged(hub) == [], "it does not count yet"
    told = len(hub.told("B.SOC"))
    hub.tick(20_000)
    extended = {
        "custodyId": imprisonment(0)["custodyId"],
        "fromParty": "PRI",
        "toParty": "PRI",
        "transferredAt": hub.now,
    }
    moved = hub.state("PRI", "TransferredBetweenPrisons", extended, "moved")
    hub.settle()
    after = [(effect, event_id == moved) for _, effect, event_id, _ in hub.told("B.SOC")[told:]]
    assert (True, "disclosed") in [(is_moved, effect) for effect, is_moved in after], "the consent still opens it"
    hub.tick(CLOCK_SKEW_MS_MAX)
    hub.settle()
    assert "custodyId" not in str(hub.view("B.SOC"))
    assert acknowledged(hub) == [ce_id_of(withdrawal)]


def test_a_receiver_out_of_reach_is_waited_for_when_it_begins_to_count(hub: ShardUnderTest) -> None:
    at = hub.now + 50_000
    values = {"consentId": CONSENT_ID, "at": at, "by": "SUBJECT"}
    hub.state("PRI", "ConsentWithdrawn", values, "ahead", occurred_at=at)
    hub.broker.unreachable.add(hub.names.output("B.SOC"))
    hub.settle()
    hub.tick(DAY_MS)
    for _ in range(30):
        hub.shard.step(0.0)
    assert "custodyId" not in str(hub.view("A.ADD"))
    assert "custodyId" in str(hub.view("B.SOC"))
    assert hub.parked() == []
    assert acknowledged(hub) == [], "a day later B.SOC shows it still"
