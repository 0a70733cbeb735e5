"""`python -m tests.takeovers.robber`: a worker that takes shards by force, whoever owns them, as it is told.

A line on standard input names the shards that it holds from now on (`0 3`), an empty one none. It asks no group: only
the fence stands between it and the owners. Settings as of `python -m hub`; it ends with its input.
"""

from __future__ import annotations

import logging
import sys
import threading

from hub.broker.ports import GiveUp
from hub.settings import load_settings
from hub.worker import open_worker


class Commanded:
    """Implements `hub.broker.ports.Ownership`: what the last line said."""

    def __init__(self) -> None:
        self._owned: frozenset[int] = frozenset()
        self.was_told = True
        self.rebuilds = 0

    def start(self, give_up: GiveUp) -> None:
        """Listen; what is dropped is given up by the worker's next look."""

    def look(self, wait_seconds: float = 0.0) -> frozenset[int]:
        """The shards of the last line."""
        if not self._owned:
            threading.Event().wait(wait_seconds)
        return self._owned

    def close(self) -> None:
        """There is nobody to tell."""

    def listen(self, ended: threading.Event) -> None:
        """Take what each line says, until there is none."""
        for line in sys.stdin:
            self._owned = frozenset(map(int, line.split()))
        ended.set()


def main() -> None:
    """Work until standard input ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.ERROR)
    commanded, ended = Commanded(), threading.Event()
    worker = open_worker(load_settings(), lambda _: commanded)
    threading.Thread(target=commanded.listen, args=(ended,), daemon=True).start()
    try:
        worker.serve_metrics()
        worker.join(ended)
        while not ended.is_set():
            worker.step()
    finally:
        worker.close()


if __name__ == "__main__":
    main()
