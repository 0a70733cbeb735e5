"""Merges in bad moments: killed, repeated, refused, retried; nothing lost, doubled, or told that must not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.reasons import Reason
from hub.continuity.case import KnownCase, recorded_facts
from hub.continuity.terms import terms
from hub.disclosure.settlement import person_of
from hub.shard import forwarding
from tests.shard.merging import (
    ACROSS,
    CONSENT_ID,
    LOSER,
    SAME_SHARD,
    THIRD,
    WINNER,
    MergingShards,
    consented,
    dated,
    hour,
    imprisoned,
    withdrawn,
)


@pytest.fixture(params=[SAME_SHARD, ACROSS], ids=["same", "across"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> MergingShards:
    return MergingShards(tmp_path, request.param)


def retry(hub: MergingShards, number: int, case_id: str = WINNER) -> None:
    hub.control.publish(hub.shards_of[case_id], "ParkedRetried", {"party": "PRI", "parkedNumber": number})
    hub.settle()


def retracted(hub: MergingShards, event_id: str, case_id: str) -> str:
    values = {"targetEventId": event_id.partition("/")[2], "at": hub.now, "reason": "DUPLICATE"}
    return hub.state("PRI", "EventRetracted", values, f"retract {event_id}", case_id)


def test_a_retry_of_a_parked_forwarded_correction_is_admitted(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    hub.merge()
    hub.settle()
    right = dated(hub, LOSER, 20_400, revision=1)
    hub.settle()
    (parked,) = hub.parked()
    wrong = dated(hub, WINNER)
    hub.settle()
    retry(hub, parked.originator_version)
    assert right in hub.held("PRI", WINNER)
    assert wrong not in hub.held("PRI", WINNER)


def test_of_two_that_correct_each_other_one_stands_though_the_other_comes_by_a_merge(hub: MergingShards) -> None:
    one, two = (hub.publisher("A.JOB").event_id("CaseOpened", name) for name in ("one", "two"))

    def opened(reference: str, corrects: str, case_id: str) -> str:
        return hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": at}, reference, case_id, corrects=corrects)

    at = hub.now
    opened("two", one, WINNER)
    stands = opened("one", two, WINNER)
    hub.settle()
    assert stands in hub.held("A.JOB", WINNER)
    hub.merge()
    hub.settle()
    opened("two", one, LOSER)
    hub.settle()
    assert stands in hub.held("A.JOB", WINNER)
    assert {record.reason for record in hub.parked()} == {Reason.CORRECTS_NOTHING}


def test_merged_again_what_was_corrected_stays_corrected(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    dated(hub, LOSER, 20_300)
    hub.merge()
    hub.settle()
    second = dated(hub, WINNER, 20_301, revision=1)
    hub.settle()
    third = dated(hub, LOSER, 20_302, revision=2)
    hub.settle()
    assert second not in hub.held("PRI", WINNER)
    hub.unlink()
    hub.settle()
    assert third in hub.held("PRI", LOSER)
    assert second not in hub.held("PRI", LOSER)
    hub.merge()
    hub.settle()
    assert third in hub.held("PRI", WINNER)
    assert second not in hub.held("PRI", WINNER)


def test_merged_again_what_was_retracted_stays_retracted(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    consented(hub, LOSER)
    date_set = dated(hub, LOSER)
    hub.merge()
    hub.settle()
    values = {"consentId": CONSENT_ID, "at": hub.now, "by": "SUBJECT"}
    withdrawal = hub.state("PRI", "ConsentWithdrawn", values, "withdrawn", WINNER)
    hub.settle()
    retracted(hub, withdrawal, LOSER)
    hub.settle()
    assert date_set in hub.held("A.JOB", WINNER)
    hub.unlink()
    hub.settle()
    assert date_set in hub.held("A.JOB", LOSER)
    hub.merge()
    hub.settle()
    assert date_set in hub.held("A.JOB", WINNER)


def amended_by_stranger(hub: MergingShards, case_id: str) -> str:
    values = {
        "consentId": CONSENT_ID,
        "version": 2,
        "at": hub.now,
        "collectedBy": "A.JOB",
        "collector": "s1",
        "givenBy": "SUBJECT",
        "form": "WRITTEN",
        "evidenceRef": "e2",
        "noticeVersion": "1",
        "language": "da",
        "withdrawalExplained": True,
        "capacityConfirmed": True,
        "categories": ["CU", "RE"],
        "sources": ["PRI", "A.ADD"],
        "recipients": ["A.JOB"],
        "purposes": ["EMPLOYMENT", "SOCIAL_SUPPORT"],
        "validFrom": hub.now,
    }
    return hub.state("A.JOB", "ConsentAmended", values, "amended", case_id)


def test_an_amendment_that_was_refused_in_a_merge_opens_nothing_after_it(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    date_set = dated(hub, LOSER)
    consented(hub, LOSER, ("A.SOC",))
    hub.settle()
    assert date_set not in hub.held("A.JOB", LOSER)
    hub.merge()
    hub.settle()
    amended_by_stranger(hub, LOSER)
    hub.settle()
    assert [each.reason for each in hub.parked()] == [Reason.UNKNOWN_CONSENT]
    assert date_set not in hub.held("A.JOB", WINNER)
    hub.unlink()
    hub.settle()
    assert date_set not in hub.held("A.JOB", LOSER)


def test_an_amendment_while_leaving_is_judged_by_somebody(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    date_set = dated(hub, LOSER)
    consented(hub, LOSER, ("A.SOC",))
    hub.settle()
    hub.merge()
    hub.settle()
    hub.unlink()
    amended_by_stranger(hub, LOSER)
    hub.settle()
    assert date_set not in hub.held("A.JOB", LOSER)


def test_unlinked_and_linked_the_other_way_round_at_once(hub: MergingShards) -> None:
    imprisoned(hub, WINNER)
    dated(hub, WINNER, 20_300)
    hub.merge()
    hub.settle()
    right = dated(hub, LOSER, 20_301, revision=1)
    hub.settle()
    assert right in hub.held("PRI", WINNER)
    hub.unlink()
    hub.merge(WINNER, LOSER)
    hub.settle()
    assert right in hub.held("PRI", LOSER)


def test_two_notices_about_one_record_both_come_along(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    dated(hub, LOSER)
    given = consented(hub, LOSER)
    hub.settle()
    hour(hub)
    withdrawn(hub, LOSER)
    hub.settle()
    hour(hub)
    retracted(hub, given, LOSER)
    hub.settle()
    before = hub.held("A.JOB", LOSER, of_the_hub=True)
    assert len(before) == 2
    hub.merge()
    hub.settle()
    assert hub.held("A.JOB", WINNER, of_the_hub=True) == before


def test_a_parked_correction_retried_at_the_winner_is_not_also_at_the_loser_after_an_unlink(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    hub.merge()
    hub.settle()
    right = dated(hub, LOSER, 20_400, revision=1)
    hub.settle()
    (parked,) = hub.parked()
    dated(hub, WINNER)
    hub.settle()
    retry(hub, parked.originator_version)
    hub.unlink()
    hub.settle()
    assert right not in hub.held("PRI", LOSER)


def test_restated_under_the_old_key_after_an_unlink(hub: MergingShards) -> None:
    hub.merge()
    hub.settle()
    case_opened = hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "x", WINNER)
    hub.settle()
    at = hub.now
    hub.unlink()
    hub.settle()
    values = {"targetEventId": case_opened.partition("/")[2], "at": hub.now, "reason": "DUPLICATE"}
    hub.state("A.JOB", "EventRetracted", values, "r", WINNER)
    hub.settle()
    hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": at}, "x", LOSER)
    hub.settle()
    assert case_opened in hub.held("A.JOB", LOSER) or hub.parked()


def test_a_word_repeated_after_a_kill_opens_no_later_leaving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "MESSAGES_PER_TURN_MAX", 1)
    hub = MergingShards(tmp_path, ACROSS)
    loser, winner = hub.shards

    def alone(shard: object, turns: int = 60) -> None:
        for _ in range(turns):
            shard.step(0.0)  # type: ignore[attr-defined]

    imprisoned(hub, LOSER)
    date_set = dated(hub, LOSER)
    consented(hub, LOSER)
    hub.merge()
    hub.settle()
    hub.unlink()
    alone(loser)
    for _ in range(3):  # the three facts
        winner.step(0.0)
    hub.channel.fail_after = True  # `MergeReturned` is stored, and the winner's shard never hears that it is
    winner.step(0.0)
    winner.forwarding.pause.until = float("inf")
    alone(loser)
    assert hub.moves(LOSER)[-1] == "reopened"
    hub.merge()
    alone(loser)
    alone(winner)
    withdrawn(hub, WINNER)
    alone(winner)
    hub.unlink()
    alone(loser)
    alone(winner)
    assert hub.moves(LOSER)[-1] == "leaving"
    assert date_set not in hub.held("A.JOB", LOSER)
    winner.forwarding.pause.until = 0.0
    while hub.step() or any(shard.forwarding.waiting for shard in hub.shards):
        assert date_set not in hub.held("A.JOB", LOSER)


def test_a_withdrawal_just_after_an_unlink_under_the_key_that_told_the_consent(hub: MergingShards) -> None:
    imprisoned(hub, LOSER)
    date_set = dated(hub, LOSER)
    consented(hub, LOSER)
    hub.merge()
    hub.settle()
    hub.unlink()
    hub.settle()
    withdrawn(hub, WINNER)
    hub.settle()
    assert date_set not in hub.held("A.JOB", LOSER) or hub.parked()


def test_what_a_third_case_brings_late_is_not_judged_again(tmp_path: Path) -> None:
    hub = MergingShards(tmp_path, ACROSS)
    imprisoned(hub, THIRD)
    dated(hub, THIRD, 20_300)
    hub.merge(THIRD, LOSER)
    hub.settle()
    dated(hub, LOSER, 20_301, revision=1)
    hub.settle()
    third = dated(hub, THIRD, 20_302, revision=2)
    hub.settle()
    hub.unlink(THIRD)
    hub.settle()
    hub.merge(THIRD, LOSER)
    hub.merge(LOSER, WINNER)
    hub.settle()
    assert third in hub.held("PRI", WINNER)
    assert hub.parked() == []


def test_a_fact_is_counted_once(tmp_path: Path) -> None:
    hub = MergingShards(tmp_path, ACROSS)

    def ingested() -> float:
        return sum(
            sample.value
            for shard in hub.shards
            for metric in shard.metrics.ingested.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["party"] == "PRI"
        )

    before = ingested()
    hub.merge()
    hub.settle()
    dated(hub, LOSER, 20_400, revision=1)
    hub.settle()
    (parked,) = hub.parked()
    dated(hub, WINNER)
    hub.settle()
    retry(hub, parked.originator_version)
    assert ingested() - before == 2


def test_a_repeat_of_a_refused_record_after_the_unlink_is_not_lost(hub: MergingShards) -> None:
    """An agency that mends a parked record states it again, under the key that it was parked under."""
    imprisoned(hub, LOSER)
    hub.merge()
    hub.settle()
    right = dated(hub, LOSER, 20_400, revision=1)
    hub.settle()
    dated(hub, WINNER)
    hub.settle()
    at = hub.now
    assert dated(hub, LOSER, 20_400, revision=1) == right
    hub.settle()
    assert at == hub.now
    assert right in hub.held("PRI", WINNER) or len(hub.parked()) == 2


def test_what_left_was_never_known_of_the_case_that_goes_on(hub: MergingShards) -> None:
    start = imprisoned(hub, LOSER)
    hub.settle()
    then = hub.now
    hour(hub)
    hub.merge()
    hub.settle()
    hour(hub)
    hub.unlink()
    hub.settle()
    shard = hub.shards[hub.shards_of[WINNER]]
    held = shard.cases.get(WINNER)
    known = recorded_facts(held.timeline, shard.cases.reader)
    policy, _, _ = shard.cases.grounds_at(held.timeline, hub.now)
    case = KnownCase.of(known, person_of(held.timeline), hub.now, policy, terms())
    assert start not in [fact.event_id for fact in case.known_then(then, "ImprisonmentStarted")]
