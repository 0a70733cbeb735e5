"""`python -m tests.revocation --revocations 20`: revoke keys under load; exit code 1 where one is refused too late."""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path

import click

from deploy.local_kafka import LocalKafka
from deploy.world_making import create_world
from tests.kafka.live_world import PARTITIONS, REGISTRY, LiveWorld
from tests.revocation.drill import REVOKED_SECONDS_MAX, revoke_under_load


@click.command()
@click.option("--revocations", type=click.IntRange(min=1), default=20, show_default=True, help="How many keys.")
@click.option("--seconds", type=float, default=4.0, show_default=True, help="How long each key signs before that.")
def main(revocations: int, seconds: float) -> None:
    """Revoke keys of a party that goes on publishing."""
    with tempfile.TemporaryDirectory(prefix="hub-revocation-") as name:
        directory = Path(name)
        with LocalKafka(directory / "kafka", tuned_for="tests") as kafka:
            world = create_world(
                directory / "world", kafka.admin, REGISTRY, partitions=PARTITIONS, played=False, world_name="revoked"
            )
            with closing(LiveWorld(world)) as live:
                outcomes = [revoke_under_load(live, seconds) for _ in range(revocations)]
    for one in outcomes:
        click.echo(
            f"{one.published} published, {one.admitted} admitted; last one {one.refused_after_seconds:.2f} s after the "
            f"call, command {one.command_seconds:.2f} s; {one.listed} listed, exact: {one.is_list_exact}"
        )
    slowest = max(one.refused_after_seconds for one in outcomes)
    click.echo(f"{revocations} keys revoked: refused within {slowest:.2f} s at the latest")
    sys.exit(not all(one.is_list_exact and one.refused_after_seconds <= REVOKED_SECONDS_MAX for one in outcomes))


if __name__ == "__main__":
    main()
