"""I15: the health of consents, and the barriers: what parties of a case are not shown.

Rules (domain specification, 6, I15; 4.4, 4.9.10, 4.9.22):
- Active is what `hub.consent.consents` calls active. A consent is void if from its start it can open nothing: not
  sound, or no source, recipient, purpose and category of it fit together under the rule set.
- A consent counts once, under its id of now, whatever it was called before and however often it was given anew.
- Lapsed: it began, was not ended by anybody, and is no longer active; void ones are counted as void only.
- Exposure: from a withdrawal to its recording, all withdrawals of the case together.
- A barrier is a category of a live fact that a party taking part in the case is not shown by the newest decision.

Decisions come from `hub.case_timeline`. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from contracts.categories import BIT, Category, categories_of
from contracts.event_types import EventType
from contracts.fact import Fact
from contracts.parties import role_of_id
from hub.consent.consents import ENDED, READS, ActiveConsent, consents_of
from hub.consent.corrections import revisions, superseded_by_id
from hub.consent.moment import Moment
from hub.continuity.case import HOUR_MS, KnownCase

Told = Mapping[str, Mapping[str, tuple[tuple[str, int], ...]]]
"""Event id -> party -> what it may see (basis, category mask), by the newest decision."""


@dataclass(frozen=True, slots=True)
class ConsentHealth:
    """Counts of one case. `exposure_hours` is exact."""

    active: int
    given: int
    refused: int
    withdrawn: int
    lapsed: int
    void: int
    lapsing: int
    exposure_hours: Fraction


def consent_health(case: KnownCase) -> ConsentHealth:
    """I15 of one case."""
    facts = [fact for fact in case.by_occurrence() if fact.event_type in READS]
    given: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.event_type == "ConsentGiven":
            given.setdefault(_consent_id(fact), []).append(fact)
    meant = _consents_by_old_id(case, given)
    ended = _named(meant, (fact for fact in facts if fact.event_type in ENDED - {"ConsentExpired"}))
    active = _active(case, facts, case.at)
    later = _active(case, facts, case.after(case.at, case.terms.lapsing_within))
    void = {consent_id for consent_id, each in given.items() if all(_is_void(case, fact) for fact in each)}
    begun = {consent_id for consent_id, each in given.items() if any(f.payload["validFrom"] <= case.at for f in each)}
    withdrawals = [fact for fact in facts if fact.event_type == "ConsentWithdrawn"]
    exposed = sum(fact.recorded_at - fact.occurred_at for fact in withdrawals)
    return ConsentHealth(
        active=len(active - void),
        given=len(given),
        refused=len(case.of_types("ConsentRefused")),
        withdrawn=len(_named(meant, withdrawals)),
        lapsed=len(begun - ended - active - void),
        void=len(void),
        lapsing=len(active - later - void),
        exposure_hours=Fraction(exposed, HOUR_MS),
    )


def barriers(case: KnownCase, told: Told, contracts: Mapping[str, EventType]) -> Counter[tuple[Category, str]]:
    """I15 denied disclosures: how often a category was not shown to a receiver's role."""
    facts = [fact for fact in case.facts if contracts[fact.event_type].anchor != Category.CO]
    parties = {fact.party for fact in facts}
    denied: Counter[tuple[Category, str]] = Counter()
    for fact in facts:
        carried = contracts[fact.event_type].categories_in(fact.payload)
        for party in parties - {fact.party}:
            shown = 0
            for _, mask in told.get(fact.event_id, {}).get(party, ()):
                shown |= mask
            denied.update((category, role_of_id(party)) for category in categories_of(carried & ~shown))
    return denied


def _consents_by_old_id(case: KnownCase, given: Mapping[str, Iterable[Fact]]) -> dict[str, set[str]]:
    """The consents, by their ids of now, that ever bore an id: what ends one under an old id ends it."""
    earlier = superseded_by_id(case.gone, {"ConsentGiven"})
    found: dict[str, set[str]] = {}
    for consent_id, each in given.items():
        for fact in each:
            for revision in revisions(fact, earlier):
                found.setdefault(_consent_id(revision), set()).add(consent_id)
    return found


def _named(meant: Mapping[str, set[str]], facts: Iterable[Fact]) -> set[str]:
    """The consents of which `facts` speak; one that is not given counts under the id by which it is spoken of."""
    named = (_consent_id(fact) for fact in facts)
    return {consent_id for name in named for consent_id in meant.get(name, {name})}


def _consent_id(fact: Fact) -> str:
    return str(fact.payload["consentId"])


def _active(case: KnownCase, facts: list[Fact], at: int) -> set[str]:
    return {consent.consent_id for consent in _consents(case, facts, at)}


def _consents(case: KnownCase, facts: Iterable[Fact], at: int) -> tuple[ActiveConsent, ...]:
    # Who is responsible does not matter to what a consent is: with nobody responsible no recipient is lost.
    gone = [each for each in case.gone if each.fact.event_type in READS]
    return consents_of(tuple(facts), gone, case.person.birth_date, None, Moment(at, case.policy))


def _is_void(case: KnownCase, given: Fact) -> bool:
    """Whether a consent, as given and at its start, can open nothing, whatever the case may come to."""
    for consent in _consents(case, [given], given.payload["validFrom"]):
        if any(_may_open(case, consent, recipient) for recipient in consent.recipients):
            return False
    return True


def _may_open(case: KnownCase, consent: ActiveConsent, recipient: str) -> bool:
    rules = case.policy.rules
    receives = case.policy.terms_of(recipient)
    if receives is None:
        return False
    # A consent for joint planning alone opens the plan to its recipients, whatever its sources (rule S4).
    if rules.consent.joint_planning_purpose in consent.purposes and not consent.oral:
        return True
    open_to_it = consent.opens & ~receives.never & ~BIT[Category.CO]
    return (
        bool(open_to_it)
        and receives.purpose in consent.purposes
        and any(
            source != recipient and not rules.consent.implied.get(role_of_id(source), 0) & ~consent.listed
            for source in consent.sources
        )
    )
