"""The long run: `python -m tests.naive --questions 1000000 --seed 7`.

Rules: progress while it runs, coverage at the end; the exit status says whether the readers agreed.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.naive.comparison import Tally, coverage, run

SHOWN_DIFFERENCES = 40
SECONDS_BETWEEN_PROGRESS = 10.0


def main() -> int:
    """Ask the questions and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.naive", description="Compare the two readers of the rules.")
    parser.add_argument("--questions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1, help="the first history; each next one adds 1")
    parser.add_argument("--one", action="store_true", help="ask the one history of this seed only")
    given = parser.parse_args()
    began = reported = time.monotonic()
    tally = Tally()
    for tally in run(given.seed, 1 if given.one else given.questions):
        now = time.monotonic()
        if now - reported >= SECONDS_BETWEEN_PROGRESS:
            reported = now
            rate = tally.questions / (now - began)
            sys.stderr.write(f"{tally.questions} questions, {rate:.0f}/s, {len(tally.differences)} differences\n")
    for difference in tally.differences[:SHOWN_DIFFERENCES]:
        sys.stdout.write(f"{difference}\n")
    sys.stdout.write(f"{coverage(tally)}\n")
    return 1 if tally.differences else 0


if __name__ == "__main__":
    sys.exit(main())
