"""Tells every shard of a change of a party's signing keys, and waits until each has it stored.

Rules:
- A change is a control record of the operator on every partition of the hub's own input. Saying it again is harmless,
  so a command that failed half way is simply given again.
- What a shard refuses is told with its field and fix.

Used by `hub keys` and by whoever makes a world.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Final

from contracts.codec import codec
from contracts.failures import CallerFailure, Refused, TransportFailure
from contracts.topics import HUB_PARTY
from deploy.operator_channel import operator_channel, tell_every_shard
from deploy.stores import opened_stores
from deploy.world import World
from hub.arrival.keyring import Keyring
from hub.broker.ports import ControlChannel
from hub.shard.signing_keys import REGISTRATION
from hub.store.reader import ShardReader
from hub.store.records import SigningKeyChanged
from producers.publisher import now_ms

STORED_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.05


def register_parties(world: World, parties: Iterable[str], channel: ControlChannel) -> None:
    """Register the keys of `parties` that the world holds, on every shard."""
    for party in parties:
        registration = {"party": party, "publicKey": world.signing_key(party).public.hex()}
        for shard in range(world.partitions):
            channel.publish(shard, REGISTRATION, registration)


def register_all(world: World, parties: Iterable[str], clock: Callable[[], int] = now_ms) -> None:
    """Register the keys of `parties` as the operator; a hub that is not started yet finds them when it is.

    `clock` (milliseconds) counts in a played world.
    """
    channel = operator_channel(world, clock=clock)
    try:
        register_parties(world, parties, channel)
    finally:
        channel.close()


def parties_without_a_key(world: World) -> list[str]:
    """The parties of which some shard knows no key: never registered, only on some shards, or not stored yet."""
    with opened_stores(world) as stores:
        known = [keyring_of(store).keys for store in stores]
    return [party for party in world.registry.parties if not all(party in keys for keys in known)]


def keyring_of(store: ShardReader) -> Keyring:
    """Every party's keys as one shard has them."""
    return reduce(Keyring.after, store.signing_keys(), Keyring())


def change_keys(
    world: World, event_type: str, payload: Mapping[str, Any], is_done: Callable[[Sequence[SigningKeyChanged]], bool]
) -> None:
    """Tell every shard of one change, and wait until `is_done` of what each has recorded of the party's keys.

    Raises `CallerFailure` where a shard refused it, `TransportFailure` where no outcome comes.
    """
    with opened_stores(world) as stores:
        parked = [last_parked(store) for store in stores]
        tell_every_shard(world, event_type, payload)
        _wait(stores, parked, payload, is_done)


def _wait(
    stores: list[ShardReader],
    parked: list[int],
    payload: Mapping[str, Any],
    is_done: Callable[[Sequence[SigningKeyChanged]], bool],
) -> None:
    deadline = time.monotonic() + STORED_SECONDS_MAX
    waiting = dict(enumerate(stores))
    while True:
        for shard, store in list(waiting.items()):
            if is_done(store.signing_keys(payload["party"])):
                del waiting[shard]
            else:
                raise_if_parked(store, parked[shard], payload)
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise TransportFailure(
                f"not stored within {STORED_SECONDS_MAX:.0f} s on {len(waiting)} shards: "
                "is the hub of this world running; give the command again, nothing is lost"
            )
        time.sleep(POLL_SECONDS)


def last_parked(store: ShardReader) -> int:
    """The last number under which a record of the hub's own was refused or dealt with, 0 where there is none."""
    return store.head().parked.get(HUB_PARTY, 0)


def raise_if_parked(store: ShardReader, before: int, payload: Mapping[str, Any]) -> None:
    """Raise `CallerFailure` where what a command sent with `payload` was refused after number `before`."""
    for record, _ in store.parked(HUB_PARTY):
        if record.originator_version > before and record.value and _says(record.value, payload):
            raise CallerFailure(f"the hub refused it: {record.reason}, field `{record.field}`: {record.fix}")


def _says(value: bytes, payload: Mapping[str, Any]) -> bool:
    """Whether a refused record is the one that this command sent, and not another's."""
    try:
        decoded = codec().decode(value).payload
    except Refused:
        return False
    return {name: decoded.get(name) for name in payload} == dict(payload)
