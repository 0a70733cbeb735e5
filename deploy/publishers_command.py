"""`hub publishers`: which publishers work, and which are silent, so that "nothing stated" can be read.

Rules:
- Only signs of life count, on every shard: a publisher is as silent as on the shard that heard of it longest ago.
- The age is measured against each shard's own clock, as stored; a hub that stands still makes nobody silent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from contracts.civil_time import moment_of
from deploy.options import world_option
from deploy.stores import opened_stores
from deploy.world import World
from hub.continuity.clock_terms import clock_terms
from hub.shard.silence import Silence


@dataclass(frozen=True, slots=True)
class PublisherLine:
    """One publisher: its last sign of life (milliseconds), how long ago that was, and after how long it is silent."""

    party: str
    heard_at: int | None
    silent_seconds: float | None
    period_seconds: int
    silent: bool

    def values(self) -> dict[str, object]:
        """The line as plain values; times in UTC, `null` where the publisher never gave a sign of life."""
        return {
            "party": self.party,
            "heard_at": None if self.heard_at is None else moment_of(self.heard_at).isoformat(),
            "silent_seconds": self.silent_seconds,
            "silent_after_seconds": self.period_seconds,
            "silent": self.silent,
        }

    def text(self) -> str:
        """The line for people."""
        state = "silent" if self.silent else "works"
        if self.heard_at is None:
            return f"{self.party}  {state}  no sign of life so far"
        ago = f"{self.silent_seconds:.0f} s ago, silent after {self.period_seconds} s"
        return f"{self.party}  {state}  last sign of life {moment_of(self.heard_at).isoformat()}, {ago}"


@click.command("publishers")
@click.option("--silent", "only_silent", is_flag=True, help="Only those that are silent.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def publishers(only_silent: bool, as_json: bool, directory: Path) -> None:
    """List the publishers of the hub, and when each gave its last sign of life."""
    world = World.open(directory)
    with opened_stores(world) as stores:
        heads = [store.head() for store in stores]
    lines = publisher_lines(
        Silence(world.registry, clock_terms()), [head.clock for head in heads], [head.heard for head in heads]
    )
    chosen = [line for line in lines if line.silent or not only_silent]
    if as_json:
        click.echo(json.dumps([line.values() for line in chosen], indent=2))
        return
    for line in chosen:
        click.echo(line.text())
    click.echo(f"{sum(line.silent for line in lines)} of {len(lines)} publishers silent")


def publisher_lines(
    silence: Silence, clocks: Sequence[int], heard: Sequence[Mapping[str, int]]
) -> Sequence[PublisherLine]:
    """Return a line for each party; `clocks` and `heard` by shard."""
    return [_line(party.id, silence, clocks, heard) for party in silence.registry]


def _line(party: str, silence: Silence, clocks: Sequence[int], heard: Sequence[Mapping[str, int]]) -> PublisherLine:
    silent = any(silence.is_silent(party, each, clock) for clock, each in zip(clocks, heard, strict=True))
    instants = [each.get(party) for each in heard]
    known = [instant for instant in instants if instant is not None]
    if len(known) < len(instants) or not known:
        return PublisherLine(party, None, None, silence.period_seconds(party), silent)
    ages = [clock - instant for clock, instant in zip(clocks, known, strict=True)]
    return PublisherLine(party, min(known), max(0, *ages) / 1000, silence.period_seconds(party), silent)
