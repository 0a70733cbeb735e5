"""One whole run: plant, call, crash, sweep."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

import psycopg

from deploy.hub_process import HubProcess
from deploy.local_postgres import LocalPostgres
from hub.store.places import DatabaseOwner
from tests.kafka.live_world import TICK_SECONDS, LiveWorld, raw
from tests.leaks.canaries import Canaries
from tests.leaks.loud_hub import CRASH
from tests.leaks.planted_world import FACT, calls, hub, plant
from tests.leaks.sweep import Sweep, sweep, sweep_server
from tests.store.postgres_stores import stores_of_a_world

LOUD: Final = "tests.leaks.loud_hub"
ENDING: Final = "ending"
CRASHES: Final = ("decoding", "deciding", "committing", ENDING)
CRASH_SECONDS_MAX: Final = 30.0
_LOUD_SERVER: Final = {"log_statement": "all", "log_min_error_statement": "debug5", "log_error_verbosity": "verbose"}


def swept(
    live: LiveWorld, kafka_directory: Path, place: Path, crashes: Sequence[str], server: LocalPostgres | None = None
) -> tuple[Sweep, Canaries]:
    """Do all of it on a loud hub, whose stores lie on `server` or in files; `place` is for files of commands."""
    canaries = Canaries()
    plant(live, canaries)
    said = []
    for arguments, given in calls(live, canaries, place):
        words, _ = hub(*arguments, given=given, live=live)
        said.append(words)
    for point in crashes:
        _crash(live, canaries, point)
    found = sweep(live, kafka_directory, canaries, "\n".join(said))
    if server is not None:
        sweep_server(server, canaries, found)
    return found, canaries


def _crash(live: LiveWorld, canaries: Canaries, point: str) -> None:
    """Let a shard of the hub fail, or the whole hub, with a canary in its hands, and start it again."""
    live.hub.stop()
    with patch.dict(os.environ, {CRASH: point}):
        doomed = HubProcess(live.world, tick_seconds=TICK_SECONDS, module=LOUD)
        said = len(_words_of(doomed))
        doomed.start()
    address = canaries.address(f"{FACT}: in hand at {point}")
    live.write(raw(live, live.housing_at(address)))
    deadline = time.monotonic() + CRASH_SECONDS_MAX

    def has_failed() -> bool:
        return not doomed.is_running if point == ENDING else "unexpected `RuntimeError`" in _words_of(doomed)[said:]

    while not has_failed():
        assert time.monotonic() < deadline, f"nothing failed while {point}"
        time.sleep(0.05)
    doomed.stop()
    live.hub.start()
    good = live.publish(live.housing())
    live.wait_until(lambda: good in live.seen_by_prison(), f"the hub goes on after the crash while {point}")


def _words_of(worker: HubProcess) -> str:
    return worker.log_file.read_text(encoding="utf-8", errors="replace")


@contextmanager
def loud_postgres(server: LocalPostgres) -> Iterator[tuple[dict[str, str], DatabaseOwner]]:
    """Where stores lie on `server`, cleared, which logs every statement meanwhile: `store_url`, `keys_url`, owner."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for name, value in _LOUD_SERVER.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield stores_of_a_world(server)
        finally:
            connection.execute("ALTER SYSTEM RESET ALL")
            connection.execute("SELECT pg_reload_conf()")
