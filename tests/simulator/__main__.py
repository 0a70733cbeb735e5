"""Plays histories: `python -m tests.simulator --seeds 100000 --processes 2`; exits 1 where a promise was broken.

Rules:
- `--seed N` plays one again, as a failure names it, and tells what was broken; `--trace` tells every step of it too.
- `--defects` plants the known defects one by one and says which seed finds each.
- A line of progress now and then; on a terminal a bar instead. `--json` gives the figures for programs.
- `--kept-in FILE` writes down how far a run has come; the same command goes on where it was cut (`long_run`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Final

import click

from contracts.failures import BadSetting
from tests.simulator.defects import DEFECTS, find_all
from tests.simulator.long_run import LongRun
from tests.simulator.running import play, play_many, told

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
    options.add_argument("--kept-in", type=Path, metavar="FILE", help="keep how far the run has come, and go on there")
    options.add_argument("--defects", action="store_true", help="plant every known defect and search for each")
    options.add_argument("--json", action="store_true", help="figures for programs")
    given = options.parse_args()
    if given.trace and given.seed is None:
        options.error("`--trace` goes with `--seed`: name the history, or leave the trace out")
    if given.kept_in and (given.defects or given.seed is not None):
        options.error("`--kept-in` goes with `--seeds`: one history and the search for defects are not kept")
    if given.seed is not None:
        return _one(given.seed, with_trace=given.trace)
    if given.defects:
        return _defects(given.seeds, given.processes, as_json=given.json)
    try:
        run = LongRun.begun(given.kept_in, range(given.first, given.first + given.seeds))
    except BadSetting as error:
        options.error(str(error))
    return _many(run, given.processes, as_json=given.json)


def _one(seed: int, *, with_trace: bool) -> int:
    outcome = play(seed)
    lines = outcome.trace if with_trace else []
    _print([*lines, *(told(outcome) if outcome.invariant else [f"seed {seed}: every promise kept"])])
    return 1 if outcome.invariant else 0


def _many(run: LongRun, processes: int, *, as_json: bool) -> int:
    started, summary = time.monotonic() - run.seconds, run.summary
    _play_what_is_left(run, processes, started)
    seconds = time.monotonic() - started
    run.keep(seconds)
    figures = {
        "seeds": summary.seeds,
        "first": run.first,
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


def _play_what_is_left(run: LongRun, processes: int, started: float) -> None:
    """Play on, with a bar on a terminal and a line now and then elsewhere; as often it is kept how far the run is."""
    has_bar, seeds, summary = sys.stderr.isatty(), run.left(), run.summary
    kept_at = time.monotonic()
    with click.progressbar(
        play_many(seeds, processes), len(seeds), "histories played", file=sys.stderr, hidden=not has_bar
    ) as outcomes:
        for outcome in outcomes:
            summary.add(outcome)
            if outcome.invariant and not has_bar:
                sys.stderr.write(f"seed {outcome.seed}: broken: {outcome.invariant}\n")
            now = time.monotonic()
            if now - kept_at < PROGRESS_SECONDS:
                continue
            kept_at = now
            run.keep(now - started)
            if not has_bar:
                rate, broken = summary.seeds / (now - started), len(summary.failed)
                sys.stderr.write(f"{summary.seeds} of {run.seeds} seeds, {rate:.1f}/s, {broken} violations\n")


def _print(lines: list[str]) -> None:
    print("\n".join(lines))  # noqa: T201 - a command's answer


if __name__ == "__main__":
    raise SystemExit(main())
