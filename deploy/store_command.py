"""`hub store check`: is what the hub has stored whole, and does it lie where it is safe?

Rules:
- It only reads; a worker may be at work beside it.
- Everything that is wrong is told, not the first alone; the exit code is 1 then.
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
from hub.store.checking import KeyOf, check_store


@click.group("store")
def store() -> None:
    """The stores of the hub: are they whole, and safely kept?"""


@store.command("check")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def check(as_json: bool, directory: Path) -> None:
    """Look every shard over: unsafe settings, missing rows, tables that do not say what the rows say."""
    world = World.open(directory)
    place = world_stores(world)
    with opened_stores(world) as stores:
        reports = [check_store(shard, each, _key_of(world, shard)) for shard, each in enumerate(stores)]
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
