"""How long something took, told in three figures: for every drill that measures it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def recovery_of(seconds: Sequence[float]) -> dict[str, Any]:
    """The median, the 99th percentile and the longest of some recoveries, in seconds."""
    ordered = sorted(seconds)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) for name, share in at.items()}
