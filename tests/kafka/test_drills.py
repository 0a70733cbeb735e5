"""Citizens live through SC1 while the hub is killed again and again, on the real Kafka.

Rules:
- `HUB_DRILL_KILLS=20` is the long run, with 200 citizens; ten citizens for each kill.
- Afterwards everything is as in an undisturbed run: every view at every `X` date and at the end, event by event and
  field by field; every number given out is on the party's topic, and was applied once.
- A kill counts as one among unprocessed records only where the stores' own positions say so afterwards.
- The moments come from a seed. `HUB_DRILL_ROUNDS` plays as many more with other seeds.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from deploy.local_kafka import LocalKafka
from deploy.scenario.expansion import expand
from deploy.scenario.player import DAY_MS
from tests.kafka.crowd import Crowd, Snapshot
from tests.kafka.out_topics import number_faults
from tests.scenario.vignettes import good_release

pytestmark = [
    pytest.mark.kafka,
    # kafka-python leaves the socket of every attempt to reach a dead broker to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

HUB_KILLS: Final = int(os.environ.get("HUB_DRILL_KILLS", "5"))
CITIZENS: Final = 10 * HUB_KILLS
PARTITIONS: Final = 2
HUB_KILLS_AMONG_UNPROCESSED_MIN: Final = HUB_KILLS * 3 // 4
HUB_KILLS_AT_WORK_MIN: Final = HUB_KILLS // 2
HUB_KILLS_AT_ONCE: Final = HUB_KILLS * 3 // 10
"""At most so many kills meet a hub that has only begun to start; the others meet one that stores and sends."""
START_SECONDS_MAX: Final = 30.0
BATCH_SECONDS: Final = 0.06
"""About what the hub needs for the records of one instant."""
SEED: Final = 20260
SEEDS: Final = range(SEED, SEED + max(1, int(os.environ.get("HUB_DRILL_ROUNDS", "1"))))

Disturb = Callable[[int, Crowd], None]
"""Publishes what is stated at an instant, doing on the way whatever the drill does."""


@dataclass
class Played:
    """What a whole play of the scenario came to: the views at each `X` date and at the end."""

    views: list[Snapshot] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


@pytest.fixture(autouse=True)
def no_socket_left_to_others() -> Iterator[None]:
    """Sockets that a drill left to the collector go before another test is blamed for them.

    The client library logs each attempt with the connection itself, and pytest keeps what is logged.
    """
    client_log = logging.getLogger("kafka")
    level = client_log.level
    client_log.setLevel(logging.CRITICAL)
    yield
    client_log.setLevel(level)
    gc.collect()


@contextmanager
def crowd_on(kafka: LocalKafka, directory: Path) -> Iterator[Crowd]:
    """A crowd in a new world."""
    crowd = Crowd(
        kafka.admin, expand(good_release()), directory / f"crowd-{uuid.uuid4().hex[:8]}", CITIZENS, PARTITIONS
    )
    try:
        yield crowd
    finally:
        crowd.close()


def instants_of(crowd: Crowd) -> tuple[list[int], set[int]]:
    """Every instant of the scenario in order, and those among them at which something is stated."""
    stated = {statement.event.recorded_at for statement in crowd.playbook.statements}
    return sorted(stated | {each.at for each in crowd.playbook.scenario.expectations}), stated


def play(crowd: Crowd, publish: Disturb) -> Played:
    """Play the scenario for everybody; look around at each `X` date and at the end."""
    played = Played()
    instants, stated = instants_of(crowd)
    looked_at = {each.at for each in crowd.playbook.scenario.expectations} | {instants[-1]}
    crowd.tick(instants[0] - DAY_MS)
    crowd.enrol(instants[0] - DAY_MS)
    crowd.settle()
    for instant in instants:
        crowd.tick(instant)
        if instant in stated:
            publish(instant, crowd)
        if instant in looked_at:
            crowd.settle()
            crowd.receive()
            snapshot, differences = crowd.look_around(instant)
            played.views.append(snapshot)
            played.differences += differences
    return played


def undisturbed(instant: int, crowd: Crowd) -> None:
    crowd.publish(crowd.stated_at(instant))
    crowd.settle()


@pytest.fixture(scope="module")
def reference(local_kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> list[Snapshot]:
    """The views of a run that nobody disturbed."""
    with crowd_on(local_kafka, tmp_path_factory.mktemp("reference")) as crowd:
        played = play(crowd, undisturbed)
        assert played.differences == []
        assert_all_arrived_once(crowd)
    return played.views


@pytest.mark.parametrize("seed", SEEDS)
def test_hub_killed_again_and_again_loses_and_doubles_nothing(
    local_kafka: LocalKafka, tmp_path: Path, reference: list[Snapshot], seed: int
) -> None:
    with crowd_on(local_kafka, tmp_path) as crowd:
        drill = HubKills(random.Random(seed), instants_of(crowd)[1])
        played = play(crowd, drill.publish)
        assert len(drill.unprocessed) == HUB_KILLS
        assert sum(count > 0 for count in drill.unprocessed) >= HUB_KILLS_AMONG_UNPROCESSED_MIN
        assert sum(count > 0 for count in drill.batches) >= HUB_KILLS_AT_WORK_MIN
        assert_as_undisturbed(crowd, played, reference)


class HubKills:
    """Kills the hub at drawn moments after a part of an instant's records, and starts it again.

    `unprocessed` has, for each kill, how many records it left behind; `batches` how many batches the hub had stored
    since it was started.
    """

    def __init__(self, draw: random.Random, stated: set[int]) -> None:
        self._draw = draw
        self._at = dict.fromkeys(draw.sample(sorted(stated), min(HUB_KILLS, len(stated))), 1)
        for instant in draw.sample(sorted(stated), HUB_KILLS - len(self._at)):
            self._at[instant] += 1
        self._at_once = draw.sample([True] * HUB_KILLS_AT_ONCE + [False] * HUB_KILLS, HUB_KILLS)
        self._batches_before = 0
        self.unprocessed: list[int] = []
        self.batches: list[int] = []

    def publish(self, instant: int, crowd: Crowd) -> None:
        """Publish what is stated at `instant`; a part of it, and a kill, as often as was drawn."""
        left = crowd.stated_at(instant)
        for _ in range(self._at.get(instant, 0)):
            part = self._draw.randrange(1, len(left))
            if not self._at_once.pop():
                self._wait_until_at_work(crowd)
            crowd.publish(left[:part])
            left = left[part:]
            # From at once to about as long as a batch takes: before, in and after its commit, and while it is sent.
            time.sleep(self._draw.uniform(0.0, BATCH_SECONDS))
            crowd.hub.kill()
            self.unprocessed.append(crowd.unprocessed())
            self.batches.append(crowd.batches() - self._batches_before)
            self._batches_before = crowd.batches()
            crowd.hub.start()
        crowd.publish(left)

    def _wait_until_at_work(self, crowd: Crowd) -> None:
        """Wait until the hub has stored a batch since it was started, or has nothing to store."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while crowd.batches() == self._batches_before and crowd.unprocessed():
            assert time.monotonic() < deadline, "the hub did not come to work again"
            time.sleep(0.01)


def assert_as_undisturbed(crowd: Crowd, played: Played, reference: list[Snapshot]) -> None:
    """Nothing that anybody can see tells the disturbed run from the undisturbed one."""
    assert played.differences == []
    assert len(played.views) == len(reference)
    for got, wanted in zip(played.views, reference, strict=True):
        assert got.keys() == wanted.keys()
        assert [place for place in wanted if got[place] != wanted[place]] == []
    assert_all_arrived_once(crowd)


def assert_all_arrived_once(crowd: Crowd) -> None:
    """Each fact is on one timeline once; each number is on its topic, in order, and was applied once."""
    assert crowd.facts() == crowd.expected_facts()
    assert [record for shard in crowd.shards for record in shard.parked()] == []
    given_out = [shard.head().numbers for shard in crowd.shards]
    for party, store in crowd.stores.items():
        last = {shard: numbers[party] for shard, numbers in enumerate(given_out) if numbers.get(party)}
        assert number_faults(crowd.sent_to(party), last) == []
        assert crowd.subscriptions[party].numbers() == last
        once = {(shard, number): 1 for shard, count in last.items() for number in range(1, count + 1)}
        assert store.applied == once
