"""`hub parked list|show|retry`: what arrival refused, why, and sending one through the gate again.

Rules:
- A parked record is listed by publisher and number, with its reason and fix; its content is never printed.
- A number belongs to a list of one shard; where several have it, the caller says which.
- A retry is a control record on the hub's own input, like everything that changes a shard; the command waits for
  its outcome.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click

from contracts.civil_time import moment_of
from contracts.failures import CallerFailure, NotFound, TransportFailure
from contracts.topics import HUB_PARTY
from deploy.operator_channel import operator_channel
from deploy.options import world_option
from deploy.stores import opened_stores
from deploy.world import World
from hub.shard.parking import ADMITTED, PARKED_AGAIN
from hub.shard.parking_notices import place_of
from hub.shard.retrying import RETRY
from hub.store.records import ParkedResolved, RecordParked

RETRY_SECONDS_MAX = 30.0
OPEN = "open"


@dataclass(frozen=True, slots=True)
class ParkedLine:
    """One parked record and what became of it."""

    shard: int
    party: str
    record: RecordParked
    resolved: ParkedResolved | None

    @property
    def number(self) -> int:
        """Its number in its publisher's stream of this shard."""
        return self.record.originator_version

    @property
    def outcome(self) -> str:
        """`open`, or how it was resolved."""
        return self.resolved.outcome if self.resolved else OPEN

    def values(self) -> dict[str, object]:
        """Everything that may be printed: never key, value or headers."""
        partition, offset = place_of(self.record) or (None, None)
        return {
            "shard": self.shard,
            "party": self.party,
            "number": self.number,
            "reason": self.record.reason,
            "field": self.record.field,
            "fix": self.record.fix,
            "recorded_at": moment_of(self.record.recorded_at).isoformat(),
            "topic": self.record.topic,
            "partition": partition,
            "offset": offset,
            "outcome": self.outcome,
            "resolved_at": moment_of(self.resolved.recorded_at).isoformat() if self.resolved else None,
        }


@click.group("parked")
def parked() -> None:
    """Records that arrival refused."""


@parked.command("list")
@click.option("--party", help="Only what this party published.")
@click.option("--all", "show_all", is_flag=True, help="Resolved ones as well.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def list_parked(party: str | None, show_all: bool, as_json: bool, directory: Path) -> None:
    """List what waits to be dealt with."""
    lines = [line for line in parked_lines(World.open(directory), party) if show_all or line.outcome == OPEN]
    if as_json:
        click.echo(json.dumps([line.values() for line in lines], indent=2))
        return
    for line in lines:
        click.echo(
            f"shard {line.shard}  {line.party} {line.number}  {line.record.reason}  field {line.record.field}"
            f"  {line.outcome}"
        )
    click.echo(f"{len(lines)} parked records")


@parked.command("show")
@click.argument("party")
@click.argument("number", type=int)
@click.option("--shard", type=int, help="The shard whose list holds the number; needed where several have it.")
@world_option
def show(party: str, number: int, shard: int | None, directory: Path) -> None:
    """Show why record NUMBER of PARTY was refused and what mends it."""
    line = find_line(World.open(directory), party, number, shard)
    for name, value in line.values().items():
        if name in ("partition", "offset"):
            click.echo(f"{name}: {'not known' if value is None else value}")
        elif value is not None:
            click.echo(f"{name}: {value}")


@parked.command("retry")
@click.argument("party")
@click.argument("number", type=int)
@click.option("--shard", type=int, help="The shard whose list holds the number; needed where several have it.")
@world_option
def retry(party: str, number: int, shard: int | None, directory: Path) -> None:
    """Send record NUMBER of PARTY through the gate again, and say what became of it; exit 1 where it was refused."""
    world = World.open(directory)
    line = find_line(world, party, number, shard)
    if line.outcome != OPEN:
        raise NotFound(f"parked record `{number}` of `{party}` is resolved already: see `hub parked list --all`")
    outcome = retry_parked(world, party, number, line.shard)
    click.echo(f"shard {line.shard}: {outcome}")
    if outcome != ADMITTED:
        for why in refused_again(world, line):
            click.echo(f"as number {why.number}: {why.record.reason}, field {why.record.field}: {why.record.fix}")
        raise click.exceptions.Exit(1)


def refused_again(world: World, line: ParkedLine) -> list[ParkedLine]:
    """How the record of `line`, which a retry has refused, is parked now, where that is open."""
    resolved = find_line(world, line.party, line.number, line.shard).resolved
    if resolved is None or resolved.outcome != PARKED_AGAIN:
        return []
    number = resolved.originator_version + 1  # the hub writes the two together; a place is not known of every record
    return [
        one
        for one in parked_lines(world, line.party)
        if (one.shard, one.number) == (line.shard, number) and one.outcome == OPEN
    ]


def retry_parked(world: World, party: str, number: int, shard: int) -> str:
    """Ask the shard to retry, wait for the outcome and return it; raise `TransportFailure` where none comes."""
    control = operator_channel(world)
    try:
        control.publish(shard, RETRY, {"party": party, "parkedNumber": number})
    finally:
        control.close()
    deadline = time.monotonic() + RETRY_SECONDS_MAX
    while time.monotonic() < deadline:
        outcome = find_line(world, party, number, shard).outcome
        if outcome != OPEN:
            return outcome
        time.sleep(0.1)
    raise TransportFailure(f"no outcome within {RETRY_SECONDS_MAX:.0f} s: is the hub of this world running")


def parked_lines(world: World, party: str | None = None) -> list[ParkedLine]:
    """Every parked record of a world, or of one party in it; raise `NotFound` for a party that it has not."""
    if party is not None and party != HUB_PARTY and party not in world.registry:
        raise NotFound(f"party `{party}` is not in the registry of this world")
    parties = [party] if party is not None else [HUB_PARTY, *world.registry.parties]
    lines: list[ParkedLine] = []
    with opened_stores(world) as stores:
        for shard, store in enumerate(stores):
            for name in parties:
                # What is listed says nothing of what a record holds: its bytes are let go at once.
                lines += [
                    ParkedLine(shard, name, replace(record, key=None, value=None, headers=()), resolved)
                    for record, resolved in store.parked(name)
                ]
    return lines


def find_line(world: World, party: str, number: int, shard: int | None = None) -> ParkedLine:
    """One parked record; raise `NotFound` where there is none, `CallerFailure` where `shard` has to say which."""
    found = [line for line in parked_lines(world, party) if line.number == number and shard in (None, line.shard)]
    if not found:
        where = "any shard" if shard is None else f"shard `{shard}`"
        raise NotFound(f"no parked record `{number}` of party `{party}` in {where}: see `hub parked list --all`")
    if len(found) > 1:
        shards = ", ".join(str(line.shard) for line in found)
        raise CallerFailure(f"shards {shards} each have a parked record `{number}` of `{party}`: give one by `--shard`")
    return found[0]
