"""The nightly run: `python -m tests.crash_points`; exits 1 where anything is lost or doubled, or recovery is slow.

Each named point (`tests/crash_points/points.py`) several times on each store: the real broker, worker, store and
subscription, kill -9 there, a new start, and everything compared.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

from deploy.local_kafka import LocalKafka
from deploy.local_postgres import LocalPostgres
from hub.store.places import DatabaseOwner
from tests.crash_points.drill import Run, run_once
from tests.crash_points.points import BY_NAME, STORES, Point, Store
from tests.crash_points.town import CrashTown
from tests.store.postgres_stores import KEYS, ROLE, SHARDS, cleared, prepare
from tests.takeovers.recovery import recovery_of

RECOVERY_SECONDS_MAX: Final = 10.0
RUNS_PER_TOWN: Final = 20
"""What is compared after each run is all that the town ever heard, so a town does not grow old."""


def main() -> int:
    """Run what was asked for, and print what came of it."""
    options = argparse.ArgumentParser(prog="python -m tests.crash_points", description=__doc__)
    options.add_argument("--points", nargs="+", choices=sorted(BY_NAME), default=sorted(BY_NAME), metavar="NAME")
    options.add_argument("--store", choices=[*STORES, "both"], default="both", help="where the hub's stores are")
    options.add_argument("--times", type=int, default=5, help="how often each point, on each store")
    options.add_argument("--seed", type=int, default=0, help="what is drawn from")
    options.add_argument("--json", action="store_true", help="the result for programs")
    given = options.parse_args()
    stores = STORES if given.store == "both" else (given.store,)
    points = [BY_NAME[name] for name in given.points for _ in range(given.times)]
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        kafka = servers.enter_context(LocalKafka(Path(folder) / "kafka", tuned_for="tests"))
        postgres: LocalPostgres | None = None
        if "postgresql" in stores:
            postgres = servers.enter_context(LocalPostgres())
            prepare(postgres)
        for store in stores:
            for start in range(0, len(points), RUNS_PER_TOWN):
                some, seed = points[start : start + RUNS_PER_TOWN], given.seed * 1_000 + start
                with opened_town(kafka, Path(folder), seed, postgres if store == "postgresql" else None) as town:
                    runs += _all(town, some, store, random.Random(seed))
    found = summary(runs)
    sys.stdout.write(json.dumps(found) + "\n" if given.json else "".join(f"{k}: {v}\n" for k, v in found.items()))
    return 1 if found["faults"] or found["recovery seconds"]["p99"] > RECOVERY_SECONDS_MAX else 0


@contextmanager
def opened_town(kafka: LocalKafka, folder: Path, seed: int, postgres: LocalPostgres | None) -> Iterator[CrashTown]:
    """A new town on `kafka`, its stores in `postgres` or in files."""
    stores: dict[str, Any] = {}
    if postgres:
        cleared(postgres)
        urls = {"store_url": postgres.url(SHARDS, ROLE), "keys_url": postgres.url(KEYS, ROLE)}
        stores = {"databases": urls, "owner": DatabaseOwner(postgres.url(SHARDS), postgres.url(KEYS))}
    with closing(CrashTown(kafka.admin, folder / f"crash-{uuid.uuid4().hex[:8]}", seed=seed, **stores)) as town:
        yield town


def _all(town: CrashTown, points: Sequence[Point], store: Store, draw: random.Random) -> Iterator[Run]:
    for point in points:
        run = run_once(town, point, draw)
        sys.stderr.write(f"{store} {point.name} call {run.call}: {run.recovery_seconds:.2f} s {run.faults or ''}\n")
        yield run


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """The figures of all runs."""
    return {
        "runs": len(runs),
        "points": len({run.point for run in runs}),
        "recovery seconds": recovery_of([run.recovery_seconds for run in runs]),
        "faults": [f"{run.point} call {run.call}: {fault}" for run in runs for fault in run.faults],
    }


if __name__ == "__main__":
    raise SystemExit(main())
