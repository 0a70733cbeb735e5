"""Several rounds of one figure: their median, and between which bounds they lay."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """What the rounds of one figure came to. The median counts; a wide spread says that the machine was not quiet."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Spread:
        """The spread of at least one round."""
        return cls(statistics.median(rounds), min(rounds), max(rounds))

    def told(self, digits: int = 0) -> str:
        """In words: the median, and the bounds in brackets."""
        return f"{self.median:.{digits}f} ({self.min:.{digits}f} to {self.max:.{digits}f})"


def ratio_of(rounds: Mapping[str, Sequence[float]], name: str, to: str) -> Spread:
    """How many times `to` the figure `name` is, round by round: what was measured side by side is compared."""
    return Spread.of([one / other for one, other in zip(rounds[name], rounds[to], strict=True)])
