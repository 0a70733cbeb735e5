"""Ticks: the worker tells each of its shards, through the shard's own input, that time has passed.

Rules:
- A tick is a record like any other: what a shard does by time alone can be replayed from its input.
- Who owns a shard ticks it, and nobody else. A shard that is gained is ticked at once: it learns so how far behind it
  is, before anything is sent.
- A tick that could not be sent is not sent again; the next one says as much.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from contracts.failures import Failure
from contracts.faults import told
from hub.broker.ports import ControlChannel

TICK = "ShardTicked"

log = logging.getLogger(__name__)


class Ticker:
    """Ticks shards every `every_seconds`, in a thread of its own."""

    def __init__(self, control: ControlChannel, every_seconds: float) -> None:
        self._control = control
        self._every_seconds = every_seconds
        self._due: dict[int, float] = {}
        self._changed = threading.Condition()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        """Begin; there is nothing to tick yet."""
        self._thread.start()

    def serve(self, shards: Iterable[int]) -> None:
        """Tick these shards from now on, and no others; one that is new among them at once."""
        wanted = set(shards)
        with self._changed:
            if wanted != self._due.keys():
                self._due = {shard: self._due.get(shard, 0.0) for shard in wanted}
                self._changed.notify()

    def stop(self) -> None:
        """End the thread, waiting for a tick under way."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (shard := self._next()) is not None:
            try:
                self._control.publish(shard, TICK, {})
            except Failure as failure:
                log.warning("tick of shard %d: %s", shard, failure)
            except Exception as error:
                # Whatever the client library raises: without ticks everything would be held back.
                log.error("tick of shard %d: unexpected %s", shard, told(error))

    def _next(self) -> int | None:
        """Wait until a shard is due, and note when it will be again; `None` when stopped."""
        with self._changed:
            while not self._is_stopped:
                now = time.monotonic()
                shard, due = min(self._due.items(), key=lambda each: each[1], default=(0, None))
                if due is not None and due <= now:
                    self._due[shard] = now + self._every_seconds
                    return shard
                self._changed.wait(None if due is None else due - now)
            return None
