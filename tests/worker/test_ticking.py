"""Ticks go to the shards that are owned, at once to one that is gained, and to no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from contracts.failures import TransportFailure
from hub.shard.ticking import TICK, Ticker


class Channel:
    """Remembers which shards were ticked; fails once for those in `unreachable`."""

    def __init__(self) -> None:
        self.ticked: list[int] = []
        self.unreachable: set[int] = set()
        self.failure: Exception = TransportFailure("away")
        self._changed = threading.Condition()

    def publish(self, partition: int, event_type: str, payload: Mapping[str, Any]) -> None:
        assert (event_type, payload) == (TICK, {})
        with self._changed:
            self.ticked.append(partition)
            self._changed.notify()
        if partition in self.unreachable:
            self.unreachable.discard(partition)
            raise self.failure

    def wait_for(self, count: int) -> list[int]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.ticked) >= count, 10.0)
            return list(self.ticked)


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def hourly(channel: Channel) -> Iterator[Ticker]:
    ticker = Ticker(channel, 3600.0)
    ticker.start()
    yield ticker
    ticker.stop()


def test_a_shard_that_is_gained_is_ticked_at_once_and_one_that_stays_is_not_ticked_again(
    channel: Channel, hourly: Ticker
) -> None:
    hourly.serve({1, 2})
    assert sorted(channel.wait_for(2)) == [1, 2]
    hourly.serve({1, 2, 3})
    assert channel.wait_for(3)[2:] == [3]
    hourly.serve({3})
    hourly.serve({1, 3})
    assert channel.wait_for(4)[3:] == [1], "gained again, it was not told at once"


def test_a_shard_that_is_lost_is_not_ticked_any_more(channel: Channel) -> None:
    ticker = Ticker(channel, 0.01)
    ticker.start()
    try:
        ticker.serve({1, 2})
        channel.wait_for(6)
        ticker.serve({2})
        known = len(channel.ticked) + 1  # one may be under way
        assert set(channel.wait_for(known + 5)[known:]) == {2}
        ticker.serve(())
        time.sleep(0.05)
        known = len(channel.ticked)
        time.sleep(0.05)
        assert len(channel.ticked) == known
    finally:
        ticker.stop()


def test_a_tick_that_fails_keeps_no_other_from_being_sent(channel: Channel) -> None:
    channel.unreachable = {0}
    ticker = Ticker(channel, 0.01)
    ticker.start()
    try:
        ticker.serve({0, 1})
        assert {0, 1} == set(channel.wait_for(5)[1:])
    finally:
        ticker.stop()


def test_an_error_that_the_client_library_makes_up_ends_no_ticker(channel: Channel) -> None:
    """Without ticks everything would be held back, for ever and with nobody told."""
    channel.unreachable, channel.failure = {1}, ValueError("Unrecognized partition 1 for topic")
    ticker = Ticker(channel, 0.01)
    ticker.start()
    ticker.serve({1})
    assert channel.wait_for(3) == [1, 1, 1]
    ticker.stop()
