"""What the hub itself stated goes along in merges: what it withdrew or ended stays so, whichever case goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.fact import ce_id_of
from hub.store.ports import WAITS_FOR_CONSENT, WAITS_FOR_MERGE
from tests.shard.harness import HOUR_MS
from tests.shard.merging import (
    ACROSS,
    CONSENT_ID,
    LOSER,
    SAME_SHARD,
    WINNER,
    MergingShards,
    hour,
    imprisoned,
    withdrawn,
)
from tests.shard.test_merging_withdrawals import told_by

REQUEST_ID = "e0000000-0000-4000-8000-000000000001"
PARTIES = ("PRI", "KIF", "PSY", "A.SOC", "A.JOB", "A.ADD")
ENDS = ("ConsentWithdrawn", "ConsentExpired", "ConsentInvalidated")


@pytest.fixture(params=[SAME_SHARD, ACROSS], ids=["same", "across"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> MergingShards:
    return MergingShards(tmp_path, request.param, PARTIES)


def later(hub: MergingShards) -> None:
    """Come to rest an hour later."""
    hour(hub)
    hub.settle()


def ended_by_the_hub(
    hub: MergingShards, case_id: str, event_type: str = "ConsentWithdrawn", consent_id: str = CONSENT_ID
) -> str:
    values = {"consentId": consent_id, "at": hub.now, "by": "SUBJECT"}
    return hub.state("HUB", event_type, values, f"{event_type} {consent_id}", case_id)


@pytest.mark.parametrize("event_type", ENDS)
def test_a_consent_that_the_hub_ended_stays_ended_after_a_merge(hub: MergingShards, event_type: str) -> None:
    date = told_by(hub, LOSER)
    ended_by_the_hub(hub, LOSER, event_type)
    hub.settle()
    assert date not in hub.held("A.JOB", LOSER)
    later(hub)
    hub.merge()
    hub.settle()
    later(hub)
    assert date in hub.held("PRI", WINNER)
    assert date not in hub.held("A.JOB", WINNER)
    hub.unlink()
    hub.settle()
    later(hub)
    assert date not in hub.held("A.JOB", LOSER)


@pytest.mark.parametrize("under", [WINNER, LOSER])
def test_a_consent_that_the_hub_ended_while_merged_stays_ended_after_an_unlink(hub: MergingShards, under: str) -> None:
    date = told_by(hub, LOSER)
    hub.merge()
    hub.settle()
    assert date in hub.held("A.JOB", WINNER)
    hour(hub)
    ended = ended_by_the_hub(hub, under)
    hub.settle()
    assert date not in hub.held("A.JOB", WINNER)
    later(hub)
    hub.unlink()
    hub.settle()
    later(hub)
    assert hub.moves(LOSER)[-1] == "reopened"
    assert date not in hub.held("A.JOB", LOSER)
    assert (ended in hub.held("PRI", LOSER, of_the_hub=True), ended in hub.held("PRI", WINNER, of_the_hub=True)) == (
        True,
        False,
    )
    assert hub.parked() == []


def test_emergency_access_that_the_hub_ended_stays_ended(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    at = hub.now
    admission = {"admissionId": REQUEST_ID, "at": at, "legalForm": "VOLUNTARY"}
    started = hub.state("PSY", "AdmissionStarted", admission, "admission", LOSER)
    hub.settle()
    same = {"requestId": REQUEST_ID, "at": at, "party": "A.SOC", "user": "u1"}
    danger = {"categories": ["MH"], "reason": "SUICIDE_RISK", "justification": "x" * 40}
    asked = same | danger | {"expiresAt": at + 20 * HOUR_MS}
    hub.state("A.SOC", "BreakGlassRequested", asked, "asked", LOSER)
    hub.state("PSY", "BreakGlassGranted", same | {"grantedBy": "PSY"}, "granted", LOSER)
    hub.settle()
    assert started in hub.held("A.SOC", LOSER)
    hub.merge()
    hub.settle()
    assert started in hub.held("A.SOC", WINNER)
    hub.state("HUB", "BreakGlassEnded", same, "ended", WINNER)
    hub.settle()
    assert started not in hub.held("A.SOC", WINNER)
    hub.unlink()
    hub.settle()
    later(hub)
    assert started not in hub.held("A.SOC", LOSER)
    hub.merge()
    hub.settle()
    later(hub)
    assert started not in hub.held("A.SOC", WINNER)


@pytest.mark.parametrize("consent_id", [CONSENT_ID, "d0000000-0000-4000-8000-00000000000f"])
def test_a_withdrawal_by_the_hub_while_a_merge_waits_stops_nothing(hub: MergingShards, consent_id: str) -> None:
    date = told_by(hub, LOSER)
    hub.unreachable("A.JOB", hub.shards_of[LOSER])
    hub.merge()
    hub.go_on()
    hour(hub)
    ended_by_the_hub(hub, WINNER, consent_id=consent_id)
    hub.go_on()
    (promised,) = hub.shards[hub.shards_of[WINNER]].promises.waiting.values()
    waits_for = WAITS_FOR_MERGE if consent_id == CONSENT_ID else WAITS_FOR_CONSENT
    assert {one.party: one.number for one in promised}["HUB"] == waits_for
    hub.settle()
    assert (date in hub.held("A.JOB", WINNER)) == (consent_id != CONSENT_ID)


def owed(hub: MergingShards, party: str = "A.JOB") -> list[tuple[str, str, int]]:
    """(Notice, case, due) of each receipt that a party owes, as every shard has it in memory and stored."""
    for shard in hub.shards:
        assert shard.receipts.owed == shard.store.obligations()
    found = (one for shard in hub.shards for one in shard.receipts.owed.values() if one.party == party)
    return sorted((one.event_id, one.case_id, one.due) for one in found)


def answer(hub: MergingShards, notice: str, case_id: str) -> str:
    values = {"targetEventId": ce_id_of(notice), "at": hub.now, "outcome": "PURGED"}
    return hub.state("A.JOB", "RemovalReceipted", values, f"receipt {case_id} {hub.now}", case_id)


def owing(hub: MergingShards) -> str:
    """Have the job centre owe a receipt on the case that is merged next; return the notice."""
    told_by(hub, LOSER)
    withdrawn(hub, LOSER)
    hub.settle()
    ((notice, _, _),) = owed(hub)
    later(hub)
    return notice


def test_a_receipt_is_owed_on_the_case_on_which_it_would_be_answered(hub: MergingShards) -> None:
    notice = owing(hub)
    ((_, _, due),) = owed(hub)
    for change, case_id in ((hub.merge, WINNER), (hub.unlink, LOSER), (hub.merge, WINNER)):
        change()
        hub.settle()
        later(hub)
        assert owed(hub) == [(notice, case_id, due)]
        for number in (0, 1):
            hub.restart(number)
        assert owed(hub) == [(notice, case_id, due)]


@pytest.mark.parametrize("under", [WINNER, LOSER])
def test_a_receipt_that_came_is_owed_no_more(hub: MergingShards, under: str) -> None:
    notice = owing(hub)
    hub.merge()
    hub.settle()
    later(hub)
    given = answer(hub, notice, under)
    hub.settle()
    assert hub.parked() == []
    assert owed(hub) == []
    later(hub)
    hub.unlink()
    hub.settle()
    later(hub)
    assert owed(hub) == []
    assert given in hub.held("A.JOB", LOSER)
    assert given not in hub.held("A.JOB", WINNER)
    hub.state(
        "A.JOB", "EventRetracted", {"targetEventId": ce_id_of(given), "at": hub.now, "reason": "OTHER"}, "x", LOSER
    )
    hub.settle()
    assert [(each, case_id) for each, case_id, _ in owed(hub)] == [(notice, LOSER)]


@pytest.mark.parametrize("steps", range(5))
def test_a_receipt_given_while_the_merge_is_taken_back_is_owed_no_more(hub: MergingShards, steps: int) -> None:
    notice = owing(hub)
    hub.merge()
    hub.settle()
    later(hub)
    hub.unlink()
    for _ in range(steps):
        hub.step()
    answer(hub, notice, LOSER)
    hub.settle()
    assert owed(hub) == []
