"""The long run: `python -m tests.fuzz --mutants 1000000`; exits 1 where a fault is found, or memory grew too much.

Rules:
- Every mutant is made of seed and number alone, so a run can be split and resumed: `--first 500000` goes on where
  another one stopped, `--seconds` stops in time and says where to go on, and one mutant is played again by its number.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Final

from tests.fuzz.arrival import Found, at_the_gate

KIBIBYTES: Final = 1024
GROWTH_MEBIBYTES_MAX: Final = 64
WARMING: Final = 20_000
PORTION: Final = 5_000


def main() -> int:
    """Judge the mutants, and print what became of them and how much memory it took."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--mutants", type=int, default=1_000_000, help="how many to judge")
    options.add_argument("--seed", type=int, default=0, help="which mutants")
    options.add_argument("--first", type=int, default=0, help="the number of the first one")
    options.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    given = options.parse_args()
    at_the_gate(min(given.mutants, WARMING), given.seed, given.first)  # every schema is parsed, every table built
    before, started = _peak_mebibytes(), time.monotonic()
    found, number, end = Found(), given.first, given.first + given.mutants
    while number < end and not found.faults and time.monotonic() - started < given.seconds:
        portion = at_the_gate(min(PORTION, end - number), given.seed, number)
        found.outcomes += portion.outcomes
        found.faults += portion.faults
        number += PORTION
    grown = _peak_mebibytes() - before
    if grown > GROWTH_MEBIBYTES_MAX:
        found.faults.append(f"memory grew by more than {GROWTH_MEBIBYTES_MAX} MiB")
    lines = [
        f"{found.outcomes.total()} mutants in {time.monotonic() - started:.0f} s, peak memory grown by {grown:.0f} MiB",
        *(f"{outcome} {times}" for outcome, times in found.outcomes.most_common()),
        *found.faults,
        f"{len(found.faults)} faults",
    ]
    if number < end and not found.faults:
        lines.append(f"go on with: --seed {given.seed} --first {number} --mutants {end - number}")
    print("\n".join(lines))  # noqa: T201 - a command's answer
    return 1 if found.faults else 0


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES


if __name__ == "__main__":
    raise SystemExit(main())
