"""Builds the record that a party gets: the disclosed form, or the taking back of one, under a dense number.

Rules:
- The envelope is cut like the payload: never the publisher's system, source reference, signature or recorded
  time. `ce_corrects`, correlation and causation go along only where the party was told of that very event.
- The key is the receiving party's own pseudonym for the citizen.
- A retraction has no value. A number that was overtaken by a later one of the same fact goes out as a retraction.
- `hub_decision` tells nothing by itself: it is drawn under the hub's secret from party and number.

From `hub.shard`, after the batch is stored; to `hub.broker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from contracts.cloudevents import DisclosureAttributes, disclosed_headers
from contracts.derived_ids import uuid_of
from contracts.event_types import EventType
from contracts.fact import ce_id_of, event_id_of
from contracts.schema_ids import SchemaIds
from hub.broker.ports import OutputRecord
from hub.case_timeline.timeline import CaseTimeline, Reader, TimelineFact
from hub.consent.policies import Policies
from hub.disclosure.cutter import cut

DISCLOSED: Final = "disclosed"
RETRACTED: Final = "retracted"
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(slots=True)
class Envelopes:
    """Builds the records of one shard."""

    reader: Reader
    schema_ids: SchemaIds
    policies: Policies
    secret: bytes
    shard: int
    _last_cut: tuple[str, int, frozenset[str]] | None = None
    _last_form: bytes | None = None
    _keyed: blake2b = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._keyed = blake2b(b"decision|%d|" % self.shard, key=self.secret, digest_size=16)

    def record(
        self,
        case: CaseTimeline,
        event_id: str,
        party: str,
        number: int,
        mask: int,
        key: str,
        at: int,
        payload: Mapping[str, Any] | None = None,
    ) -> OutputRecord:
        """Return the record that tells `party` what `mask` opens of one fact at `at`; an empty mask takes it back.

        `payload` is the fact's, where it is at hand; else it is decoded from the timeline.
        """
        entry = case.facts[event_id]
        fact = entry.record
        event_type = self.reader.catalogue.event_types[fact.event_type]
        value = self._form(case, entry, event_type, party, mask, at, payload) if mask else None
        corrects = fact.corrects
        attributes = DisclosureAttributes(
            ce_id_of(event_id),
            fact.party,
            event_type.ce_type,
            fact.published_at,
            number,
            DISCLOSED if value else RETRACTED,
            self.decision_reference(party, number),
            ce_id_of(corrects) if corrects and _was_told(case, corrects, party) else None,
            _if_told(case, entry, fact.correlation, party),
            _if_told(case, entry, fact.causation, party),
        )
        return OutputRecord(party, number, key.encode("ascii"), value, disclosed_headers(attributes))

    def _form(
        self,
        case: CaseTimeline,
        entry: TimelineFact,
        event_type: EventType,
        receiver: str,
        mask: int,
        at: int,
        payload: Mapping[str, Any] | None,
    ) -> bytes | None:
        """The disclosed form as framed Avro; `None` where nothing may be shown, whatever the mask says."""
        if case.enrolled is None:
            return None
        fact = entry.record
        withheld = _NONE
        if receiver != fact.party:
            policy = self.policies.in_force(case.enrolled.jurisdiction, at)
            withheld = policy.withheld_fields(event_type.name, receiver)
        this_cut = (fact.event_id, mask, withheld)
        # Those who are told of one fact come one after the other, and most of them may see the same of it.
        if this_cut != self._last_cut:
            if payload is None:
                payload = self.reader.codec.decode_body(fact.schema_id, fact.value)
            form = cut(event_type, payload, mask, withheld)
            schema_id = self.schema_ids.disclosed(event_type.name)
            self._last_form = None if form is None else self.reader.codec.encode_trusted(schema_id, form)
            self._last_cut = this_cut
        return self._last_form

    def decision_reference(self, party: str, number: int) -> str:
        """Return the `hub_decision` of a number: the same on every sending, meaningless to its reader."""
        keyed = self._keyed.copy()
        keyed.update(f"{party}|{number}".encode())
        return uuid_of(keyed.hexdigest())


def _was_told(case: CaseTimeline, event_id: str, party: str) -> bool:
    return party in case.told.get(event_id, ())


def _if_told(case: CaseTimeline, entry: TimelineFact, reference: str | None, party: str) -> str | None:
    if reference and _was_told(case, event_id_of(entry.outline.party, reference), party):
        return reference
    return None
