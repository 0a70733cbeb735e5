"""The gate: whether one record of a party's topic may enter, and if not, under which reason code it is parked.

Before it, `hub.arrival.keyring` judges whether the record may be whose it says it is: nothing else of it is decoded.

Two halves, both pure:
- `read` and `key_of` look at the record and its contract alone: size, frame, schema, Avro, headers, source, type,
  who may state it, values, partition. No lookup, no clock: the recorded time is handed in.
- `place` asks what the shard knows of this publisher's own records: the case behind its key, a repeat, what is
  corrected, which consent is amended.

Rules:
- A reason code depends only on the record, its contract and what its publisher may already know.
- Nothing of a value about a citizen goes into a message.
- A version of an event type that has a successor is taken until the day on which it ends. It is judged by its own
  contract; what goes on from here has the shape of the newest version, and the bytes stay those that were stated.

An `InputRecord` comes from `hub.broker`; what passes becomes a `Fact` on the case's timeline (`hub.shard`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from contracts.cloudevents import Attributes, parse_attributes
from contracts.codec import Codec
from contracts.event_types import EventType
from contracts.fact import Fact, event_id_of
from contracts.failures import Refused
from contracts.limits import VALUE_BYTES_MAX
from contracts.models import fault_in
from contracts.parties import Party
from contracts.partitioning import partition_of
from contracts.reasons import Reason
from contracts.topics import HUB_PARTY
from hub.broker.ports import InputRecord

KEY_BYTES_MAX: Final = 64
CLOCK_SKEW_MS_MAX: Final = 60_000
"""How far an agency's clock may be ahead of the broker's before its fact counts as in the future."""

PUBLISHED: Final = "published"
RETRACTION: Final = "EventRetracted"
RECEIPT: Final = "RemovalReceipted"
_USE_THE_PSEUDONYM: Final = "use the pseudonym that the hub gave this party for the citizen"
_NOT_ITSELF: Final = (
    "name another event than this one, which would end before it stands; and give this one a new `ce_id`"
)


class Statement(NamedTuple):
    """A record that is sound in itself, whoever it is about.

    `event_type` is the version that was stated; `payload` has the shape of the newest one.
    """

    party: str
    event_id: str
    event_type: EventType
    attributes: Attributes
    payload: Mapping[str, Any]
    schema_id: int
    body: bytes
    framed: bytes
    signing_key: str = ""
    """The id of the key that signed it, empty where nothing did."""

    @property
    def occurred_at(self) -> int:
        """When it happened, says the agency (milliseconds)."""
        return int(self.payload["occurredAt"])

    @property
    def corrects(self) -> str | None:
        """The event id that this one replaces."""
        return event_id_of(self.party, self.attributes.corrects) if self.attributes.corrects else None


class Knowledge(Protocol):
    """What the gate may ask of one case; all of it the publisher's own, or told to the publisher."""

    def is_live(self, event_id: str, event_type: str | None) -> bool:
        """Whether the event is on the timeline (as `event_type`, if given), neither corrected nor retracted."""

    def is_notice_to(self, event_id: str, party: str) -> bool:
        """Whether the event is a notice that the hub addressed to `party`."""

    def consent_known_to(self, consent_id: str, party: str) -> bool:
        """Whether `party` collected the consent, is named in it, or is the citizen, whose consent it is."""


def read(record: InputRecord, party: Party, recorded_at: int, codec: Codec, signing_key: str = "") -> Statement:
    """Return what `record` states, checked against its contract, or raise `Refused` with its reason code.

    `signing_key`: the id of the key under which it was found authentic.
    """
    value = record.value
    if not value:
        raise Refused(Reason.EMPTY_VALUE, "value", "send the framed Avro record; `in.*` topics have no tombstones")
    if len(value) > VALUE_BYTES_MAX:
        raise Refused(Reason.TOO_LARGE, "value", f"keep a record at or below {VALUE_BYTES_MAX} bytes")
    decoded = codec.decode(value)
    if decoded.form != PUBLISHED:
        raise Refused(Reason.UNKNOWN_SCHEMA, "schema id", "use the id of the published form, not of the disclosed one")
    attributes = parse_attributes(record.headers)
    event_type = decoded.event_type
    _check_who(attributes, event_type, party)
    if event_type.ends_at is not None and recorded_at >= event_type.ends_at:
        # Also for a record that came in time and is retried too late: no word of an ended contract is taken any more.
        fix = (
            f"version {event_type.version} of `{event_type.name}` has ended and no retry brings it in: its publisher "
            "states the fact anew in a version that goes on"
        )
        raise Refused(Reason.UNKNOWN_SCHEMA, "schema id", fix)
    if fault := fault_in(event_type, decoded.payload):
        field, rule = fault
        raise Refused(Reason.VALUE_OUTSIDE_MODEL, field, rule)
    if decoded.payload["occurredAt"] > recorded_at + CLOCK_SKEW_MS_MAX:
        raise Refused(Reason.IN_THE_FUTURE, "occurredAt", "state a fact when it has happened; check the clock")
    event_id = event_id_of(party.id, attributes.id)
    payload = codec.newest(decoded.schema_id, decoded.payload)
    schema_id, body = decoded.schema_id, decoded.body
    return Statement(party.id, event_id, event_type, attributes, payload, schema_id, body, value, signing_key)


def _check_who(attributes: Attributes, event_type: EventType, party: Party) -> None:
    check_source(attributes.party, party)
    if attributes.type != event_type.ce_type:
        raise Refused(Reason.TYPE_NOT_SCHEMAS, "ce_type", f"the value's schema belongs to `{event_type.ce_type}`")
    if not event_type.may_state(party.role):
        raise Refused(
            Reason.MAY_NOT_STATE, "ce_type", f"role `{party.role}` may not state `{event_type.name}`; see its contract"
        )


def check_source(claimed: str, party: Party) -> None:
    """Raise `Refused` where the party that a record claims to come from is not the one whose topic it lies on."""
    if claimed != party.id:
        raise Refused(
            Reason.SOURCE_NOT_TOPICS_PARTY, "ce_source", "publish on the topic of the party that the source names"
        )


def key_of(record: InputRecord) -> str:
    """Return the key of `record`, or raise `Refused` where it cannot be a pseudonym."""
    key = record.key or b""
    if not key or len(key) > KEY_BYTES_MAX or not key.isascii():
        raise Refused(Reason.UNKNOWN_KEY, "key", _USE_THE_PSEUDONYM)
    return key.decode("ascii")


def unknown_key(key: str, partition: int, partitions: int) -> Refused:
    """Return why no case is behind `key` on `partition`: it lies elsewhere, or it is nobody's.

    Only an unknown key needs this: a known one was issued for the shard that knows it.
    """
    if partition_of(key.encode("ascii"), partitions) != partition:
        fix = "partition by murmur2 of the key (librdkafka: `partitioner=murmur2_random`)"
        return Refused(Reason.WRONG_PARTITION, "partition", fix)
    return Refused(Reason.UNKNOWN_KEY, "key", _USE_THE_PSEUDONYM)


def check_subject(event_type: EventType, *, about_nobody: bool) -> None:
    """Raise `Refused` where a fact about no citizen stands under a citizen's key, or the other way round."""
    if event_type.without_subject == about_nobody or event_type.name == RETRACTION:
        return
    fix = (
        _USE_THE_PSEUDONYM if about_nobody else "use the key that the hub gave this party for what is about no citizen"
    )
    raise Refused(Reason.UNKNOWN_KEY, "key", fix)


def digest_of(statement: Statement, case_id: str, secret: bytes) -> bytes:
    """Return what a repeat of this event must equal: all that it states, of whom; not when it was sent.

    Keyed by the hub's secret (32 bytes): after erasure nobody can test a guess at the content against it.
    """
    attributes = statement.attributes
    parts = (case_id, attributes.source, attributes.type, attributes.corrects or "")
    digest = hashlib.blake2b("\n".join(parts).encode() + b"\n", key=secret, digest_size=32)
    digest.update(statement.framed)
    return digest.digest()


def is_repeat(digest: bytes, known: bytes | None) -> bool:
    """Whether the event of this digest is stored already; raise `Refused` where the same id states something else."""
    if known is None:
        return False
    if known != digest:
        raise Refused(
            Reason.SAME_ID_OTHER_BYTES, "ce_id", "state a changed fact as the next revision, with `ce_corrects`"
        )
    return True


def place(statement: Statement, case: Knowledge) -> None:
    """Raise `Refused` where the event refers to something that this publisher has not stated or been told."""
    corrected = statement.corrects
    if corrected == statement.event_id:
        raise Refused(Reason.CORRECTS_NOTHING, "ce_corrects", _NOT_ITSELF)
    if corrected and not case.is_live(corrected, statement.event_type.name):
        raise Refused(
            Reason.CORRECTS_NOTHING,
            "ce_corrects",
            "name the newest revision of an event of the same type, stated by this party of this citizen",
        )
    check = REFERENCES.get(statement.event_type.name)
    if check:
        check(statement, case)


def _check_retraction(statement: Statement, case: Knowledge) -> None:
    target = event_id_of(statement.party, statement.payload["targetEventId"])
    if target == statement.event_id:
        raise Refused(Reason.CORRECTS_NOTHING, "targetEventId", _NOT_ITSELF)
    if not case.is_live(target, None):
        raise Refused(
            Reason.CORRECTS_NOTHING, "targetEventId", "name the newest revision of an event that this party stated"
        )


def _check_amendment(statement: Statement, case: Knowledge) -> None:
    if not case.consent_known_to(statement.payload["consentId"], statement.party):
        raise Refused(
            Reason.UNKNOWN_CONSENT,
            "consentId",
            "amend a consent that this party collected or is named in, given before",
        )


def _check_receipt(statement: Statement, case: Knowledge) -> None:
    payload = statement.payload
    if not case.is_notice_to(event_id_of(HUB_PARTY, payload["targetEventId"]), statement.party):
        raise Refused(
            Reason.ANSWERS_NOTHING, "targetEventId", "name the `ce_id` of a `RecipientNotified` that you were sent"
        )
    if payload["outcome"] != "PURGED" and not payload.get("legalBasisCode"):
        raise Refused(Reason.VALUE_OUTSIDE_MODEL, "legalBasisCode", "name the ground on which it is kept")


REFERENCES: Final[Mapping[str, Callable[[Statement, Knowledge], None]]] = {
    RETRACTION: _check_retraction,
    "ConsentAmended": _check_amendment,
    RECEIPT: _check_receipt,
}
"""The event types that refer to an earlier one in their payload, and how that reference is checked."""


def fact_of(statement: Statement, recorded_at: int) -> Fact:
    """Return the fact that an admitted record states, with the hub's recorded time."""
    return Fact(
        statement.event_id,
        statement.event_type.name,
        statement.party,
        statement.occurred_at,
        recorded_at,
        statement.payload,
        statement.corrects,
    )
