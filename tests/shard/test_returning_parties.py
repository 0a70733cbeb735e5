"""A party that had left for a while: what it was shown before still has to be removed."""

from __future__ import annotations

import pytest

from contracts.parties import Party, PartyRegistry
from tests.shard.harness import CASE, HOUR_MS, ShardUnderTest
from tests.shard.test_consent_endings import told_of_endings
from tests.shard.test_disclosing import CONSENT_ID, withdrawn
from tests.shard.test_withdrawals import PARTIES, WITHIN_MS, acknowledged, hub, order_to, receipt

__all__ = ["hub"]


def take_part(hub: ShardUnderTest, *parties: str) -> None:
    """Have these parties take part, and nobody else."""
    hub.registry = PartyRegistry.of(Party(party, left=party not in parties) for party in PARTIES)
    hub.restart()
    hub.tick(HOUR_MS)
    hub.settle()


def without_b_soc(hub: ShardUnderTest) -> None:
    take_part(hub, *(party for party in PARTIES if party != "B.SOC"))
    assert "custodyId" not in str(hub.view("B.SOC"))


@pytest.mark.parametrize("restarted", [False, True])
def test_who_had_left_when_the_consent_was_withdrawn_is_told_when_it_comes_back(
    hub: ShardUnderTest, *, restarted: bool
) -> None:
    without_b_soc(hub)
    withdrawal = withdrawn(hub)
    ended = hub.now
    hub.settle()
    hub.tick(HOUR_MS)
    if restarted:
        hub.restart()
        hub.settle()
    assert acknowledged(hub) == [withdrawal.partition("/")[2]], "nobody waits for who takes part no more"
    assert [owed.party for owed in hub.store.obligations().values()] == ["A.ADD"]
    take_part(hub, *PARTIES)
    back = hub.now
    hub.tick(HOUR_MS)
    hub.settle()
    assert [at for _, at in told_of_endings(hub, "A.ADD")] == [ended]
    assert [at for _, at in told_of_endings(hub, "B.SOC")] == [ended]
    assert {owed.party: owed.due for owed in hub.store.obligations().values()} == {
        "A.ADD": ended + WITHIN_MS,
        "B.SOC": back + WITHIN_MS,
    }, "a receipt is owed from when the order to remove was told"
    receipt(hub, "B.SOC", order_to(hub, "B.SOC"))
    assert [owed.party for owed in hub.store.obligations().values()] == ["A.ADD"]


def test_whose_consent_stands_when_it_comes_back_is_told_of_no_end_before_there_is_one(hub: ShardUnderTest) -> None:
    without_b_soc(hub)
    take_part(hub, *PARTIES)
    assert "custodyId" in str(hub.view("B.SOC"))
    assert told_of_endings(hub, "B.SOC") == []
    withdrawn(hub, CONSENT_ID)
    hub.settle()
    assert [at for _, at in told_of_endings(hub, "B.SOC")] == [hub.now]
    take_part(hub, *PARTIES)
    assert len(told_of_endings(hub, "B.SOC")) == 1
    assert {owed.case_id for owed in hub.store.obligations().values()} == {CASE}
