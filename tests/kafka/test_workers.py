"""Several workers of one hub on the real broker: they share its shards, lose them in every way, and keep everything.

Rules:
- Facts are stated without a pause while it happens; at the end of each test all that was confirmed is kept once.
- Every test begins with two workers that have four shards each.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator

import pytest

from deploy.local_kafka import LocalKafka
from tests.kafka.live_world import sample_values
from tests.takeovers.checks import check
from tests.takeovers.robbery import robbing
from tests.takeovers.town import Town

pytestmark = pytest.mark.kafka

SHARDS = set(range(8))
SESSION_SECONDS = 2.0
PAUSE_SECONDS = 0.05
ROBBERS_TURN_SECONDS = 7.0
"""Longer than a robber that was fenced off itself waits before it takes the shard again and stores a tick."""
TAKE_OVER_SECONDS_MAX = 15.0
HAND_OVER_SECONDS_MAX = 5.0
"""Well below what a session takes with the time that a loaded machine needs."""


@pytest.fixture(scope="module")
def town(local_kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    directory = tmp_path_factory.mktemp("towns") / f"town-{uuid.uuid4().hex[:8]}"
    town = Town(local_kafka.admin, directory, citizens=16, partitions=len(SHARDS), session_seconds=SESSION_SECONDS)
    try:
        for name in ("east", "west"):
            town.worker(name).launch()
        town.settle_in()
        yield town
    finally:
        town.close()


@pytest.fixture
def shared(town: Town) -> Iterator[Town]:
    """The town with both workers at work on four shards each; checked when the test has ended."""
    for name in ("east", "west"):
        if not town.worker(name).is_running:
            town.worker(name).launch()
    town.wait_until(lambda: [len(town.at_work(name)) for name in ("east", "west")] == [4, 4], "each has four shards")
    assert town.at_work("east") | town.at_work("west") == SHARDS
    yield town
    town.wait_until(town.is_quiet, "all is stored and sent")
    assert check(town).faults == []


def goes_on(town: Town, without: str) -> None:
    """The other worker takes every shard, and what was stated by then is stored."""
    other = {"east": "west", "west": "east"}[without]
    town.wait_until(lambda: town.at_work(other) == SHARDS, f"{other} has every shard", TAKE_OVER_SECONDS_MAX)
    ends = town.ends()
    town.wait_until(lambda: town.has_taken(ends), "what was stated is stored", TAKE_OVER_SECONDS_MAX)


def test_the_shards_of_a_killed_worker_are_taken_over_and_nothing_is_lost_or_doubled(shared: Town) -> None:
    with shared.traffic(seed=1, pause_seconds=PAUSE_SECONDS):
        time.sleep(0.5)
        shared.worker("east").kill()
        goes_on(shared, without="east")


def test_a_frozen_worker_that_wakes_up_lets_go_of_what_it_has_lost(shared: Town) -> None:
    process = shared.worker("west").process_id
    assert process is not None
    with shared.traffic(seed=2, pause_seconds=PAUSE_SECONDS):
        os.kill(process, signal.SIGSTOP)
        try:
            goes_on(shared, without="west")
        finally:
            os.kill(process, signal.SIGCONT)
        shared.wait_until(
            lambda: [len(shared.at_work(name)) for name in ("east", "west")] == [4, 4], "it is given shards again"
        )
    assert shared.worker("west").process_id == process


def test_a_worker_that_is_told_to_stop_hands_over_at_once(shared: Town) -> None:
    with shared.traffic(seed=3, pause_seconds=PAUSE_SECONDS):
        shared.worker("east").stop()
        shared.wait_until(lambda: shared.at_work("west") == SHARDS, "west has every shard", HAND_OVER_SECONDS_MAX)
        goes_on(shared, without="east")


def test_a_worker_robbed_of_a_shard_is_fenced_and_loses_that_one_alone(shared: Town) -> None:
    """Somebody else stores in a shard that the group gives to us: as after a freeze of which we know nothing."""
    robbed = min(shared.at_work("east"))
    others = shared.at_work("east") - {robbed}
    fenced = {shard: ("hub_shard_fenced_total", f'shard="{shard}"') for shard in SHARDS}
    with robbing(shared) as hold:
        owner = shared.owner(robbed)
        hold(robbed)
        shared.wait_until(lambda: shared.owner(robbed) != owner, "the robber has stored a batch")
        with shared.traffic(seed=4, pause_seconds=ROBBERS_TURN_SECONDS):
            shared.wait_until(lambda: samples(shared)[fenced[robbed]] >= 1.0, "the owner is fenced off")
            assert others <= shared.at_work("east")
    shared.wait_until(lambda: shared.at_work("east") == others | {robbed}, "the owner has it again, the robber gone")
    assert [samples(shared)[fenced[shard]] for shard in others] == [0.0] * len(others)


def samples(town: Town) -> dict[tuple[str, str], float]:
    """What east's `/metrics` say."""
    return sample_values(town.worker("east").metrics_url())
