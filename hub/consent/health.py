"""Health: which health parties treat the citizen, who addressed whom, objections, and the vulnerable (S5, S6, S7).

Rules (domain specification, 4.2 S5 to S7, 4.9.8, 4.9.19):
- An episode belongs to one party and kind; the last opening or closing decides whether it is open, the last closing
  when it was closed. A closing of an episode that was never opened is none.
- A party treats while an episode of its own is open or was closed at most `link_tail` ago, the last instant included.
- Two parties are linked for `addressed` after one named the other in `to`, the last instant included.
- The latest objection or its lifting decides for each source, whoever it was aimed at.
- Misuse is ongoing while the latest SubstanceMisuseAssessed says so and `validUntil` (00:00 local) has not come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from contracts.civil_time import add_period, start_of_day
from contracts.fact import Fact
from hub.consent.moment import Moment
from hub.consent.rule_set import EpisodeKind, HealthTerms

if TYPE_CHECKING:
    from hub.consent.policy import Policy

AGREEMENTS: Final = frozenset({"DischargeAgreementMade", "CoordinationPlanMade"})
OBJECTIONS: Final = frozenset({"HealthSharingObjected", "HealthSharingObjectionLifted"})
READS: Final = AGREEMENTS | OBJECTIONS | {"SubstanceMisuseAssessed"}


@dataclass(frozen=True, slots=True)
class Health:
    """What the facts make of treatment. `agreements` holds (party, admission id, party named)."""

    in_treatment: frozenset[str] = frozenset()
    addressed: frozenset[frozenset[str]] = frozenset()
    objected_sources: frozenset[str] = frozenset()
    vulnerable: bool = False
    agreements: frozenset[tuple[str, str, str]] = frozenset()


@dataclass(slots=True)
class Episode:
    """One treatment episode as a fold leaves it."""

    opened_by: Fact
    closed_by: Fact | None = None


def reads(terms: HealthTerms) -> frozenset[str]:
    """The event types from which `health_of` derives, those that the rule set names included."""
    opened_or_closed = frozenset[str]().union(*(kind.opened_by | kind.closed_by for kind in terms.episodes))
    return READS | terms.addressed_by | opened_or_closed


def health_of(facts: Sequence[Fact], moment: Moment) -> Health:
    """Return what `facts` (ordered, occurred by now) make of treatment now."""
    policy = moment.policy
    found = episodes(facts, policy)
    return Health(
        in_treatment=_in_treatment(found, moment),
        addressed=_addressed(facts, moment),
        objected_sources=_objected_sources(facts, moment),
        vulnerable=_misuse_ongoing(facts, moment) or _involuntary(found, moment),
        agreements=frozenset(
            (fact.party, fact.payload["admissionId"], named)
            for fact in facts
            if fact.event_type in AGREEMENTS
            for named in fact.payload.get("parties") or ()
        ),
    )


def episodes(facts: Sequence[Fact], policy: Policy) -> dict[tuple[str, str, str], Episode]:
    """Return the episodes of health parties by (party, kind, id)."""
    found: dict[tuple[str, str, str], Episode] = {}
    for fact in facts:
        if fact.party not in policy.health_parties:
            continue
        for kind in policy.rules.health.episodes:
            _take(found, kind, fact)
    return found


def _take(found: dict[tuple[str, str, str], Episode], kind: EpisodeKind, fact: Fact) -> None:
    episode_id = fact.payload.get(kind.id)
    if episode_id is None:
        return
    key = (fact.party, kind.kind, episode_id)
    if fact.event_type in kind.opened_by:
        found[key] = Episode(fact)
    elif fact.event_type in kind.closed_by and key in found:
        found[key].closed_by = fact


def _in_treatment(found: dict[tuple[str, str, str], Episode], moment: Moment) -> frozenset[str]:
    tail = moment.policy.rules.link_tail
    treating: dict[str, Fact] = {}
    for (party, _, _), episode in found.items():
        closed = episode.closed_by
        if closed is None or not moment.has_passed(add_period(closed.occurred_at, tail, moment.zone)):
            treating[party] = episode.opened_by
    moment.note("in_treatment", *treating.values())
    return frozenset(treating)


def _addressed(facts: Sequence[Fact], moment: Moment) -> frozenset[frozenset[str]]:
    policy = moment.policy
    pairs: set[frozenset[str]] = set()
    for fact in facts:
        to = fact.payload.get("to")
        if (
            fact.event_type in policy.rules.health.addressed_by
            and fact.party in policy.health_parties
            and to in policy.health_parties
            and not moment.has_passed(add_period(fact.occurred_at, policy.rules.addressed, moment.zone))
        ):
            pairs.add(frozenset((fact.party, to)))
            moment.note("addressed", fact)
    return frozenset(pairs)


def _objected_sources(facts: Sequence[Fact], moment: Moment) -> frozenset[str]:
    latest = {fact.payload.get("source"): fact for fact in facts if fact.event_type in OBJECTIONS}
    objected = {source: fact for source, fact in latest.items() if fact.event_type == "HealthSharingObjected"}
    moment.note("objection", *objected.values())
    return frozenset(str(source) for source in objected)


def _misuse_ongoing(facts: Sequence[Fact], moment: Moment) -> bool:
    assessed = [fact for fact in facts if fact.event_type == "SubstanceMisuseAssessed"]
    if not assessed or assessed[-1].payload.get("ongoing") is not True:
        return False
    moment.note("vulnerable", assessed[-1])
    return not moment.has_come(start_of_day(assessed[-1].payload["validUntil"], moment.zone))


def _involuntary(found: dict[tuple[str, str, str], Episode], moment: Moment) -> bool:
    forms = moment.policy.rules.health.involuntary_legal_forms
    for episode in found.values():
        if episode.closed_by is None and episode.opened_by.payload.get("legalForm") in forms:
            moment.note("vulnerable", episode.opened_by)
            return True
    return False
