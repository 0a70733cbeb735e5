"""The long run: `python -m tests.takeovers --takeovers 200 --workers 3`; exits 1 where anything is lost or doubled.

A hub on a Kafka of its own; facts are stated without a pause while its shards change hands by force
(`tests.takeovers.drill`). Then everything is compared (`tests.takeovers.checks`).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

from deploy.local_kafka import LocalKafka
from tests.takeovers.checks import check
from tests.takeovers.drill import Drill
from tests.takeovers.recovery import recovery_of
from tests.takeovers.robbery import robbing
from tests.takeovers.town import Town

PROGRESS_TAKEOVERS = 20


def main() -> int:
    """Run the drill as it was asked for, and print what came of it."""
    options = argparse.ArgumentParser(prog="python -m tests.takeovers", description=__doc__)
    options.add_argument("--takeovers", type=int, default=200, help="how often shards are taken by force")
    options.add_argument("--workers", type=int, default=3, help="how many workers share the shards")
    options.add_argument("--shards", type=int, default=8, help="partitions of the hub")
    options.add_argument("--citizens", type=int, default=64, help="whom facts are stated about")
    options.add_argument("--session-seconds", type=float, default=6.0, help="`HUB_SESSION_SECONDS` of the workers")
    options.add_argument("--seed", type=int, default=0, help="what is drawn from")
    options.add_argument("--json", action="store_true", help="the result for programs")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as directory, LocalKafka(Path(directory) / "kafka", tuned_for="tests") as kafka:
        town = Town(
            kafka.admin,
            Path(directory) / f"town-{uuid.uuid4().hex[:8]}",
            citizens=given.citizens,
            partitions=given.shards,
            session_seconds=given.session_seconds,
        )
        with closing(town):
            found = drilled(town, given)
    sys.stdout.write(json.dumps(found, indent=1) + "\n" if given.json else lines_of(found))
    return 1 if found["faults"] else 0


def drilled(town: Town, given: argparse.Namespace) -> dict[str, Any]:
    """Drill the town, let it come to rest, and return every figure."""
    names = [f"worker-{number}" for number in range(1, given.workers + 1)]
    for name in names:
        town.worker(name).launch()
    town.settle_in()
    began = time.monotonic()
    with robbing(town) as hold:
        drill = Drill(town, names, hold, given.seed)
        with town.traffic(given.seed, pause_seconds=0.2):
            for turn in range(given.takeovers):
                drill.take_over(turn)
                if (turn + 1) % PROGRESS_TAKEOVERS == 0:
                    sys.stderr.write(f"{turn + 1} of {given.takeovers} after {time.monotonic() - began:.0f} s\n")
    quiet_seconds = town.wait_until(town.is_quiet, "all is stored and sent")
    kept = check(town)
    every = [seconds for of_kind in drill.recoveries.values() for seconds in of_kind]
    return {
        "takeovers": len(every) + drill.woken,
        "frozen in a commit": drill.woken,
        "takings of a shard": kept.takings,
        "batches refused by the fence": town.refused_by_the_fence(),
        "confirmed facts": len(town.stated.confirmed),
        "stored facts": kept.facts,
        "parked": kept.parked,
        "numbers": kept.numbers,
        "batches": kept.batches,
        "seconds to rest": round(quiet_seconds, 2),
        "recovery": recovery_of(every) | {kind: recovery_of(each) for kind, each in drill.recoveries.items() if each},
        "seed": given.seed,
        "session seconds": given.session_seconds,
        "faults": kept.faults,
    }


def lines_of(found: dict[str, Any]) -> str:
    """The result for people."""
    lines = [f"{name}: {value}" for name, value in found.items() if name not in ("faults", "recovery")]
    lines += [f"recovery {name}: {value}" for name, value in found["recovery"].items()]
    lines += [*found["faults"], f"{len(found['faults'])} faults: 0 doubled, 0 skipped" if not found["faults"] else ""]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
