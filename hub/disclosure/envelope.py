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
from dataclasses import dataclass
from typing import Any, Final

from contracts.cloudevents import DisclosureAttributes, disclosed_headers
from contracts.derived_ids import derived_id
from contracts.event_types import EventType
from contracts.fact import ce_id_of, event_id_of
from contracts.schema_ids import SchemaIds
from hub.broker.ports import OutputRecord
from hub.case_timeline.timeline import CaseTimeline, Reader, TimelineFact
from hub.consent.policy import Policy
from hub.disclosure.cutter import cut

DISCLOSED: Final = "disclosed"
RETRACTED: Final = "retracted"
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Builds the records of one shard."""

    reader: Reader
    schema_ids: SchemaIds
    policies: Mapping[str, Policy]
    secret: bytes
    shard: int

    def record(
        self,
        case: CaseTimeline,
        event_id: str,
        party: str,
        number: int,
        mask: int,
        key: str,
        payload: Mapping[str, Any] | None = None,
    ) -> OutputRecord:
        """Return the record that tells `party` what `mask` opens of one fact; an empty mask takes it back.

        `payload` is the fact's, where it is at hand; else it is decoded from the timeline.
        """
        entry = case.facts[event_id]
        event_type = self.reader.catalogue.event_types[entry.outline.event_type]
        value = None
        if mask:
            if payload is None:
                payload = self.reader.codec.decode_body(entry.schema_id, entry.body)
            value = self._form(case, event_type, payload, mask, party, own=party == entry.outline.party)
        attributes = DisclosureAttributes(
            id=ce_id_of(event_id),
            party=entry.outline.party,
            type=event_type.ce_type,
            time=entry.published_at,
            number=number,
            effect=DISCLOSED if value else RETRACTED,
            decision=self.decision_reference(party, number),
            corrects=ce_id_of(entry.corrects) if entry.corrects and _was_told(case, entry.corrects, party) else None,
            correlation=_if_told(case, entry, entry.correlation, party),
            causation=_if_told(case, entry, entry.causation, party),
        )
        return OutputRecord(party, number, key.encode("ascii"), value, disclosed_headers(attributes))

    def _form(
        self, case: CaseTimeline, event_type: EventType, payload: Mapping[str, Any], mask: int, receiver: str, own: bool
    ) -> bytes | None:
        """The disclosed form as framed Avro; `None` where nothing may be shown, whatever the mask says."""
        if case.enrolled is None:
            return None
        withheld = (
            _NONE if own else self.policies[case.enrolled.jurisdiction].withheld_fields(event_type.name, receiver)
        )
        form = cut(event_type, payload, mask, withheld)
        return None if form is None else self.reader.codec.encode(self.schema_ids.disclosed(event_type.name), form)

    def decision_reference(self, party: str, number: int) -> str:
        """Return the `hub_decision` of a number: the same on every sending, meaningless to its reader."""
        return derived_id(self.secret, "decision", str(self.shard), party, str(number))


def _was_told(case: CaseTimeline, event_id: str, party: str) -> bool:
    return party in case.told.get(event_id, ())


def _if_told(case: CaseTimeline, entry: TimelineFact, reference: str | None, party: str) -> str | None:
    if reference and _was_told(case, event_id_of(entry.outline.party, reference), party):
        return reference
    return None
