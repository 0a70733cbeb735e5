"""One case: its facts, what each party was told of them, and what follows from both; folded from its records.

Rules:
- Any order of the same facts (with the same recorded times) gives the same case: a correction may come before
  what it corrects.
- A fact is dead once it is corrected or retracted; it stays on the timeline. Retracting a correction does not
  bring back what it corrected.
- A case that was merged into another is closed until the merge is taken back. What is stated of it meanwhile does not
  count here: the other case judges it, and gives it back with the merge. A fact that does not count, or left with the
  case from which it came, is dead, and lives again when it comes again.
- The whole history is kept only while something needs it. A case restored from its cache row has its gate facts
  and counts, so an event that leaves the standing as it was costs the same however long the timeline is.

Records come from `hub.store` or from the shard's current batch; `hub.disclosure` reads the case to settle it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from contracts.catalogue import Catalogue
from contracts.categories import BIT, NO_CATEGORY, Category
from contracts.codec import Codec
from contracts.event_types import EventType
from contracts.fact import Fact, Outline, event_id_of, outline_of
from contracts.failures import DamagedStore
from hub.case_timeline.bases import NEVER, FormerBases, Settled
from hub.case_timeline.known_consents import KnownConsents
from hub.store.records import (
    CaseRecord,
    CitizenEnrolled,
    DecisionsRecorded,
    FactRecorded,
    GovernanceOpened,
    MergeStepped,
    Shown,
    ToldElsewhere,
)

RETRACTION: Final = "EventRetracted"
RECEIPT: Final = "RemovalReceipted"
NOTICE: Final = "RecipientNotified"
ABOUT_RECORDS: Final = frozenset({RETRACTION, RECEIPT})
"""Who states one of these says something about another record, and nothing of the citizen: it counts as no record of
that party. A receipt answers the hub; if it counted, the order to remove would itself open the case to probation."""
CORRECTED: Final = "corrected"
RETRACTED: Final = "retracted"
UNLINKED: Final = "unlinked"
"""How a fact dies here when the case from which it came leaves."""
UNJUDGED: Final = "unjudged"
"""How a fact stands that was stated of a closed case: it does not count before it comes back."""
APART: Final = (UNLINKED, UNJUDGED)

MERGED: Final = "merged"
LEAVING: Final = "leaving"
REOPENED: Final = "reopened"
JOINING: Final = "joining"
JOINED: Final = "joined"
LEFT: Final = "left"
REMOVED: Final = "removed"
CONFIRMED: Final = "confirmed"
_Counted = TypeVar("_Counted")


class TimelineFact(NamedTuple):
    """A fact on the timeline: how it is stored, and its outline."""

    record: FactRecorded
    outline: Outline

    @property
    def version(self) -> int:
        """Its place on the case's stream."""
        return self.record.originator_version


@dataclass(frozen=True, slots=True)
class Death:
    """How a fact died (`corrected`, `retracted`, `unlinked`, `unjudged`), and when it first did (milliseconds)."""

    how: str
    at: int


@dataclass(frozen=True, slots=True)
class Reader:
    """How a case reads its own records: contracts, and which types its standing is derived from.

    `code` names the code and rules in force: a cache row written under others is thrown away.
    """

    catalogue: Catalogue
    codec: Codec
    gate_types: frozenset[str]
    code: str


@dataclass(slots=True)
class CaseTimeline:
    """The folded state of one case. `facts` and `told` are complete only while `history_held` is true."""

    case_id: str
    version: int = 0
    enrolled: CitizenEnrolled | GovernanceOpened | None = None
    gate_facts: dict[str, Fact] = field(default_factory=dict)
    known_consents: KnownConsents = field(default_factory=KnownConsents)
    gate_bodies: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Event id -> (schema id, Avro body) of each gate fact."""
    body_bytes: int = 0
    gate_body_bytes: int = 0
    """What the bodies of the facts held take, and those of gate facts, which are held decoded too."""
    dead: dict[str, Death] = field(default_factory=dict)
    """Event id -> how it died, also of events that have not arrived."""
    fact_counts: dict[tuple[str, int], int] = field(default_factory=dict)
    """Live facts per party and category (bit) that they have something of, consent and governance records left out;
    under no category, all of them."""
    record_counts: dict[str, int] = field(default_factory=dict)
    """Live records per party, of every kind but those about records."""
    settled: Settled = NEVER
    """The last settlement: what came after it may be of the same millisecond."""
    standing_inputs: int = 0
    """Counts the changes of anything that the standing is derived from: equal count, equal inputs."""
    history_held: bool = True
    facts: dict[str, TimelineFact] = field(default_factory=dict)
    told: dict[str, dict[str, Shown]] = field(default_factory=dict)
    """Event id -> party -> what it may see by the newest decision; empty = it was told, maybe elsewhere, and is not."""
    former_bases: FormerBases = field(default_factory=FormerBases)
    event_at: dict[int, str] = field(default_factory=dict)
    merged_into: tuple[str, int] | None = None
    """The case, and its shard, into which this one was merged: closed, it tells nobody anything."""
    is_leaving: bool = False
    """Whether that merge is being taken back; the case is closed until the other one has given back what is its own."""
    waiting: list[str] = field(default_factory=list)
    """The events that were stated while it is: they are judged when the case opens."""
    changes: int = 0
    """How often the case was merged or left again, as the vault counts it."""
    merged_here: set[str] = field(default_factory=set)
    """The cases that are merged into this one now, from the moment in which their facts begin to come."""
    joining: set[str] = field(default_factory=set)
    """The cases whose facts are still coming in: nothing new is told before all of them are here."""
    kin: set[str] = field(default_factory=set)
    """Every case that was ever merged with this one, either way."""
    removing: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Other case -> its shard and the change: what this one takes back for it is not confirmed on every topic yet."""
    heard_change: dict[str, int] = field(default_factory=dict)
    """Other case -> the last change of its own by which it came or left, as it counts them."""
    heard_version: dict[tuple[str, str], int] = field(default_factory=dict)
    """(Other case, step) -> the version of its record from which its newest word followed that had this one step so."""
    departed: dict[str, int] = field(default_factory=dict)
    """Other case -> its shard: it was merged into this one, and left again."""
    unremoved: dict[str, int] = field(default_factory=dict)
    """Other case -> the change: what that one takes back is not confirmed yet; no withdrawal is acknowledged before."""

    def fold(self, record: CaseRecord, reader: Reader) -> None:
        """Take in one stored record; raise `DamagedStore` where its version is not the next."""
        if record.originator_version != self.version + 1:
            raise DamagedStore(
                f"case stream: expected version `{self.version + 1}`, found `{record.originator_version}`"
            )
        if isinstance(record, FactRecorded):
            self.admit(record, fact_recorded(record, reader), reader)
        elif isinstance(record, DecisionsRecorded):
            self.decided(record)
        elif isinstance(record, MergeStepped):
            self.stepped(record, reader)
        elif isinstance(record, ToldElsewhere):
            self.version = record.originator_version
            for party, shown in record.told:
                self.told.setdefault(record.event_id, {}).setdefault(party, ())
                self.former_bases.brought(record.event_id, party, shown, record.recorded_at)
        else:
            self.enrolled, self.version = record, record.originator_version

    def admit(self, record: FactRecorded, fact: Fact, reader: Reader) -> None:
        """Take in a fact whose payload is at hand; `record` is how it is stored."""
        self.version = record.originator_version
        if (death := self.dead.get(fact.event_id)) and death.how in APART:
            del self.dead[fact.event_id]
            self.standing_inputs += 1
        event_type = reader.catalogue.event_types[fact.event_type]
        self.facts[fact.event_id] = TimelineFact(record, outline_of(fact, event_type))
        self.event_at[record.originator_version] = fact.event_id
        self.body_bytes += len(record.value)
        if fact.event_type in reader.gate_types:
            self.gate_body_bytes += len(record.value)
            self.gate_facts[fact.event_id] = fact
            self.gate_bodies[fact.event_id] = (record.schema_id, record.value)
            self.standing_inputs += 1
        if self.merged_into is not None and (record.origin is None or not record.origin.is_judged):
            self.dead[fact.event_id] = Death(UNJUDGED, fact.recorded_at)
            if self.is_leaving:
                self.waiting.append(fact.event_id)
            return
        if fact.event_id not in self.dead:
            self._count(self.facts[fact.event_id].outline, event_type, +1)
        if fact.corrects:
            self._kill(fact.corrects, Death(CORRECTED, fact.recorded_at), reader)
        if fact.event_type == RETRACTION:
            target = event_id_of(fact.party, fact.payload["targetEventId"])
            self._kill(target, Death(RETRACTED, fact.recorded_at), reader)

    def decided(self, record: DecisionsRecorded) -> None:
        """Take in one settlement."""
        before, self.version = self.settled, record.originator_version
        self.settled = Settled(record.originator_version, record.clock)
        for decision in record.decisions:
            event_id = self.event_at.get(decision.fact_version)
            if event_id is not None:
                told = self.told.setdefault(event_id, {})
                if decision.party in told and self.merged_into is None:
                    self.former_bases.decided(event_id, decision.party, told[decision.party], decision.shown, before)
                told[decision.party] = decision.shown
            elif self.history_held:
                raise DamagedStore(f"a decision names version `{decision.fact_version}`, which is no fact of its case")
        if self.is_whole:
            self.former_bases.settled()

    def stepped(self, record: MergeStepped, reader: Reader) -> None:
        """Take in one step of a merge."""
        self.version = record.originator_version
        self.standing_inputs += 1
        self.kin.add(record.other)
        if record.step in (MERGED, LEAVING):
            self.changes = record.change
        if record.told_version:
            self.heard_version[record.other, record.step] = record.told_version
        match record.step:
            case "merged":
                self.merged_into, self.is_leaving = (record.other, record.other_shard), False
                self.removing[record.other] = (record.other_shard, record.change)
            case "leaving":
                self.is_leaving = True
                self.former_bases = FormerBases()
                self.removing.pop(record.other, None)
                self.unremoved[record.other] = record.change
            case "reopened":
                self.merged_into, self.is_leaving = None, False
                self.waiting.clear()
            case "joining":
                self.joining.add(record.other)
                self.merged_here.add(record.other)
                self.heard_change[record.other] = self.unremoved[record.other] = record.change
            case "joined":
                self.joining.discard(record.other)
            case "left":
                self.joining.discard(record.other)
                self.merged_here.discard(record.other)
                self.departed[record.other] = record.other_shard
                self.heard_change[record.other] = record.change
                self.unremoved.pop(record.other, None)
                self.removing[record.other] = (record.other_shard, record.change)
                for event_id in record.event_ids:
                    self._unlink(event_id, record.recorded_at, reader)
            case "removed":
                self.removing.pop(record.other, None)
            case "confirmed":
                self.unremoved.pop(record.other, None)
            case other:
                raise DamagedStore(f"a merge has no step `{other}`")

    def _unlink(self, event_id: str, at: int, reader: Reader) -> None:
        entry = self.facts.get(event_id)
        if entry is not None and event_id not in self.dead:
            self._count(entry.outline, reader.catalogue.event_types[entry.outline.event_type], -1)
        self.dead[event_id] = Death(UNLINKED, at)

    def is_unlinked(self, event_id: str) -> bool:
        """Whether the fact left with the case from which it came, or does not count yet."""
        death = self.dead.get(event_id)
        return death is not None and death.how in APART

    def awaits_facts_of(self, other: str) -> bool:
        """Whether facts that `other` forwards are for this case now: it is merged here, or gives this one back."""
        gives_back = self.is_leaving and self.merged_into is not None and self.merged_into[0] == other
        return other in self.merged_here or gives_back

    @property
    def is_whole(self) -> bool:
        """Whether the case is open and no facts of another one are still coming in."""
        return self.merged_into is None and not self.joining

    @property
    def was_merged(self) -> bool:
        """Whether this case takes or ever took part in a merge."""
        return bool(self.kin)

    def _kill(self, event_id: str, death: Death, reader: Reader) -> None:
        known = self.dead.get(event_id)
        # Corrected wins: the correction stands in the old fact's place, for its publisher too.
        how = known.how if known and known.how in (CORRECTED, *APART) else death.how
        self.dead[event_id] = Death(how, min(death.at, known.at) if known else death.at)
        self.standing_inputs += 1
        victim = self.facts.get(event_id)
        if known is None and victim is not None:
            self._count(victim.outline, reader.catalogue.event_types[victim.outline.event_type], -1)

    def _count(self, outline: Outline, event_type: EventType, by: int) -> None:
        if event_type.name in ABOUT_RECORDS:
            return
        if (gate_fact := self.gate_facts.get(outline.event_id)) is not None:
            self.known_consents.count(gate_fact, by)
        self._add(self.record_counts, outline.party, by)
        if event_type.anchor != Category.CO:
            for bit in (NO_CATEGORY, *(bit for bit in BIT.values() if outline.categories & bit)):
                self._add(self.fact_counts, (outline.party, bit), by)

    def _add(self, counts: dict[_Counted, int], counted: _Counted, by: int) -> None:
        before = counts.get(counted, 0)
        counts[counted] = before + by
        self.standing_inputs += (before > 0) != (before + by > 0)

    @property
    def is_about_nobody(self) -> bool:
        """Whether it is a governance timeline: about no citizen."""
        return isinstance(self.enrolled, GovernanceOpened)

    def superseded_gate_facts(self) -> Iterator[tuple[Fact, int]]:
        """The gate facts that were corrected or retracted, each with the instant from which it was known to be."""
        return (
            (fact, death.at)
            for event_id, fact in self.gate_facts.items()
            if (death := self.dead.get(event_id)) and death.how not in APART
        )

    def live_gate_facts(self) -> Iterator[Fact]:
        """The gate facts that are neither corrected nor retracted."""
        return (fact for event_id, fact in self.gate_facts.items() if event_id not in self.dead)

    @property
    def held(self) -> dict[str, int]:
        """The parties with a live fact that is no consent or governance record: what (mask) they have something of."""
        found: dict[str, int] = {}
        for (party, bit), count in self.fact_counts.items():
            if count > 0:
                found[party] = found.get(party, NO_CATEGORY) | bit
        return found

    @property
    def publishers(self) -> frozenset[str]:
        """Parties with a live record of any kind but those about records."""
        return frozenset(party for party, count in self.record_counts.items() if count > 0)

    def is_live(self, event_id: str, event_type: str | None) -> bool:
        """Whether the event is here (as `event_type`, if given), neither corrected nor retracted.

        Asks the whole history: see `history_held`.
        """
        entry = self.facts.get(event_id)
        if entry is None or event_id in self.dead:
            return False
        return event_type is None or entry.outline.event_type == event_type

    def is_notice_to(self, event_id: str, party: str) -> bool:
        """Whether the event is a notice that the hub addressed to `party`. Asks the whole history."""
        entry = self.facts.get(event_id)
        return (
            entry is not None
            and entry.outline.event_type == NOTICE
            and entry.outline.references.get("recipient") == party
        )

    def consent_known_to(self, consent_id: str, party: str) -> bool:
        """See `KnownConsents`."""
        return self.known_consents.are_known_to(consent_id, party)

    def victim_of(self, event_id: str) -> str | None:
        """The event that this one corrects or retracts."""
        entry = self.facts[event_id]
        if entry.outline.event_type == RETRACTION:
            return event_id_of(entry.outline.party, entry.outline.references["targetEventId"])
        return entry.record.corrects


def first_recorded_at(record: FactRecorded) -> int:
    """Return when the hub first had a fact, on this case or on the one from which it came."""
    return record.origin.recorded_at if record.origin else record.recorded_at


def fact_recorded(record: FactRecorded, reader: Reader) -> Fact:
    """Return the fact that a stored record holds."""
    return Fact(
        record.event_id,
        record.event_type,
        record.party,
        record.occurred_at,
        first_recorded_at(record),
        reader.codec.decode_body(record.schema_id, record.value),
        record.corrects,
    )


def timeline_of(case_id: str, records: Iterable[CaseRecord], reader: Reader) -> CaseTimeline:
    """Fold a whole case."""
    case = CaseTimeline(case_id)
    for record in records:
        case.fold(record, reader)
    return case
