"""Why a party is, or is not, shown each category of a fact: the decision's own parts, put in plain words.

Rules:
- Explains, never decides: what is shown is asked of the decider; the words follow from the same tables.
- Every sentence names rules, laws, categories, parties and event ids; never a value of a fact.
- For what is closed it names what closed it, or the rules and consents that come closest and what each lacks.

A question comes from evidence and the command line; the answer goes to people who may see decisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from contracts.categories import BIT, MEANINGS, Category, categories_of, text_of
from contracts.fact import Outline
from contracts.parties import Party
from hub.consent.agreements import UNDER, WITHIN_ITS_PERIOD, Agreement
from hub.consent.conditions import CONDITIONS, FACT_CONDITIONS, SINCE, sentence
from hub.consent.relations import BETWEEN, NAMED_BY, WHO, WITHIN

if TYPE_CHECKING:  # the decider offers `explain`, so it stands above this module
    from hub.consent.consents import ActiveConsent
    from hub.consent.decision import Decider
    from hub.consent.rule_set import Grant, Rule

CLOSEST_MAX: Final = 3
_ORIGINS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "in_responsible_municipality": ("responsible_municipality",),
    "responsible_or_without_municipality": ("responsible_municipality",),
    "acting_as_social_services": ("responsible_municipality", "coordinator"),
    "health_link": ("in_treatment", "addressed"),
    "health_parties_without_objection": ("objection",),
    "custody_start": ("in_custody_window",),
    "convicted_or_radicalisation": ("convicted", "ksp_in_force"),
}
"""The origins that a name of the rule set rests on, where they have other names than the condition itself."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The answer for one category. `events` are the ids of the events that it rests on, where known."""

    category: Category
    shown: bool
    basis: str | None
    law: str | None
    sentences: tuple[str, ...]
    events: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`SU substance use and its treatment: closed. <sentence>. <sentence>`"""
        outcome = f"shown by {self.basis}" if self.shown else "closed"
        return f"{self.category} {MEANINGS[self.category]}: {outcome}. " + ". ".join(self.sentences)


def explained(decider: Decider, outline: Outline, receiver: str) -> list[Reasoning]:
    """Return one reasoning for each category of the fact, in order of category."""
    basis_of = {category: basis for basis, mask in decider.shown(outline, receiver) for category in categories_of(mask)}
    opened = 0
    if outline.party != receiver and outline.anchor != BIT[Category.CO]:
        for mask in decider.opened(outline, receiver).values():
            opened |= mask
    return [
        _shown(decider, outline, receiver, category, basis_of[category])
        if category in basis_of
        else _closed(decider, outline, receiver, category, opened)
        for category in categories_of(outline.categories)
    ]


def _shown(decider: Decider, outline: Outline, receiver: str, category: Category, basis: str) -> Reasoning:
    if basis == "OWN":
        return Reasoning(category, True, basis, None, (f"`{receiver}` stated this fact itself",))
    if basis == "CO":
        names = decider.policy.rules.records[outline.event_type]
        reasons = [
            sentence(NAMED_BY[name])
            for name in names
            if receiver in NAMED_BY[name](decider.policy, decider.standing, outline)
        ]
        return Reasoning(category, True, basis, None, tuple(f"consent record: {reason}" for reason in reasons))
    if basis == "BG":
        requests = [
            glass
            for glass in decider.standing.open_glass
            if glass.requester == receiver
            and glass.categories & BIT[category]
            and (glass.sources is None or outline.party in glass.sources)
        ]
        events = _events(decider, *(f"BG:{glass.request_id}" for glass in requests))
        return Reasoning(category, True, basis, None, (f"break-glass of `{receiver}` is open for it",), events)
    if basis.startswith("C:"):
        text = f"consent `{basis[2:]}` covers {category}, from `{outline.party}` to `{receiver}`, for its purpose"
        return Reasoning(category, True, basis, None, (text,), _events(decider, basis))
    rule = next(rule for rule in decider.policy.rules.rules if rule.id == basis)
    grant = next(
        grant
        for grant in rule.grants
        if _concerns(grant, outline, category) and not list(_lacks(decider, rule, grant, outline, receiver, category))
    )
    met = ", ".join(dict.fromkeys(_asks(grant)))
    text = f"{rule.id} {rule.title}" + (f": {met}" if met else "")
    events = _events(decider, *_names(grant), f"C:{outline.references.get('consentId')}")
    under = list(_agreements_under(decider, grant, outline, receiver, category))
    if under:
        text += f" (agreement {', '.join(f'`{one.agreement_id}`' for one in under)})"
        events = (*events, *(one.registered_by for one in under))
    return Reasoning(category, True, basis, rule.law, (text,), events)


def _closed(decider: Decider, outline: Outline, receiver: str, category: Category, opened: int) -> Reasoning:
    def because(*sentences: str, events: tuple[str, ...] = ()) -> Reasoning:
        return Reasoning(category, False, None, None, sentences, events)

    if decider.policy.is_abroad(receiver):
        return because(f"`{receiver}` belongs to another country than the case, and nothing is told abroad")
    if decider.policy.terms_of(receiver) is None:
        return because(f"`{receiver}` is not in the registry, or its role receives nothing under this rule set")
    if outline.anchor == BIT[Category.CO]:
        if not decider.may_get_record(outline.event_type, receiver):
            return because(f"records of this kind do not go to the role of `{receiver}`")
        return because(f"`{receiver}` is not among those to whom a record of this kind goes")
    if decider.closed(receiver) & BIT[category]:
        return because(*_never(decider, receiver, category))
    gate = decider.closed_gate(receiver, None)
    if gate is not None:
        return because(f"gate: {gate.title}", events=_events(decider, *gate.conditions))
    if opened & BIT[category]:
        anchor = text_of(outline.anchor) or "of an unknown domain"
        return because(
            f"it would be open, but the anchor category {anchor} of this fact is closed, so nothing is shown"
        )
    only_by = decider.policy.rules.roles[Party(receiver).role].only_by
    consents = (
        _consents(decider, outline, receiver, category)
        if only_by is None
        else [
            f"to the role of `{receiver}` only {', '.join(sorted(only_by)) or 'no rule'} may open anything, no consent"
        ]
    )
    return because(*_closest_rules(decider, outline, receiver, category), *consents)


def _never(decider: Decider, receiver: str, category: Category) -> Iterator[str]:
    role, rules = Party(receiver).role, decider.policy.rules
    if rules.roles[role].never & BIT[category]:
        yield f"the rule set never shows {category} to the role {role}, not even with consent"
    for never in rules.never:
        if never.categories & BIT[category] and decider.holds(never.conditions):
            yield f"{never.id} {never.title}"


def _closest_rules(decider: Decider, outline: Outline, receiver: str, category: Category) -> list[str]:
    found = []
    is_abroad = decider.policy.is_abroad(outline.party)
    for rule in decider.policy.rules.rules:
        for grant in rule.grants:
            if is_abroad and grant.named_by is None:
                continue
            if not decider.policy.may_rest_on(Party(receiver).role, rule.id):
                continue
            on_roles = grant.stated_by.has_role(Party(outline.party).role) and grant.to.has_role(Party(receiver).role)
            if on_roles and _concerns(grant, outline, category):
                lacks = list(dict.fromkeys(_lacks(decider, rule, grant, outline, receiver, category)))
                found.append((len(lacks), f"{rule.id} {rule.title} would need that {', and that '.join(lacks)}"))
    if not found:
        return [f"no rule opens {category} of `{outline.party}`'s facts of this kind to the role of `{receiver}`"]
    return [text for _, text in sorted(found)[:CLOSEST_MAX]]


def _concerns(grant: Grant, outline: Outline, category: Category) -> bool:
    return bool(grant.categories & BIT[category]) and (grant.events is None or outline.event_type in grant.events)


def _lacks(
    decider: Decider, rule: Rule, grant: Grant, outline: Outline, receiver: str, category: Category
) -> Iterator[str]:
    """What a grant asks for and does not get."""
    policy, standing = decider.policy, decider.standing
    for name in grant.conditions:
        if not decider.holds((name,)):
            yield sentence(CONDITIONS[name])
    for side, party, word in ((grant.stated_by, outline.party, "stated by"), (grant.to, receiver, "shown to")):
        if not decider.on_side(side, party):
            yield f"of the party it is {word}, {sentence(WHO[side.who]) if side.who else 'the role is another'}"
    gate = decider.closed_gate(receiver, rule.id)
    if gate is not None:
        yield f"the gate opens ({gate.title})"
    if grant.between is not None and not BETWEEN[grant.between](standing, outline.party, receiver):
        yield sentence(BETWEEN[grant.between])
    if grant.since is not None:
        since = SINCE[grant.since](standing)
        if since is None or outline.occurred_at < since:
            yield sentence(SINCE[grant.since])
    for name in grant.facts:
        if not FACT_CONDITIONS[name](standing, outline):
            yield sentence(FACT_CONDITIONS[name])
    if grant.named_by is not None and receiver not in NAMED_BY[grant.named_by](policy, standing, outline):
        yield sentence(NAMED_BY[grant.named_by])
    if grant.within is not None and not WITHIN[grant.within](policy, standing, outline) & BIT[category]:
        yield sentence(WITHIN[grant.within])
    if grant.under is not None and not any(_agreements_under(decider, grant, outline, receiver, category)):
        yield sentence(UNDER[grant.under])


def _agreements_under(
    decider: Decider, grant: Grant, outline: Outline, receiver: str, category: Category
) -> Iterator[Agreement]:
    """The agreements on which a grant rests for one category of one fact."""
    if grant.under is not None:
        for one in UNDER[grant.under](decider.standing, outline.party, receiver):
            in_time = grant.under not in WITHIN_ITS_PERIOD or one.covers_time(outline.occurred_at)
            if in_time and one.categories & BIT[category]:
                yield one


def _consents(decider: Decider, outline: Outline, receiver: str, category: Category) -> list[str]:
    """What the consents in force that name the receiver lack; silent about consents among others."""
    found = []
    for consent in decider.standing.consents:
        if receiver in consent.recipients | consent.lost_to:
            lacks = list(_consent_lacks(decider, consent, outline, receiver, category))
            found.append((len(lacks), f"consent `{consent.consent_id}` does not open it: {', '.join(lacks)}"))
    if not found:
        return [f"no consent in force names `{receiver}` as a recipient"]
    return [text for _, text in sorted(found)[:CLOSEST_MAX]]


def _consent_lacks(
    decider: Decider, consent: ActiveConsent, outline: Outline, receiver: str, category: Category
) -> Iterator[str]:
    terms = decider.policy.terms_of(receiver)
    implied = decider.policy.rules.consent.implied.get(Party(outline.party).role, 0)
    if not consent.listed & BIT[category]:
        yield f"it does not cover {category}"
    elif not consent.opens & BIT[category]:
        yield f"given in this form or by this giver it cannot open {category}"
    if receiver in consent.lost_to:
        yield f"the municipality of `{receiver}` was responsible when it began and is no more"
    if outline.party in consent.void_sources:
        yield f"given orally it opens nothing that `{outline.party}` states"
    elif outline.party not in consent.sources:
        yield f"`{outline.party}` is not one of its sources"
    if terms is not None and terms.purpose not in consent.purposes:
        yield f"the purpose {terms.purpose} is not one of its purposes"
    if implied & ~consent.listed:
        yield f"it does not cover {text_of(implied)}, which a fact of this party gives away"
    if outline.occurred_at < consent.data_from:
        yield "the fact is older than what it covers"


def _asks(grant: Grant) -> Iterator[str]:
    for name in grant.conditions:
        yield sentence(CONDITIONS[name])
    for side, word in ((grant.stated_by, "stating"), (grant.to, "receiving")):
        if side.who is not None:
            yield f"{sentence(WHO[side.who])} ({word})"
    if grant.between is not None:
        yield sentence(BETWEEN[grant.between])
    if grant.since is not None:
        yield sentence(SINCE[grant.since])
    for name in grant.facts:
        yield sentence(FACT_CONDITIONS[name])
    if grant.named_by is not None:
        yield sentence(NAMED_BY[grant.named_by])
    if grant.within is not None:
        yield sentence(WITHIN[grant.within])
    if grant.under is not None:
        yield sentence(UNDER[grant.under])


def _names(grant: Grant) -> Iterator[str]:
    yield from grant.conditions
    yield from (name for name in (grant.stated_by.who, grant.to.who, grant.between, grant.since) if name is not None)


def _events(decider: Decider, *names: str) -> tuple[str, ...]:
    """The events from which the named parts of the standing were learnt."""
    origins = decider.standing.origins
    found = (event for name in names for key in _ORIGINS_OF.get(name, (name,)) for event in origins.get(key, ()))
    return tuple(dict.fromkeys(found))
