"""What is compared: the hub with the raw limit of its own parts, and signing hubs with those that do not sign.

Rules:
- Everything compared is measured in turn, round by round, on the same broker and records; a ratio is taken within a
  round, and the median of the rounds counts.
- The raw limit produces one record per event; beside it, as many as the hub (a disclosure and the publisher's own
  copy), and one with the hub's own sender.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, Final

from deploy.benchmark.ground import Databases, Ground
from deploy.benchmark.measurement import Measurement
from deploy.benchmark.raw_store import StoredPerEvent
from deploy.benchmark.spread import Spread, ratio_of
from deploy.benchmark.workload import PUBLISHER
from deploy.local_kafka import LocalKafka

Say = Callable[[str], None]
RECEIVER: Final = "A.SOC"
HUB: Final = "hub"
SIGNED: Final = "hub_signed"
RAW: Final = "raw"
RAW_TWICE: Final = "raw_twice"
RAW_NATIVE: Final = "raw_native"


def compare_with_raw(
    kafka: LocalKafka, directory: Path, databases: Databases | None, events: int, rounds: int, say: Say
) -> dict[str, Any]:
    """Measure the hub and the raw limits; return rates (events per second) and ratios."""
    limit = _Limit(kafka, directory, databases, events)
    ways = {
        HUB: limit.hub,
        RAW: lambda: limit.raw(RECEIVER),
        RAW_TWICE: lambda: limit.raw(RECEIVER, PUBLISHER),
        RAW_NATIVE: lambda: limit.raw(RECEIVER, native=True),
    }
    rates = _in_turn(ways, rounds, say)
    ratios = {f"hub_to_{name}": asdict(ratio_of(rates, HUB, to=name)) for name in (RAW, RAW_TWICE, RAW_NATIVE)}
    stored = {"stored_per_event": asdict(limit.stored)} if limit.stored else {}
    return {"rates": _spreads(rates), "ratios": ratios, **stored}


def compare_signatures(kafka: LocalKafka, directory: Path, events: int, rounds: int, say: Say) -> dict[str, Any]:
    """Measure a hub that checks every input and signs every output, and one that does neither."""
    ways: dict[str, Callable[[], float]] = {}
    for name, signed in ((HUB, False), (SIGNED, True)):
        ground = Ground.made(kafka, directory / name, "signed" if signed else "unsigned", signed=signed)
        one = Measurement(HUB, str(ground.world.directory), ground.settle(events), events, signed=signed)
        ways[name] = one.rate
    rates = _in_turn(ways, rounds, say)
    ratio = ratio_of(rates, SIGNED, to=HUB)
    cost = Spread(1 - ratio.median, 1 - ratio.max, 1 - ratio.min)
    return {"rates": _spreads(rates), "ratios": {"signed_to_unsigned": asdict(ratio), "cost": asdict(cost)}}


class _Limit:
    """The hub and its raw limits on one world. A store in a database is a copy for each measurement."""

    def __init__(self, kafka: LocalKafka, directory: Path, databases: Databases | None, events: int) -> None:
        ground = Ground.made(kafka, directory / "world", "bench", databases=databases)
        self._databases = databases
        self._events = events
        self._place = (str(ground.world.directory), ground.settle(events), events)
        self.stored: StoredPerEvent | None = None

    def hub(self) -> float:
        """Measure the hub, and count what its store got where that is in a database."""
        if self._databases is None:
            return Measurement(HUB, *self._place).rate()
        with self._databases.copy() as (url, owner_url):
            rate = Measurement(HUB, *self._place, database=url).rate()
            self.stored = self._databases.stored_since(owner_url, self._events)
        return rate

    def raw(self, *receivers: str, native: bool = False) -> float:
        """Measure a raw limit, on as many rows and bytes as the hub stored, where they were counted."""
        stored = astuple(self.stored) if self.stored else (0.0, 0.0, 0.0)
        with self._databases.empty() if self._databases else nullcontext("") as url:
            one = Measurement(RAW, *self._place, receivers=receivers, native=native, database=url, stored=stored)
            return one.rate()


def _in_turn(ways: Mapping[str, Callable[[], float]], rounds: int, say: Say) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(1, rounds + 1):
        for name, measure in ways.items():
            rates[name].append(measure())
            say(f"round {number}: {name} {rates[name][-1]:.0f} events/s")
    return rates


def _spreads(rates: Mapping[str, list[float]]) -> dict[str, Any]:
    return {name: asdict(Spread.of(rounds)) for name, rounds in rates.items()}
