"""Admits the records of a batch, or parks them: from what the broker holds to facts on case timelines.

Rules:
- Records are handled in the order in which they were taken; each gets its recorded time, which never goes back.
- Keys and repeats are looked up once for the whole batch; what the batch itself adds is seen by what follows.
- Nothing is dropped: a record is admitted, a counted repeat, a control record of the hub, or parked.
- What ends a record that its publisher has parked is admitted; what amends a consent that is parked waits for it, and
  from then on that consent waits for a retry of both (`hub.shard.parking`). A retry (`hub.shard.retrying`) goes the
  same way as a first arrival.

Records come from `hub.broker`; facts go to `hub.case_timeline`, and what is stored into the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.fact import Fact, event_id_of
from contracts.failures import DamagedStore, Refused
from contracts.models import is_uuid
from contracts.parties import Party, PartyRegistry
from contracts.reasons import Reason
from contracts.topics import HUB_PARTY, Names
from hub.arrival.forwarded import is_forwarded, read_forwarded
from hub.arrival.gate import (
    RECEIPT,
    REFERENCES,
    Statement,
    check_subject,
    digest_of,
    fact_of,
    is_repeat,
    key_of,
    place,
    read,
    unknown_key,
)
from hub.arrival.keyring import Keyring, authentic_then, authenticate
from hub.arrival.principals import check_principal
from hub.arrival.recording import record_of
from hub.broker.ports import InputRecord
from hub.case_timeline.consent_ids import ids_of_consents
from hub.case_timeline.known_consents import GIVEN
from hub.case_timeline.timeline import NOTICE, RETRACTION, CaseTimeline
from hub.shard.arrived import Arrived, Lookups
from hub.shard.batch import Batch
from hub.shard.cases import Cases, HeldCase
from hub.shard.governance import Governance
from hub.shard.knowledge import WithParked
from hub.shard.merging import CONTROLS, Merging
from hub.shard.notices import notices_of
from hub.shard.parking import Parking
from hub.shard.reminders import ends_another
from hub.shard.resyncing import Resyncs
from hub.shard.retrying import Retrying
from hub.shard.signing_keys import KEY_CHANGES, take_change
from hub.shard.withdrawals import acknowledgement, answered, fences_of, owed, promise, waits_for
from hub.store.ports import Erased, Promise, ShardStore
from hub.store.records import CitizenEnrolled, FactRecorded, case_stream

HUB = Party(HUB_PARTY)


_SAID_AGAIN: Final = frozenset({"CitizenEnrolled", "KeyIssued"})
"""What the hub is told of a citizen whenever an agency asks for its key."""


@dataclass(slots=True)
class Admission:
    """Admits records into one shard."""

    store: ShardStore
    cases: Cases
    registry: PartyRegistry
    names: Names
    governance: Governance
    merging: Merging
    parking: Parking
    resyncs: Resyncs
    _party_of_topic: dict[str, Party] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._party_of_topic = {self.names.input(party.id): party for party in self.registry}
        self._party_of_topic[self.names.hub_input] = HUB

    def admit(self, records: Sequence[InputRecord], batch: Batch) -> None:
        """Admit or park every record, in order."""
        arrived = [self._read(record, batch) for record in records]
        # Keys that the batch itself gave out before anything was read count at once.
        lookups = Lookups(dict(batch.writes.keys), {})
        self.look_up(arrived, lookups)
        for one in arrived:
            batch.read_past(one.record)
            self.parking.expire(one.recorded_at, batch)
            try:
                self.handle(one, lookups, batch)
            except Refused as refused:
                # Without its traceback, whose frames hold what was read, and with that the failure itself: a cycle.
                self.parking.park(one.party.id, one.record, refused.with_traceback(None), one.recorded_at, batch)

    def look_up(self, arrived: Sequence[Arrived], lookups: Lookups) -> None:
        """Ask the store once for all keys and event ids; what the batch itself added stands.

        A key that has not the form of a pseudonym is not asked for: a database writes what it is asked into its log,
        and what stands there instead may be a national id.
        """
        pairs = {(one.party.id, one.key) for one in arrived if is_uuid(one.key)}
        for pair, case_id in self.store.cases_of(pairs).items():
            lookups.cases.setdefault(pair, case_id)
        event_ids = (one.statement.event_id for one in arrived if one.statement and one.key)
        for event_id, digest in self.store.digests(event_ids).items():
            lookups.digests.setdefault(event_id, digest)

    def _read(self, record: InputRecord, batch: Batch) -> Arrived:
        party = self._party_of_topic[record.topic]
        recorded_at = batch.clock_moves_to(record.timestamp)
        one = self.examine(record, party, recorded_at, batch.after.keyring)
        if one.statement is not None and one.statement.event_type.name in KEY_CHANGES:
            try:
                take_change(one.statement, recorded_at, self.registry, batch)
            except Refused as refused:
                return one._replace(statement=None, refused=refused)
        return one

    def examine(
        self, record: InputRecord, party: Party, recorded_at: int, keyring: Keyring, *, was_authentic: bool = False
    ) -> Arrived:
        try:
            signing_key = (
                authentic_then(record, party, keyring)
                if was_authentic
                else authenticate(record, party, keyring, self.names.hub_input)
            )
            if party is HUB and is_forwarded(record):
                forwarded = read_forwarded(record, self.cases.reader.codec)
                return Arrived(record, party, recorded_at, forwarded.statement, "", None, forwarded, keyring)
            statement = read(record, party, recorded_at, self.cases.reader.codec, signing_key)
            if party is HUB and signing_key:
                check_principal(statement.attributes.system, statement.event_type)
            key = "" if statement.event_type.control else key_of(record)
        except Refused as refused:
            # Without its traceback, whose frames would hold the record until memory is tidied up.
            return Arrived(record, party, recorded_at, None, "", refused.with_traceback(None), None, keyring)
        return Arrived(record, party, recorded_at, statement, key, None, None, keyring)

    def handle(self, one: Arrived, lookups: Lookups, batch: Batch) -> None:
        """Admit a record or count it as a repeat; raise `Refused`, also where its case was erased."""
        try:
            self._handle(one, lookups, batch)
        except Erased as erased:
            field = "key" if one.key else "caseId"
            raise Refused(Reason.UNKNOWN_KEY, field, "its case was erased: state nothing of it any more") from erased

    def _handle(self, one: Arrived, lookups: Lookups, batch: Batch) -> None:
        statement = one.statement
        if statement is None:
            raise one.refused or DamagedStore("a record was neither read nor refused")
        if one.forwarded is not None:
            self.merging.take(one.forwarded, one.recorded_at, batch, self._place_and_notify)
            if digest := batch.writes.digests.get(statement.event_id):
                lookups.digests.setdefault(statement.event_id, digest)
            return
        if statement.event_type.control:
            self._control(statement, one, lookups, batch)
            return
        case_id = lookups.cases.get((one.party.id, one.key))
        if case_id is None:
            raise unknown_key(one.key, one.record.partition, self.cases.partitions)
        about_nobody = case_id in self.cases.about_nobody
        check_subject(statement.event_type, about_nobody=about_nobody)
        digest, known = digest_of(statement, case_id, self.cases.secret), lookups.digests.get(statement.event_id)
        if self._is_repeat(statement, case_id, digest, known):
            batch.duplicates += 1
            return
        self._admit_fact(statement, case_id, one, batch)
        if known is None:
            lookups.digests[statement.event_id] = batch.writes.digests[statement.event_id] = digest
        if about_nobody:
            self.governance.note(statement.party, statement.event_type.name, batch)

    def _is_repeat(self, statement: Statement, case_id: str, digest: bytes, known: bytes | None) -> bool:
        if known is not None:
            repeats = self.merging.repeats(statement, case_id, known)
            if repeats is not None:
                return repeats
        return is_repeat(digest, known)

    def _admit_fact(self, statement: Statement, case_id: str, one: Arrived, batch: Batch) -> None:
        held, recorded_at = self.cases.get(case_id), one.recorded_at
        is_ending = statement.corrects is not None or statement.event_type.name == RETRACTION
        if is_ending or statement.event_type.name == RECEIPT:
            self.cases.hold_history(held)
        if held.timeline.merged_into is None:
            self._check_references(statement, held.timeline, one.key)
            self.merging.refuse_what_left(statement, held.timeline)
        if statement.event_type.name == GIVEN and one.parked_at is None:
            self._check_awaited(statement, held.timeline, one.key)
        fact = fact_of(statement, recorded_at)
        record = record_of(statement, case_id, held.timeline.version + 1, recorded_at)
        if is_ending:
            self._place_and_notify(held, record, fact, batch)
        else:
            self._place(held, record, fact, batch)
        if held.timeline.merged_into is None:
            batch.count_admitted(fact.party)

    def _check_references(self, statement: Statement, case: CaseTimeline, key: str) -> None:
        """Raise `Refused` where the event refers to what its publisher neither stated, nor was told, nor has parked."""
        if not statement.corrects and statement.event_type.name not in REFERENCES:
            return
        line = self.parking.line_of(statement.party, key)
        try:
            place(statement, WithParked(case, statement.event_id, self.parking, line))
        except Refused as refused:
            consent_id = statement.payload.get("consentId", "")
            if refused.reason != Reason.UNKNOWN_CONSENT or not self.parking.holds_consent(line, consent_id):
                raise
            fix = "the consent is parked: have it retried, and what waits for it follows"
            raise Refused(Reason.WAITS_FOR_PARKED, refused.field, fix) from refused

    def _check_awaited(self, statement: Statement, case: CaseTimeline, key: str) -> None:
        """Raise `Refused` where an amendment waits for this consent: alone it would open what the amendment closes."""
        consent_id = statement.payload["consentId"]
        if case.consent_known_to(consent_id, statement.party):
            return
        if self.parking.is_awaited(self.parking.line_of(statement.party, key), consent_id):
            fix = "an amendment of it waits for it: have either retried, and both come in together"
            raise Refused(Reason.WAITS_FOR_PARKED, "consentId", fix)

    def _place_and_notify(self, held: HeldCase, record: FactRecorded, fact: Fact, batch: Batch) -> None:
        """Place a fact, and tell those who were told of what it corrects or takes back, if it does."""
        self._place(held, record, fact, batch)
        if held.timeline.merged_into is None and ends_another(held.timeline.facts[fact.event_id]):
            self._notify(held, fact, batch)
            ended = held.timeline.facts.get(held.timeline.victim_of(fact.event_id) or "")
            if ended is not None and ended.outline.event_type == RECEIPT:
                self._note_owed(held, answered(ended.outline.references), batch)

    def _notify(self, held: HeldCase, ending: Fact, batch: Batch) -> None:
        """Put on the timeline what those hear who were told of the fact that `ending` corrects or takes back."""
        reader, secret = self.cases.reader, self.cases.secret
        for record, fact in notices_of(held.timeline, ending.event_id, ending.recorded_at, reader, secret):
            self._place(held, record, fact, batch)

    def _place(self, held: HeldCase, record: FactRecorded, fact: Fact, batch: Batch) -> None:
        """Put a fact on its timeline, into the batch, and up for settlement."""
        held.timeline.admit(record, fact, self.cases.reader)
        held.touched[fact.event_id] = None
        batch.writes.records.append(record)
        batch.payloads[fact.event_id] = fact.payload
        batch.touch(held)
        if held.timeline.merged_into is not None:
            self.merging.note(held, batch)
        elif fact.event_type == RECEIPT and fact.event_id not in held.timeline.dead:
            batch.writes.obligations[answered(fact.payload)] = None
        elif fact.event_type == NOTICE:
            self._note_owed(held, fact.event_id, batch)

    def _note_owed(self, held: HeldCase, notice: str, batch: Batch) -> None:
        """Note that a receipt for a notice is owed, if it is."""
        for one in owed(held.timeline, [notice], self.cases.reader, self.merging.receipt_within_ms):
            batch.writes.obligations[one.event_id] = one

    def _control(self, statement: Statement, one: Arrived, lookups: Lookups, batch: Batch) -> None:
        try:
            self._carry_out(statement, one, lookups, batch)
        except Erased:
            if statement.event_type.name not in _SAID_AGAIN:
                raise
            batch.passed_over += 1  # who asks for a key may not know that the citizen was erased, and learns nothing

    def _carry_out(self, statement: Statement, one: Arrived, lookups: Lookups, batch: Batch) -> None:
        payload, recorded_at = statement.payload, one.recorded_at
        match statement.event_type.name:
            case "ShardTicked":
                return  # its time is all it says, and the clock has that
            case "PublisherAlive":
                batch.hear(statement.party, recorded_at if one.parked_at is None else one.parked_at)
            case "CitizenEnrolled":
                self._enrol(payload, recorded_at, lookups, batch)
            case "KeyIssued":
                self._issue(payload["caseId"], payload["party"], payload["key"], lookups, batch)
            case "WithdrawalDelivered":
                self._acknowledge(payload, recorded_at, batch)
            case "ParkedRetried":
                party = self._party(payload["party"])
                Retrying(self.parking, self, one.keyring).retry(
                    party, payload["parkedNumber"], recorded_at, lookups, batch
                )
            case "ResyncRequested":
                self.resyncs.request(payload, recorded_at, batch)
            case change if change in KEY_CHANGES:
                return  # taken while the batch was read
            case merging if merging in CONTROLS:
                self.merging.control(merging, payload, recorded_at, batch, self._place_and_notify)
            case other:
                raise Refused(Reason.MAY_NOT_STATE, "ce_type", f"`{other}` is no control record of this version")

    def _party(self, party_id: str) -> Party:
        if party_id != HUB_PARTY and party_id not in self.registry:
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "party", "name a party of the registry")
        return HUB if party_id == HUB_PARTY else self.registry[party_id]

    def _acknowledge(self, payload: Mapping[str, Any], recorded_at: int, batch: Batch) -> None:
        """State that a withdrawal is done, if it stands; the promise is kept either way.

        Where it was said before, or the case was merged since and has promised nothing any more, it is passed over.
        Where another case has come since, or the consent has gone, the promise waits.
        """
        event_id, case_id = event_id_of(payload["party"], payload["targetEventId"]), payload["caseId"]
        promised = self.merging.promises.of_withdrawal(event_id, case_id, batch)
        if not promised:
            batch.passed_over += 1
            return
        try:
            self._answer(event_id, case_id, promised, recorded_at, batch)
        except Erased:
            batch.writes.promises[event_id] = ()  # nobody is left to whom it could be said

    def _answer(self, event_id: str, case_id: str, promised: Sequence[Promise], recorded_at: int, batch: Batch) -> None:
        held = self.cases.get(case_id)
        consents, fences = ids_of_consents(held.timeline), fences_of(promised)
        if waits_for(held.timeline, event_id, consents, recorded_at):
            batch.writes.promises[event_id] = promise(held.timeline, event_id, fences, consents, recorded_at)
            return
        self.cases.hold_history(held)
        stated = acknowledgement(held.timeline, event_id, recorded_at, self.cases.reader, self.cases.secret)
        if stated is None:
            batch.passed_over += 1
        else:
            self._place(held, *stated, batch)
        batch.writes.promises[event_id] = ()

    def _enrol(self, payload: Mapping[str, Any], recorded_at: int, lookups: Lookups, batch: Batch) -> None:
        case_id = payload["caseId"]
        held = self.cases.get(case_id)
        if held.timeline.version:
            batch.passed_over += 1
            return
        if payload["jurisdiction"] not in self.cases.policies:
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "jurisdiction", "name a jurisdiction with a rule set")
        record = CitizenEnrolled(case_stream(case_id), 1, recorded_at, payload["birthDate"], payload["jurisdiction"])
        held.timeline.fold(record, self.cases.reader)
        batch.writes.records.append(record)
        self._issue(case_id, HUB_PARTY, self.cases.derived_key(case_id, HUB_PARTY), lookups, batch)

    def _issue(self, case_id: str, party: str, key: str, lookups: Lookups, batch: Batch) -> None:
        """Note whose key it is. Keys are derived, so one that is not this party's own of this case is refused."""
        if self.cases.get(case_id).timeline.enrolled is None:
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "caseId", "enrol the citizen before a key is issued")
        if key != self.cases.derived_key(case_id, party):
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "key", "issue the key that the hub derives for case and party")
        lookups.cases[party, key] = batch.writes.keys[party, key] = case_id
