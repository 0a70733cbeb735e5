"""The long run: `python -m tests.fuzz --mutants 1000000 --seed 0`; exits 1 where any fault is found."""

from __future__ import annotations

import argparse
import resource
import time

from tests.fuzz.arrival import at_the_gate

KIBIBYTES = 1024


def main() -> int:
    """Judge the mutants, and print what became of them and how much memory it took."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--mutants", type=int, default=1_000_000, help="how many to judge")
    options.add_argument("--seed", type=int, default=0, help="where the generator begins")
    given = options.parse_args()
    at_the_gate(min(given.mutants, 20_000), given.seed)  # every schema is parsed, every table built
    before, started = _peak_mebibytes(), time.monotonic()
    found = at_the_gate(given.mutants, given.seed)
    seconds, grown = time.monotonic() - started, _peak_mebibytes() - before
    lines = [
        f"{found.outcomes.total()} mutants in {seconds:.0f} s, peak memory grown by {grown:.0f} MiB",
        *(f"{outcome} {times}" for outcome, times in found.outcomes.most_common()),
        *found.faults,
        f"{len(found.faults)} faults",
    ]
    print("\n".join(lines))  # noqa: T201 - a command's answer
    return 1 if found.faults else 0


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES


if __name__ == "__main__":
    raise SystemExit(main())
