"""A publisher without a sign of life is told apart from one with nothing to state; facts never count as signs."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.civil_time import moment_of
from contracts.failures import TransportFailure
from contracts.parties import Party, PartyRegistry
from deploy.publishers_command import publisher_lines
from hub.continuity.clock_terms import clock_terms
from hub.shard.silence import Silence
from producers.publisher import Publisher
from tests.producers.recording_transport import PARTITIONS, RecordingTransport
from tests.shard.harness import DAY_MS, HOUR_MS, ShardUnderTest
from tests.shard.reminding import TRIAL_OVER, local, trial, until

PERIOD_MS = clock_terms().silent_after_seconds * 1000


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, ("PRI", "A.SOC", "A.ADD"))
    hub.enrol()
    hub.settle()
    return hub


def alive(hub: ShardUnderTest, party: str) -> None:
    """A sign of life of `party`, now."""
    hub.broker.clock = hub.now
    publisher = hub.publisher(party)
    publisher._clock = lambda: hub.now
    publisher.alive()
    hub.settle()


def silent_seconds(hub: ShardUnderTest, party: str) -> float:
    return float(hub.shard.metrics.silent_seconds.labels(0, party)._value.get())


def said_silent(hub: ShardUnderTest) -> list[bool]:
    return [held["publishersSilent"] for held in hub.held("A.ADD").values() if "publishersSilent" in held]


def test_a_sign_of_life_is_about_nobody_and_lies_on_every_partition() -> None:
    transport = RecordingTransport()
    publisher = Publisher("A.ADD", transport, b"a secret of A.ADD, kept to itself", clock=lambda: 1_700_000_000_000)
    assert [position.partition for position in publisher.alive()] == list(range(PARTITIONS))
    assert {record.key for record in transport.records} == {b""}
    transport.failing = True
    with pytest.raises(TransportFailure):
        publisher.alive()


def test_signs_of_life_are_remembered_over_a_restart_and_reach_nobody(hub: ShardUnderTest) -> None:
    alive(hub, "A.ADD")
    heard = hub.now
    assert hub.parked() == []
    assert hub.store.head().heard == {"A.ADD": heard}
    hub.restart()
    until(hub, hub.now + HOUR_MS)
    assert hub.shard.state.heard == {"A.ADD": heard}
    assert silent_seconds(hub, "A.ADD") == HOUR_MS / 1000
    assert silent_seconds(hub, "PRI") == math.inf
    assert [hub.told(party) for party in hub.parties] == [[]] * 3


def test_facts_are_no_signs_of_life(hub: ShardUnderTest) -> None:
    trial(hub)
    until(hub, hub.now + HOUR_MS)
    assert hub.store.head().heard == {}
    assert silent_seconds(hub, "A.ADD") == math.inf


@pytest.mark.parametrize(("before_ms", "silent"), [(PERIOD_MS, False), (PERIOD_MS + 60_000, True), (None, True)])
def test_a_reminder_says_whether_only_silent_publishers_could_have_stated_what_is_missing(
    hub: ShardUnderTest, before_ms: int | None, *, silent: bool
) -> None:
    trial(hub)
    hub.settle()
    if before_ms is not None:
        until(hub, TRIAL_OVER - before_ms)
        alive(hub, "A.ADD")
    until(hub, TRIAL_OVER)
    assert said_silent(hub) == [silent]


def test_a_sign_of_life_from_another_party_changes_nothing(hub: ShardUnderTest) -> None:
    trial(hub)
    until(hub, TRIAL_OVER - HOUR_MS)
    alive(hub, "A.SOC")
    until(hub, TRIAL_OVER)
    assert said_silent(hub) == [True]


def test_reviews_are_counted_pending_and_overdue_without_a_word_on_whom(hub: ShardUnderTest) -> None:
    hub.now = local(2025, 2, 1)
    hub.tick()
    asked = {
        "requestId": "c0000000-0000-4000-8000-000000000006",
        "at": hub.now,
        "party": "A.SOC",
        "user": "u1",
        "categories": ["RI"],
        "reason": "OVERDOSE",
        "justification": "the citizen has been found unconscious in the flat",
        "expiresAt": hub.now + 9 * HOUR_MS,
    }
    hub.state("A.SOC", "BreakGlassRequested", asked, "glass")
    hub.settle()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == {}, "nobody has granted it"
    granted = {"requestId": asked["requestId"], "at": hub.now, "party": "A.SOC", "user": "u1", "grantedBy": "PRI"}
    hub.state("PRI", "BreakGlassGranted", granted, "granted")
    hub.settle()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == {("REVIEW_OVERDUE", "pending"): 1, ("CITIZEN_NOTICE_OVERDUE", "pending"): 1}
    until(hub, hub.now + 8 * DAY_MS)
    hub.restart()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == {("REVIEW_OVERDUE", "overdue"): 1, ("CITIZEN_NOTICE_OVERDUE", "pending"): 1}
    told = {"subjectNotifiedAt": hub.now, "outcome": "JUSTIFIED", "at": hub.now, "user": "u2"}
    hub.state("A.SOC", "BreakGlassReviewed", {**granted, **told}, "review")
    hub.settle()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == {}


def counted(hub: ShardUnderTest) -> dict[tuple[str, str], int]:
    """What is owed, as the metrics count it, zeros left out."""
    return {
        (kind, state): int(count)
        for kind in ("REVIEW_OVERDUE", "CITIZEN_NOTICE_OVERDUE")
        for state in ("pending", "overdue")
        if (count := hub.shard.metrics.open_reviews.labels(0, kind, state)._value.get())
    }


def test_the_operators_list_takes_the_shard_that_heard_longest_ago() -> None:
    registry = PartyRegistry.of([Party("A.SOC", silent_after_seconds=60), Party("PRI")])
    silence = Silence(registry, clock_terms())
    now = local(2025, 2, 1)
    lines = publisher_lines(silence, [now, now], [{"A.SOC": now - 30_000, "PRI": now}, {"A.SOC": now - 61_000}])
    assert [line.values() for line in lines] == [
        {
            "party": "A.SOC",
            "heard_at": (moment_of(now) - timedelta(seconds=61)).isoformat(),
            "silent_seconds": 61.0,
            "silent_after_seconds": 60,
            "silent": True,
        },
        {
            "party": "PRI",
            "heard_at": None,
            "silent_seconds": None,
            "silent_after_seconds": clock_terms().silent_after_seconds,
            "silent": True,
        },
    ]
    assert [line.silent for line in publisher_lines(silence, [now], [{"A.SOC": now - 60_000, "PRI": now}])] == [
        False
    ] * 2
