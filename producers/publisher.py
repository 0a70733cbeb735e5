"""The publisher that an agency embeds: states facts on the agency's own topic, each checked before it leaves.

Rules:
- Nothing is sent that breaks its contract: the failure names the field, the rule and the fix.
- The id is derived from the source reference, so a program that does not know whether it has stated a fact
  states it again; the hub counts it once.
- A correction is the next revision and names the one before. A retraction names what it takes back.
- `ce_time` is the time of publishing, from the clock handed in; `occurred_at` is the agency's own.
- A sign of life is about no citizen and without a key, so that silence never depends on what anybody's case is like.
- With a signing key every record is signed, signs of life too; see `contracts.signatures`.
- The key is the publisher's own pseudonym for the citizen; no national id, name or case number belongs in it,
  nor in a source reference: that only enters the id, under the publisher's secret.

A statement comes from `producers.agencies`, a record leaves through `producers.transport`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

from contracts.catalogue import catalogue
from contracts.civil_time import instant_of, moment_of
from contracts.cloudevents import Attributes, published_headers
from contracts.codec import codec
from contracts.derived_ids import require_secret
from contracts.event_types import EventType
from contracts.failures import BadSetting, InvalidFact
from contracts.limits import INSTANT_MAX, INSTANT_MIN, VALUE_BYTES_MAX
from contracts.models import checked, is_uuid
from contracts.parties import PARTY_ID, Party
from contracts.schema_ids import schema_ids
from contracts.signatures import SigningKey, signed_headers
from contracts.topics import Names
from producers.event_ids import event_id
from producers.statement import Statement
from producers.transport import OutgoingRecord, Position, Transport

RETRACTION: Final = "EventRetracted"
ALIVE: Final = "PublisherAlive"
SYSTEM: Final = re.compile(r"[A-Za-z0-9-]{1,40}")


class Circumstances(TypedDict, total=False):
    """What may be said about a statement besides its content.

    `revision`: 0 for the first statement, then 1, 2 … for corrections. `corrects`: the `ce_id` that this replaces;
    by itself the previous revision's. `correlation`, `causation`: ids of related events. `published_at`: instead
    of the clock. `timestamp_ms`: the Kafka timestamp, in a played world only.
    """

    revision: int
    corrects: str | None
    correlation: str | None
    causation: str | None
    published_at: datetime | int | None
    timestamp_ms: int | None


def now_ms() -> int:
    """Return the machine's time as milliseconds."""
    return time.time_ns() // 1_000_000


class Publisher:
    """Publishes the facts of one party out of one of its systems.

    `secret` (32 bytes or more) stays the party's own and never changes: under a new one, old facts stated again
    would be new facts. `system` names the source system; two systems may use the same source references.
    `signing_key`: the party's, once it has registered one; it may change.
    """

    def __init__(
        self,
        party_id: str,
        transport: Transport,
        secret: bytes,
        system: str = "main",
        names: Names | None = None,
        clock: Callable[[], int] = now_ms,
        signing_key: SigningKey | None = None,
    ) -> None:
        require_secret(secret, "the publisher's secret")
        if not PARTY_ID.fullmatch(party_id):
            raise BadSetting(f"party id `{party_id}`: expected one of the registry, such as `A.SOC`")
        if not SYSTEM.fullmatch(system):
            raise BadSetting(f"system `{system}`: expected 1 to 40 letters, digits and `-`")
        self._party = Party(party_id)
        self._transport = transport
        self._secret = secret
        self._system = system
        self._source = f"urn:party:{party_id}:{system}"
        self._topic = (names or Names()).input(party_id)
        self._clock = clock
        self._signing_key = signing_key

    def event_id(self, event_type: str, source_ref: str, revision: int = 0) -> str:
        """Return the `ce_id` that this publisher gives that revision of that fact, published or not.

        Raises `InvalidFact` for a source reference or revision that is none.
        """
        _check_source_ref(source_ref)
        if not isinstance(revision, int) or isinstance(revision, bool) or revision < 0:
            raise InvalidFact("revision", "is a whole number from 0", "count from 0, the first statement")
        return event_id(self._secret, self._system, source_ref, event_type, revision)

    def publish(
        self, statement: Statement, *, key: str, source_ref: str, **circumstances: Unpack[Circumstances]
    ) -> Position:
        """Check `statement`, store it on the party's topic and return where it lies.

        `key`: this party's own pseudonym for the citizen. `source_ref`: where the fact is kept in the party's
        system. Raises `InvalidFact` (nothing sent) or `TransportFailure` (state it again).
        """
        return self._send(self.prepare(statement, key=key, source_ref=source_ref, **circumstances))

    def publish_values(
        self,
        event_type: str,
        values: Mapping[str, Any],
        *,
        occurred_at: datetime | int,
        key: str,
        source_ref: str,
        **circumstances: Unpack[Circumstances],
    ) -> Position:
        """Publish a fact by the name of its event type, for programs that carry facts of any type."""
        record = self._record(event_type, values, occurred_at, key, source_ref, circumstances)
        return self._send(record)

    def prepare(
        self, statement: Statement, *, key: str, source_ref: str, **circumstances: Unpack[Circumstances]
    ) -> OutgoingRecord:
        """Check `statement` and return its record, to be sent with others by `publish_many`."""
        return self._record(
            statement.event_type, statement.values, statement.occurred_at, key, source_ref, circumstances
        )

    def publish_many(self, records: Iterable[OutgoingRecord]) -> list[Position]:
        """Store prepared records in order and return where each lies; much faster than one by one.

        Raises `TransportFailure` unless all are stored: then send all of them again, repeats have no effect.
        """
        return list(self._transport.send_many(list(records)))

    def retract(
        self,
        event_type: str,
        source_ref: str,
        *,
        key: str,
        reason: str,
        at: datetime,
        revision: int = 0,
        published_at: datetime | int | None = None,
        timestamp_ms: int | None = None,
    ) -> Position:
        """Take back that revision of that fact: it shall never have been stated. `reason` is a `RetractionReason`.

        `at` is when the agency decided so. The same retraction stated again with the same `at` has no effect.
        """
        target = self.event_id(event_type, source_ref, revision)
        values = {"targetEventId": target, "at": at, "reason": reason}
        # The target's id is the source reference: two facts kept under one reference are retracted apart.
        circumstances = Circumstances(published_at=published_at, timestamp_ms=timestamp_ms)
        record = self._record(RETRACTION, values, at, key, target, circumstances)
        return self._send(record)

    def alive(self) -> list[Position]:
        """Give a sign of life: this system works and has stated what there was to state. About no citizen.

        Called every so often, also when nothing was stated, more often than the party's `silent_after_seconds`. Raises
        `TransportFailure`: then give another one; `InvalidFact` where the clock is out of the years of a record.
        """
        now = _instant("published_at", self._clock())
        event_type = catalogue().event_types[ALIVE]
        payload = checked(event_type, {"occurredAt": moment_of(now)})
        attributes = Attributes(
            id=self.event_id(ALIVE, str(now)), source=self._source, type=event_type.ce_type, time=now
        )
        value = codec().encode(schema_ids().published(ALIVE), payload)
        return list(self._transport.send_to_all(self._topic, value, self._headers(attributes, b"", value)))

    def _send(self, record: OutgoingRecord) -> Position:
        return self._transport.send(record.topic, record.key, record.value, record.headers, record.timestamp_ms)

    def _record(
        self,
        event_type_name: str,
        values: Mapping[str, Any],
        occurred_at: datetime | int,
        key: str,
        source_ref: str,
        circumstances: Circumstances,
    ) -> OutgoingRecord:
        event_type = self._statable(event_type_name)
        _check_uuid("key", key, "use your own key of the citizen, as `hub identity key` answers it, no national id")
        for link in ("corrects", "correlation", "causation"):
            if (stated := circumstances.get(link)) is not None:
                _check_uuid(link, stated, "use the `ce_id` of an event, as `Publisher.event_id` gives it")
        _check_source_ref(source_ref)
        moment = occurred_at if isinstance(occurred_at, datetime) else moment_of(_instant("occurredAt", occurred_at))
        payload = checked(event_type, {**values, "occurredAt": moment})
        value = codec().encode(schema_ids().published(event_type.name), payload)
        if len(value) > VALUE_BYTES_MAX:
            raise InvalidFact(
                "value",
                f"has `{len(value)}` bytes, at most `{VALUE_BYTES_MAX}` are taken",
                "shorten its texts or state its lists as several events",
            )
        published_at = circumstances.get("published_at")
        attributes = Attributes(
            id=self.event_id(event_type.name, source_ref, circumstances.get("revision", 0)),
            source=self._source,
            type=event_type.ce_type,
            time=_instant("published_at", self._clock() if published_at is None else published_at),
            corrects=self._corrected(event_type, source_ref, circumstances),
            correlation=circumstances.get("correlation"),
            causation=circumstances.get("causation"),
        )
        return OutgoingRecord(
            self._topic,
            key.encode("ascii"),
            value,
            self._headers(attributes, key.encode("ascii"), value),
            circumstances.get("timestamp_ms"),
        )

    def _headers(self, attributes: Attributes, key: bytes, value: bytes) -> list[tuple[str, bytes]]:
        headers = published_headers(attributes)
        if self._signing_key is None:
            return headers
        return signed_headers(self._signing_key, self._topic, key, headers, value)

    def _statable(self, name: str) -> EventType:
        event_type = catalogue().event_types.get(name)
        if event_type is None:
            raise InvalidFact("event_type", f"`{name}` is in no contract", "choose one that `hub contracts list` names")
        if not event_type.may_state(self._party.role):
            roles = ", ".join(event_type.stated_by)
            raise InvalidFact(
                "event_type",
                f"`{name}` may not be stated by `{self._party.role}`",
                f"only {roles} may state it: publish as such a party or choose another event type",
            )
        return event_type

    def _corrected(self, event_type: EventType, source_ref: str, circumstances: Circumstances) -> str | None:
        revision = circumstances.get("revision", 0)
        stated = circumstances.get("corrects")
        if stated is not None or revision == 0:
            return stated
        return self.event_id(event_type.name, source_ref, revision - 1)


def _instant(field: str, moment: object) -> int:
    """The instant that a caller gave as a datetime or as milliseconds, within the years that a record can carry."""
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            raise InvalidFact(field, "has no time zone", "give a datetime with one, such as `datetime.now(UTC)`")
        instant = instant_of(moment)
    elif isinstance(moment, int) and not isinstance(moment, bool):
        instant = moment
    else:
        raise InvalidFact(field, "is an instant", "give a datetime with a time zone, or milliseconds since 1970")
    if not INSTANT_MIN <= instant <= INSTANT_MAX:
        raise InvalidFact(field, "is of no year from 1900 to 2199", "give milliseconds since 1970, or correct the date")
    return instant


def _check_source_ref(source_ref: object) -> None:
    # Not shown either: it may have a name or a number of the citizen in it.
    if not isinstance(source_ref, str) or not source_ref:
        raise InvalidFact("source_ref", "is empty or no text", "give the place of the fact in your own system")
    try:
        source_ref.encode()
    except UnicodeEncodeError:
        raise InvalidFact("source_ref", "has half a surrogate pair", "give text that UTF-8 can write") from None


def _check_uuid(field: str, text: object, fix: str) -> None:
    # The value is never shown: whoever gets this wrong may have put a national id here.
    if not isinstance(text, str) or not is_uuid(text):
        raise InvalidFact(field, "is not a lower-case uuid", fix)
