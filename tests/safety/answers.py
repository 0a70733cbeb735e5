"""What the production decision says of a story to every party, settlement by settlement.

Rules:
- A case is folded afresh, record by record, and its rights are derived anew at every settlement: nothing that the
  shard keeps between two settlements takes part.
- An answer is the mask of categories that a party is shown of an event; the basis is left out, for it is not sent.
- An amendment that arrival refuses is on no timeline: whether its consent is known is asked here as the gate asks it.
- What a party is entitled to is what it would be shown of what clocks ask for, had it been stated: a reminder rests on
  that, and a party's own rights are not hidden from it.

From `stories`; goes to `twins`, which says by it what was never visible to whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from contracts.catalogue import catalogue
from contracts.civil_time import day_number
from contracts.codec import codec
from contracts.fact import Fact, Outline, event_id_of
from contracts.parties import role_of_id
from contracts.schema_ids import schema_ids
from hub.case_timeline.timeline import CaseTimeline, Reader
from hub.consent.agreements import Agreements
from hub.consent.decision import Decider
from hub.consent.policy import Policy, load_policy
from hub.consent.standing import Standing
from hub.continuity.clock_terms import clock_terms
from hub.disclosure.settlement import decisions_on, mask_of_shown, rights_in
from hub.store.records import CitizenEnrolled, FactRecorded, case_stream
from tests.safety.stories import DAY_MS, DIARY, EVALUATION, PARTIES, REGISTRY, Event, Story
from tests.safety.transcripts import SETTLED_AT

Answer = Mapping[str, int]
"""Event id -> mask of what one party is shown; what is not named is not shown."""


@dataclass(frozen=True, slots=True)
class Answers:
    """A story decided: per settlement the standing, and per party its answer."""

    standings: tuple[Standing, ...]
    by_party: Mapping[str, tuple[Answer, ...]]
    ever: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(event id, party) -> everything ever shown of it."""
    refused: frozenset[str] = frozenset()
    """The event ids of amendments that arrival refuses."""
    deciders: tuple[Decider, ...] = ()

    def entitled(self, party: str, settlement: int, jurisdiction: str, at: int) -> tuple[int, ...]:
        """What `party` would be shown, at one settlement, of what clocks ask for, had it been stated at `at`."""
        decider = self.deciders[settlement]
        unstated = (
            Outline("", event, stated_by, at, anchor, categories, {})
            for event, stated_by, anchor, categories in _asked_by_clocks(jurisdiction)
        )
        return tuple(mask_of_shown(decider.shown(outline, party)) for outline in unstated)


@lru_cache(maxsize=2)
def _asked_by_clocks(jurisdiction: str) -> Sequence[tuple[str, str, int, int]]:
    """What clocks ask for: event type, a party that may state it, anchor and categories."""
    asked = {
        (catalogue().event_types[event], each.categories)
        for (where, _), lines in clock_terms().asked.items()
        if where == jurisdiction
        for each in lines
        for event in each.events
    }
    return sorted(
        (event_type.name, stated_by, event_type.anchor_bit({}), categories | event_type.anchor_bit({}))
        for event_type, categories in asked
        for stated_by in PARTIES
        if event_type.may_state(role_of_id(stated_by))
    )


@lru_cache(maxsize=2)
def _policy(jurisdiction: str) -> Policy:
    return load_policy(jurisdiction, REGISTRY)


@lru_cache(maxsize=2)
def _reader(jurisdiction: str) -> Reader:
    return Reader(catalogue(), codec(), _policy(jurisdiction).gate_types, "safety")


@lru_cache(maxsize=2)
def _agreements(jurisdiction: str) -> Agreements:
    recorded_at = DIARY[0] - DAY_MS
    registered = Fact("HUB/e", "AgreementRegistered", "HUB", recorded_at, recorded_at, EVALUATION)
    return Agreements.of([registered], _policy(jurisdiction).zone, recorded_at)


def answers_of(story: Story, parties: Iterable[str]) -> Answers:
    """Decide `story` for `parties` at every settlement."""
    parties = tuple(parties)
    policy, reader = _policy(story.jurisdiction), _reader(story.jurisdiction)
    case = CaseTimeline(story.case_id)
    stream = case_stream(story.case_id)
    case.fold(CitizenEnrolled(stream, 1, 0, day_number(story.born), story.jurisdiction), reader)
    waiting = list(reversed(story.events))
    standings: list[Standing] = []
    by_party: dict[str, list[dict[str, int]]] = {party: [] for party in parties}
    ever: dict[tuple[str, str], int] = {}
    refused: set[str] = set()
    deciders: list[Decider] = []
    for at in SETTLED_AT:
        while waiting and waiting[-1].stated.recorded_at <= at:
            event = waiting.pop()
            if _is_refused(event, case):
                refused.add(event.event_id)
            else:
                case.fold(_recorded(stream, case.version + 1, event), reader)
        rights = rights_in(case, at, policy, agreements=_agreements(story.jurisdiction))
        standings.append(rights.standing)
        deciders.append(rights.decider)
        shown: dict[str, dict[str, int]] = {party: {} for party in parties}
        for event_id, entry in case.facts.items():
            death = case.dead.get(event_id)
            for party in parties:
                if death is None:
                    mask = mask_of_shown(rights.decider.shown(entry.outline, party))
                else:
                    mask = mask_of_shown(decisions_on(entry.outline, death, rights.decider).get(party, ()))
                if mask:
                    shown[party][event_id] = mask
                    ever[event_id, party] = ever.get((event_id, party), 0) | mask
        for party in parties:
            by_party[party].append(shown[party])
    lines_of = {party: tuple(lines) for party, lines in by_party.items()}
    return Answers(tuple(standings), lines_of, ever, frozenset(refused), tuple(deciders))


def _is_refused(event: Event, case: CaseTimeline) -> bool:
    stated = event.stated
    return stated.event_type == "ConsentAmended" and not case.consent_known_to(
        stated.payload["consentId"], stated.party
    )


_BODIES: Final[dict[int, tuple[Event, bytes]]] = {}
_BODIES_MAX: Final = 4_000


def _recorded(stream: str, version: int, event: Event) -> FactRecorded:
    stated = event.stated
    schema_id = schema_ids().published(stated.event_type)
    known = _BODIES.get(id(event))
    if known is None:
        if len(_BODIES) >= _BODIES_MAX:
            _BODIES.clear()
        body = codec().encode(schema_id, {"occurredAt": stated.occurred_at, **stated.payload})[5:]
        # The event is kept beside its body, so that its identity stays its own.
        known = _BODIES[id(event)] = (event, body)
    return FactRecorded(
        stream,
        version,
        event.event_id,
        stated.event_type,
        stated.party,
        f"urn:party:{stated.party}:main",
        schema_id,
        stated.occurred_at,
        event.published_at,
        stated.recorded_at,
        event_id_of(stated.party, stated.corrects) if stated.corrects else None,
        event.correlation,
        event.causation,
        known[1],
    )
