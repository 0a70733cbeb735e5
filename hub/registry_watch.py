"""Notices that the party registry has changed while a worker runs, so that who joins need not wait for a restart.

Rules:
- A changed file counts once it can be read, every topic it needs is there, and every shard can read those of who joins
  from where it stopped; until then the one before holds, which is said aloud and shown. It is tried again, after waits
  that double.
- So is a fault that nobody foresaw: every worker watches the same file, and all of them would end over it.
- The file is looked at every other second; reading it and asking the cluster happen in a thread apart.
- What follows from a new registry is recorded by each shard when it is opened under it, as after a restart.

The file is the operator's (`hub world join`); `hub.worker` opens its shards anew under what is found here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from contracts.faults import failure_of
from contracts.parties import PartyRegistry
from contracts.registry_file import read_registry
from hub.metrics import Metrics

LOOK_SECONDS: Final = 2.0
WAIT_SECONDS_MAX: Final = 60.0

log = logging.getLogger(__name__)

_Mark = tuple[int, int, int] | None


class RegistryWatch:
    """Watches the registry in `file`, known as `known`. `check` raises a `Failure` where one cannot be worked with."""

    def __init__(
        self, file: Path, known: PartyRegistry, check: Callable[[PartyRegistry], object], metrics: Metrics
    ) -> None:
        self._file = file
        self._known = known
        self._check = check
        self._metrics = metrics
        self._mark: _Mark = None
        self._looked_at = 0.0
        self._wait_seconds = LOOK_SECONDS
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="registry")
        self._job: Future[PartyRegistry] | None = None

    def changed(self) -> PartyRegistry | None:
        """The new registry, once; `None` while there is none."""
        if self._job:
            return self._found(self._job) if self._job.done() else None
        now = time.monotonic()
        if now - self._looked_at >= self._wait_seconds:
            self._looked_at = now
            mark = _mark_of(self._file)
            if mark != self._mark:
                self._job = self._thread.submit(self._read)
                self._mark = mark
        return None

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _read(self) -> PartyRegistry:
        registry = read_registry(self._file)
        if not _is_same(registry, self._known):
            self._check(registry)
        return registry

    def _found(self, job: Future[PartyRegistry]) -> PartyRegistry | None:
        self._job = None
        try:
            registry = job.result()
        except Exception as error:
            self._metrics.registry_refused.set(1)
            self._mark, self._wait_seconds = None, min(self._wait_seconds * 2, WAIT_SECONDS_MAX)
            log.error("the changed party registry cannot be taken up, the one before holds: %s", failure_of(error))
            return None
        self._metrics.registry_refused.set(0)
        self._wait_seconds = LOOK_SECONDS
        if _is_same(registry, self._known):
            return None
        self._known = registry
        return registry


def _is_same(one: PartyRegistry, other: PartyRegistry) -> bool:
    """Say whether nothing differs: periods of silence neither, which are no part of what decisions rest on."""
    silent_after = [[party.silent_after_seconds for party in registry] for registry in (one, other)]
    return one == other and silent_after[0] == silent_after[1]


def _mark_of(file: Path) -> _Mark:
    """What tells one state of the file from another; `None` where it cannot be looked at."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
