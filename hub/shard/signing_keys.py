"""Takes the changes of parties' signing keys: registered by the operator, rotated by the party, revoked.

Rules:
- They come as control records to every shard, count from their recorded time on, and are stored as events, so that any
  past admission can be judged again.
- A change is taken while the batch is read, before what comes after it is judged.
- A first key may be registered, or revoked, before its party is taken up: who joins is in the registry before a hub at
  work has seen it, and must not be believed without a signature from then on.
- A revocation counts by the id of the key, which is its hash: one that comes before its registration is kept all the
  same, and the key never counts.
- Saying the same again changes nothing. A key that ended never comes back, and no two parties have the same one.
- A rotation needs the signature of the old key: the operator alone cannot put another key in its place unseen.

From `hub.shard.admission`; into the batch.
"""

from __future__ import annotations

from typing import Any, Final

from contracts.failures import BadSetting, Refused
from contracts.parties import PartyRegistry
from contracts.reasons import Reason
from contracts.signatures import KEY_ID, SIGNATURE_BYTES, holds, key_id_of, public_key_of, rotation_message
from contracts.topics import HUB_PARTY
from hub.arrival.gate import Statement
from hub.arrival.keyring import REGISTERED, REVOKED, ROTATED, Keyring
from hub.shard.batch import Batch
from hub.store.records import SigningKeyChanged, keys_stream

REGISTRATION: Final = "SigningKeyRegistered"
ROTATION: Final = "SigningKeyRotated"
REVOCATION: Final = "SigningKeyRevoked"
KEY_CHANGES: Final = frozenset({REGISTRATION, ROTATION, REVOCATION})


def take_change(statement: Statement, recorded_at: int, registry: PartyRegistry, batch: Batch) -> None:
    """Take one change into `batch`; raise `Refused` for one that cannot be."""
    keyring, payload = batch.after.keyring, statement.payload
    party = payload["party"]
    is_joining = statement.event_type.name in (REGISTRATION, REVOCATION) and party != HUB_PARTY
    if party not in registry and not is_joining:
        raise _refused("party", "name a party of the registry")
    match statement.event_type.name:
        case "SigningKeyRegistered":
            change = _registration(keyring, party, payload["publicKey"])
        case "SigningKeyRotated":
            change = _rotation(keyring, party, payload)
        case _:
            change = _revocation(keyring, party, payload["keyId"])
    if change is None:
        batch.passed_over += 1
        return
    version = keyring.versions.get(party, 0) + 1
    record = SigningKeyChanged(keys_stream(party), version, recorded_at, *change)
    batch.after.keyring = keyring.after(record)
    batch.writes.records.append(record)


_Change = tuple[str, str, bytes, str, bytes]
"""The last five fields of a `SigningKeyChanged`."""


def _registration(keyring: Keyring, party: str, text: str) -> _Change | None:
    public = _public("publicKey", text)
    key_id = key_id_of(public)
    return None if _is_there(keyring, party, key_id) else (REGISTERED, key_id, public, "", b"")


def _rotation(keyring: Keyring, party: str, payload: Any) -> _Change | None:
    public, old_id = _public("publicKey", payload["publicKey"]), payload["oldKeyId"]
    key_id, old = key_id_of(public), keyring.key(party, old_id)
    if old is None or old.ended == REVOKED:
        raise _refused("oldKeyId", "name a key of this party that was not revoked; else register a new one")
    if _is_there(keyring, party, key_id) and old.ended:
        return None
    if old.ended:
        raise _refused("oldKeyId", "the key was superseded already: let the present one sign")
    if key_id == old_id or keyring.key(party, key_id) is not None:
        raise _refused("publicKey", "give a key that the party does not have yet")
    proof = _proof(payload["proof"])
    if not holds(old.public, rotation_message(party, old_id, public), proof):
        raise _refused("proof", "let the old key sign the new one: `hub keys endorse`")
    return (ROTATED, key_id, public, old_id, proof)


def _revocation(keyring: Keyring, party: str, key_id: str) -> _Change | None:
    if not KEY_ID.fullmatch(key_id):
        raise _refused("keyId", "give the id of a key, as `hub keys list` prints it")
    if keyring.owner(key_id) not in (None, party):
        raise _refused("keyId", "name a key of this party: see `hub keys list`")
    key = keyring.key(party, key_id)
    if key is None:
        return (REVOKED, key_id, b"", "", b"")
    return None if key.ended == REVOKED else (REVOKED, key_id, key.public, "", b"")


def _is_there(keyring: Keyring, party: str, key_id: str) -> bool:
    """Whether the key counts already; raise `Refused` where it cannot be this party's."""
    owner = keyring.owner(key_id)
    if owner not in (None, party):
        raise _refused("publicKey", "the key is in use by another: make one of the party's own")
    key = keyring.key(party, key_id)
    if key is not None and key.ended:
        raise _refused("publicKey", "a key that ended never comes back: make a new one")
    return key is not None


def _public(field: str, text: str) -> bytes:
    try:
        return public_key_of(text)
    except BadSetting as bad:
        raise _refused(field, str(bad)) from bad


def _proof(text: str) -> bytes:
    try:
        proof = bytes.fromhex(text)
    except ValueError:
        proof = b""
    if len(proof) != SIGNATURE_BYTES:
        raise _refused("proof", f"expected {SIGNATURE_BYTES} bytes in hex")
    return proof


def _refused(field: str, fix: str) -> Refused:
    return Refused(Reason.VALUE_OUTSIDE_MODEL, field, fix)
