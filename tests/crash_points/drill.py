"""One run: a process is killed at a named point while facts are stated, started again, and everything is compared.

Rules:
- Which call of the point it is comes from a seed. Facts are stated until the process has died there; one that does not
  die in time has never come there, and that is a failure.
- Recovery is counted from the new start until all that was stated is stored, sent, acknowledged and in the view.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Final

from tests.crash_points.checks import faults_of
from tests.crash_points.points import Point
from tests.crash_points.town import CrashTown

DEATH_SECONDS_MAX: Final = 30.0
ROUND_SECONDS: Final = 0.4


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run."""

    point: str
    call: int
    recovery_seconds: float
    faults: list[str]


def run_once(town: CrashTown, point: Point, draw: random.Random) -> Run:
    """Kill at `point`, start again, wait until all is at rest, and compare."""
    call = draw.randint(1, point.calls_max)
    is_view = point.room == "view"
    process, trigger = (town.receiver, town.receiver_trigger) if is_view else (town.hub, town.hub_trigger)
    if point.at_start:
        process.kill()
        town.state_round()
    trigger.arm(point, call)
    if point.at_start:
        process.launch()
        _wait_for_death(town, point, rounds=False)
    else:
        _wait_for_death(town, point, rounds=True)
    process.kill()
    began = time.monotonic()
    process.launch()
    town.wait_until(town.is_at_rest, f"all is at rest after `{point.name}`")
    recovery_seconds = time.monotonic() - began
    town.retry_parked()
    town.wait_until(lambda: not town.waiting_for_key() and town.is_at_rest(), "what was parked is retried")
    return Run(point.name, call, recovery_seconds, faults_of(town))


def _wait_for_death(town: CrashTown, point: Point, *, rounds: bool) -> None:
    is_view = point.room == "view"
    process, trigger = (town.receiver, town.receiver_trigger) if is_view else (town.hub, town.hub_trigger)
    deadline = time.monotonic() + DEATH_SECONDS_MAX
    while not trigger.crashed():
        if time.monotonic() > deadline:
            trigger.disarm()
            raise AssertionError(f"`{point.name}` was not reached in {DEATH_SECONDS_MAX:.0f} s: {town.last_words()}")
        if rounds:
            town.state_round()
        began = time.monotonic()
        while time.monotonic() - began < ROUND_SECONDS and not trigger.crashed():
            assert process.is_running or trigger.crashed(), f"it ended by itself: {town.last_words()}"
            time.sleep(0.01)
