"""Cases for the indicators: out of scenario text, without any machinery."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from contracts.civil_time import parse_local, zone_of
from contracts.parties import Party, PartyRegistry
from deploy.scenario.indicators import IndicatorComparison, compared_indicators
from deploy.scenario.scenario import Scenario
from hub.consent.policy import load_policy
from hub.consent.standing import Person
from hub.continuity.case import Known, KnownCase
from hub.continuity.terms import terms
from tests.consent.scenario_cases import PlayedCase
from tests.scenario.vignettes import vignette

START = (
    "s 2025-01-06T09:00 PRI ImprisonmentStarted(custodyId=c1 legalStatus=CONVICTED planDuty=true homeMunicipality=A)"
)
RELEASE = "r 2025-07-01T10:00 PRI ReleasedOnParole(custodyId=c1 supervision=false)"
CUSTODY = f"{START} ;; {RELEASE}"
ZONE = zone_of("DK")


def after_custody(*events: str) -> str:
    """An `E` line of the custody and its release, and what else happened."""
    return " ;; ".join([f"E {CUSTODY}", *events])


def at(local: str) -> int:
    """A local time of Denmark as an instant."""
    return parse_local(local, ZONE)


def recorded(played: PlayedCase) -> list[Known]:
    """What was recorded of a scenario's citizen."""
    return [Known(fact, played.ends.get(fact.event_id)) for fact in played.facts]


def compared(scenario: Scenario) -> tuple[IndicatorComparison, ...]:
    """Every stated value of a scenario against the facts."""
    played = PlayedCase.of(scenario)
    return compared_indicators(played.playbook, recorded(played))


def differing(*lines: str) -> list[str]:
    """The stated values of a vignette that the facts do not give, as `label: expected, got`."""
    values = compared(vignette(*lines))
    assert values, "a vignette of the indicators states at least one value"
    return [f"{each.stated.label}: {each.stated.expected}, {each.got}" for each in values if not each.is_equal]


def known_case(facts: Iterable[Known], cutoff: int, born: date = date(1990, 5, 5)) -> KnownCase:
    """A Danish case of a few parties, as known at `cutoff`."""
    registry = PartyRegistry.of(Party(party) for party in ("PRI", "KIF", "A.SOC", "A.ADD", "A.JOB", "B.SOC"))
    return KnownCase.of(facts, Person(born, "DK"), cutoff, load_policy("DK", registry), terms())


def case_of(scenario: Scenario, cutoff: int | None = None) -> KnownCase:
    """A scenario's case as known at `cutoff`, or at its end."""
    played = PlayedCase.of(scenario)
    ends = max(event.recorded_at for event in scenario.events)
    return KnownCase.of(recorded(played), played.person, ends if cutoff is None else cutoff, played.policy, terms())
