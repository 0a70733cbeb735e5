"""Ticks: the worker tells each of its shards, through the shard's own input, that time has passed.

Rules:
- A tick is a record like any other: what a shard does by time alone can be replayed from its input.
- A tick that could not be sent is not sent again; the next one says as much.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from contracts.failures import Failure
from hub.broker.ports import ControlChannel

TICK = "ShardTicked"

log = logging.getLogger(__name__)


class Ticker:
    """Ticks `shards` every `every_seconds`, in a thread of its own."""

    def __init__(self, control: ControlChannel, shards: Sequence[int], every_seconds: float) -> None:
        self._control = control
        self._shards = shards
        self._every_seconds = every_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        """Begin with a tick at once: a shard that was away learns how far behind it is."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, waiting for a tick under way."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            for shard in self._shards:
                try:
                    self._control.publish(shard, TICK, {})
                except Failure as failure:
                    log.warning("tick of shard %d: %s", shard, failure)
            if self._stopped.wait(self._every_seconds):
                return
