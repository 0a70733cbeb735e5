"""`hub store`: is what the hub has stored whole, does it lie where it is safe, and what to do where it went back.

Rules:
- `check` only reads; a worker may be at work beside it. Everything that is wrong is told, not the first alone; the exit
  code is 1 then.
- `skip` is for a hub that is stopped. It writes where a store is older than what was told or resolved from it, and
  nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from deploy.hub_places import world_stores
from deploy.options import world_option
from deploy.stores import opened_stores
from deploy.world import World
from hub.identity.pseudonyms import pseudonym
from hub.store.checking import KeyOf, MadeFor, check_store


@click.group("store")
def store() -> None:
    """The stores of the hub: are they whole, and safely kept?"""


@store.command("check")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def check(as_json: bool, directory: Path) -> None:
    """Look every shard over: unsafe settings, missing or changed rows, tables that do not say what the rows say."""
    world = World.open(directory)
    place, made_for = world_stores(world), MadeFor(world.name, world.partitions)
    with opened_stores(world) as stores:
        reports = [check_store(shard, each, _key_of(world, shard), made_for) for shard, each in enumerate(stores)]
    for report in reports:
        report.faults += place.unsafe(report.shard)
    if as_json:
        click.echo(json.dumps([asdict(report) for report in reports]))
    else:
        for report in reports:
            state = "whole" if not report.faults else f"{len(report.faults)} faults"
            held = f"{report.batches} batches, {report.rows} rows in {report.streams} streams"
            erased = f", {report.erased} cases erased" if report.erased else ""
            click.echo(f"shard {report.shard}: {state}; {held}{erased}")
            for fault in report.faults:
                click.echo(f"  {fault}")
    if any(report.faults for report in reports):
        raise click.exceptions.Exit(1)


def _key_of(world: World, shard: int) -> KeyOf:
    return lambda party, case_id: pseudonym(world.hub_secret, case_id, party, shard, world.partitions)


@store.command("skip")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def skip(as_json: bool, directory: Path) -> None:
    """Go on with a store that went back: skip the numbers that were told already, and tell those parties all anew.

    For a hub that is stopped, whose shards say that they are older than what was told from them, and whose newest store
    is lost. What its receivers hold and the store knows no longer is dropped by the resync that begins with it.
    """
    # The one command that opens a store to write, and a client of Kafka: the other one need not load that.
    from deploy.hub_process import worker_settings
    from hub.wiring import skip_told_numbers

    skipped = skip_told_numbers(worker_settings(World.open(directory), tick_seconds=0.0))
    lines = [
        {"shard": shard, "party": party, "given": one.given, "told": one.told}
        for shard, each in enumerate(skipped)
        for party, one in each.told.items()
    ]
    parked = [
        {"shard": shard, "party": party, "parked": last}
        for shard, each in enumerate(skipped)
        for party, last in each.parked.items()
    ]
    lost = [
        {"shard": shard, "party": party, "lost": number}
        for shard, each in enumerate(skipped)
        for party, numbers in each.lost.items()
        for number in numbers
    ]
    if as_json:
        click.echo(json.dumps([*lines, *parked, *lost]))
        return
    for line in lines:
        click.echo(
            "shard {shard}: {party} was told up to {told}, the store had given out {given}: "
            "skipped, all is told anew".format(**line)
        )
    for line in parked:
        click.echo(
            "shard {shard}: records of {party} were parked and resolved up to number {parked}, which is lost: skipped; "
            "what of them is read again is parked anew".format(**line)
        )
    for line in lost:
        click.echo(
            "shard {shard}: parked record {lost} of {party} was resolved since and nothing of it is left, also if it "
            "was admitted: have its publisher send it again".format(**line)
        )
    done = bool(lines or parked)
    click.echo("start the hub now" if done else "nothing to skip: no store is older than what was told from it")
