"""`hub keys make|register|endorse|rotate|revoke|list`: the keys with which parties sign what they state.

Rules:
- `make` and `endorse` are an agency's: they need no hub, and a private key never leaves its file. The others are the
  operator's, who gets public keys only, on a way that both trust.
- Every shard is told, and the command returns when all have it stored: from then on it counts.
- Every shard is asked as well: a key that signs on one of them can be revoked. Said again, a change is completed.
- A revocation lists what was admitted under the key since a time, by party, event and case: no content.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import click

from contracts.civil_time import instant_of, moment_of
from contracts.failures import CallerFailure, NotFound
from contracts.private_files import made_once
from contracts.signatures import KEY_BYTES, SigningKey, key_id_of, public_key_of, rotation_message
from deploy.key_registration import change_keys, keyring_of
from deploy.options import world_option
from deploy.stores import opened_stores
from deploy.world import World
from hub.arrival.keyring import REVOKED, SUPERSEDED, Keyring, KnownKey
from hub.shard.signing_keys import REGISTRATION, REVOCATION, ROTATION
from hub.store.reader import ShardReader
from hub.store.records import FactRecorded, SigningKeyChanged
from producers.publisher import now_ms

NOTIFICATIONS_PER_READ = 1_000
SIGNS = "signs"
_ENDINGS = ("", SUPERSEDED, REVOKED)


@dataclass(frozen=True, slots=True)
class SignedFact:
    """One fact that was admitted under a key. `recorded_at` is when, in UTC."""

    party: str
    event_id: str
    case_id: str
    recorded_at: str


class KeyOnShards(NamedTuple):
    """A key, and how many shards have it in this state."""

    key: KnownKey
    shards: int


@click.group("keys")
def keys() -> None:
    """Keys with which parties sign what they state."""


@keys.command("make")
@click.argument("file", type=click.Path(path_type=Path))
def make(file: Path) -> None:
    """Make a private key in FILE, for its owner alone; print the public key, to be handed to the operator."""
    key = SigningKey(secrets.token_bytes(KEY_BYTES))
    try:
        with made_once(file) as unfinished:
            unfinished.write_text(key.private.hex(), encoding="ascii")
    except OSError as error:
        kind = type(error).__name__
        raise CallerFailure(f"file `{file}`: cannot be made ({kind}); give the path of a new one") from error
    click.echo(key.public.hex())


@keys.command("endorse")
@click.argument("party")
@click.argument("old_key", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("public_key")
def endorse(party: str, old_key: Path, public_key: str) -> None:
    """Sign with the private key in OLD_KEY that PUBLIC_KEY takes its place; print the proof, for the operator."""
    old = SigningKey.read(old_key)
    proof = old.sign(rotation_message(party, old.id, public_key_of(public_key)))
    click.echo(f"{old.id}:{proof.hex()}")


@keys.command("register")
@click.argument("party")
@click.argument("public_key")
@world_option
def register(party: str, public_key: str, directory: Path) -> None:
    """Let PARTY sign with PUBLIC_KEY. From its first key on, nothing of it is taken without a signature."""
    world = _world_of(directory, party)
    key_id = key_id_of(public_key_of(public_key))
    payload = {"party": party, "publicKey": public_key.lower()}
    change_keys(world, REGISTRATION, payload, lambda changes: _signs(changes, key_id))
    click.echo(f"{key_id} signs for {party}")


@keys.command("rotate")
@click.argument("party")
@click.argument("public_key")
@click.argument("proof")
@world_option
def rotate(party: str, public_key: str, proof: str, directory: Path) -> None:
    """Put PUBLIC_KEY in the place of the key that signed PROOF (`hub keys endorse`)."""
    world = _world_of(directory, party)
    key_id = key_id_of(public_key_of(public_key))
    old_key_id, _, signature = proof.partition(":")
    payload = {"party": party, "oldKeyId": old_key_id, "publicKey": public_key.lower(), "proof": signature}
    change_keys(
        world,
        ROTATION,
        payload,
        lambda changes: _signs(changes, key_id) and any(_names(change, key_id, old_key_id) for change in changes),
    )
    click.echo(f"{key_id} signs for {party}; {old_key_id} is superseded")


@keys.command("revoke")
@click.argument("party")
@click.argument("key_id", metavar="KEY")
@click.option("--since", metavar="T", help="List what was admitted under it from this UTC time on; without it, all.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def revoke(party: str, key_id: str, since: str | None, as_json: bool, directory: Path) -> None:
    """Refuse KEY of PARTY from now on, and list what was admitted under it."""
    world = _world_of(directory, party)
    after = 0 if since is None else _past(since)
    if key_id not in known_keys(world).get(party, {}):
        raise NotFound(f"`{key_id}` is no key of party `{party}`: see `hub keys list`")
    payload = {"party": party, "keyId": key_id}
    change_keys(world, REVOCATION, payload, lambda changes: any(_revokes(change, key_id) for change in changes))
    with opened_stores(world) as stores:
        signed = sorted(signed_under(stores, key_id, after), key=lambda fact: (fact.recorded_at, fact.event_id))
    if as_json:
        click.echo(json.dumps([asdict(fact) for fact in signed], indent=2))
        return
    for fact in signed:
        click.echo(f"{fact.recorded_at}  {fact.party}  {fact.event_id}  case {fact.case_id}")
    when = "" if since is None else f" since {moment_of(after).isoformat()}"
    click.echo(f"{key_id} is revoked; {len(signed)} facts were admitted under it{when}")


@keys.command("list")
@click.option("--party", help="Only the keys of this party.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def list_keys(party: str | None, as_json: bool, directory: Path) -> None:
    """List every key, and the parties that have none: what they state rests on the broker's rights alone."""
    world = World.open(directory) if party is None else _world_of(directory, party)
    known = known_keys(world)
    parties = list(world.registry.parties) if party is None else [party]
    rows = [_row(each, key_id, key) for each in parties for key_id, key in known.get(each, {}).items()]
    unsigned = [each for each in parties if each not in known]
    if as_json:
        click.echo(json.dumps({"keys": rows, "parties_without_a_key": unsigned}, indent=2))
        return
    for row in rows:
        where = "" if row["shards"] == world.partitions else f" on {row['shards']} of {world.partitions} shards"
        ended = "" if row["ended_at"] is None else f" since {row['ended_at']}"
        registered = "never registered" if row["since"] is None else f"registered {row['since']}"
        click.echo(f"{row['party']}  {row['key']}  {row['state']}{where}{ended}  {registered}")
    for each in unsigned:
        click.echo(f"{each}  no key: it need not sign")
    click.echo(f"{len(rows)} keys")


def known_keys(world: World) -> dict[str, dict[str, KeyOnShards]]:
    """Every party's keys, by id, as any shard has them: a command may have stopped before it told all of them."""
    with opened_stores(world) as stores:
        keyrings = [keyring_of(store) for store in stores]
    known: dict[str, dict[str, KeyOnShards]] = {}
    for keyring in keyrings:
        for party, of_party in keyring.keys.items():
            for key_id in of_party:
                if key_id not in known.setdefault(party, {}):
                    known[party][key_id] = _on_shards(
                        [found for each in keyrings if (found := each.key(party, key_id))]
                    )
    return known


def _on_shards(found: list[KnownKey]) -> KeyOnShards:
    """One key as the shard has it that lets it do most: what still signs anywhere must not look as if it had ended."""
    first = min(found, key=lambda key: (_ENDINGS.index(key.ended), not key.public))
    return KeyOnShards(first, sum(key.ended == first.ended for key in found))


def signed_under(stores: list[ShardReader], key_id: str, after: int) -> Iterable[SignedFact]:
    """Every fact that was admitted under a key at or after `after` (ms), once, read from the whole log of each shard.

    A fact that a merge carried into another case was admitted when the hub first got it, and in the case that got it.
    """
    admitted: dict[tuple[str, str], tuple[int, bool, SignedFact]] = {}
    for record in _facts_of(stores):
        at = record.origin.recorded_at if record.origin else record.recorded_at
        if record.signing_key != key_id or at < after:
            continue
        moment = moment_of(at).isoformat(timespec="milliseconds")
        fact = SignedFact(record.party, record.event_id, record.originator_id.partition(":")[2], moment)
        candidate = at, record.origin is not None, fact
        known = admitted.setdefault((record.party, record.event_id), candidate)
        if candidate[:2] < known[:2]:
            admitted[record.party, record.event_id] = candidate
    return [fact for _, _, fact in admitted.values()]


def _facts_of(stores: list[ShardReader]) -> Iterator[FactRecorded]:
    for store in stores:
        reached = 0
        while rows := store.notifications(reached, NOTIFICATIONS_PER_READ):
            reached = rows[-1].id
            for row in rows:
                if row.topic == FactRecorded.__name__ and isinstance(record := store.record_of(row), FactRecorded):
                    yield record


def _signs(changes: Sequence[SigningKeyChanged], key_id: str) -> bool:
    keys_of_party = reduce(Keyring.after, changes, Keyring()).keys.values()
    return any(key_id in keys and not keys[key_id].ended for keys in keys_of_party)


def _names(change: SigningKeyChanged, key_id: str, old_key_id: str) -> bool:
    return (change.key_id, change.old_key_id) == (key_id, old_key_id)


def _revokes(change: SigningKeyChanged, key_id: str) -> bool:
    return (change.key_id, change.change) == (key_id, REVOKED)


def _past(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CallerFailure(f"time `{text}`: give it as `2025-01-31T09:00`, in UTC or with an offset") from error
    instant = instant_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if instant > now_ms():
        raise CallerFailure(f"time `{text}` lies ahead: give a past one, in UTC or with an offset")
    return instant


def _row(party: str, key_id: str, known: KeyOnShards) -> dict[str, str | int | None]:
    key = known.key
    return {
        "party": party,
        "key": key_id,
        "public_key": key.public.hex(),
        "state": key.ended or SIGNS,
        "shards": known.shards,
        # Revoked before it was known: only its id was told.
        "since": moment_of(key.since).isoformat() if key.public else None,
        "ended_at": moment_of(key.ended_at).isoformat() if key.ended else None,
    }


def _world_of(directory: Path, party: str) -> World:
    world = World.open(directory)
    if party not in world.registry:
        raise NotFound(f"party `{party}` is not in the registry of this world")
    return world
