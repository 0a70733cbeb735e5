"""The long run: `python -m tests.broker_kills --kills 20`; exits 1 where the history has an anomaly.

The broker is killed (-9) and frozen in turn under load through the hub; then the history of all senders and readers is
checked (`tests.broker_kills.history`), and stores and topics are compared (`tests.takeovers.checks`).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import uuid
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

from deploy.local_kafka import LocalKafka
from tests.broker_kills.history import Anomaly, anomalies
from tests.broker_kills.town import KINDS, LoadedTown
from tests.takeovers.checks import check
from tests.takeovers.recovery import recovery_of


def main() -> int:
    """Run what was asked for, and print what came of it."""
    options = argparse.ArgumentParser(prog="python -m tests.broker_kills", description=__doc__)
    options.add_argument("--kills", type=int, default=20, help="how often the broker is killed, and how often frozen")
    options.add_argument("--seed", type=int, default=0, help="what is drawn from")
    options.add_argument("--json", action="store_true", help="the result for programs")
    given = options.parse_args()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it tells every attempt to reach a broker that is away
    with tempfile.TemporaryDirectory() as folder, LocalKafka(Path(folder) / "kafka", tuned_for="tests") as kafka:
        found = disturbed(kafka, Path(folder), given.kills, given.seed)
    sys.stdout.write(json.dumps(found) + "\n" if given.json else "".join(f"{k}: {v}\n" for k, v in found.items()))
    return 1 if found["faults"] or any(found["anomalies"].values()) else 0


def disturbed(kafka: LocalKafka, folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill and freeze the broker so often, and return every figure."""
    recoveries: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with closing(LoadedTown(kafka, folder / f"kills-{uuid.uuid4().hex[:8]}", seed)) as town:
        with town.under_load():
            for turn in range(kills * len(KINDS)):
                kind = KINDS[turn % len(KINDS)]
                recoveries[kind].append(town.disturb(kind))
                sys.stderr.write(f"{kind} {turn // len(KINDS) + 1}: {recoveries[kind][-1]:.1f} s\n")
        found = anomalies(town.sends, town.polls)
        kept = check(town)
        counted = Counter(one.anomaly for one in found)
        return {
            "kills": len(recoveries["kill"]),
            "freezes": len(recoveries["freeze"]),
            "sends acknowledged": len(town.sends),
            "polls": len(town.polls),
            "anomalies": {name: counted[name] for name in get_args(Anomaly)},
            "recovery seconds": {kind: recovery_of(each) for kind, each in recoveries.items() if each},
            "faults": [*kept.faults, *map(str, found)],
        }


if __name__ == "__main__":
    raise SystemExit(main())
