"""The long search for interference: `python -m tests.safety --pairs 20000 --seed 0`; exits 1 where any is found."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.safety.interference import search


def main() -> int:
    """Search, and print the figures."""
    options = argparse.ArgumentParser(prog="python -m tests.safety", description=__doc__)
    options.add_argument("--pairs", type=int, default=20_000, help="how many pairs to compare, over all parties")
    options.add_argument("--seed", type=int, default=0, help="where the stories begin")
    given = options.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="safety-") as directory:
        found = search(Path(directory), given.pairs, given.seed)
    seconds = time.monotonic() - started
    lines = [
        f"{found.pairs} pairs in {seconds:.0f} s, {found.discarded} of {found.tried} twins discarded",
        f"{found.records} records compared, {found.refused} hidden records refused by the hub",
        "changes: " + ", ".join(f"{name} {times}" for name, times in sorted(found.changes.items())),
        "pairs: " + ", ".join(f"{party} {times}" for party, times in sorted(found.pairs_of.items())),
        *found.interference,
        f"{len(found.interference)} differences",
        f"{found.reordered} transcripts differ only in the order between citizens",
    ]
    print("\n".join(lines))  # noqa: T201 - a command's answer
    return 1 if found.interference else 0


if __name__ == "__main__":
    raise SystemExit(main())
