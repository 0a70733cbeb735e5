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
from hub.arrival.gate import CLOCK_SKEW_MS_MAX
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


def too_early_and_retried(hub: ShardUnderTest, days: int, *, heard_since: bool = False) -> None:
    """A sign of life by a clock that is ahead, which is parked, and retried after so many days."""
    publisher = hub.publisher("PRI")
    publisher._clock = lambda: hub.now + 2 * CLOCK_SKEW_MS_MAX
    publisher.alive()
    hub.settle()
    hub.tick(days * DAY_MS - HOUR_MS)
    if heard_since:
        alive(hub, "PRI")
    hub.tick(HOUR_MS)
    hub.control.publish(0, "ParkedRetried", {"party": "PRI", "parkedNumber": 1})
    hub.settle()
    assert [resolved.outcome for _, resolved in hub.store.parked("PRI") if resolved] == ["admitted"]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_sign_of_life_that_is_retried_is_one_of_when_it_first_came(hub: ShardUnderTest, restarted: bool) -> None:
    too_early_and_retried(hub, 60)
    if restarted:
        hub.restart()
    hub.tick(1)
    hub.settle()
    assert silent_seconds(hub, "PRI") == pytest.approx(60 * 24 * 3_600, abs=1)


def test_a_sign_of_life_that_is_retried_takes_no_later_one_back(hub: ShardUnderTest) -> None:
    too_early_and_retried(hub, 60, heard_since=True)
    assert silent_seconds(hub, "PRI") == pytest.approx(3_600, abs=1)


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
