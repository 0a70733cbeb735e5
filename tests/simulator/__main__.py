"""Plays histories: `python -m tests.simulator --seeds 100000 --processes 2`; exits 1 where a promise was broken.

Rules:
- `--seed N` plays one again, as a failure names it, and tells what was broken; `--trace` tells every step of it too.
- `--defects` plants the known defects one by one and says which seed finds each.
- A line of progress now and then; on a terminal a bar instead. `--json` gives the figures for programs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Final

import click

from tests.simulator.defects import DEFECTS, find_all
from tests.simulator.history import Outcome
from tests.simulator.running import Summary, play, play_many, told

PROGRESS_SECONDS: Final = 10.0
SHOWN_MAX: Final = 5
SEEDS: Final = 2_000


def main() -> int:
    """Do what the arguments say."""
    options = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    options.add_argument("--seeds", type=int, default=SEEDS, help="how many histories to play")
    options.add_argument("--first", type=int, default=0, help="the seed of the first one")
    options.add_argument("--processes", type=int, default=1, help="in how many processes")
    options.add_argument("--seed", type=int, help="play this one history")
    options.add_argument("--trace", action="store_true", help="with --seed: tell every step")
    options.add_argument("--defects", action="store_true", help="plant every known defect and search for each")
    options.add_argument("--json", action="store_true", help="figures for programs")
    given = options.parse_args()
    if given.trace and given.seed is None:
        options.error("`--trace` goes with `--seed`: name the history, or leave the trace out")
    if given.seed is not None:
        return _one(given.seed, with_trace=given.trace)
    if given.defects:
        return _defects(given.seeds, given.processes, as_json=given.json)
    return _many(range(given.first, given.first + given.seeds), given.processes, as_json=given.json)


def _one(seed: int, *, with_trace: bool) -> int:
    outcome = play(seed)
    lines = outcome.trace if with_trace else []
    _print([*lines, *(told(outcome) if outcome.invariant else [f"seed {seed}: every promise kept"])])
    return 1 if outcome.invariant else 0


def _many(seeds: range, processes: int, *, as_json: bool) -> int:
    started, summary = time.monotonic(), Summary()
    for outcome in _shown(play_many(seeds, processes), len(seeds), summary, started):
        summary.add(outcome)
    seconds = time.monotonic() - started
    figures = {
        "seeds": summary.seeds,
        "first": seeds.start,
        "steps": summary.steps,
        "violations": len(summary.failed),
        "failing": {outcome.seed: outcome.invariant for outcome in summary.failed},
        "seconds": round(seconds, 1),
        "processes": processes,
    }
    text = [
        *(line for outcome in summary.failed[:SHOWN_MAX] for line in told(outcome)),
        f"{summary.seeds} seeds, {summary.steps} steps, {len(summary.failed)} violations, "
        f"{seconds:.0f} s in {processes} processes",
    ]
    _print([json.dumps(figures)] if as_json else text)
    return 1 if summary.failed else 0


def _defects(seeds_max: int, processes: int, *, as_json: bool) -> int:
    """Search for every planted defect, and print the table of what found it; 1 where one was not found."""
    found = []
    for finding in find_all(seeds_max, processes):
        found.append(finding)
        by = f"seed {finding.seed}" if finding.invariant else "none"
        sys.stderr.write(f"{len(found)} of {len(DEFECTS)} defects searched for; {finding.defect}: {by}\n")
    found.sort(key=lambda finding: finding.seed)
    if as_json:
        _print([json.dumps([finding._asdict() for finding in found])])
    else:
        lines = [f"{one.defect:48} {one.seed if one.invariant else 'none':>6}  {one.invariant}" for one in found]
        _print([f"{'defect':48} {'seed':>6}  invariant", *lines])
    return 0 if all(finding.invariant for finding in found) else 1


def _shown(outcomes: Iterator[Outcome], length: int, summary: Summary, started: float) -> Iterator[Outcome]:
    """The same outcomes, with a bar on a terminal, and a line now and then elsewhere."""
    if sys.stderr.isatty():
        with click.progressbar(outcomes, length=length, label="histories played", file=sys.stderr) as bar:
            yield from bar
        return
    told_at = started
    for outcome in outcomes:
        yield outcome
        if outcome.invariant:
            sys.stderr.write(f"seed {outcome.seed}: broken: {outcome.invariant}\n")
        now = time.monotonic()
        if now - told_at >= PROGRESS_SECONDS:
            told_at = now
            rate = summary.seeds / (now - started)
            sys.stderr.write(f"{summary.seeds} of {length} seeds, {rate:.1f}/s, {len(summary.failed)} violations\n")


def _print(lines: list[str]) -> None:
    print("\n".join(lines))  # noqa: T201 - a command's answer


if __name__ == "__main__":
    raise SystemExit(main())
