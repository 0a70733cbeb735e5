"""Merges of cases: what one case has to tell the other, read from its own records, and what leaves with a case.

Rules:
- What a case tells another is a pure function of its records and only grows with them: a shard that was killed goes
  on where the other's confirmations end.
- The losing case tells that facts come, its facts in the order in which it got them, that all have come; then each
  further fact; and, when the merge is taken back, that it is.
- Each case tells the other when what it took back is confirmed on every topic, and what it waits for itself is too.
- Facts come before that word and after the other in one piece: no consent without its withdrawal is acted on.
- What each case derives for itself is left out: reminders, their retractions, acknowledgements. All else that the hub
  stated goes along: what it withdrew or ended stays so.
- Taken back, each fact goes with what it depends on: a correction, retraction or notice with the fact that it is about,
  a receipt with its notice, a record of a consent, request, placement or admission with that; everything else with the
  key under which it was stated. The case that goes on decides it, and gives back what counts before the other opens.

Pure. `hub.shard` takes the steps and sends the messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from contracts.fact import ce_id_of, event_id_of
from contracts.topics import HUB_PARTY
from hub.case_timeline.timeline import (
    JOINED,
    JOINING,
    LEAVING,
    LEFT,
    MERGED,
    RECEIPT,
    REOPENED,
    RETRACTION,
    CaseTimeline,
)
from hub.store.records import CaseRecord, FactRecorded, MergeStepped

DERIVED: Final = frozenset({"ReminderRaised", RETRACTION, "WithdrawalAcknowledged"})
"""What the hub states of each case by itself; of its own events it takes back reminders only."""

FACTS_COME: Final = "MergeOpened"
FACT_COMES: Final = "fact"
ALL_HAVE_COME: Final = "MergeCompleted"
TAKEN_BACK: Final = "MergeUndone"
GIVEN_BACK: Final = "MergeReturned"
ALL_REMOVED: Final = "MergeRemoved"

INTRODUCED_BY: Final[Mapping[str, frozenset[str]]] = {
    "consentId": frozenset({"ConsentGiven"}),
    "requestId": frozenset({"BreakGlassRequested"}),
    "placementId": frozenset({"CarePlacementStarted"}),
    "admissionId": frozenset({"AdmissionStarted"}),
}
"""References to what somebody stated before, and the facts that state it first: they tell whom the others mean."""


class Message(NamedTuple):
    """One thing that a case tells another; it follows from the record at `version` of the case's stream.

    `fact` goes with `FACT_COMES`. `was_judged` says that it counted on the case that tells.
    `change` is that of the closed case to which the message belongs.
    """

    version: int
    kind: str
    fact: FactRecorded | None = None
    was_judged: bool = True
    change: int = 0


def messages(records: Iterable[CaseRecord], other: str) -> Iterator[Message]:
    """Yield all that a case has to tell `other`, in order, from all `records` of the case."""
    facts: dict[str, FactRecorded] = {}
    joining: set[str] = set()
    is_closed = is_passing_on = False
    change = 0
    removals = _Removals(other)
    for record in records:
        if isinstance(record, FactRecorded):
            counts = not is_closed or (record.origin is not None and record.origin.is_judged)
            if counts:
                facts[record.event_id] = record
            if is_passing_on and _goes_along(record):
                yield Message(record.originator_version, FACT_COMES, record, was_judged=counts)
        elif isinstance(record, MergeStepped):
            version, step, concerns = record.originator_version, record.step, record.other == other
            if concerns and step in (MERGED, LEAVING, LEFT):
                change = record.change
            if step == MERGED:
                is_closed, is_passing_on = True, concerns
                if concerns:
                    yield Message(version, FACTS_COME, change=change)
                    yield from (Message(version, FACT_COMES, fact) for fact in facts.values() if _goes_along(fact))
                    if not joining:
                        yield Message(version, ALL_HAVE_COME, change=change)
            elif step == LEAVING and concerns:
                is_passing_on = False
                yield Message(version, TAKEN_BACK, change=change)
            elif step == REOPENED:
                is_closed = False
            elif step == JOINING:
                if is_passing_on:
                    yield Message(version, FACTS_COME, change=change)
                joining.add(record.other)
            elif step in (JOINED, LEFT):
                gone = [facts.pop(event_id) for event_id in record.event_ids if event_id in facts]
                if step == LEFT and concerns:
                    yield from (Message(version, FACT_COMES, fact) for fact in gone if _goes_along(fact))
                    yield Message(version, GIVEN_BACK, change=change)
                if is_passing_on and joining == {record.other}:
                    yield Message(version, ALL_HAVE_COME, change=change)
                joining.discard(record.other)
            if removals.are_complete_after(record):
                yield Message(version, ALL_REMOVED, change=change)


@dataclass(slots=True)
class _Removals:
    """Follows whether what a case took back for `other` is confirmed on every topic.

    Whoever hears it waits for nothing else of what came from here. So a closed case waits for all that it waits for
    itself; one that gives a case back, for those that it had left itself by then: what it got back from them may have
    been told there. Each waits for what came before, so none waits for another in a circle.
    """

    other: str
    _is_owed: bool = False
    _is_own_removed: bool = False
    _is_closed_into_it: bool = False
    _unremoved: set[str] = field(default_factory=set)
    _left: set[str] = field(default_factory=set)
    """Of them, those that this case left."""
    _left_before: set[str] = field(default_factory=set)
    """Of these, those that it had left when it gave `other` back."""

    def are_complete_after(self, record: MergeStepped) -> bool:
        """Take in one step; return whether `other` is to hear now that all is removed."""
        concerns = record.other == self.other
        match record.step:
            case "merged" if concerns:
                self._is_owed, self._is_own_removed, self._is_closed_into_it = True, False, True
            case "joining":
                self._unremoved.add(record.other)
                self._is_owed |= self._is_closed_into_it
            case "leaving":
                if concerns:
                    self._is_owed = self._is_closed_into_it = False
                self._unremoved.add(record.other)
                self._left.add(record.other)
            case "left":
                self._unremoved.discard(record.other)
                if concerns:
                    self._is_owed, self._is_own_removed = True, False
                    self._left_before = self._left - {record.other}
            case "removed" if concerns:
                self._is_own_removed = True
            case "confirmed":
                for waited_for in (self._unremoved, self._left, self._left_before):
                    waited_for.discard(record.other)
        waits = self._unremoved if self._is_closed_into_it else self._left_before
        if not (self._is_owed and self._is_own_removed) or waits:
            return False
        self._is_owed = False
        return True


def _goes_along(fact: FactRecorded) -> bool:
    return fact.party != HUB_PARTY or fact.event_type not in DERIVED


def _came_from(fact: FactRecorded, case_id: str) -> bool:
    return fact.origin is not None and fact.origin.case_id == case_id


def leaving_with(case: CaseTimeline, other: str) -> tuple[str, ...]:
    """Return the event ids that leave `case` together with `other`, in the order of their versions.

    Needs the whole history of the case.
    """
    belongs = _Belonging(case, other)
    leaving = (event_id for event_id in case.facts if not case.is_unlinked(event_id) and belongs.to_other(event_id))
    return tuple(sorted(leaving, key=lambda event_id: case.facts[event_id].version))


def left_with_another(case: CaseTimeline, payload: Mapping[str, Any]) -> str | None:
    """Return the field of `payload` that refers to what left this case with another one, `None` where none does."""
    for name, event_types in INTRODUCED_BY.items():
        thing = payload.get(name)
        if thing is None:
            continue
        introducing = [
            event_id
            for event_id, entry in case.facts.items()
            if entry.outline.event_type in event_types and entry.outline.references.get(name) == thing
        ]
        if introducing and all(map(case.is_unlinked, introducing)):
            return name
    return None


class _Belonging:
    """Says of each fact of a case whether it is about the citizen of the case that leaves."""

    def __init__(self, case: CaseTimeline, other: str) -> None:
        self._case, self._other = case, other
        self._introduced: dict[tuple[str, str], list[str]] = {}
        for event_id, entry in case.facts.items():
            for name, event_types in INTRODUCED_BY.items():
                if entry.outline.event_type in event_types and name in entry.outline.references:
                    self._introduced.setdefault((name, entry.outline.references[name]), []).append(event_id)
        self._by_ce_id = {ce_id_of(event_id): event_id for event_id in case.facts}
        self._known: dict[str, bool] = {}

    def to_other(self, event_id: str) -> bool:
        """Whether the fact belongs to the leaving case: what it depends on does, or it came from there."""
        known = self._known.get(event_id)
        if known is None:
            # Who depends on itself in a circle belongs where it came from.
            self._known[event_id] = self._is_from_other(event_id)
            ground = self._ground_of(event_id)
            if ground is not None and ground != event_id:
                self._known[event_id] = self.to_other(ground)
            known = self._known[event_id]
        return known

    def _ground_of(self, event_id: str) -> str | None:
        """The fact on which this one depends, if that is here."""
        outline = self._case.facts[event_id].outline
        victim = self._case.victim_of(event_id)
        if victim in self._case.facts:
            return victim
        target = outline.references.get("targetEventId", "")
        if outline.event_type == RECEIPT and (notice := event_id_of(HUB_PARTY, target)) in self._case.facts:
            return notice
        if outline.party == HUB_PARTY and target in self._by_ce_id:
            return self._by_ce_id[target]
        return self._introducing(event_id)

    def _introducing(self, event_id: str) -> str | None:
        """What introduced the thing that the fact refers to, if that was stated under the other key only."""
        outline = self._case.facts[event_id].outline
        for name, event_types in INTRODUCED_BY.items():
            if name in outline.references and outline.event_type not in event_types:
                found = self._introduced.get((name, outline.references[name]), [])
                own = self._is_from_other(event_id)
                if found and all(self._is_from_other(each) != own for each in found):
                    return found[0]
        return None

    def _is_from_other(self, event_id: str) -> bool:
        return _came_from(self._case.facts[event_id].record, self._other)
