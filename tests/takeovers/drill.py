"""Shards change hands by force, again and again, in every way that a worker can lose them.

Rules:
- `kill` (-9, back only after others have taken over), `restart` (-9 and back at once under its name), `freeze` (until
  others have taken over, then it wakes up), `stop` (told to), `rob` (frozen for so short that it knows nothing, while
  somebody outside the group stores in one of its shards).
- A worker that is frozen in the middle of a commit holds the lock of its SQLite file: nobody can store in that shard
  until it wakes up, and nothing of it goes out. Such a one is woken after a while, and counted, but as no recovery.
- Each begins with every shard at work and two workers at the least, and ends when all that was confirmed before it is
  stored and sent again: how long that took is the recovery.
- The moments and the victims come from a seed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from deploy.hub_process import HubProcess
from tests.takeovers.town import WAIT_SECONDS_MAX, Town

KINDS: Final = ("kill", "restart", "freeze", "stop", "rob")
BETWEEN_SECONDS_MAX: Final = 1.0
FROZEN_SECONDS_MAX: Final = 30.0
"""Longer than others need to take over where they can."""


class Drill:
    """Takes shards from the workers `names` of `town`; `hold` commands the robber. `recoveries` has seconds by kind."""

    def __init__(self, town: Town, names: Sequence[str], hold: Callable[..., None], seed: int) -> None:
        self._town = town
        self._names = names
        self._hold = hold
        self._draw = random.Random(seed)
        self.recoveries: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self.woken = 0
        """How many frozen workers had to be woken, because they held the lock of a file."""

    def take_over(self, turn: int) -> None:
        """Let one worker lose its shards; return when everything goes on."""
        kind = KINDS[turn % len(KINDS)]
        victim = self._draw.choice(self._ready())
        time.sleep(self._draw.uniform(0.0, BETWEEN_SECONDS_MAX))
        before, began, woken = self._town.ends(), time.monotonic(), self.woken
        finish = getattr(self, f"_{kind}")(self._town.workers[victim], victim)
        goes_on = self._goes_on(before, FROZEN_SECONDS_MAX if kind == "freeze" else WAIT_SECONDS_MAX)
        if goes_on and self.woken == woken:
            self.recoveries[kind].append(time.monotonic() - began)
        finish()
        if kind == "freeze" and not goes_on:
            self.woken += 1
            goes_on = self._goes_on(before, WAIT_SECONDS_MAX)
        assert goes_on, f"not all from before the {kind} was stored and sent again: {self._town.last_words()}"

    def _goes_on(self, before: Mapping[tuple[str, int], int], seconds: float) -> bool:
        """Whether all that lay there `before` is stored, and what was given out by then sent, each within `seconds`."""
        if not self._town.comes_true(lambda: self._town.has_taken(before), seconds):
            return False
        given_out = self._town.given_out()
        return self._town.comes_true(lambda: self._town.has_sent(given_out), seconds)

    def _ready(self) -> list[str]:
        """Wait until every shard is at work somewhere, with two workers at the least; return who has some."""
        for name in self._names:
            if not self._town.worker(name).is_running:
                self._town.worker(name).launch()
        found: dict[str, set[int]] = {}

        def is_ready() -> bool:
            found.update({name: self._town.at_work(name) for name in self._names})
            at_work = [shard for shards in found.values() for shard in shards]
            return len(at_work) == len(self._town.stores) and sum(map(bool, found.values())) >= 2

        self._town.wait_until(is_ready, "every shard is at work")
        return [name for name, shards in sorted(found.items()) if shards]

    def _kill(self, worker: HubProcess, _: str) -> Callable[[], None]:
        worker.kill()
        return worker.launch

    def _restart(self, worker: HubProcess, _: str) -> Callable[[], None]:
        worker.kill()
        worker.launch()
        return _nothing

    def _stop(self, worker: HubProcess, _: str) -> Callable[[], None]:
        worker.stop()
        return worker.launch

    def _freeze(self, worker: HubProcess, _: str) -> Callable[[], None]:
        process = _process_of(worker)
        os.kill(process, signal.SIGSTOP)
        return lambda: os.kill(process, signal.SIGCONT)

    def _rob(self, worker: HubProcess, name: str) -> Callable[[], None]:
        shard = self._draw.choice(sorted(self._town.at_work(name)) or [0])
        os.kill(_process_of(worker), signal.SIGSTOP)
        try:
            owner = self._town.owner(shard)
            self._hold(shard)
            if not self._town.comes_true(lambda: self._town.owner(shard) != owner, FROZEN_SECONDS_MAX):
                self.woken += 1
        finally:
            os.kill(_process_of(worker), signal.SIGCONT)
            self._hold()
        return _nothing


def _process_of(worker: HubProcess) -> int:
    process = worker.process_id
    assert process is not None, "the worker runs"
    return process


def _nothing() -> None:
    pass
