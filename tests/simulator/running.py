"""Many histories: each seed played, in one process or several, and what came of them added up.

Rules:
- A seed's history is the same whoever plays it and beside whatever else, so seeds are shared out as they come.
- A failing seed is told with its invariant and the one command that plays it again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from typing import Final

from hub.wiring import spare_the_collector
from tests.simulator.history import History, Outcome

SEEDS_AT_ONCE: Final = 25
TRACE_SHOWN: Final = 12


@dataclass(slots=True)
class Summary:
    """What many histories came to."""

    seeds: int = 0
    steps: int = 0
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one history."""
        self.seeds += 1
        self.steps += outcome.steps
        if outcome.invariant:
            self.failed.append(outcome)


@lru_cache(maxsize=1)
def _spare_once() -> None:
    spare_the_collector()


def play(seed: int) -> Outcome:
    """Play one history; the hub's own warnings about the faults are not shown."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        return History(seed).play()
    finally:
        logging.disable(before)


def play_all(seeds: Iterable[int]) -> list[Outcome]:
    """Play some histories one after the other; of those in which all went well the trace is not kept."""
    _spare_once()
    outcomes = [play(seed) for seed in seeds]
    for outcome in outcomes:
        if not outcome.invariant:
            outcome.trace = []
    return outcomes


def play_many(seeds: range, processes: int) -> Iterator[Outcome]:
    """Play many histories in so many processes; outcomes come in no order between portions."""
    numbers = iter(seeds)
    portions = iter(lambda: list(islice(numbers, SEEDS_AT_ONCE)), [])
    if processes == 1:
        for portion in portions:
            yield from play_all(portion)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for outcomes in pool.map(play_all, portions):
            yield from outcomes


def told(outcome: Outcome) -> list[str]:
    """What is said of a history in which a promise was broken: which, the last steps, and how to play it again."""
    return [
        f"seed {outcome.seed}: broken: {outcome.invariant}",
        f"  {outcome.detail}",
        *(f"  {line}" for line in outcome.trace[-TRACE_SHOWN:]),
        f"again: python -m tests.simulator --seed {outcome.seed}",
    ]
