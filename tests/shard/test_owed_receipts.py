"""A receipt is owed as long as there is something to remove: not when the consent stands again, nor of the erased."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts.fact import ce_id_of
from deploy.withdrawals_command import open_in
from hub.case_timeline.timeline import CaseTimeline
from hub.shard.batch import Batch
from hub.store.ports import Obligation
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, OTHER_CASE, ShardUnderTest
from tests.shard.test_consent_endings import amended, told_of_endings
from tests.shard.test_disclosing import CONSENT_ID, withdrawn
from tests.shard.test_erased_cases import erase
from tests.shard.test_hidden_endings import free, home_shown_on_remand, released_from_remand, sentenced
from tests.shard.test_unknown_consents import UNKNOWN_ID
from tests.shard.test_withdrawals import hub, order_to, receipt

__all__ = ["free", "hub"]


def owing(hub: ShardUnderTest) -> list[str]:
    """Who owes a receipt, as stored and as held in memory."""
    stored = sorted(owed.party for owed in hub.store.obligations().values())
    assert sorted(owed.party for owed in hub.shard.receipts.owed.values()) == stored
    return stored


def take_back(hub: ShardUnderTest, event_id: str) -> None:
    values = {"targetEventId": ce_id_of(event_id), "at": hub.now, "reason": "NOT_OCCURRED"}
    hub.state(event_id.partition("/")[0], "EventRetracted", values, f"taken back {event_id}")
    hub.settle()
    hub.tick(HOUR_MS)


def withdraw_and_take_back(hub: ShardUnderTest) -> None:
    withdrawal = withdrawn(hub)
    hub.settle()
    assert owing(hub) == ["A.ADD", "B.SOC"]
    hub.tick(HOUR_MS)
    take_back(hub, withdrawal)


def narrow_and_widen(hub: ShardUnderTest) -> None:
    amended(hub, recipients=["PRI"])
    hub.settle()
    assert owing(hub) == ["A.ADD", "B.SOC"]
    hub.tick(HOUR_MS)
    amended(hub, version=3)
    hub.settle()
    hub.tick(HOUR_MS)


@pytest.mark.parametrize("happens", [withdraw_and_take_back, narrow_and_widen])
def test_nothing_is_owed_for_a_consent_that_stands_again_and_it_is_when_it_ends_again(
    hub: ShardUnderTest, happens: Callable[[ShardUnderTest], None]
) -> None:
    happens(hub)
    assert "custodyId" in str(hub.view("B.SOC"))
    assert owing(hub) == []
    hub.restart()
    hub.settle()
    assert owing(hub) == []
    values = {"consentId": CONSENT_ID, "at": hub.now, "by": "SUBJECT"}
    hub.state("PRI", "ConsentWithdrawn", values, "again")
    hub.settle()
    assert owing(hub) == ["A.ADD", "B.SOC"]
    assert len(told_of_endings(hub, "B.SOC")) == 2


def test_a_receipt_stays_owed_while_the_consent_opens_less_than_it_had(hub: ShardUnderTest) -> None:
    amended(hub, recipients=["PRI"])
    hub.settle()
    hub.tick(HOUR_MS)
    amended(hub, version=3, categories=["CU"])
    hub.settle()
    assert owing(hub) == ["A.ADD", "B.SOC"]


def test_a_receipt_that_is_taken_back_when_the_consent_stands_again_is_not_owed_again(hub: ShardUnderTest) -> None:
    withdrawal = withdrawn(hub)
    hub.settle()
    order = order_to(hub, "B.SOC")
    receipt(hub, "B.SOC", order)
    assert owing(hub) == ["A.ADD"]
    hub.tick(HOUR_MS)
    take_back(hub, withdrawal)
    assert owing(hub) == []
    stated = hub.publisher("B.SOC").event_id("RemovalReceipted", f"receipt {order} PURGED")
    take_back(hub, f"B.SOC/{stated}")
    assert owing(hub) == []


def test_a_receipt_stays_owed_when_the_law_shows_it_again(free: ShardUnderTest) -> None:
    home = home_shown_on_remand(free)
    released_from_remand(free, home)
    withdrawn(free)
    free.settle()
    assert owing(free) == ["PRI"]
    free.tick(HOUR_MS)
    sentenced(free)
    free.settle()
    assert home in free.view("PRI")
    assert owing(free) == ["PRI"]


@pytest.mark.parametrize("restarted", [False, True])
def test_nothing_is_owed_of_an_erased_citizen_after_a_day(hub: ShardUnderTest, *, restarted: bool) -> None:
    withdrawn(hub)
    hub.settle()
    withdrawn(hub, UNKNOWN_ID)
    hub.settle()
    assert owing(hub) == ["A.ADD", "B.SOC"]
    hub.tick(DAY_MS)
    hub.settle()
    assert {each.state for each in open_in(0, hub.store)} == {"pending", "withdraws no known consent"}
    erase(hub)
    if restarted:
        hub.restart()
        hub.tick(1)
    else:
        hub.tick(DAY_MS)
    hub.settle()
    assert owing(hub) == []
    assert list(open_in(0, hub.store)) == []
    assert hub.parked() == []


def test_what_comes_to_be_owed_of_one_citizen_is_no_reason_to_look_at_another_whose_history_is_not_held(
    hub: ShardUnderTest,
) -> None:
    withdrawn(hub)
    hub.settle()
    assert owing(hub) == ["A.ADD", "B.SOC"]
    rights = hub.shard.cases.get(CASE).rights
    assert rights is not None
    batch = Batch.after_state(hub.shard.state, "owner")
    batch.writes.obligations["HUB/another"] = Obligation("HUB/another", OTHER_CASE, "B.SOC", hub.now)
    restored = CaseTimeline(CASE, history_held=False)
    hub.shard.receipts.settled(restored, rights.decider, batch, rights_changed=False)
    assert list(batch.writes.obligations) == ["HUB/another"]
