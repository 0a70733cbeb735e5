"""The named relations that a rule set may refer to: of parties to the case, to each other and to a fact.

Rules:
- `who`: parties by their relation to the case, as a set. `between`: whether two parties are linked.
- `named_by`: receivers that a fact itself names, as a set. `within`: the categories that a fact opens to a receiver.
- Every result is a set of party ids or a mask; an absent reference gives the empty set, so it opens nothing.
- `named_by` also finds those to whom a consent or governance record goes.
- A relation's docstring fits "requires that ...".
"""

# ruff: noqa: ARG001 - relations of one kind share one signature, so that a rule set may use any of them
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from contracts.categories import ALL_CATEGORIES, NO_CATEGORY
from contracts.fact import Outline
from contracts.parties import role_of_id

if TYPE_CHECKING:
    from hub.consent.consents import ActiveConsent
    from hub.consent.policy import Policy
    from hub.consent.standing import Standing

Who = Callable[["Policy", "Standing"], frozenset[str]]
Between = Callable[["Standing", str, str], bool]
NamedBy = Callable[["Policy", "Standing", Outline], frozenset[str]]
Within = Callable[["Policy", "Standing", Outline], int]


def in_responsible_municipality(policy: Policy, standing: Standing) -> frozenset[str]:
    """the party belongs to the responsible municipality"""
    return policy.of_municipality(standing.responsible)


def responsible_or_without_municipality(policy: Policy, standing: Standing) -> frozenset[str]:
    """the party belongs to the responsible municipality, or to none"""
    return policy.of_municipality(standing.responsible) | policy.without_municipality


def acting_as_social_services(policy: Policy, standing: Standing) -> frozenset[str]:
    """the party acts as social services of the responsible municipality, by its role or as coordinator"""
    role = "SOC" if standing.adult else "CHI"
    acting = policy.of_municipality(standing.responsible)
    by_role = {party for party in acting if role_of_id(party) == role}
    coordinator = {standing.coordinator} & acting & policy.municipal
    return frozenset(by_role | {party for party in coordinator if party is not None})


def participants(policy: Policy, standing: Standing) -> frozenset[str]:
    """the party has stated a fact of this case itself"""
    return standing.participants


def health_parties(policy: Policy, standing: Standing) -> frozenset[str]:
    """the party is a health party"""
    return policy.health_parties


def health_parties_without_objection(policy: Policy, standing: Standing) -> frozenset[str]:
    """the fact comes from a health party, and there is no objection to sharing what that party states"""
    return policy.health_parties - standing.health.objected_sources


def health_link(standing: Standing, stated_by: str, to: str) -> bool:
    """both parties treat the citizen now or did so lately, or one of them addressed the other lately"""
    health = standing.health
    return {stated_by, to} <= health.in_treatment or frozenset((stated_by, to)) in health.addressed


def collector(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party collected the consent"""
    return _named(outline, "collectedBy")


def sources(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party is named as a source"""
    return _named(outline, "sources")


def recipients(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party is named as a recipient"""
    return _named(outline, "recipients")


def parties_of_the_consent(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party collected the consent or was named in it"""
    return standing.parties_of_consent(outline.references.get("consentId"))


def break_glass_requester(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party asked for the break-glass, or answered it"""
    return _named(outline, "party") | standing.deciders_of_request(outline.references.get("requestId"))


def break_glass_holders(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party has stated something of what is asked for, in a role that decides on break-glass"""
    holders = policy.rules.break_glass.holders
    asked_of = standing.holders_for_request(outline.references.get("requestId"))
    return frozenset(party for party in asked_of if policy.role_of(party) in holders)


def objected_source(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party is the source that the objection names"""
    return _named(outline, "source")


def notice_recipient(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the notice is addressed to the party"""
    return _named(outline, "recipient")


def parties(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party is named as one of its parties"""
    return _named(outline, "parties")


def parties_to_discharge(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party is named in the discharge agreement or coordination plan of this admission"""
    return standing.named_at_discharge.get((outline.party, outline.references.get("admissionId")), frozenset())


def addressee(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """it is addressed to the party"""
    return _named(outline, "to")


def placement_commissioner(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party commissioned the placement, which was running when this happened"""
    placements = standing.placements_by_id.get(outline.references.get("placementId"), ())
    return frozenset(placement.commissioner for placement in placements if placement.ran_at(outline.occurred_at))


def plan_consent_recipients(policy: Policy, standing: Standing, outline: Outline) -> frozenset[str]:
    """the party takes part in the plan and is a recipient of the plan's consent, active, not oral, for joint plans"""
    consent = _plan_consent(policy, standing, outline)
    return _named(outline, "participants") & consent.recipients if consent else frozenset()


def plan_consent_categories(policy: Policy, standing: Standing, outline: Outline) -> int:
    """the plan's consent covers the category"""
    consent = _plan_consent(policy, standing, outline)
    return consent.opens & ALL_CATEGORIES if consent else NO_CATEGORY


def _plan_consent(policy: Policy, standing: Standing, outline: Outline) -> ActiveConsent | None:
    consent_id = outline.references.get("consentId")
    for consent in standing.consents:
        if consent.consent_id == consent_id and not consent.oral:
            return consent if policy.rules.consent.joint_planning_purpose in consent.purposes else None
    return None


def _named(outline: Outline, reference: str) -> frozenset[str]:
    value = outline.references.get(reference)
    if value is None:
        return frozenset()
    return frozenset((value,)) if isinstance(value, str) else frozenset(value)


WHO: Final[Mapping[str, Who]] = {
    relation.__name__: relation
    for relation in (
        in_responsible_municipality,
        responsible_or_without_municipality,
        acting_as_social_services,
        participants,
        health_parties,
        health_parties_without_objection,
    )
}
BETWEEN: Final[Mapping[str, Between]] = {"health_link": health_link}
NAMED_BY: Final[Mapping[str, NamedBy]] = {
    relation.__name__: relation
    for relation in (
        collector,
        sources,
        recipients,
        parties_of_the_consent,
        break_glass_requester,
        break_glass_holders,
        objected_source,
        notice_recipient,
        parties,
        parties_to_discharge,
        addressee,
        placement_commissioner,
        plan_consent_recipients,
    )
}
WITHIN: Final[Mapping[str, Within]] = {"plan_consent_categories": plan_consent_categories}
