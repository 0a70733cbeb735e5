"""Merges of cases, as one shard takes part in them: what control records and forwarded facts do to its cases.

Rules:
- Whatever is said twice has no further effect: the hub's own input is at-least-once. A word of another case that is not
  newer than the last of its kind has none either, however late it is stored, and none of an earlier merge has; nor has
  a fact from a case that is not, or no longer, merged with this one.
- A step is put on the timeline, and what it obliges the case to tell the other one is stored in the same transaction;
  `hub.shard.forwarding` sends it.
- A forwarded fact was judged where it was first stated, but for what it refers to: where it came after the merge, that
  may stand here only. One that refers to nothing is parked for its publisher, under its key for this case.
- A case about no citizen takes no part.

From `hub.shard.admission`; which case belongs to whom is `hub.identity`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from contracts.fact import Fact
from contracts.failures import Refused
from contracts.reasons import Reason
from contracts.topics import HUB_PARTY, Names
from hub.arrival.forwarded import Forwarded, forwarded_record, read_forwarded
from hub.arrival.gate import Statement, digest_of, fact_of, place
from hub.arrival.recording import record_of
from hub.broker.ports import InputRecord
from hub.case_timeline.merges import (
    ALL_HAVE_COME,
    ALL_REMOVED,
    FACTS_COME,
    GIVEN_BACK,
    TAKEN_BACK,
    leaving_with,
    left_with_another,
)
from hub.case_timeline.timeline import (
    CONFIRMED,
    JOINED,
    JOINING,
    LEAVING,
    LEFT,
    MERGED,
    NOTICE,
    REMOVED,
    REOPENED,
    UNJUDGED,
    CaseTimeline,
)
from hub.shard.batch import Batch
from hub.shard.cases import Cases, HeldCase
from hub.shard.knowledge import OfCase
from hub.shard.parking import Parking
from hub.shard.parking_notices import OFFSET_UNKNOWN
from hub.shard.promises import Promises
from hub.shard.withdrawals import REMOVAL_DELIVERED, owed
from hub.store.ports import ShardStore, removal_step
from hub.store.records import CitizenEnrolled, FactRecorded, MergeStepped, Origin, ToldElsewhere, case_stream

MERGE: Final = "CaseMerged"
UNLINK: Final = "CaseUnlinked"
FOLLOWS: Final[Mapping[str, str]] = {
    FACTS_COME: JOINING,
    ALL_HAVE_COME: JOINED,
    TAKEN_BACK: LEFT,
    GIVEN_BACK: REOPENED,
    ALL_REMOVED: CONFIRMED,
}
"""The step that follows from each word of another case."""
CONTROLS: Final = frozenset({MERGE, UNLINK, REMOVAL_DELIVERED, *FOLLOWS})

PlaceFact = Callable[[HeldCase, FactRecorded, Fact, Batch], None]
"""Puts a fact on its timeline, into the batch, and up for settlement."""


class _Said(NamedTuple):
    """What a control record says of a merge with `other`; `change` is that of the case that is or was closed.

    `version` is that of the other case's record from which its word follows; 0 where the hub itself speaks, and where
    the word is of the first version, which did not say it.
    """

    other: str
    shard: int
    change: int
    version: int
    recorded_at: int


@dataclass(slots=True)
class Merging:
    """Takes the steps of merges in one shard."""

    store: ShardStore
    cases: Cases
    names: Names
    parking: Parking
    promises: Promises
    receipt_within_ms: int

    def control(
        self, event_type: str, payload: Mapping[str, Any], recorded_at: int, batch: Batch, place_fact: PlaceFact
    ) -> None:
        """Do what a control record says; raise `Refused` where this case cannot."""
        held = self._citizens(payload["caseId"])
        case = held.timeline
        said = _Said(
            payload.get("other", ""),
            payload.get("otherShard", 0),
            payload["change"],
            payload.get("recordVersion") or 0,
            recorded_at,
        )
        if not 0 <= said.shard < self.cases.partitions:
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "otherShard", "name the shard on which the other case lies")
        if event_type in FOLLOWS:
            is_old = said.version and said.version <= case.heard_version.get((said.other, FOLLOWS[event_type]), 0)
        else:
            is_old = event_type in (MERGE, UNLINK) and said.change <= case.changes
        if is_old:
            batch.passed_over += 1
        elif event_type in FOLLOWS:
            self._hear(held, event_type, said, batch, place_fact)
        else:
            self._obey(held, event_type, said, batch)

    def _obey(self, held: HeldCase, event_type: str, said: _Said, batch: Batch) -> None:
        """Do what the hub says of this case."""
        case = held.timeline
        match event_type:
            case "CaseMerged":
                self._merge(held, said, batch)
            case "CaseUnlinked":
                if case.merged_into is not None and not case.is_leaving:
                    other, shard = case.merged_into
                    self._step(held, LEAVING, said._replace(other=other, shard=shard), batch)
            case "MergeRemovalDelivered":
                batch.writes.removals[removal_step(case.case_id, said.other, said.change)] = ()
                if case.removing.get(said.other) == (said.shard, said.change):
                    self._step(held, REMOVED, said, batch)

    def _hear(self, held: HeldCase, event_type: str, said: _Said, batch: Batch, place_fact: PlaceFact) -> None:
        """Do what follows from a word of another case."""
        case, other, change = held.timeline, said.other, said.change
        heard = case.heard_change.get(other, 0)
        match event_type:
            case "MergeOpened" if change >= heard:
                self._step(held, JOINING, said, batch)
            case "MergeCompleted":
                if other in case.joining:
                    self._step(held, JOINED, said, batch)
            case "MergeUndone" if change > heard:
                self.cases.hold_history(held)
                self._step(held, LEFT, said, batch, leaving_with(case, other))
            case "MergeReturned":
                if case.is_leaving and case.merged_into == (other, said.shard) and case.changes == change:
                    self._reopen(held, said, batch, place_fact)
            case "MergeRemoved":
                if case.unremoved.get(other, change + 1) <= change:
                    self._step(held, CONFIRMED, said, batch)

    def _reopen(self, held: HeldCase, said: _Said, batch: Batch, place_fact: PlaceFact) -> None:
        """Open a case again, and judge what was stated while it was leaving, before anything is settled."""
        case, recorded_at = held.timeline, said.recorded_at
        waiting = [case.facts[event_id].record for event_id in case.waiting]
        self._step(held, REOPENED, said, batch)
        codec = self.cases.reader.codec
        for record in waiting:
            value, headers = forwarded_record(record, case.case_id, case.case_id, codec, was_judged=False)
            again = InputRecord(self.names.hub_input, self.cases.shard, 0, recorded_at, None, value, headers)
            self.take(read_forwarded(again, codec), recorded_at, batch, place_fact)

    def _citizens(self, case_id: str) -> HeldCase:
        held = self.cases.get(case_id)
        if not isinstance(held.timeline.enrolled, CitizenEnrolled):
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "caseId", "name the case of a citizen who is enrolled here")
        return held

    def _merge(self, held: HeldCase, said: _Said, batch: Batch) -> None:
        case = held.timeline
        if said.other == case.case_id:
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "other", "name another case")
        if case.merged_into is not None:
            fix = "a case is merged once: wait until it is open again, and ask again"
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "caseId", fix)
        self._step(held, MERGED, said, batch)

    def _step(self, held: HeldCase, step: str, said: _Said, batch: Batch, event_ids: tuple[str, ...] = ()) -> None:
        case, other, shard = held.timeline, said.other, said.shard
        # Whoever is decided anew as a whole needs all that was told; and a case in a merge has no cache row.
        self.cases.hold_history(held)
        stream, version = case_stream(case.case_id), case.version + 1
        record = MergeStepped(
            stream, version, said.recorded_at, step, other, shard, event_ids, said.change, said.version
        )
        case.stepped(record, self.cases.reader)
        batch.writes.records.append(record)
        held.rights = None
        batch.touch(held)
        if step in (LEFT, LEAVING, REMOVED):
            self._has_to_tell(held, other, shard, batch)
        if step == CONFIRMED:
            for departed, its_shard in case.departed.items():
                self._has_to_tell(held, departed, its_shard, batch)
        self._hand_over(case, step, event_ids, batch)
        self.note(held, batch)

    def _hand_over(self, case: CaseTimeline, step: str, event_ids: tuple[str, ...], batch: Batch) -> None:
        """What goes to another case is promised and owed there; what a case has when it opens again, is owed on it."""
        if step in (MERGED, LEFT):
            gone = case.facts if step == MERGED else dict.fromkeys(event_ids)
            batch.writes.promises.update(dict.fromkeys(self.promises.of_case(case.case_id, batch).keys() & gone, ()))
            notices = (event_id for event_id in gone if case.facts[event_id].outline.event_type == NOTICE)
            batch.writes.obligations.update(dict.fromkeys(notices))
        elif step == REOPENED:
            for one in owed(case, case.facts, self.cases.reader, self.receipt_within_ms):
                batch.writes.obligations[one.event_id] = one

    def note(self, held: HeldCase, batch: Batch) -> None:
        """Note that a closed case has more to tell the one into which it was merged."""
        if held.timeline.merged_into is not None and not held.timeline.is_leaving:
            self._has_to_tell(held, *held.timeline.merged_into, batch)

    def _has_to_tell(self, held: HeldCase, other: str, shard: int, batch: Batch) -> None:
        batch.writes.forwarding[held.timeline.case_id, other] = (shard, held.timeline.version)

    def take(self, forwarded: Forwarded, recorded_at: int, batch: Batch, place_fact: PlaceFact) -> None:
        """Take in a fact that another case forwards."""
        held = self._citizens(forwarded.case_id)
        case, statement = held.timeline, forwarded.statement
        self.cases.hold_history(held)
        is_judged = forwarded.was_judged
        try:
            is_late = forwarded.from_case != case.case_id and not case.awaits_facts_of(forwarded.from_case)
            if is_late or self._is_here(case, forwarded):
                if not is_late and statement.event_id in case.facts:
                    self._take_over(held, forwarded, recorded_at, batch)
                if is_judged:  # counted where it was first stated
                    batch.passed_over += 1
                else:
                    batch.duplicates += 1
                return
            if not is_judged and case.merged_into is None:
                place(statement, OfCase(case, statement.event_id))
                is_judged = True
        except Refused as refused:
            self._park(forwarded, refused, recorded_at, batch)
            return
        self._take_over(held, forwarded, recorded_at, batch)
        fact = fact_of(statement, forwarded.recorded_at)
        origin = Origin(_first_from(case, forwarded), forwarded.recorded_at, is_judged)
        record = record_of(statement, case.case_id, case.version + 1, recorded_at, origin)
        place_fact(held, record, fact, batch)
        if is_judged and not forwarded.was_judged:
            batch.count_admitted(fact.party)
        if fact.event_id not in self.store.digests([fact.event_id]):
            digest = digest_of(statement, case.case_id, self.cases.secret)
            batch.writes.digests.setdefault(fact.event_id, digest)

    def _take_over(self, held: HeldCase, forwarded: Forwarded, recorded_at: int, batch: Batch) -> None:
        """Note whom the other case had told of a fact, unless that is said of an earlier merge, or again."""
        case, other, handed_over = held.timeline, forwarded.from_case, forwarded.handed_over
        ended_by = JOINED if other in case.merged_here else REOPENED
        if not handed_over.told or handed_over.version <= case.heard_version.get((other, ended_by), 0):
            return
        event_id, version = forwarded.statement.event_id, case.version + 1
        told = ToldElsewhere(case_stream(case.case_id), version, recorded_at, event_id, other, handed_over.told)
        case.fold(told, self.cases.reader)
        batch.writes.records.append(told)

    def _is_here(self, case: CaseTimeline, forwarded: Forwarded) -> bool:
        """Whether the fact counts here already; of one recipient's notices about one event the first is enough.

        Raises `Refused` where the same id states something else here.
        """
        statement = forwarded.statement
        entry = case.facts.get(statement.event_id)
        if entry is not None and not case.is_unlinked(statement.event_id):
            if not _states(entry.record, statement):
                fix = "state a changed fact as the next revision, with `ce_corrects`"
                raise Refused(Reason.SAME_ID_OTHER_BYTES, "ce_id", fix)
            return True
        if statement.party != HUB_PARTY or statement.event_type.name != NOTICE:
            return False
        about = _about(statement.payload)
        notices = (
            entry.record
            for event_id, entry in case.facts.items()
            if entry.outline.event_type == NOTICE and not case.is_unlinked(event_id)
        )
        decode = self.cases.reader.codec.decode_body
        return any(_about(decode(record.schema_id, record.value)) == about for record in notices)

    def refuse_what_left(self, statement: Statement, case: CaseTimeline) -> None:
        """Raise `Refused` where a fact refers to what left with another case: under this key it would do nothing."""
        if case.was_merged and (field := left_with_another(case, statement.payload)):
            fix = "what it refers to is about another citizen: state it under that citizen's key"
            raise Refused(Reason.UNKNOWN_CONSENT, field, fix)

    def _park(self, forwarded: Forwarded, refused: Refused, recorded_at: int, batch: Batch) -> None:
        party = forwarded.statement.party
        key = self.cases.derived_key(forwarded.case_id, party)
        batch.writes.keys[party, key] = forwarded.case_id
        topic, shard = self.names.input(party), self.cases.shard
        # A party states on its own topic alone; where on it, under another key, is not known here.
        record = forwarded.as_stated._replace(topic=topic, partition=shard, offset=OFFSET_UNKNOWN, key=key.encode())
        self.parking.park(party, record, refused, recorded_at, batch)

    def repeats(self, statement: Statement, case_id: str, known: bytes) -> bool | None:
        """Whether an event that is known, with digest `known`, stands here; `None` where merges have no part in it.

        It may have been first stated of a case that this one was merged with. Where it does not stand here it was
        refused, and may be stated again.
        """
        case = self.cases.get(case_id).timeline
        if not case.was_merged:
            return None
        entry = case.facts.get(statement.event_id)
        if entry is not None:
            if not _states(entry.record, statement):
                return None
            # What was refused, or has not been judged, may be stated again.
            death = case.dead.get(statement.event_id)
            return death is None or death.how != UNJUDGED
        is_kins = any(digest_of(statement, other, self.cases.secret) == known for other in case.kin)
        return False if is_kins else None


def _about(notice: Mapping[str, Any]) -> tuple[str, str, str]:
    return (notice["targetEventId"], notice["recipient"], notice["kind"])


def _first_from(case: CaseTimeline, forwarded: Forwarded) -> str:
    """From which case this one first got the fact: itself, where it was stated here and now comes back judged."""
    entry = case.facts.get(forwarded.statement.event_id)
    if entry is None:
        return forwarded.from_case
    return entry.record.origin.case_id if entry.record.origin else case.case_id


def _states(record: FactRecorded, statement: Statement) -> bool:
    """Whether a stored record states what a statement does: the same as their digests would say of one case."""
    said = (record.source, record.schema_id, record.corrects, record.value)
    return said == (statement.attributes.source, statement.schema_id, statement.corrects, statement.body)
