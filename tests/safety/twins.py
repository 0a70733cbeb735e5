"""Twins: the same story, changed only in what one party was never shown at any settlement.

Rules:
- Hidden from a party: of others' events every field whose category it was never shown, and the whole event where it
  was shown nothing of it; but not the end of an event that it was shown.
- A change alters, empties or fills hidden fields and list items; drops, adds, corrects, retracts, moves, redates a
  hidden event; or changes links that lead nowhere for the party.
- A twin counts only if the production decision answers the party alike at every settlement, and entitles it alike to
  what clocks ask for. Where the standing is
  alike as well, an untouched event with another answer is a leak in the decision itself, and is raised as one.

From `stories` and `answers`; played by `transcripts`, compared by `test_non_interference`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from contracts.catalogue import catalogue
from contracts.categories import BIT, CATEGORY_OF_DOMAIN, Category
from contracts.event_types import DOMAIN, NEVER, Field, domain_bit
from tests.safety.answers import Answers, answers_of
from tests.safety.stories import (
    DIARY,
    REFERRING,
    SLOT_MS,
    SLOTS,
    Event,
    Story,
    any_event,
    correction,
    new_id,
    retraction,
    value_of,
)
from tests.safety.transcripts import SETTLED_AT

Events = list[Event]
ATTEMPTS: Final = 4
"""How many changes are tried before a story is given up for a party."""


class DecisionLeak(AssertionError):
    """The pure decision answers otherwise although standing and event are the same."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A twin that counts, with the names of the changes that made it."""

    story: Story
    changes: tuple[str, ...]


@dataclass(slots=True)
class Hidden:
    """What one party was never shown of a story."""

    party: str
    answers: Answers
    rng: Random

    def mask(self, event: Event) -> int:
        """All that the party was ever shown of an event."""
        return self.answers.ever.get((event.event_id, self.party), 0)

    def whole(self, events: Events) -> Events:
        """Others' events of which the party was shown nothing.

        Who was told of a fact is told as well that it was corrected or retracted, whatever it may see by then.
        """
        return [
            event
            for event in events
            if event.stated.party != self.party
            and not self.mask(event)
            and not self.answers.ever.get((victim_of(event) or "", self.party))
        ]


def twin_of(story: Story, party: str, base: Answers, rng: Random) -> tuple[Twin | None, int]:
    """Return a twin of `story` for `party`, or `None`, and how many were discarded before."""
    for attempt in range(ATTEMPTS):
        hidden = Hidden(party, base, rng)
        changed, names = list(story.events), []
        for _ in range(rng.randrange(1, 4)):
            name = rng.choice(tuple(CHANGES))
            altered = CHANGES[name](hidden, changed)
            if altered is not None:
                changed = altered
                names.append(name)
        twin = story.with_events(changed)
        if twin.events == story.events:
            continue
        if counts(story, twin, party, base):
            return Twin(twin, tuple(names)), attempt
    return None, ATTEMPTS


def counts(story: Story, twin: Story, party: str, base: Answers) -> bool:
    """Whether the twin counts; raise `DecisionLeak` where the decision answers otherwise without a reason."""
    fresh = answers_of(twin, [party])
    if fresh.by_party[party] == base.by_party[party]:
        return _is_entitled_alike(story, party, base, fresh)
    before_ids, after_ids = {id(event) for event in story.events}, {id(event) for event in twin.events}
    changed = [each for each in (*story.events, *twin.events) if (id(each) in before_ids) != (id(each) in after_ids)]
    excused = {each.event_id for each in changed} | {victim for each in changed if (victim := victim_of(each))}
    excused |= base.refused ^ fresh.refused
    for n, (before, after) in enumerate(zip(base.by_party[party], fresh.by_party[party], strict=True)):
        if base.standings[n] == fresh.standings[n]:
            differing = {each for each in before.keys() | after.keys() if before.get(each) != after.get(each)}
            if differing - excused:
                raise DecisionLeak(f"`{party}`, settlement {n}, one standing, other answers: {differing - excused}")
    return False


def _is_entitled_alike(story: Story, party: str, base: Answers, fresh: Answers) -> bool:
    """Whether the party would be shown alike what clocks ask for, wherever the standing differs.

    The prison service is reminded of missing housing while it may see the housing agency's facts. Who coordinates can
    give it that right by law, and be hidden from it. A right is the party's own, and the next such fact would show it;
    to go on reminding without it would say that nothing was stated to one who may not see it.
    """
    return all(
        before == after
        or base.entitled(party, n, story.jurisdiction, at) == fresh.entitled(party, n, story.jurisdiction, at)
        for n, (before, after, at) in enumerate(zip(base.standings, fresh.standings, SETTLED_AT, strict=True))
    )


def victim_of(event: Event) -> str | None:
    """The id of the event that this one corrects or retracts."""
    target = event.stated.corrects or event.stated.payload.get("targetEventId")
    return f"{event.stated.party}/{target}" if target else None


# --- the changes: each returns the events changed, or `None` where there is nothing for it to change


def alter_a_hidden_field(hidden: Hidden, events: Events) -> Events | None:
    """Other values in what the party was never shown of an event of which it may have seen the rest."""
    others = [event for event in events if event.stated.party != hidden.party]
    hidden.rng.shuffle(others)
    # First what the party sees a part of: there a slip of the cutter shows.
    for event in sorted(others, key=lambda event: not hidden.mask(event)):
        payload = _altered(hidden, event)
        if payload != event.stated.payload:
            return _with(events, event, event.with_payload(payload))
    return None


def _altered(hidden: Hidden, event: Event) -> dict[str, Any]:
    contract, shown, rng = catalogue().event_types[event.stated.event_type], hidden.mask(event), hidden.rng
    payload = dict(event.stated.payload)
    fields = [each for each in contract.fields if each.name not in ("occurredAt", "targetEventId")]
    if contract.name in REFERRING:
        fields = [each for each in fields if each.name != "consentId"]
    rng.shuffle(fields)
    fields.sort(key=lambda each: not (each.category == DOMAIN and each.repeated))
    for each in fields[: rng.randrange(2, 8)]:
        if each.category == DOMAIN and each.repeated:
            payload[each.name] = _items(hidden, each, payload.get(each.name), shown, event)
        elif not _bit(each, payload) & shown:
            empty = not each.mandatory and rng.random() < 0.3
            payload[each.name] = None if empty else value_of(each, rng, event.stated.occurred_at)
    return payload


def _bit(field: Field, payload: dict[str, Any]) -> int:
    if field.category == NEVER:
        return 0
    return domain_bit(payload.get("domain")) if field.category == DOMAIN else BIT[Category(field.category)]


def _items(hidden: Hidden, field: Field, items: list[Any] | None, shown: int, event: Event) -> list[Any]:
    """The list with its hidden items dropped, and others of hidden domains in between."""
    kept = [item for item in items or [] if _item_bit(item) & shown]
    for _ in range(hidden.rng.randrange(3)):
        new = value_of(replace(field, repeated=False), hidden.rng, event.stated.occurred_at)
        closed = [name for name, category in CATEGORY_OF_DOMAIN.items() if not BIT[category] & shown]
        if not closed:
            break
        domain = hidden.rng.choice(closed)
        kept.insert(hidden.rng.randrange(len(kept) + 1), {**new, "domain": domain} if isinstance(new, dict) else domain)
    return kept


def _item_bit(item: Any) -> int:
    return domain_bit(item["domain"] if isinstance(item, dict) else item)


def drop_a_hidden_event(hidden: Hidden, events: Events) -> Events | None:
    """One event less, with whatever corrects or retracts it."""
    found = hidden.whole(events)
    if not found:
        return None
    gone = {hidden.rng.choice(found).event_id}
    while more := {each.event_id for each in events if victim_of(each) in gone} - gone:
        gone |= more
    return [event for event in events if event.event_id not in gone]


def add_a_hidden_event(hidden: Hidden, events: Events) -> Events | None:
    """One event more, of another party."""
    return [*events, any_event(hidden.rng, _free_slot(hidden, events), not_by=hidden.party)]


def end_a_hidden_event(hidden: Hidden, events: Events) -> Events | None:
    """A correction or retraction of an event of which the party was shown nothing."""
    ended = {victim_of(event) for event in events}
    found = [
        each for each in hidden.whole(events) if each.event_id not in ended and each.stated.event_type not in REFERRING
    ]
    if not found:
        return None
    target = hidden.rng.choice(found).stated
    slot = _free_slot(hidden, events, after=target.recorded_at)
    end = correction if hidden.rng.random() < 0.5 else retraction
    return None if slot < 0 else [*events, end(hidden.rng, slot, target)]


def redate_a_hidden_event(hidden: Hidden, events: Events) -> Events | None:
    """It happened, or was published or recorded, at another time; nothing that refers to it moves before it."""
    ended = {victim_of(event) for event in events}
    found = [each for each in hidden.whole(events) if each.event_id not in ended and not victim_of(each)]
    if not found:
        return None
    event = hidden.rng.choice(found)
    slot = _free_slot(hidden, events)
    recorded_at = hidden.rng.choice((event.stated.recorded_at, DIARY[slot // SLOTS] + slot % SLOTS * SLOT_MS))
    occurred_at = event.stated.occurred_at - hidden.rng.choice((0, 5_000, 9 * 86_400_000))
    moved = replace(event.stated, recorded_at=recorded_at, occurred_at=min(occurred_at, recorded_at))
    return _with(events, event, replace(event, stated=moved, published_at=recorded_at - 7_000))


def relink_to_hidden_events(hidden: Hidden, events: Events) -> Events | None:
    """Links of another's event that lead to what the party was never told of now lead elsewhere, or nowhere."""
    for event in hidden.rng.sample(events, len(events)):
        if event.stated.party == hidden.party:
            continue
        unseen = [each.stated.id for each in hidden.whole(events) if each.stated.party == event.stated.party]
        targets = [None, new_id(hidden.rng), *unseen]
        told = {each.stated.id for each in events if each.stated.id not in unseen}
        correlation, causation = event.correlation, event.causation
        if correlation not in told:
            correlation = hidden.rng.choice(targets)
        if causation not in told:
            causation = hidden.rng.choice(targets)
        if (correlation, causation) != (event.correlation, event.causation):
            return _with(events, event, replace(event, correlation=correlation, causation=causation))
    return None


def _with(events: Events, old: Event, new: Event) -> Events:
    return [new if event is old else event for event in events]


def _free_slot(hidden: Hidden, events: Events, after: int = 0) -> int:
    """A place in the diary that no event has; -1 where there is none after `after`."""
    taken = {event.stated.recorded_at for event in events}
    slots = [
        slot
        for slot in range(SLOTS * len(DIARY))
        if (at := DIARY[slot // SLOTS] + slot % SLOTS * SLOT_MS) not in taken and at > after
    ]
    return hidden.rng.choice(slots) if slots else -1


CHANGES: Final[dict[str, Callable[[Hidden, Events], Events | None]]] = {
    change.__name__: change
    for change in (
        alter_a_hidden_field,
        drop_a_hidden_event,
        add_a_hidden_event,
        end_a_hidden_event,
        redate_a_hidden_event,
        relink_to_hidden_events,
    )
}
