"""What every simulated part runs on: one clock, programs that may be killed at any point, and the failure of a promise.

Rules:
- Time passes only when the history says so, for the hub's pauses too; nothing reads the clock of this machine.
- A killed program runs no further: whatever it does next through a port of its own kills it again.
- `Killed` and `Violated` are no `Exception`, so that no handler of the code under test can go on after them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn


class Killed(BaseException):
    """The program was killed at the point that the message names."""


class Violated(BaseException):
    """A promise of the hub was broken. `invariant` is one of `tests.simulator.invariants`."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant, self.detail = invariant, detail


def require(holds: object, invariant: str, detail: str) -> None:
    """Raise `Violated` unless the promise holds."""
    if not holds:
        violate(invariant, detail)


def violate(invariant: str, detail: str) -> NoReturn:
    """Raise `Violated`."""
    raise Violated(invariant, detail)


@dataclass(slots=True)
class SimulatedTime:
    """The one clock, in milliseconds; stands in for the module `time` where the hub measures its own pauses."""

    now: int

    def monotonic(self) -> float:
        """Seconds, as `time.monotonic`."""
        return self.now / 1000


@dataclass(slots=True)
class Program:
    """One run of a program, from its start until it ends or is killed."""

    name: str
    points_left: int | None = None
    """How many more points it gets past before it is killed; `None`: all of them."""
    killed_at: str = ""
    killed_when_at: str = ""
    """The point at which it will be killed, whenever it gets there; none where empty."""

    def reach(self, point: str) -> None:
        """Get to a point at which the program may be killed."""
        if self.killed_at:
            raise Killed(self.killed_at)
        if self.points_left == 0 or point == self.killed_when_at:
            self.killed_at = point
            raise Killed(point)
        if self.points_left is not None:
            self.points_left -= 1

    def kill(self) -> None:
        """Kill it where it stands, between two steps."""
        self.killed_at = self.killed_at or "at rest"
