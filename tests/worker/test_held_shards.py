"""A worker's shards among each other: one that fails, waits or is fenced holds up none of the others."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from contracts.failures import DamagedStore, Failure, FencedOff, StalledInput, StoreUnavailable, TransportFailure
from hub import held_shards
from hub.held_shards import FENCED_WAIT_SECONDS, FIRST_WAIT_SECONDS, WAIT_SECONDS_MAX, HeldShards
from hub.metrics import Metrics

PARTITIONS = 4
ALL = frozenset(range(PARTITIONS))


class FakeShard:
    """A shard that fails as it is told, once."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.steps = 0
        self.is_closed = False
        self.failure: BaseException | None = None

    def step(self, wait_seconds: float) -> bool:
        assert not self.is_closed, "a closed shard was stepped"
        failure, self.failure = self.failure, None
        if failure:
            raise failure
        self.steps += 1
        return True

    def close(self) -> None:
        assert not self.is_closed, "a shard was closed twice"
        self.is_closed = True


class Bench:
    """Shards held on a clock of the test's. `refuses` says why one cannot be opened, `waits` holds openings up."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.opened: dict[int, list[FakeShard]] = {}
        self.refuses: dict[int, Failure] = {}
        self.waits: dict[int, threading.Event] = {}
        self.tried: Counter[int] = Counter()
        self.metrics = Metrics()
        self.held = HeldShards(self._open, self.metrics, PARTITIONS, lambda: self.now)

    def _open(self, number: int) -> FakeShard:
        self.tried[number] += 1
        if number in self.waits:
            self.waits[number].wait(10.0)
        if number in self.refuses:
            raise self.refuses[number]
        shard = FakeShard(number)
        self.opened.setdefault(number, []).append(shard)
        return shard

    def turn_until(self, condition: Callable[[], bool], owned: frozenset[int] = ALL) -> None:
        deadline = time.monotonic() + 10.0
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            self.held.hold(owned)
            self.held.step(0.0)
            time.sleep(0.001)

    def has_failed(self, shard: int, times: int) -> bool:
        return self.tried[shard] == self.value("hub_shard_failures_total", shard) == times

    def value(self, metric: str, shard: int) -> float:
        return self.metrics.registry.get_sample_value(metric, {"shard": str(shard)}) or 0.0


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    for event in bench.waits.values():
        event.set()
    bench.held.close()


@pytest.fixture
def at_work(bench: Bench) -> Bench:
    bench.turn_until(lambda: bench.held.at_work == sorted(ALL))
    return bench


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), TransportFailure("away"), StalledInput("stuck")])
def test_a_shard_that_fails_is_closed_and_opened_again_while_the_others_go_on(at_work: Bench, failure: Failure) -> None:
    first = at_work.opened[2][0]
    others = [at_work.opened[number][0] for number in ALL - {2}]
    first.failure = failure
    at_work.turn_until(lambda: first.is_closed)
    before = [shard.steps for shard in others]
    for _ in range(20):
        at_work.held.hold(ALL)
        at_work.held.step(0.0)
    assert [shard.steps for shard in others] == [steps + 20 for steps in before]
    assert len(at_work.opened[2]) == 1, "it was opened again before its wait was over"
    assert at_work.value("hub_shard_at_work", 2) == 0.0
    assert at_work.value("hub_shard_owned", 2) == 1.0
    assert at_work.value("hub_shard_failures_total", 2) == 1.0
    assert at_work.value("hub_inputs_stalled_total", 2) == float(isinstance(failure, StalledInput))
    at_work.now += FIRST_WAIT_SECONDS
    at_work.turn_until(lambda: at_work.held.at_work == sorted(ALL))
    assert at_work.value("hub_shard_at_work", 2) == 1.0


def test_waits_double_up_to_their_limit_and_begin_anew_after_a_time_at_work(bench: Bench) -> None:
    bench.refuses[1] = TransportFailure("away")
    for tries, seconds in enumerate([0.5, 1.0, 2.0, 4.0, 5.0, 5.0], 1):
        bench.turn_until(partial(bench.has_failed, 1, tries))
        bench.now += seconds - 0.01
        for _ in range(20):
            bench.held.hold(ALL)
            time.sleep(0.001)
        assert bench.tried[1] == tries, "it was tried again before its wait was over"
        bench.now += 0.01
    bench.turn_until(partial(bench.has_failed, 1, 7))
    del bench.refuses[1]
    bench.now += WAIT_SECONDS_MAX
    bench.turn_until(lambda: 1 in bench.held.at_work)
    bench.now += WAIT_SECONDS_MAX + 1.0
    bench.opened[1][0].failure = TransportFailure("away again")
    bench.turn_until(lambda: bench.opened[1][0].is_closed)
    bench.now += FIRST_WAIT_SECONDS
    bench.turn_until(lambda: 1 in bench.held.at_work)


def test_an_opening_that_waits_for_a_broker_holds_up_nobody(bench: Bench) -> None:
    bench.waits[3] = threading.Event()
    bench.turn_until(lambda: bench.held.at_work == [0, 1, 2])
    assert not bench.held.is_settled
    bench.waits[3].set()
    bench.turn_until(lambda: bench.held.is_settled)


def test_a_fenced_shard_is_dropped_alone_and_taken_again_only_if_it_is_still_given(at_work: Bench) -> None:
    at_work.opened[0][0].failure = FencedOff("another was here")
    at_work.opened[1][0].failure = FencedOff("another was here")
    at_work.turn_until(lambda: at_work.opened[0][0].is_closed and at_work.opened[1][0].is_closed)
    at_work.now += FENCED_WAIT_SECONDS - 0.01
    for _ in range(20):
        at_work.held.hold(ALL)
    assert at_work.tried[0] == at_work.tried[1] == 1
    still = ALL - {1}
    at_work.held.hold(still)
    at_work.now += 1.0
    at_work.turn_until(lambda: at_work.held.at_work == sorted(still), still)
    assert at_work.tried[1] == 1
    assert at_work.value("hub_shard_fenced_total", 0) == 1.0


def test_what_is_lost_is_closed_when_giving_up_returns(at_work: Bench) -> None:
    at_work.metrics.observe(1, 5, 6, 7)
    at_work.held.give_up(frozenset({1, 3}))
    assert [at_work.opened[number][0].is_closed for number in sorted(ALL)] == [False, True, False, True]
    assert at_work.held.at_work == [0, 2]
    assert at_work.metrics.registry.get_sample_value("hub_lag_records", {"shard": "1"}) is None


def test_a_shard_lost_while_it_is_opened_is_never_stepped_and_closed_as_soon_as_it_is_open(bench: Bench) -> None:
    bench.waits[2] = threading.Event()
    bench.turn_until(lambda: bench.held.at_work == [0, 1, 3])
    began = time.monotonic()
    bench.held.give_up(frozenset({2}))
    assert time.monotonic() - began < 1.0, "giving up waited for an opening"
    bench.waits[2].set()
    bench.turn_until(lambda: 2 in bench.opened and bench.opened[2][0].is_closed, ALL - {2})
    assert bench.opened[2][0].steps == 0


def test_giving_up_does_not_wait_for_ever(at_work: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_shards, "GIVE_UP_SECONDS_MAX", 0.05)
    stuck = threading.Event()
    monkeypatch.setattr(at_work.opened[0][0], "close", lambda: stuck.wait(10.0))
    at_work.held.give_up(frozenset({0}))
    assert at_work.held.at_work == [1, 2, 3]
    stuck.set()


def test_a_failure_that_no_retry_can_help_sets_its_shard_aside_until_it_is_given_anew(at_work: Bench) -> None:
    at_work.opened[0][0].failure = DamagedStore("it cannot be true")
    at_work.turn_until(lambda: at_work.opened[0][0].is_closed)
    at_work.now += 1000.0
    for _ in range(20):
        at_work.held.hold(ALL)
    assert at_work.tried[0] == 1
    assert at_work.held.is_settled
    at_work.held.hold(ALL - {0})
    at_work.turn_until(lambda: at_work.held.at_work == sorted(ALL))
    assert at_work.tried[0] == 2


def test_a_worker_whose_every_shard_is_set_aside_says_why(bench: Bench) -> None:
    bench.refuses = dict.fromkeys(ALL, DamagedStore("it cannot be true"))
    with pytest.raises(DamagedStore, match="cannot be true"):
        bench.turn_until(lambda: False)


def test_opening_anew_replaces_every_shard_once_and_one_that_was_being_opened_too(bench: Bench) -> None:
    bench.waits[3] = threading.Event()
    bench.turn_until(lambda: bench.held.at_work == [0, 1, 2])
    bench.held.open_anew()
    bench.waits[3].set()
    bench.turn_until(lambda: all(len(bench.opened.get(number, [])) == 2 for number in ALL))
    bench.turn_until(lambda: bench.held.at_work == sorted(ALL))
    assert [bench.opened[number][0].is_closed for number in sorted(ALL)] == [True] * PARTITIONS
    assert sum(bench.tried.values()) == 2 * PARTITIONS


def test_a_fault_that_nobody_foresaw_is_its_shards_alone_and_that_begins_again(
    at_work: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    first = at_work.opened[2][0]
    first.failure = KeyError("0101900005")
    at_work.turn_until(lambda: first.is_closed)
    assert at_work.held.at_work == sorted(ALL - {2})
    at_work.now += FIRST_WAIT_SECONDS
    at_work.turn_until(lambda: at_work.held.at_work == sorted(ALL))
    assert "`KeyError` in `test_held_shards.py:" in caplog.text
    assert "0101900005" not in caplog.text


def test_an_outage_is_said_once_and_its_end_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench.refuses[2] = StoreUnavailable("the store is away")
    for tries in range(1, 5):
        bench.turn_until(lambda tries=tries: bench.tried[2] >= tries and bench.held._held[2].job is None)  # type: ignore[misc]
        bench.now += WAIT_SECONDS_MAX
    assert [record.message for record in caplog.records if "shard 2" in record.message] == [
        "shard 2 is tried again until it goes, first in 0.5 s: the store is away"
    ]
    del bench.refuses[2]
    bench.turn_until(lambda: 2 in bench.held.at_work)
    bench.now += WAIT_SECONDS_MAX + 1
    bench.held.hold(ALL)
    bench.held.hold(ALL)
    assert [record.message for record in caplog.records if "shard 2" in record.message][1:] == [
        "shard 2 is at work again"
    ]
