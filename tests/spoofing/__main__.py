"""`python -m tests.spoofing --attempts 10000`: forge records in another's name, with each layer switched off in turn.

Exit code 1 where one is accepted that must not be, or where with every layer off none is.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path

import click

from deploy.local_kafka import LocalKafka
from deploy.world_making import create_world
from tests.spoofing.rounds import report
from tests.spoofing.stage import REGISTRY, Stage


@click.command()
@click.option("--attempts", type=click.IntRange(min=1), default=10_000, show_default=True, help="In each round.")
@click.option("--seed", default=1, show_default=True, help="From which all is drawn.")
def main(attempts: int, seed: int) -> None:
    """Forge records in another's name."""
    with tempfile.TemporaryDirectory(prefix="hub-spoofing-") as name:
        directory = Path(name)
        with LocalKafka(directory / "kafka", tuned_for="tests") as kafka:
            world = create_world(
                directory / "world", kafka.admin, REGISTRY, partitions=1, played=False, world_name="spoofed"
            )
            with closing(Stage(world, kafka.admin)) as stage:
                holds = report(stage, attempts, seed, click.echo)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
