"""The worker as it must never be run: every logger at DEBUG, tracebacks on, and, where asked, a fault in mid-work.

Rules:
- `HUB_LEAKS_CRASH` names where: `decoding`, `deciding` or `committing` fails, which is its shard's alone; `ending` ends
  the whole worker. The exception quotes all that is in hand, as a careless library's would.
- Loggers are set to DEBUG one by one too, before and after the hub sets its own.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn
from unittest.mock import patch

import hub.__main__
import hub.worker
from hub.arrival import gate
from hub.settings import WorkerSettings
from hub.shard.settling import Settling
from hub.store.shard_store import DatabaseShardStore
from hub.worker import Worker

CRASH: Final = "HUB_LEAKS_CRASH"


class Ended(BaseException):
    """What no part of the hub takes for a failure."""


def _quoting(
    original: Callable[..., Any], when: Callable[..., bool], kind: type[BaseException] = RuntimeError
) -> Callable[..., Any]:
    """The same function, that raises with all that it was given once `when` holds."""

    def crash(*given: Any, **more: Any) -> Any:
        if when(*given):
            _crash(given, kind)
        return original(*given, **more)

    return crash


def _crash(given: tuple[Any, ...], kind: type[BaseException]) -> NoReturn:
    local = repr(given)
    raise kind(f"crashed with {local}") from ValueError(local)


def _everything_loud() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    logging.getLogger().setLevel(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.DEBUG)


def main() -> int:
    """Run the worker; return its exit code."""
    faulthandler.enable()
    _everything_loud()

    def open_worker(settings: WorkerSettings) -> Worker:
        worker = original(settings)
        _everything_loud()
        logging.getLogger(__name__).debug("loud")
        return worker

    original = hub.worker.open_worker
    patch("hub.__main__.open_worker", open_worker).start()
    match os.environ.get(CRASH):
        case "decoding":
            crash = _quoting(gate.read, lambda record, *_: bool(record.headers) and ".in.hub." not in record.topic)
            patch("hub.shard.admission.read", crash).start()
        case "deciding":
            crash = _quoting(Settling.settle, lambda _, batch: bool(batch.payloads))
            patch.object(Settling, "settle", crash).start()
        case "committing" | "ending" as point:
            kind = Ended if point == "ending" else RuntimeError
            crash = _quoting(DatabaseShardStore.commit, lambda _, writes: bool(writes.records), kind)
            patch.object(DatabaseShardStore, "commit", crash).start()
    return hub.__main__.main()


if __name__ == "__main__":
    sys.exit(main())
