"""Who was told of a fact hears that it was corrected or retracted, also who may no longer see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.civil_time import moment_of
from tests.shard.harness import DAY_MS, HOUR_MS, ShardUnderTest, imprisonment
from tests.shard.test_disclosing import given, withdrawn
from tests.shard.test_restarting import cut_off, reachable_again


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    return hub


def wrong_person(hub: ShardUnderTest, event_type: str, reference: str) -> None:
    hub.publisher("PRI").retract(
        event_type,
        reference,
        key=hub.key("PRI"),
        reason="WRONG_PERSON",
        at=moment_of(hub.now),
        published_at=hub.now,
        timestamp_ms=hub.now,
    )


def ce_id(event_id: str) -> str:
    return event_id.rpartition("/")[2]


def test_everybody_who_was_told_is_notified_and_nobody_else(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    by_consent = given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    hub.tick(HOUR_MS)
    withdrawn(hub)
    hub.settle()
    assert start not in hub.view("B.SOC")
    assert hub.notices("B.SOC") == [("CONSENT_ENDED", ce_id(by_consent))]
    hub.tick(DAY_MS)
    wrong_person(hub, "ImprisonmentStarted", "start")
    hub.settle()
    for party in ("A.SOC", "A.JOB", "A.BEN", "B.SOC"):
        assert hub.notices(party)[-1:] == [("RETRACTED", ce_id(start))], party
        assert len(hub.notices(party)) == 1 + (party == "B.SOC"), party
        assert hub.view(party) == {} or party == "B.SOC"
    for party in ("PRI", "KIF", "A.ADD"):
        assert hub.notices(party) == [], party
    told_to_b = [payload for _, _, event_id, payload in hub.told("B.SOC") if event_id.startswith("HUB/")]
    assert [set(payload) for payload in told_to_b] == [{"occurredAt", "targetEventId", "recipient", "at", "kind"}] * 2


def test_a_correction_notifies_once_however_often_it_arrives(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    for _ in range(2):
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now) | {"sentenceDays": 90}, "start", revision=1)
        hub.settle()
    assert hub.notices("A.SOC") == [("CORRECTED", ce_id(start))]
    hub.restart()
    hub.settle()
    assert hub.notices("A.SOC") == [("CORRECTED", ce_id(start))]


def test_what_nobody_was_told_of_is_corrected_without_a_word(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now) | {"sentenceDays": 90}, "start", revision=1)
    hub.settle()
    assert [hub.notices(party) for party in hub.parties] == [[]] * len(hub.parties)


def test_a_notice_that_is_left_over_is_sent_after_a_restart(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    cut_off(hub, "A.SOC")
    hub.tick(HOUR_MS)
    wrong_person(hub, "ImprisonmentStarted", "start")
    hub.settle()
    reachable_again(hub)
    hub.restart()
    hub.settle()
    assert hub.notices("A.SOC") == [("RETRACTED", ce_id(start))]
    assert hub.view("A.SOC") == {}
