"""`hub withdrawals list`: which withdrawals are not carried out yet, and which receivers owe a receipt.

Rules:
- It only reads, and names parties and the hub's own ids: nobody, and nothing that was disclosed.
- What is overdue is told by the shard's own clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from contracts.civil_time import moment_of
from deploy.options import world_option
from deploy.stores import opened_stores
from deploy.world import World
from hub.store.reader import ShardReader

UNCONFIRMED = "unconfirmed"
PENDING = "pending"
OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Open:
    """Something open: an order to `party` that is not confirmed stored, or a receipt that it owes until `due`."""

    shard: int
    case: str
    party: str
    event: str
    state: str
    due: str | None


@click.group("withdrawals")
def withdrawals() -> None:
    """Withdrawn consents: what is not carried out yet."""


@withdrawals.command("list")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def list_(as_json: bool, directory: Path) -> None:
    """List withdrawals that are not acknowledged, and receipts that are owed."""
    with opened_stores(World.open(directory)) as stores:
        found = [each for shard, store in enumerate(stores) for each in _open(shard, store)]
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found]))
        return
    for each in found:
        until = f", due {each.due}" if each.due else ""
        click.echo(f"{each.party}: {each.state}{until}; event {each.event} of case {each.case}, shard {each.shard}")
    if not found:
        click.echo("nothing is open")


def _open(shard: int, store: ShardReader) -> Iterator[Open]:
    clock, confirmed = store.head().clock, store.send_positions()
    for promised in store.promises().values():
        for promise in promised:
            if confirmed.get(promise.party, 0) < promise.number:
                yield Open(shard, promise.case_id, promise.party, promise.event_id, UNCONFIRMED, None)
    for owed in store.obligations().values():
        state = OVERDUE if owed.due <= clock else PENDING
        due = moment_of(owed.due).isoformat(timespec="minutes")
        yield Open(shard, owed.case_id, owed.party, owed.event_id, state, due)
