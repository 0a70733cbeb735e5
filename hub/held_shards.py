"""The shards that one worker holds: opened when they are gained, closed when they are lost, each with its own trouble.

Rules:
- Shards at work are stepped in turn by one thread. Opening and closing may wait for a store or a broker, so each
  happens in a thread apart: what one shard waits for holds up no other.
- A failure in one shard closes that shard alone: cache, consumer and producer go, and it is opened again from what is
  stored, after a wait that doubles. That is counted, and shown.
- So is a fault that nobody foresaw, or the record that brings it on would end every worker in turn. It is reported with
  its type and place.
- So is one that the fence has refused: another worker was here. It is opened again only if it is still given to us
  after a moment in which we would have learnt that it is not.
- A failure that trying again cannot help sets its shard aside until it is given to us anew. A worker all of whose
  shards are set aside has nothing to do but to end, and say why.
- What is lost is closed before anybody else is given it, if that takes no longer than some seconds; then, the fence
  is there.

Which shards are owned comes from `hub.broker`; `hub.worker` steps what is held here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, Protocol

from contracts.failures import Failure, FencedOff, StalledInput
from contracts.faults import failure_of
from hub.metrics import Metrics

FIRST_WAIT_SECONDS: Final = 0.5
FENCED_WAIT_SECONDS: Final = 1.5
"""Longer than a heartbeat of the group: by then a member that is none any more knows it."""
WAIT_SECONDS_MAX: Final = 5.0
GIVE_UP_SECONDS_MAX: Final = 10.0

log = logging.getLogger(__name__)


class RunningShard(Protocol):
    """What a worker asks of a shard that is open."""

    def step(self, wait_seconds: float) -> bool:
        """Handle one batch; return whether anything was done."""

    def close(self) -> None:
        """Confirm what can be confirmed, and release everything."""


@dataclass(slots=True)
class _Held:
    """One shard that is ours. `job` is its opening or closing under way, `edition` the one that it is opened under."""

    edition: int
    shard: RunningShard | None = None
    job: Future[RunningShard | None] | None = None
    opened_at: float = 0.0
    failures: int = 0
    tried_again_at: float = 0.0
    set_aside: Failure | None = None
    told: str = ""
    """The failure that was said last and is not over: it is said once, however often it comes again."""


class HeldShards:
    """The shards of one worker. `open_one` opens one where its store stands, and is called by several threads."""

    def __init__(
        self,
        open_one: Callable[[int], RunningShard],
        metrics: Metrics,
        partitions: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_one = open_one
        self._metrics = metrics
        self._partitions = partitions
        self._clock = clock
        self._held: dict[int, _Held] = {}
        self._edition = 0
        self._threads = ThreadPoolExecutor(max_workers=partitions, thread_name_prefix="shard")
        metrics.expect(range(partitions))

    def hold(self, owned: frozenset[int]) -> None:
        """Hold these shards and no others: begin to open what is due, and take in what has been opened or closed.

        Raises what sets a shard aside where there is no other shard left to work on.
        """
        if lost := self._held.keys() - owned:
            self.give_up(frozenset(lost))
        for number in sorted(owned):
            held = self._held.get(number)
            if held is None:
                held = self._held[number] = _Held(self._edition)
            self._advance(number, held)
        self._metrics.observe_holding(range(self._partitions), self._held, self.at_work)
        given_up = [held.set_aside for held in self._held.values() if held.set_aside]
        if given_up and len(given_up) == len(self._held):
            raise given_up[0]

    def step(self, wait_seconds: float) -> bool:
        """Step every shard at work once, all of them waiting `wait_seconds` at most; whether anything was done."""
        at_work = [(number, held, held.shard) for number, held in self._held.items() if held.shard]
        has_worked = False
        for number, held, shard in at_work:
            try:
                has_worked = shard.step(wait_seconds / len(at_work)) or has_worked
            except Exception as error:
                self._close(held)
                self._note(number, held, failure_of(error))
        return has_worked

    def give_up(self, shards: frozenset[int]) -> None:
        """Close these shards; returns when they are, or after some seconds."""
        lost = [self._held.pop(number) for number in shards if number in self._held]
        for held in lost:
            if held.shard:
                self._close(held)
            elif held.job:
                # Nobody will step what is still being opened: it writes nothing, and is closed as soon as it is open.
                held.job.add_done_callback(_close_at_once)
                held.job = None
        for closed in wait([held.job for held in lost if held.job], GIVE_UP_SECONDS_MAX).done:
            closed.result()
        self._metrics.forget(shards)

    def open_anew(self) -> None:
        """Close every shard and open it again where it stands: something that it is made of has changed."""
        self._edition += 1

    @property
    def at_work(self) -> list[int]:
        """The shards that are open."""
        return sorted(number for number, held in self._held.items() if held.shard)

    @property
    def is_settled(self) -> bool:
        """Whether every shard is at work, or cannot be."""
        return all(held.shard or held.set_aside for held in self._held.values())

    def close(self) -> None:
        """Close every shard, and let the threads go."""
        self.give_up(frozenset(self._held))
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _advance(self, number: int, held: _Held) -> None:
        if held.job and held.job.done():
            job, held.job = held.job, None
            try:
                held.shard = job.result()
            except Exception as error:
                self._note(number, held, failure_of(error))
            if held.shard:
                held.opened_at = self._clock()
        if held.told and held.shard and self._clock() - held.opened_at > WAIT_SECONDS_MAX:
            held.told = ""
            log.info("shard %d is at work again", number)
        if held.shard and held.edition != self._edition:
            self._close(held)
            held.tried_again_at = 0.0
        if not (held.shard or held.job or held.set_aside) and self._clock() >= held.tried_again_at:
            held.edition = self._edition
            held.job = self._threads.submit(self._opened, number)

    def _opened(self, number: int) -> RunningShard | None:
        return self._open_one(number)

    def _close(self, held: _Held) -> None:
        shard, held.shard = held.shard, None
        if shard:
            held.job = self._threads.submit(_closed, shard)

    def _note(self, number: int, held: _Held, failure: Failure) -> None:
        """Note a failure: set the shard aside, or have it opened again after a wait."""
        now = self._clock()
        is_fenced = isinstance(failure, FencedOff)
        self._metrics.count_failure(number, is_fenced=is_fenced, is_stalled=isinstance(failure, StalledInput))
        if not (failure.retriable or is_fenced):
            held.set_aside = failure
            log.error("shard %d is set aside: %s", number, failure)
            return
        if held.opened_at and now - held.opened_at > WAIT_SECONDS_MAX:
            held.failures = 0
        held.opened_at = 0.0
        held.failures += 1
        seconds = min(FIRST_WAIT_SECONDS * 2 ** (held.failures - 1), WAIT_SECONDS_MAX)
        seconds = max(seconds, FENCED_WAIT_SECONDS if is_fenced else 0.0)
        held.tried_again_at = now + seconds
        if str(failure) != held.told:
            held.told = str(failure)
            log.warning("shard %d is tried again until it goes, first in %.1f s: %s", number, seconds, failure)


def _closed(shard: RunningShard) -> RunningShard | None:
    """Close a shard whose store or broker may be away; what is not confirmed is sent again by whoever opens it."""
    try:
        shard.close()
    except Exception as error:
        log.warning("closing a shard: %s", failure_of(error))
    return None


def _close_at_once(opened: Future[RunningShard | None]) -> None:
    if not opened.cancelled() and not opened.exception() and (shard := opened.result()):
        _closed(shard)
