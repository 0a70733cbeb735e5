"""Who signs with which keys, and under which key a record has to hold.

Rules:
- A key counts from the moment at which its registration is recorded. Superseded or revoked, it refuses from that moment
  on, and never comes back.
- From its first key on, nothing of a party is taken without a signature, even where none of its keys is left.
- The key must be one of the party that the record names as its source. That this is the party of the topic is checked
  besides (`hub.arrival.gate`), and who may write to the topic is the broker's to check: each of the three holds alone.
- Who signs on the hub's own input is a setting: whoever registers keys must be known first.

Pure. Whether a signature holds depends on the record and the key that it names alone, so it may be worked out ahead,
while other records are handled (`hub.broker.verified_inputs`); whether that key counts is judged here, in its turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NamedTuple

from contracts.cloudevents import SIG_KEY, claimed_source
from contracts.failures import Refused
from contracts.limits import HEADERS_COUNT_MAX
from contracts.parties import Party
from contracts.reasons import Reason
from contracts.signatures import Signature, holds, key_id_of, signature_of
from contracts.topics import HUB_PARTY
from hub.arrival.forwarded import is_forwarded
from hub.arrival.gate import check_source
from hub.arrival.principals import MERGES
from hub.broker.hub_messages import input_message
from hub.broker.ports import InputRecord
from hub.store.records import SigningKeyChanged

REGISTERED: Final = "registered"
ROTATED: Final = "rotated"
REVOKED: Final = "revoked"
SUPERSEDED: Final = "superseded"

SIGNATURE_REASONS: Final = frozenset(
    {
        Reason.BAD_HEADER,
        Reason.SOURCE_NOT_TOPICS_PARTY,
        Reason.UNSIGNED,
        Reason.UNKNOWN_SIGNING_KEY,
        Reason.BAD_SIGNATURE,
    }
)
"""Reasons that may be given before a record is known to be authentic; every other one is given after that."""


Principals = Mapping[bytes, frozenset[str]]
"""Who signs on the hub's own input: public key -> the principals (`operator`, `ticker`) whose key it is."""


class KnownKey(NamedTuple):
    """A key of a party. `ended` is empty while it counts; then `superseded` or `revoked`, since `ended_at` (ms).

    `public` is empty where it was revoked before it was known here.
    """

    public: bytes
    since: int
    ended: str = ""
    ended_at: int = 0
    principals: frozenset[str] | None = None
    """Of a key of the hub: who may sign with it. A party's own systems are its own affair."""


class Due(NamedTuple):
    """What has to hold of a record: its signature, under this public key."""

    public: bytes
    signature: Signature


@dataclass(frozen=True)
class Keyring:
    """The keys of all parties, as they stand after some record. Never changed: a change gives another one."""

    keys: Mapping[str, Mapping[str, KnownKey]] = field(default_factory=dict)
    """Party -> key id -> key."""
    versions: Mapping[str, int] = field(default_factory=dict)
    """Party -> how many changes are recorded."""

    def after(self, change: SigningKeyChanged) -> Keyring:
        """Return the keys as they stand after `change`."""
        party = change.originator_id.partition(":")[2]
        keys = dict(self.keys.get(party, {}))
        if change.change == REVOKED:
            key = keys.get(change.key_id) or KnownKey(change.public_key, change.recorded_at)
            keys[change.key_id] = key._replace(ended=REVOKED, ended_at=change.recorded_at)
        else:
            keys[change.key_id] = KnownKey(change.public_key, change.recorded_at)
        if change.change == ROTATED:
            old = keys[change.old_key_id]
            keys[change.old_key_id] = old._replace(ended=SUPERSEDED, ended_at=change.recorded_at)
        versions = {**self.versions, party: change.originator_version}
        return replace(self, keys={**self.keys, party: keys}, versions=versions)

    def with_principals(self, keys: Principals) -> Keyring:
        """Return these keys, and `keys` as the hub's own."""
        hub = {key_id_of(public): KnownKey(public, 0, principals=names) for public, names in keys.items()}
        return replace(self, keys={**self.keys, HUB_PARTY: hub})

    def signs(self, party: str) -> bool:
        """Whether `party` has ever had a key: then it must sign."""
        return bool(self.keys.get(party))

    def key(self, party: str, key_id: str) -> KnownKey | None:
        """Return a key of `party`, ended or not."""
        return self.keys.get(party, {}).get(key_id)

    @cached_property
    def public_keys(self) -> Mapping[str, bytes]:
        """Every key that is known, by its id: what a signature may be checked by, whether or not the key counts."""
        return {key_id: key.public for keys in self.keys.values() for key_id, key in keys.items() if key.public}

    def owner(self, key_id: str) -> str | None:
        """Return whose key that is."""
        return next((party for party, keys in self.keys.items() if key_id in keys), None)


def due_of(record: InputRecord, party: Party, keyring: Keyring) -> Due | None:
    """Return what has to hold of `record`, found on the topic of `party`; `None` where it need not be signed.

    Raises `Refused` where it has no signature and needs one, or one under a key that does not count.
    """
    if len(record.headers) > HEADERS_COUNT_MAX:
        raise Refused(Reason.BAD_HEADER, "headers", f"send at most {HEADERS_COUNT_MAX}")
    claimed, system = _claimed(record, party)
    signature = signature_of(record.headers)
    if signature is None:
        if keyring.signs(claimed) or keyring.signs(party.id):
            fix = "sign with the party's registered key: it signs since its first one was registered"
            raise Refused(Reason.UNSIGNED, "sig", fix)
        return None
    key = _key_of(claimed, system, signature.key_id, keyring)
    if key.ended:
        raise _ended(key)
    return Due(key.public, signature)


def _claimed(record: InputRecord, party: Party) -> tuple[str, str]:
    """Who says that it states this: party and system. Where the record does not say, what follows refuses it."""
    if party.id == HUB_PARTY and is_forwarded(record):
        return HUB_PARTY, MERGES
    claimed, system = claimed_source(record.headers) or (party.id, "")
    check_source(claimed, party)
    return claimed, system


def authenticate(record: InputRecord, party: Party, keyring: Keyring, hub_input: str) -> str:
    """Return the id of the key under which `record` holds, empty where it need not be signed; raise `Refused`.

    Whether it holds is taken from the record where it was worked out ahead, and worked out here where it was not.
    """
    due = due_of(record, party, keyring)
    if due is None:
        return ""
    held = record.signature_holds
    if held is None:
        message = input_message(hub_input, record.topic, record.key, record.headers, record.value)
        held = holds(due.public, message, due.signature.value)
    if not held:
        fix = "sign topic, key, `ce_` headers and value as they are sent, with the key that `sig_key` names"
        raise Refused(Reason.BAD_SIGNATURE, "sig", fix)
    return due.signature.key_id


def authentic_then(record: InputRecord, party: Party, keyring: Keyring) -> str:
    """Return the id of the key that signed a record which was found authentic when it came, empty where none did.

    Raises `Refused` where that key was revoked since, and where the hub's principals have it no more.
    """
    key_id = next((value.decode("ascii", "replace") for name, value in record.headers if name == SIG_KEY), "")
    if key_id:
        key = _key_of(*_claimed(record, party), key_id, keyring)
        if key.ended == REVOKED:
            raise _ended(key)
    return key_id


def _key_of(claimed: str, system: str, key_id: str, keyring: Keyring) -> KnownKey:
    """The key of that id, ended or not; raise `Refused` where that party, or that principal of the hub, has it not."""
    key = keyring.key(claimed, key_id)
    if key is None or (key.principals is not None and system not in key.principals):
        fix = "sign with a key that the operator registered for the party"
        if claimed == HUB_PARTY:
            fix = "sign with a key that the hub's file of principals gives to who states it"
        raise Refused(Reason.UNKNOWN_SIGNING_KEY, "sig_key", fix)
    return key


def _ended(key: KnownKey) -> Refused:
    return Refused(Reason.UNKNOWN_SIGNING_KEY, "sig_key", f"the key was {key.ended}: sign again with the present one")
