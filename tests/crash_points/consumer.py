"""`python -m tests.crash_points.consumer`: a party's real subscription, with the crash points of the view set."""

from __future__ import annotations

import sys

import consumers.__main__
from consumers.settings import consumer_settings
from tests.crash_points.points import POINTS
from tests.crash_points.trap import Trap


def main() -> int:
    """Set the points and run the subscription."""
    points = [point for point in POINTS if point.room == "view"]
    Trap(consumer_settings().store.parent).set(points, "sqlite")
    return consumers.__main__.main([])


if __name__ == "__main__":
    sys.exit(main())
