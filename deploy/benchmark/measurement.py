"""One measurement in a process of its own: `python -m deploy.benchmark.measurement`, told what on standard input.

Rules:
- What is measured is the hub, or a raw limit, on records that lie on the broker. It prints the seconds.
- One in so many events is handled before the clock starts: connections are made, cases are in memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal

from contracts.failures import SetupFailure
from deploy.benchmark.raw_limit import run_raw
from deploy.benchmark.raw_store import RawDatabase, RawFile, StoredPerEvent
from deploy.benchmark.whole_way import run_hub
from deploy.world import World

WARM_UP_SHARE: Final = 10
REMINDERS_MAX: Final = 2_000
"""Ten of each citizen: more of what nobody published than that is a fault of the hub."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What to measure: `events` records of a world from `first_offset` on.

    Of the hub, `signed`: it checks and signs. Of a raw limit, `receivers`: to whom each record is sent, and `native`:
    by the hub's own sender. `database` is the URL of an empty database for its rows, or of a copy of the hub's store;
    files, where it is empty. `stored` is what a raw limit writes there for one event.
    """

    kind: Literal["raw", "hub"]
    world: str
    first_offset: int
    events: int
    signed: bool = False
    receivers: tuple[str, ...] = ()
    native: bool = False
    database: str = ""
    stored: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def counted_events(self) -> int:
        """How many events are measured: the others warm up."""
        return self.events - self.events // WARM_UP_SHARE

    def rate(self) -> float:
        """Measure in a process of its own; return events per second."""
        words = [sys.executable, "-m", "deploy.benchmark.measurement"]
        done = subprocess.run(words, input=json.dumps(asdict(self)), stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SetupFailure(f"the measurement of `{self.kind}` failed: what it said stands above")
        return self.counted_events / float(done.stdout)

    def seconds(self) -> float:
        """Measure here; return the seconds that the counted events took."""
        world, warm_up = World.open(Path(self.world)), self.events - self.counted_events
        with tempfile.TemporaryDirectory(prefix="hub-bench-run-") as name:
            directory = Path(name)
            if self.kind == "raw":
                topics = [world.names.output(party) for party in self.receivers]
                store = RawDatabase(self.database, StoredPerEvent(*self.stored)) if self.database else None
                store_or_file = store or RawFile(directory)
                return run_raw(
                    world, store_or_file, self.first_offset, warm_up, self.counted_events, topics, native=self.native
                )
            if self.database:
                world = replace(world, store_url=self.database)
            seconds, told = run_hub(
                world, directory, self.first_offset, warm_up, self.counted_events, signed=self.signed
            )
        # Where a minute begins within the run, the clocks of the cases are looked at, and reminders come beside.
        if not 0 <= told - 2 * self.counted_events <= REMINDERS_MAX:
            raise SystemExit(f"expected {2 * self.counted_events} disclosures and few reminders, the hub made {told}")
        return seconds


def main() -> None:
    """Measure what standard input says; print the seconds."""
    told = json.loads(sys.stdin.read())
    sys.stdout.write(f"{Measurement(**told).seconds()}\n")


if __name__ == "__main__":
    main()
