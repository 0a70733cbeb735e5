"""`python -m tests.crash_points.hub`: the real worker, with the crash points of the hub set."""

from __future__ import annotations

import sys

import hub.__main__
from hub.settings import load_settings
from tests.crash_points.points import POINTS, Store
from tests.crash_points.trap import Trap

FOLDER = "crash-points"


def main() -> int:
    """Set the points and run the worker."""
    settings = load_settings()
    store: Store = "postgresql" if settings.store_url else "sqlite"
    Trap(settings.state_directory / FOLDER).set([point for point in POINTS if point.room != "view"], store)
    return hub.__main__.main()


if __name__ == "__main__":
    sys.exit(main())
