"""Reminds parties of what has run out over a case, each by what it is shown itself.

Rules:
- For each party the clocks of `hub.continuity` run over the facts that the decisions of this moment show it, cut as
  they are sent. A hidden fact can neither raise nor silence a reminder.
- A party is reminded only while it would be shown what would stop the clock, of everybody whom `clocks.toml` asks of:
  the decider is asked with an event that has not been stated. So nothing missing is told to who may not see it.
- Clocks are looked at on whole minutes of the shard clock, with the facts that were recorded before the minute, and in
  between where rights changed or a fact was ended; that moves nothing for a party that neither concerns.
- A reminder is a fact of the hub's own, stated once, and retracted by the hub as soon as it no longer holds.
- One look states no more than `reminders_per_look_max` reminders; the next one, a minute later, states the rest.

From `settling`, which puts what comes out on the timeline and decides it; the next look joins the case's due date.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from contracts.event_types import Kind
from contracts.fact import Fact, Outline, ce_id_of
from contracts.parties import role_of_id
from hub.case_timeline.timeline import RETRACTION, CaseTimeline, Reader, TimelineFact, fact_recorded
from hub.consent.decision import Decider
from hub.consent.emergency import admission_types
from hub.continuity.case import Known, KnownCase
from hub.continuity.clock_terms import PROVIDER, PUBLISHER, Asked, ClockTerms
from hub.continuity.clocks import EMERGENCY, Clock, clocks_of, owed_for_emergencies, reads
from hub.continuity.episodes import RELEASE_DATED
from hub.continuity.terms import Terms
from hub.disclosure.cutter import cut
from hub.disclosure.settlement import mask_of_shown, person_of, shown_now
from hub.shard.silence import Silence
from hub.shard.stating import hub_event_id, hub_fact
from hub.store.ports import OpenReview
from hub.store.records import FactRecorded

REMINDER: Final = "ReminderRaised"
MINUTE_MS: Final = 60_000
_NOTHING_WITHHELD: Final[frozenset[str]] = frozenset()

Cut = tuple[str, int, frozenset[str]]
"""One fact as a party sees it: event id, mask, withheld fields."""


class Reminder(NamedTuple):
    """What `recipient` is reminded of. `based_on`: event ids that it was told of; `silent`: see `ReminderRaised`."""

    recipient: str
    kind: str
    due: int
    based_on: tuple[str, ...]
    silent: bool = False

    @property
    def what(self) -> tuple[str, str, int, tuple[str, ...]]:
        """What makes it this reminder and no other."""
        return (self.recipient, self.kind, self.due, tuple(map(ce_id_of, self.based_on)))


class Look(NamedTuple):
    """What one look at a case finds: what to raise, which reminders (event ids) no longer hold, when to look again.

    `open_reviews`: what is owed about emergency access, whoever is reminded of it, for the operator's count.
    """

    minute: int
    raised: tuple[Reminder, ...]
    taken_back: tuple[str, ...]
    open_reviews: tuple[OpenReview, ...]
    next: int | None


def next_minute(instant: int) -> int:
    """The first whole minute after `instant`."""
    return (instant // MINUTE_MS + 1) * MINUTE_MS


@dataclass(frozen=True)
class Reminders:
    """Looks at the clocks of cases."""

    reader: Reader
    terms: Terms
    clock_terms: ClockTerms
    silence: Silence

    @cached_property
    def _reads(self) -> frozenset[str]:
        return reads(self.terms)

    def concern(self, entry: TimelineFact) -> bool:
        """Whether a clock may be counted from this fact."""
        return entry.outline.event_type in self._reads

    def look(self, case: CaseTimeline, decider: Decider, clock: int, heard: Mapping[str, int]) -> Look:
        """Look at every clock of a case whose whole history is held, as of the last whole minute.

        `heard`: when each party gave its last sign of life.
        """
        minute = clock // MINUTE_MS * MINUTE_MS
        looking = _Looking(self, case, decider, minute, heard)
        wanted = {reminder.what: reminder for reminder in looking.reminders()}
        live = {_what_of(case.facts[event_id], self.reader): event_id for event_id in _live(case)}
        raised = [reminder for what, reminder in sorted(wanted.items()) if what not in live]
        now = tuple(raised[: self.clock_terms.reminders_per_look_max])
        if len(now) < len(raised):
            looking.later.add(minute + MINUTE_MS)
        return Look(
            minute,
            now,
            tuple(event_id for what, event_id in sorted(live.items()) if what not in wanted),
            looking.open_reviews(),
            min(looking.later, default=None),
        )


def ends_another(entry: TimelineFact) -> bool:
    """Whether the fact corrects or retracts another."""
    return entry.record.corrects is not None or entry.outline.event_type == RETRACTION


def _live(case: CaseTimeline) -> Iterator[str]:
    return (
        event_id
        for event_id, entry in case.facts.items()
        if entry.outline.event_type == REMINDER and event_id not in case.dead
    )


def _what_of(entry: TimelineFact, reader: Reader) -> tuple[str, str, int, tuple[str, ...]]:
    said = reader.codec.decode_body(entry.record.schema_id, entry.record.value)
    return (said["recipient"], said["kind"], said["dueAt"], tuple(said["basedOn"]))


class _Looking:
    """One look at one case. `later` collects the whole minutes at which something may be different."""

    def __init__(
        self, of: Reminders, case: CaseTimeline, decider: Decider, minute: int, heard: Mapping[str, int]
    ) -> None:
        self._of, self._case, self._decider, self._minute, self._heard = of, case, decider, minute, heard
        self._person = person_of(case)
        self._payloads: dict[str, Mapping[str, Any]] = {}
        self._facts: dict[Cut, Fact | None] = {}
        self._clocks: dict[tuple[Cut, ...], tuple[Clock, ...]] = {}
        self.later: set[int] = set()

    def reminders(self) -> Iterator[Reminder]:
        """Every reminder that holds now."""
        for party, seen in sorted(self._seen().items()):
            told_of: set[tuple[str, str]] = set()
            for clock in self._clocks_over(tuple(seen)):
                if clock.group and (clock.kind, clock.group) in told_of:
                    continue
                parties = self._entitled(party, clock)
                if parties is None or (clock.until is not None and clock.until <= self._minute):
                    continue
                if clock.due > self._minute:
                    self._look_at(clock.due)
                    continue
                if clock.until is not None:
                    self._look_at(clock.until)
                told_of.add((clock.kind, clock.group))
                silent = all(self._of.silence.is_silent(each, self._heard, self._minute) for each in parties)
                yield Reminder(party, clock.kind, clock.due, tuple(fact.event_id for fact in clock.rests_on), silent)

    def open_reviews(self) -> tuple[OpenReview, ...]:
        """What is owed about emergency access, over all facts of the case, those that were taken back too."""
        known = list(self._known_emergencies())
        if not any(each.fact.event_type in EMERGENCY for each in known):
            return ()
        case = KnownCase.of(known, self._person, self._minute, self._decider.policy, self._of.terms)
        return tuple(sorted(OpenReview(clock.kind, clock.due) for clock in owed_for_emergencies(case)))

    def _known_emergencies(self) -> Iterator[Known]:
        """What emergency access follows from, as known before the minute; later news has its look at the next one."""
        types = EMERGENCY | admission_types(self._decider.policy)
        for event_id, entry in self._case.facts.items():
            if entry.outline.event_type not in types or self._case.is_unlinked(event_id):
                continue
            death = self._case.dead.get(event_id)
            if max(entry.record.recorded_at, death.at if death else 0) >= self._minute:
                self._look_at(self._minute + MINUTE_MS)
            if entry.record.recorded_at < self._minute:
                until = death.at if death and death.at < self._minute else None
                yield Known(fact_recorded(entry.record, self._of.reader), until)

    def _look_at(self, instant: int) -> None:
        self.later.add(next_minute(instant - 1))

    # --- what each party sees

    def _seen(self) -> dict[str, list[Cut]]:
        """What each party is shown of the facts that clocks are counted from."""
        seen: dict[str, list[Cut]] = {}
        dated: dict[str, tuple[tuple[int, int, str], Cut]] = {}
        policy = self._decider.policy
        for event_id, entry in self._case.facts.items():
            if not self._of.concern(entry) or event_id in self._case.dead:
                continue
            record, event_type = entry.record, entry.outline.event_type
            if record.recorded_at >= self._minute:
                self.later.add(self._minute + MINUTE_MS)
                continue
            if record.occurred_at > self._minute:
                self._look_at(record.occurred_at)
                continue
            for party, shown in shown_now(self._case, self._decider, event_id).items():
                own = party == record.party
                withheld = _NOTHING_WITHHELD if own else policy.withheld_fields(event_type, party)
                one: Cut = (event_id, mask_of_shown(shown), withheld)
                if event_type in RELEASE_DATED:
                    # Only the last one is read, and there can be many.
                    order = (record.occurred_at, record.recorded_at, event_id)
                    dated[party] = max((order, one), dated.get(party, (order, one)), key=lambda pair: pair[0])
                else:
                    seen.setdefault(party, []).append(one)
        for party, (_, one) in dated.items():
            seen.setdefault(party, []).append(one)
        return seen

    def _clocks_over(self, seen: tuple[Cut, ...]) -> tuple[Clock, ...]:
        """The clocks over what one party sees; several often see the same."""
        found = self._clocks.get(seen)
        if found is None:
            facts = [fact for one in seen if (fact := self._fact(one)) is not None]
            for fact in facts:
                for at in self._times_in(fact):
                    if at > self._minute:
                        self._look_at(at)
            known = map(Known, facts)
            case = KnownCase.of(known, self._person, self._minute, self._decider.policy, self._of.terms)
            runs_here = {
                kind for jurisdiction, kind in self._of.clock_terms.asked if jurisdiction == self._jurisdiction
            }
            found = self._clocks[seen] = tuple(clock for clock in clocks_of(case) if clock.kind in runs_here)
        return found

    def _times_in(self, fact: Fact) -> Iterator[int]:
        """Every instant that a fact names: when it comes, a clock may start, stop or be another."""
        payload = fact.payload
        for field in self._of.reader.catalogue.event_types[fact.event_type].fields:
            if field.kind is Kind.TIMESTAMP and isinstance(at := payload.get(field.name), int):
                yield at

    def _fact(self, one: Cut) -> Fact | None:
        if one not in self._facts:
            event_id, mask, withheld = one
            record = self._case.facts[event_id].record
            payload = self._payloads.get(event_id)
            if payload is None:
                payload = self._of.reader.codec.decode_body(record.schema_id, record.value)
                self._payloads[event_id] = payload
            form = cut(self._of.reader.catalogue.event_types[record.event_type], payload, mask, withheld)
            shown = Fact(event_id, record.event_type, record.party, record.occurred_at, record.recorded_at, form or {})
            self._facts[one] = None if form is None else shown
        return self._facts[one]

    @property
    def _jurisdiction(self) -> str:
        return self._person.jurisdiction

    # --- who may be reminded

    def _entitled(self, party: str, clock: Clock) -> frozenset[str] | None:
        """Those of whom `party` would be shown what would have stopped the clock; `None` unless of all it should be."""
        found: frozenset[str] = frozenset()
        for asked in self._of.clock_terms.asked[self._jurisdiction, clock.kind]:
            stating = self._stating(asked, clock.rests_on[0])
            # Who has left does not state it any more: that nothing is stated says nothing.
            if not stating or any(each in self._decider.policy.registry.left for each in stating):
                return None
            if not all(self._would_see(party, asked, each, clock) for each in stating):
                return None
            found |= stating
        return found

    def _stating(self, asked: Asked, begun_by: Fact) -> frozenset[str]:
        policy, responsible = self._decider.policy, self._decider.standing.responsible
        members: set[str] = set()
        for of in asked.of:
            if of == PUBLISHER:
                members.add(begun_by.party)
            elif of == PROVIDER:
                members.update(_named(begun_by.payload.get("provider")))
            else:
                members.update(party for party in policy.of_municipality(responsible) if role_of_id(party) == of)
        return frozenset(members)

    def _would_see(self, party: str, asked: Asked, stated_by: str, clock: Clock) -> bool:
        """Whether `party` would be shown these events of `stated_by`, had they been stated when the clock began."""
        references = {
            name: value for name in ("requestId", "party") if (value := clock.rests_on[0].payload.get(name)) is not None
        }
        for event in asked.events:
            event_type = self._of.reader.catalogue.event_types[event]
            mask = asked.categories | event_type.anchor_bit({})
            unstated = Outline("", event, stated_by, clock.since, event_type.anchor_bit({}), mask, references)
            if mask & ~mask_of_shown(self._decider.shown(unstated, party)):
                return False
        return True


def _named(value: object) -> Sequence[str]:
    return (value,) if isinstance(value, str) else ()


def reminders_stated(
    case: CaseTimeline, look: Look, clock: int, reader: Reader, secret: bytes
) -> Iterator[tuple[FactRecorded, Fact]]:
    """Yield what to put on the timeline for one look; the caller does so before it asks for the next.

    A reminder that was raised and taken back in this very minute is raised in the next one.
    """
    for target in look.taken_back:
        payload = {"occurredAt": look.minute, "targetEventId": ce_id_of(target), "at": look.minute, "reason": "OTHER"}
        yield hub_fact(case, RETRACTION, hub_event_id(secret, case, RETRACTION, target), payload, clock, reader)
    for reminder in look.raised:
        event_id = _id_of(case, reminder, look.minute, secret)
        if event_id not in case.facts:
            yield hub_fact(case, REMINDER, event_id, _payload(reminder, look.minute), clock, reader)


def _id_of(case: CaseTimeline, reminder: Reminder, minute: int, secret: bytes) -> str:
    parts = (reminder.recipient, reminder.kind, str(reminder.due), *reminder.based_on, str(minute))
    return hub_event_id(secret, case, REMINDER, *parts)


def _payload(reminder: Reminder, minute: int) -> dict[str, Any]:
    return {
        "occurredAt": reminder.due,
        "recipient": reminder.recipient,
        "kind": reminder.kind,
        "dueAt": reminder.due,
        "at": minute,
        "basedOn": list(map(ce_id_of, reminder.based_on)),
        "publishersSilent": reminder.silent,
    }
