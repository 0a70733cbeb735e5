"""The whole sweep: `python -m tests.leaks`; every crash, on a broker of its own; exits 1 where anything leaks."""

from __future__ import annotations

import argparse
import secrets
import tempfile
from pathlib import Path

from deploy.local_kafka import LocalKafka
from deploy.world_making import create_world
from tests.kafka.live_world import PARTITIONS, LiveWorld
from tests.leaks.planted_world import REGISTRY
from tests.leaks.run import CRASHES, LOUD, swept


def main() -> int:
    """Plant, call, crash, sweep; print how much was searched and what was found, without any canary."""
    argparse.ArgumentParser(prog="python -m tests.leaks", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as place, LocalKafka(Path(place) / "kafka") as kafka:
        directory, name = Path(place) / "world", f"leaks-{secrets.token_hex(3)}"
        world = create_world(directory, kafka.admin, REGISTRY, partitions=PARTITIONS, played=False, world_name=name)
        live = LiveWorld(world, module=LOUD)
        try:
            found, canaries = swept(live, kafka.log_file.parent, Path(place), CRASHES)
        finally:
            live.close()
    lines = [f"{channel}: {size} bytes searched" for channel, size in sorted(found.searched.items())]
    lines += map(str, found.leaks)
    print("\n".join([*lines, f"{len(canaries.planted)} canaries, {len(found.leaks)} leaks"]))  # noqa: T201 - the answer
    return 1 if found.leaks else 0


if __name__ == "__main__":
    raise SystemExit(main())
