"""The standing of a case: all that law and consents make of it at one moment.

Rules:
- Derived afresh from the case's live gate facts, in any order of arrival; nothing is kept between two moments.
- What prisons of another country state of custody is left out: it opens, ends and lifts nothing here.
- Two standings are equal when they mean the same now: instants to come are left out of the comparison, and so is
  what is only said in explanations. Equal standings give equal decisions for every fact and receiver.
- `next_change` is never late: between the moment of a standing and that instant time alone changes nothing.

Facts come from `hub.case_timeline`; the standing goes to `hub.consent.decision` and, as a due date, to the shard.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from contracts.civil_time import birthday
from contracts.fact import Fact
from contracts.failures import BadRuleSet
from hub.consent.agreements import NONE_IN_FORCE, InForce, cited_agreements
from hub.consent.consents import ActiveConsent, consents_of, parties_of_consents
from hub.consent.coordination import coordinator_of, probation_active
from hub.consent.corrections import Superseded
from hub.consent.custody import Custody, custody_of
from hub.consent.emergency import OpenGlass, deciders_of, holders_of, open_glass
from hub.consent.health import Health, health_of
from hub.consent.moment import Moment
from hub.consent.placements import Placement, placements_of
from hub.consent.policy import Policy
from hub.consent.protection import RiskCooperation, address_protected, risk_cooperation
from hub.consent.responsibility import responsible_municipality

__all__ = ["Person", "Standing", "Superseded", "derive", "next_change"]


@dataclass(frozen=True, slots=True)
class Person:
    """What enrolment states about the citizen."""

    birth_date: date
    jurisdiction: str


@dataclass(frozen=True)
class Standing:
    """What a case means now. Compared and hashed by every field but the last two."""

    custody: Custody
    responsible: str | None
    coordinator: str | None
    adult: bool
    probation_active: bool
    participants: frozenset[str]
    risk_cooperation: RiskCooperation
    address_protected: bool
    consents: tuple[ActiveConsent, ...]
    consent_parties: frozenset[tuple[str, str]]
    health: Health
    placements: tuple[Placement, ...]
    open_glass: tuple[OpenGlass, ...]
    glass_deciders: frozenset[tuple[str, str]]
    glass_holders: frozenset[tuple[str, str]]
    agreements: InForce = NONE_IN_FORCE
    cited_agreements: frozenset[str] = frozenset()
    turning_points: tuple[int, ...] = field(default=(), compare=False, repr=False)
    origins: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    def parties_of_consent(self, consent_id: object) -> frozenset[str]:
        """Every party that collected the consent or was ever named in it; looked up for each record and receiver."""
        return self._parties_by_consent.get(consent_id, frozenset())

    def deciders_of_request(self, request_id: object) -> frozenset[str]:
        """Every party that asked for this break-glass or answered it."""
        return self._deciders_by_request.get(request_id, frozenset())

    def holders_for_request(self, request_id: object) -> frozenset[str]:
        """Every party that holds something of what this break-glass asks for."""
        return self._holders_by_request.get(request_id, frozenset())

    @cached_property
    def named_at_discharge(self) -> Mapping[tuple[str, object], frozenset[str]]:
        """Whom the agreements on an admission name, by (party, admission id)."""
        found: dict[tuple[str, object], set[str]] = {}
        for party, admission_id, named in self.health.agreements:
            found.setdefault((party, admission_id), set()).add(named)
        return {admission: frozenset(parties) for admission, parties in found.items()}

    @cached_property
    def placements_by_id(self) -> Mapping[object, tuple[Placement, ...]]:
        """The placements by their ids."""
        found: dict[object, list[Placement]] = {}
        for placement in self.placements:
            found.setdefault(placement.placement_id, []).append(placement)
        return {placement_id: tuple(placements) for placement_id, placements in found.items()}

    @cached_property
    def _parties_by_consent(self) -> Mapping[object, frozenset[str]]:
        return _by_first(self.consent_parties)

    @cached_property
    def _deciders_by_request(self) -> Mapping[object, frozenset[str]]:
        return _by_first(self.glass_deciders)

    @cached_property
    def _holders_by_request(self) -> Mapping[object, frozenset[str]]:
        return _by_first(self.glass_holders)


def _by_first(pairs: Iterable[tuple[str, str]]) -> Mapping[object, frozenset[str]]:
    found: dict[object, set[str]] = {}
    for first, second in pairs:
        found.setdefault(first, set()).add(second)
    return {first: frozenset(seconds) for first, seconds in found.items()}


def derive(
    gate_facts: Iterable[Fact],
    held: Mapping[str, int],
    publishers: frozenset[str],
    person: Person,
    at: int,
    policy: Policy,
    superseded: Iterable[Superseded] = (),
    agreements: InForce = NONE_IN_FORCE,
) -> Standing:
    """Return the standing of a case at `at` (milliseconds).

    `gate_facts` are live and recorded by `at`; their types are those of `policy.gate_types` (others are ignored).
    `held` are the parties with at least one live fact that is not a consent or governance record, each with the
    categories (mask) of which those have something, `publishers` the parties with a live record of any kind but those
    about records. `superseded` are gate facts that were
    corrected or retracted: they say who was responsible when a consent began, as known then, and for what a consent or
    an emergency request that is live stands.
    `agreements` are those in force at `at`; when they change is not for the case to say.
    Raises `BadRuleSet` where the policy is another jurisdiction's.
    """
    if person.jurisdiction != policy.rules.jurisdiction:
        raise BadRuleSet(f"rule set `{policy.rule_set}` does not hold in `{person.jurisdiction}`; load that one's")
    moment = Moment(at, policy)
    facts = moment.began_by_now(
        fact for fact in gate_facts if fact.event_type in policy.gate_types and not policy.is_custody_abroad(fact)
    )
    gone = tuple(each for each in superseded if not policy.is_custody_abroad(each.fact))  # read more than once
    responsible = responsible_municipality(facts, moment)
    return Standing(
        custody=custody_of(facts, moment),
        responsible=responsible,
        coordinator=coordinator_of(facts, moment),
        adult=moment.has_come(birthday(person.birth_date, policy.rules.adult_years, policy.zone)),
        probation_active=probation_active(facts, publishers, moment),
        participants=frozenset(held),
        risk_cooperation=risk_cooperation(facts, moment),
        address_protected=address_protected(facts, moment),
        consents=consents_of(facts, gone, person.birth_date, responsible, moment),
        consent_parties=parties_of_consents(facts, gone),
        health=health_of(facts, moment),
        placements=placements_of(facts),
        open_glass=open_glass(facts, gone, moment),
        glass_deciders=deciders_of(facts, gone),
        glass_holders=holders_of(facts, gone, held, policy),
        agreements=agreements,
        cited_agreements=cited_agreements(facts) if agreements else frozenset(),
        turning_points=tuple(sorted(moment.turning_points)),
        origins=moment.origins,
    )


def next_change(standing: Standing, at: int) -> int | None:
    """Return the next instant after `at` at which the standing may change by time alone, or `None`."""
    position = bisect_right(standing.turning_points, at)
    return standing.turning_points[position] if position < len(standing.turning_points) else None
