"""Builds the record that a party gets: the disclosed form, or the taking back of one, under a dense number.

Rules:
- The envelope is cut like the payload: never the publisher's system, source reference, signature or recorded
  time. `ce_corrects`, correlation and causation go along only where the party was told of that very event.
- The key is the receiving party's own pseudonym for the citizen.
- A party is told in the newest version of an event type, or in the earlier one that the registry says it still reads.
- A retraction has no value. A number that was overtaken by a later one of the same fact goes out as a retraction.
- A number of a case that was erased before it was sent, or that shows nothing of a fact of which nothing has left, goes
  out as the taking back of an event that nobody has.
- `hub_decision` tells nothing by itself: it is drawn under the hub's secret from party and number.

From `hub.shard`, after the batch is stored; to `hub.broker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from contracts.avro_schemas import Form
from contracts.catalogue import Catalogue
from contracts.cloudevents import Effect, Headers, disclosed_event_headers, link_headers, numbered_headers
from contracts.derived_ids import uuid_of
from contracts.event_types import EventType
from contracts.fact import ce_id_of, event_id_of
from contracts.parties import PartyRegistry
from contracts.schema_ids import SchemaIds
from contracts.topics import HUB_PARTY
from hub.broker.ports import OutputRecord
from hub.case_timeline.timeline import NOTICE, CaseTimeline, Reader, TimelineFact
from hub.consent.policies import Policies
from hub.disclosure.cutter import cut

_NONE: Final[frozenset[str]] = frozenset()


class DecisionIds:
    """The `hub_decision` of each number that one shard gives out, for who has the hub's `secret`."""

    def __init__(self, secret: bytes, shard: int) -> None:
        self._keyed = blake2b(b"decision|%d|" % shard, key=secret, digest_size=16)

    def of(self, party: str, number: int) -> str:
        """Return the `hub_decision` of a number: the same on every sending, meaningless to its reader."""
        keyed = self._keyed.copy()
        keyed.update(f"{party}|{number}".encode())
        return uuid_of(keyed.hexdigest())


@dataclass(slots=True)
class Envelopes:
    """Builds the records of one shard."""

    reader: Reader
    schema_ids: SchemaIds
    policies: Policies
    secret: bytes
    shard: int
    read_earlier: Mapping[tuple[str, str], EventType] = field(default_factory=dict)
    """(Party, event type) -> the earlier version in which that party is told of it."""
    _last_cut: tuple[str, int, frozenset[str], EventType | None] | None = None
    _last_form: bytes | None = None
    _last_event: str = ""
    _event: Headers = ()
    _decision_ids: DecisionIds = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._decision_ids = DecisionIds(self.secret, self.shard)

    def form(
        self,
        case: CaseTimeline,
        event_id: str,
        receiver: str,
        mask: int,
        at: int,
        payload: Mapping[str, Any] | None = None,
    ) -> bytes | None:
        """Return what `mask` opens of one fact to `receiver` at `at`, as framed Avro; `None` where that is nothing.

        `payload` is the fact's, where it is at hand; else it is decoded from the timeline.
        """
        if not mask or case.enrolled is None:
            return None
        fact = case.facts[event_id].record
        withheld = _NONE
        if receiver != fact.party:
            policy = self.policies.in_force(case.enrolled.jurisdiction, at)
            withheld = policy.withheld_fields(fact.event_type, receiver)
        earlier = self._earlier(receiver, fact.event_type)
        this_cut = (event_id, mask, withheld, earlier)
        # Those who are told of one fact come one after the other, and most of them may see the same of it.
        if this_cut != self._last_cut:
            if payload is None:
                payload = self.reader.codec.decode_body(fact.schema_id, fact.value)
            form = cut(self.reader.catalogue.event_types[fact.event_type], payload, mask, withheld)
            self._last_form = None if form is None else self._encoded(fact.event_type, form, earlier)
            self._last_cut = this_cut
        return self._last_form

    def _earlier(self, party: str, event_type: str) -> EventType | None:
        return self.read_earlier.get((party, event_type)) if self.read_earlier else None

    def _encoded(self, event_type: str, form: dict[str, Any], earlier: EventType | None) -> bytes:
        if earlier is None:
            return self.reader.codec.encode_trusted(self.schema_ids.disclosed(event_type), form)
        schema_id = self.schema_ids.of_version(event_type, earlier.version, Form.DISCLOSED)
        return self.reader.codec.encode_trusted(schema_id, self.reader.codec.older(schema_id, form))

    def record(
        self, case: CaseTimeline, event_id: str, party: str, number: int, key: str, form: bytes | None
    ) -> OutputRecord:
        """Return the record that tells `party` the `form` of one fact; without one it takes the fact back."""
        entry = case.facts[event_id]
        fact = entry.record
        if event_id != self._last_event or self.read_earlier:
            # Those who are told of one fact come one after the other, and nearly always in one version.
            event_type = self._earlier(party, fact.event_type) or self.reader.catalogue.event_types[fact.event_type]
            self._event = disclosed_event_headers(ce_id_of(event_id), fact.party, event_type.ce_type, fact.published_at)
            self._last_event = event_id
        event = self._event
        if fact.corrects or fact.correlation or fact.causation:
            event = [*event, *_links(case, entry, party)]
        effect: Effect = "disclosed" if form else "retracted"
        headers = numbered_headers(event, number, self._decision_ids.of(party, number), effect)
        return OutputRecord(party, number, key.encode("ascii"), form, headers)

    def empty(self, party: str, number: int, key: str, at: int) -> OutputRecord:
        """Return a record that tells nothing and names no fact: it takes back what nobody has."""
        decision = self._decision_ids.of(party, number)
        notice = self.reader.catalogue.event_types[NOTICE]
        headers = disclosed_event_headers(decision, HUB_PARTY, notice.ce_type, at)
        return OutputRecord(
            party, number, key.encode("ascii"), None, numbered_headers(headers, number, decision, "retracted")
        )


def _links(case: CaseTimeline, entry: TimelineFact, party: str) -> Headers:
    """The headers that name other events, each only where the party was told of that event."""
    fact = entry.record
    corrects = fact.corrects
    return link_headers(
        ce_id_of(corrects) if corrects and _was_told(case, corrects, party) else None,
        _if_told(case, entry, fact.correlation, party),
        _if_told(case, entry, fact.causation, party),
    )


def earlier_versions_read(registry: PartyRegistry, contracts: Catalogue) -> dict[tuple[str, str], EventType]:
    """Return what the parties of `registry` still read in an earlier version (`Envelopes.read_earlier`)."""
    return {
        (party.id, name): contracts.versions(name)[version - 1] for party in registry for name, version in party.reads
    }


def _was_told(case: CaseTimeline, event_id: str, party: str) -> bool:
    return party in case.told.get(event_id, ())


def _if_told(case: CaseTimeline, entry: TimelineFact, reference: str | None, party: str) -> str | None:
    if reference and _was_told(case, event_id_of(entry.outline.party, reference), party):
        return reference
    return None
