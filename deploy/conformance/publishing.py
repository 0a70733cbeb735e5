"""An agency's records before the hub's own gate: each is admitted, a repeat, or parked under its reason.

Rules:
- The gate is the hub's (`hub.arrival.gate`), so what passes here passes there. In place of a store stands what the
  same records said before: a correction, a retraction or an amendment must find its event among them.
- Whether a key is one that the hub gave out is not known here. Its form is checked, its partition, and that it stands
  for a citizen or for nobody, not both.
- A remark is no refusal: the hub would take the record, and the wire page asks for something better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import Final, Literal

from contracts.codec import codec
from contracts.fact import party_of
from contracts.failures import Refused
from contracts.models import is_uuid
from contracts.parties import Party
from contracts.partitioning import partition_of
from contracts.reasons import Reason
from contracts.signatures import key_id_of
from contracts.topics import HUB_PARTY, Names
from deploy.conformance.lines import GivenRecord
from hub.arrival.gate import (
    RETRACTION,
    Statement,
    check_subject,
    digest_of,
    is_repeat,
    key_of,
    place,
    read,
    unknown_key,
)
from hub.arrival.keyring import Keyring, KnownKey, authenticate
from hub.broker.ports import InputRecord
from hub.store.records import SigningKeyChanged
from producers.event_ids import event_id

Outcome = Literal["admitted", "repeat", "parked"]
_NO_SECRET: Final = bytes(32)
"""Digests are compared within one run and kept nowhere."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the hub would do with record `number` (from 1). `reason` and `fix` as in the notice of a parked record."""

    number: int
    outcome: Outcome
    reason: str = ""
    field: str = ""
    fix: str = ""
    remarks: tuple[str, ...] = ()

    def values(self) -> dict[str, object]:
        """The verdict as plain values."""
        return asdict(self)

    def text(self) -> str:
        """The verdict as lines for people."""
        said = f"{self.number}  {self.outcome}"
        if self.reason:
            said += f"  {self.reason}  {self.field}: {self.fix}"
        return "\n".join([said, *(f"   remark: {remark}" for remark in self.remarks)])


@dataclass(slots=True)
class _Stated:
    """All that was stated under one key: implements the gate's `Knowledge`."""

    about_nobody: bool
    live: dict[str, str] = field(default_factory=dict)
    consents: set[str] = field(default_factory=set)

    def is_live(self, event_id: str, event_type: str | None) -> bool:
        """See `hub.arrival.gate.Knowledge`."""
        return event_id in self.live and event_type in (None, self.live[event_id])

    def consent_known_to(self, consent_id: str, party: str) -> bool:  # noqa: ARG002 (one party alone states here)
        """See `hub.arrival.gate.Knowledge`."""
        return consent_id in self.consents

    def is_notice_to(self, event_id: str, party: str) -> bool:  # noqa: ARG002 (as above)
        """See `hub.arrival.gate.Knowledge`; what the party was told stands in no file of what it states."""
        return party_of(event_id) == HUB_PARTY

    def note(self, statement: Statement) -> None:
        """Take what was admitted; what it ends is live no more."""
        if statement.corrects:
            self.live.pop(statement.corrects, None)
        if statement.event_type.name == RETRACTION:
            self.live.pop(f"{statement.party}/{statement.payload['targetEventId']}", None)
        self.live[statement.event_id] = statement.event_type.name
        if statement.event_type.name == "ConsentGiven":
            self.consents.add(statement.payload["consentId"])


class PublisherCheck:
    """Judges one party's records in the order in which they come.

    `secret` is the party's own, for its ids. `public_keys` are those with which it signs, whenever; `changes` are what
    a hub has recorded of its keys, each counting from its time on. Without a key, no signature is asked for and none is
    looked at.
    """

    def __init__(
        self,
        party: Party,
        names: Names,
        partitions: int,
        secret: bytes | None = None,
        public_keys: Sequence[bytes] = (),
        changes: Sequence[SigningKeyChanged] = (),
    ) -> None:
        self._changes = changes
        self._keyring = Keyring({party.id: {key_id_of(public): KnownKey(public, 0) for public in public_keys}})
        self._hub_input = names.hub_input
        self._party, self._topic, self._partitions, self._secret = party, names.input(party.id), partitions, secret
        self._keys: dict[str, _Stated] = {}
        self._digests: dict[str, bytes] = {}
        self._count = 0

    def judge(self, records: Iterable[GivenRecord]) -> list[Verdict]:
        """Return a verdict for each record."""
        return [self._judged(given) for given in records]

    def _judged(self, given: GivenRecord) -> Verdict:
        self._count += 1
        try:
            statement, repeat = self._admit(given.record)
        except Refused as refused:
            return Verdict(self._count, "parked", refused.reason, refused.field, refused.fix)
        return Verdict(self._count, "repeat" if repeat else "admitted", remarks=tuple(self._remarks(given, statement)))

    def _admit(self, record: InputRecord) -> tuple[Statement, bool]:
        if record.topic != self._topic:
            raise Refused(
                Reason.SOURCE_NOT_TOPICS_PARTY, "topic", f"write to `{self._topic}`, the only topic you reach"
            )
        keyring = self._keyring_at(record.timestamp)
        if keyring.signs(self._party.id):
            authenticate(record, self._party, keyring, self._hub_input)
        statement = read(record, self._party, record.timestamp, codec())
        if statement.event_type.control:
            return statement, False
        key = key_of(record)
        if not is_uuid(key) or partition_of(key.encode("ascii"), self._partitions) != record.partition:
            raise unknown_key(key, record.partition, self._partitions)
        stated = self._keys.setdefault(key, _Stated(statement.event_type.without_subject))
        check_subject(statement.event_type, about_nobody=stated.about_nobody)
        digest = digest_of(statement, key, _NO_SECRET)
        if is_repeat(digest, self._digests.get(statement.event_id)):
            return statement, True
        place(statement, stated)
        self._digests[statement.event_id] = digest
        stated.note(statement)
        return statement, False

    def _keyring_at(self, instant: int) -> Keyring:
        return reduce(Keyring.after, (each for each in self._changes if each.recorded_at <= instant), self._keyring)

    def _remarks(self, given: GivenRecord, statement: Statement) -> Iterable[str]:
        ce_id, name = statement.attributes.id, statement.event_type.name
        if statement.event_type.control:
            if given.record.key is not None:
                yield "a sign of life has no key"
            return
        if ce_id[14] != "8":
            yield "`ce_id` is no UUID of version 8: derive it, so that stating a fact twice is one fact"
        if self._secret and given.source_ref is not None:
            derived = event_id(self._secret, statement.attributes.system, given.source_ref, name, given.revision)
            if derived != ce_id:
                yield f"`ce_id` is not the one derived from source reference and revision {given.revision}: `{derived}`"
        if given.revision > 0 and statement.corrects is None and name != RETRACTION:
            yield "a later revision names what it corrects in `ce_corrects`"
