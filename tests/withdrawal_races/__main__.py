"""`python -m tests.withdrawal_races`: every interleaving, then as many drawn races with faults as asked for."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import click

from tests.withdrawal_races.race import drawn, interleavings, new_hub, new_race, run
from tests.withdrawal_races.verdict import faults

PER_HUB = 250
"""So many races meet one hub; then another one begins, so that memory and files stay small."""


@click.command()
@click.option("--runs", default=100_000, show_default=True, help="How many drawn races.")
@click.option("--first", default=0, show_default=True, help="The seed of the first of them.")
@click.option("--only", type=int, help="Play the drawn race of this seed alone.")
def main(runs: int, first: int, only: int | None) -> None:
    """Play withdrawal races; exit 1 where a promise was broken."""
    if only is not None:
        broken = _play([(only, drawn(only))])
    else:
        broken = _play(list(enumerate(interleavings())))
        click.echo("every interleaving: done", err=True)
        began = time.monotonic()
        for start in range(first, first + runs, PER_HUB):
            seeds = range(start, min(start + PER_HUB, first + runs))
            broken += _play((seed, drawn(seed)) for seed in seeds)
            click.echo(f"{seeds[-1] + 1 - first} of {runs} drawn, {time.monotonic() - began:.0f} s", err=True)
    click.echo(f"{broken} broken promises")
    sys.exit(1 if broken else 0)


def _play(scripts: Iterable[tuple[int, tuple[str, ...]]]) -> int:
    broken = 0
    with tempfile.TemporaryDirectory(
        prefix="hub-races-", dir=Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    ) as name:
        hub = new_hub(Path(name))
        for seed, script in scripts:
            for fault in faults(hub, run(hub, *new_race(hub, seed), script)):
                broken += 1
                click.echo(f"seed {seed}: {fault}; again: python -m tests.withdrawal_races --only {seed}\n  {script}")
    return broken


if __name__ == "__main__":
    main()
