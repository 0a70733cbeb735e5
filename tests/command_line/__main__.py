"""The long run: `python -m tests.command_line --rounds 20 --seed 0`; exits 1 where a call ends in a fault."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tests.command_line.broken_worlds import broken_worlds
from tests.command_line.hostile_calls import faults


def main() -> int:
    """Call every command in every broken world, and print what is wrong."""
    options = argparse.ArgumentParser(prog="python -m tests.command_line", description=__doc__)
    options.add_argument("--rounds", type=int, default=20, help="calls of each command in each world")
    options.add_argument("--seed", type=int, default=0, help="which calls")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        made, found = faults(broken_worlds(Path(place)), given.seed, given.rounds)
    print("\n".join([*found, f"{made} calls, {len(found)} faults"]))  # noqa: T201 - a command's answer
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
