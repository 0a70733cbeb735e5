"""Explains one decision: each field of one fact for one party, shown or not, and why, as known at a time.

Rules:
- The decision is made again from the stored facts by the very code that made it; nothing is remembered of why.
- It is set beside the newest decision that is stored. Where the two differ, the explanation says so.
- Between a fact, or an end by time, and the settlement that follows, what is stored is older than what is known: where
  the next settlement of the case told the party just this, the explanation says when that was.
- What is about no citizen is told by one shard only, and to nobody from the timelines of the others.

For caseworkers' questions and auditors (`hub explain`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.avro_schemas import Form
from contracts.categories import BIT, Category, text_of
from contracts.event_types import DOMAIN, NEVER, EventType, Field, domain_bit
from contracts.failures import NotFound
from contracts.parties import PartyRegistry
from contracts.schema_ids import schema_ids
from hub.case_timeline.timeline import UNJUDGED, UNLINKED, CaseTimeline, Reader
from hub.consent.agreements import NO_AGREEMENTS, Agreements
from hub.consent.explanation import Reasoning
from hub.consent.policies import Policies
from hub.disclosure.envelope import earlier_versions_read
from hub.disclosure.settlement import mask_of_shown, narrowed, rights_in, shown_now
from hub.evidence.replay import LIVE, Replay, ReplayedFact
from hub.store.records import DecisionsRecorded, Shown

_WAITS: Final = "facts of another case are still coming in: nothing new is told before all of them are here"
_TOLD_ELSEWHERE: Final = "one shard tells what is about no citizen: see the timeline that `hub governance case` names"


@dataclass(frozen=True, slots=True)
class FieldExplained:
    """One field that the fact states: its category, whether the party sees it, and the reasoning of the category.

    `law` is where a rule comes from, `events` the ids of the events that the answer rests on, where known.
    """

    field: str
    category: str
    shown: bool
    why: str
    basis: str | None = None
    law: str | None = None
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one fact and one party at one time.

    `rule_set` is the id of the one in force then; `told_under_it` says whether the newest stored decision names that
    very text, `None` where there is none. `settled_at`: the case was not settled at that time, and was at this one.
    """

    event_id: str
    event_type: str
    party: str
    at: int
    state: str
    decided: Shown
    recorded: Shown
    reasoning: tuple[Reasoning, ...]
    fields: tuple[FieldExplained, ...]
    rule_set: str
    rule_set_digest: str
    told_under_it: bool | None
    settled_at: int | None = None

    @property
    def agrees(self) -> bool:
        """Whether the decision made again shows what the stored one does, or the case was not settled then."""
        return mask_of_shown(self.decided) == mask_of_shown(self.recorded) or self.settled_at is not None


def explain(
    replayed: Replay,
    reference: str,
    party: str,
    at: int,
    policies: Policies,
    reader: Reader,
    agreements: Agreements = NO_AGREEMENTS,
    *,
    is_told_elsewhere: bool = False,
) -> Explanation:
    """Explain what `party` may see of the fact `reference` at `at`; raise `NotFound` for a stranger.

    `agreements` are those of the case's jurisdiction as known at `at`. `is_told_elsewhere`: what is on this timeline is
    told by another shard.
    """
    case = replayed.case
    if case.enrolled is None:
        raise NotFound("no such case was known then")
    policy = policies.in_force(case.enrolled.jurisdiction, at)
    fact = replayed.fact(reference)
    outline = case.facts[fact.event_id].outline
    decider = rights_in(case, at, policy, agreements=agreements).decider
    recorded = case.told.get(fact.event_id, {}).get(party, ())
    by_rules = () if is_told_elsewhere else shown_now(case, decider, fact.event_id).get(party, ())
    decided = narrowed(by_rules, recorded) if case.joining else by_rules
    reasoning = tuple(decider.explain(outline, party))
    event_type = reader.catalogue.event_types[fact.event_type]
    withheld = {} if party == fact.party else policy.withholding_rules(fact.event_type, party)
    kept_back = {
        **not_carried(event_type, fact.payload, policy.registry, party, reader),
        **{name: f"rule {rule} withholds `{name}` from this role" for name, rule in withheld.items()},
    }
    waits = mask_of_shown(by_rules) & ~mask_of_shown(decided)
    why_not = _TOLD_ELSEWHERE if is_told_elsewhere else _why_not(case, fact)
    return Explanation(
        fact.event_id,
        fact.event_type,
        party,
        at,
        fact.state,
        decided,
        recorded,
        reasoning,
        tuple(_fields(event_type, fact.payload, mask_of_shown(decided), waits, kept_back, reasoning, why_not)),
        policy.rule_set,
        policy.digest,
        next((told.rule_set == policy.digest for told in reversed(fact.tellings) if told.party == party), None),
        _told_next(replayed, fact, party, decided) if mask_of_shown(decided) != mask_of_shown(recorded) else None,
    )


def _told_next(replayed: Replay, fact: ReplayedFact, party: str, decided: Shown) -> int | None:
    """When the next settlement of the case told `party` what was `decided`; `None` where it told anything else."""
    settlement = next((each for each in replayed.later if isinstance(each, DecisionsRecorded)), None)
    if settlement is None:
        return None
    place = (replayed.case.facts[fact.event_id].version, party)
    told = (each.shown for each in settlement.decisions if (each.fact_version, each.party) == place)
    is_this = any(mask_of_shown(shown) == mask_of_shown(decided) for shown in told)
    return settlement.clock if is_this else None


def _why_not(case: CaseTimeline, fact: ReplayedFact) -> str:
    """Why nobody else is shown the fact, whatever the rules say; empty where they decide."""
    if case.merged_into is not None:
        return "its case was merged into another one and tells nothing any more: see that one"
    if fact.state == UNJUDGED:
        return "it was stated while its case was closed, and was not given back: see the parked records"
    if fact.state == UNLINKED:
        return "it left with a case that had been merged into this one: see that one"
    if fact.state == LIVE:
        return ""
    return f"the fact is {fact.state}: it is shown to nobody but, if retracted, its publisher"


def not_carried(
    event_type: EventType, payload: Mapping[str, Any], registry: PartyRegistry, party: str, reader: Reader
) -> dict[str, str]:
    """The fields that a party is not sent because the version of the event type that it reads cannot carry them."""
    earlier = earlier_versions_read(registry, reader.catalogue).get((party, event_type.name))
    if earlier is None:
        return {}
    schema_id = schema_ids().of_version(event_type.name, earlier.version, Form.DISCLOSED)
    carries = {name: reader.codec.older(schema_id, {name: value}) for name, value in payload.items()}
    return {
        name: f"`{party}` reads version {earlier.version} of this event type, which does not carry it"
        for name, older in carries.items()
        if all(value is None for value in older.values())
    }


def _fields(
    event_type: EventType,
    payload: Mapping[str, object],
    mask: int,
    waits: int,
    kept_back: Mapping[str, str],
    reasoning: tuple[Reasoning, ...],
    why_not: str,
) -> list[FieldExplained]:
    by_category = {BIT[one.category]: one for one in reasoning}
    explained: list[FieldExplained] = []
    for field in event_type.fields:
        for name, bit in _parts(field, payload):
            if field.name in kept_back and bit & mask:
                explained.append(FieldExplained(name, text_of(bit), False, kept_back[field.name]))
            elif bit & waits:
                explained.append(FieldExplained(name, text_of(bit), False, _WAITS))
            else:
                explained.append(_field(name, field, bit, bool(bit & mask), by_category.get(bit), why_not))
    return explained


def _field(name: str, field: Field, bit: int, shown: bool, reasoning: Reasoning | None, why_not: str) -> FieldExplained:
    if field.category == NEVER:
        return FieldExplained(name, "-", False, "kept by the hub, never disclosed")
    if why_not:
        return FieldExplained(name, text_of(bit), shown, why_not)
    if reasoning is None:
        return FieldExplained(name, text_of(bit) or "-", shown, "no rule knows its category")
    why = ". ".join(reasoning.sentences)
    return FieldExplained(name, text_of(bit), shown, why, reasoning.basis, reasoning.law, reasoning.events)


def _parts(field: Field, payload: Mapping[str, object]) -> list[tuple[str, int]]:
    """The parts of a field that are cut on their own: the field itself, or each item of a list cut by domain."""
    value = payload.get(field.name)
    if value is None:
        return []
    if field.category == NEVER:
        return [(field.name, 0)]
    if field.category != DOMAIN:
        return [(field.name, BIT[Category(field.category)])]
    if not field.repeated or not isinstance(value, list):
        return [(field.name, domain_bit(payload.get("domain")))]
    domains = [item["domain"] if isinstance(item, dict) else item for item in value]
    return [(f"{field.name}[{domain}]", domain_bit(domain)) for domain in domains]
