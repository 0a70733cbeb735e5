"""`hub resync PARTY`: tell a receiver that lost what it was sent everything that it may see now, under new numbers.

Rules:
- Every shard is asked, by a control record of the operator; the command returns when the broker has all of it. What
  becomes of it at the receiver is the receiver's: `hub views status PARTY` looks at a store of this world.
- Whoever lost nothing is not harmed, and asking again begins anew; so a command that failed half way is given again.
- Progress is shown on a terminal alone; numbers are told, nobody and nothing of what is sent.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import click

from contracts.failures import CallerFailure, NotFound, TransportFailure
from contracts.phrases import number_of
from deploy.key_registration import last_parked, raise_if_parked
from deploy.operator_channel import tell_every_shard
from deploy.options import world_option
from deploy.stores import opened_stores
from deploy.world import World
from hub.shard.resyncing import COMPLETED, GIVEN_UP, REQUEST
from hub.store.reader import ShardReader

PROGRESS_SECONDS_MAX: Final = 30.0
"""How long nothing may go on before the hub is taken to stand still."""
POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Told:
    """What one shard has told anew: the number of the first mark, and the last number when it was done."""

    shard: int
    begun_with: int
    ended_by: int


@click.command("resync")
@click.argument("party")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def resync(party: str, as_json: bool, directory: Path) -> None:
    """Tell PARTY, which lost what it was sent, everything that it may see now, under new numbers.

    Its subscription finds where that begins by itself: it drops what it held and goes on from there. Returns when the
    broker has all of it. What may no longer be seen is not told again.
    """
    world = World.open(directory)
    if party not in world.registry:
        known = ", ".join(f"`{each.id}`" for each in world.registry)
        raise NotFound(f"party `{party}` is not in the registry of this world; expected {known}")
    told = tell_anew(world, party)
    if as_json:
        click.echo(json.dumps({"party": party, "shards": [asdict(each) for each in told]}, indent=2))
        return
    for each in told:
        click.echo(f"shard {each.shard}: from number {each.begun_with}, all told by {each.ended_by}")
    click.echo(f"{party} is told everything anew on {number_of(len(told), 'shard')}")


def tell_anew(world: World, party: str) -> list[Told]:
    """Ask every shard, and wait until each has told all of it.

    Raises `CallerFailure` where nothing can be told to the party, `TransportFailure` where nothing goes on any more.
    """
    with opened_stores(world) as stores:
        stood = [_version(store, party) for store in stores]
        parked = [last_parked(store) for store in stores]
        payload = {"party": party, "requestId": str(uuid4())}
        tell_every_shard(world, REQUEST, payload)
        return _ends(stores, payload, stood, parked)


def _ends(stores: list[ShardReader], payload: Mapping[str, str], stood: list[int], parked: list[int]) -> list[Told]:
    """Wait until the broker has all that every shard tells, after the version at which its last resync `stood`."""
    party, waiting = payload["party"], dict(enumerate(stores))
    told: dict[int, Told] = {}
    seen, since = _stand(stores, party), time.monotonic()
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=len(stores), label="shards", file=sys.stderr, hidden=hidden) as bar:
        while waiting:
            for shard, store in list(waiting.items()):
                last = store.resyncs().get(party)
                if last is None or last.originator_version <= stood[shard]:
                    raise_if_parked(store, parked[shard], payload)
                elif last.step == GIVEN_UP:
                    raise CallerFailure(f"party `{party}` is told nothing: no rule set lets any event reach its role")
                elif last.step == COMPLETED:
                    ended = told.setdefault(shard, Told(shard, last.number, store.head().numbers[party]))
                    if store.send_positions().get(party, 0) >= ended.ended_by:
                        del waiting[shard]
                        bar.update(1)
            if (stands := _stand(stores, party)) != seen:
                seen, since = stands, time.monotonic()
            if waiting and time.monotonic() - since > PROGRESS_SECONDS_MAX:
                raise TransportFailure(
                    f"nothing went on for {PROGRESS_SECONDS_MAX:.0f} s on {number_of(len(waiting), 'shard')}: is the "
                    "hub of this world running, do `hub_undecided_total` or `hub_unsent_records` grow; what was asked "
                    "for stands: wait, or ask again"
                )
            time.sleep(POLL_SECONDS)
    return [told[shard] for shard in sorted(told)]


def _stand(stores: list[ShardReader], party: str) -> list[tuple[int, int]]:
    """How far every shard has come: the version of its last step, and the last number confirmed."""
    return [(_version(store, party), store.send_positions().get(party, 0)) for store in stores]


def _version(store: ShardReader, party: str) -> int:
    last = store.resyncs().get(party)
    return last.originator_version if last else 0
