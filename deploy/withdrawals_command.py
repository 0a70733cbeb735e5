"""`hub withdrawals list`: which withdrawals are not carried out yet, and which receivers owe a receipt.

Rules:
- It only reads, and names parties and the hub's own ids: nobody, and nothing that was disclosed.
- A withdrawal of a consent that is not on its case is listed with whoever stated it: the id may be mistyped.
- What a case takes back in a merge is listed too: the withdrawals of the other case wait for it, and say so.
- What is overdue is told by the shard's own clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from contracts.civil_time import moment_of
from contracts.fact import party_of
from contracts.topics import HUB_PARTY
from deploy.options import world_option
from deploy.stores import opened_stores
from deploy.world import World
from hub.store.ports import WAITS_FOR_CONSENT, WAITS_FOR_ITS_TIME, WAITS_FOR_MERGE
from hub.store.reader import ShardReader

UNCONFIRMED = "unconfirmed"
UNKNOWN_CONSENT = "withdraws no known consent"
MERGE_UNCONFIRMED = "merge unconfirmed"
HELD_UP = "held up by a merge"
ITS_TIME = "counts from a time to come"
UNSAID = "acknowledgement not stored yet"
PENDING = "pending"
OVERDUE = "overdue"
_WAITING = {WAITS_FOR_MERGE: HELD_UP, WAITS_FOR_CONSENT: UNKNOWN_CONSENT, WAITS_FOR_ITS_TIME: ITS_TIME}
_OF_ITS_PARTY = frozenset({UNKNOWN_CONSENT, ITS_TIME})
"""What a withdrawal waits for that whoever stated it can see to."""
_SAID = {
    UNCONFIRMED: "the order to remove is not confirmed stored",
    MERGE_UNCONFIRMED: "the order to remove of a merge is not confirmed stored",
    PENDING: "owes a receipt",
    OVERDUE: "owes a receipt, overdue",
}
"""States in words, where the word alone does not say of what it is one."""


@dataclass(frozen=True, slots=True)
class Open:
    """Something open: an order to `party` that is not confirmed stored, or a receipt that it owes until `due`.

    `event` is the withdrawal or the notice; `None` for what a merge takes back. What is held up by a merge has an
    order to the hub itself open, until the other case's orders are confirmed. Of a withdrawal that withdraws no known
    consent, by a clock that is ahead, or that is carried out and not acknowledged yet, `party` is whoever stated it.
    """

    shard: int
    case: str
    party: str
    event: str | None
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
        found = [each for shard, store in enumerate(stores) for each in open_in(shard, store)]
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found]))
        return
    for each in found:
        until = f", due {each.due}" if each.due else ""
        of = f"event {each.event} of case {each.case}" if each.event else f"case {each.case}"
        click.echo(f"{each.party}: {_SAID.get(each.state, each.state)}{until}; {of}, shard {each.shard}")
    if not found:
        click.echo("nothing is open")


def open_in(shard: int, store: ShardReader) -> Iterator[Open]:
    """What is open in the store of one shard."""
    clock, confirmed = store.head().clock, store.send_positions()
    for event_id, promised in store.promises().items():
        missing = [promise for promise in promised if confirmed.get(promise.party, 0) < promise.number]
        for promise in missing:
            of_hub = promise.party == HUB_PARTY
            state = _WAITING[promise.number] if of_hub else UNCONFIRMED
            party = party_of(event_id) if state in _OF_ITS_PARTY else promise.party
            yield Open(shard, promise.case_id, party, event_id, state, None)
        if not missing:
            yield Open(shard, promised[0].case_id, party_of(event_id), event_id, UNSAID, None)
    for removing in store.removals().values():
        for removal in removing:
            if confirmed.get(removal.party, 0) < removal.number:
                yield Open(shard, removal.case_id, removal.party, None, MERGE_UNCONFIRMED, None)
    for owed in store.obligations().values():
        state = OVERDUE if owed.due <= clock else PENDING
        due = moment_of(owed.due).isoformat(timespec="minutes")
        yield Open(shard, owed.case_id, owed.party, owed.event_id, state, due)
