"""The checks that a defect in rules or gates must not get past: fast, in this process, over every scenario.

Rules:
- `views`: what each party is shown by the pure decision is the oracle's view (or that of the readings).
- `case`: the same views, by the way of timeline and settlement, corrections and retractions included.
- `time`: between two instants at which nothing was recorded the standing changes only where a change was foretold.
- `fields`: what is cut for a party has only fields of categories that it is shown, items of their own domain, and no
  withheld field. Said anew here, from the contract alone.
- A check answers whether there is a difference. It catches nothing: a defect that only breaks the code proves nothing.

Run by `test_planted_defects` on the code as it is, and on each defect of `defects`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import tests.consent
from contracts.catalogue import catalogue
from contracts.categories import BIT, Category, categories_of
from contracts.event_types import DOMAIN, NEVER, EventType, domain_bit
from contracts.fact import Fact
from contracts.parties import Party
from deploy.scenario.expansion import Playbook, expand, symbol_id
from deploy.scenario.grammar import read_scenarios
from deploy.scenario.scenario import Expectation
from hub.consent.standing import next_change
from hub.disclosure.cutter import cut
from hub.disclosure.settlement import mask_of_shown
from tests.consent.production import Stated, answers
from tests.consent.scenario_cases import PlayedCase, all_scenarios

READINGS: Final = Path(tests.consent.__file__).with_name("readings.md")
GAPS: Final = Path(__file__).with_name("gaps.md")
MEET_THE_CHILD: Final = frozenset({"CHI", "SOC", "FAC"})
VISITED_IN_PRISON: Final = frozenset(
    {"VisitArranged", "VisitHeld", "VisitCancelled", "InfantStayApproved", "InfantStayEnded"}
)
_HIDDEN_FROM_VIEWS: Final = ("OWN", "CO")


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one scenario; `differs` says whether something is wrong."""

    name: str
    differs: Callable[[], bool]


@lru_cache(maxsize=1)
def played() -> tuple[PlayedCase, ...]:
    """Every case of the scenario files, stated and not decided."""
    further = (*read_scenarios(READINGS), *read_scenarios(GAPS))
    return tuple(PlayedCase(expand(scenario)) for scenario in (*all_scenarios(), *further))


def fresh(case: PlayedCase) -> PlayedCase:
    """The same case with nothing decided yet: only what was stated is kept."""
    anew = PlayedCase(case.playbook)
    anew.__dict__.update(facts=case.facts, ends=case.ends)
    return anew


def all_checks() -> Iterator[Check]:
    """Every check of every scenario."""
    for case in played():
        scenario = case.playbook.scenario.id
        yield Check(f"views {scenario}", lambda case=case: views_differ(fresh(case)))  # type: ignore[misc]
        yield Check(f"case {scenario}", lambda case=case: case_differs(case))  # type: ignore[misc]
        yield Check(f"time {scenario}", lambda case=case: time_differs(fresh(case)))  # type: ignore[misc]
        yield Check(f"fields {scenario}", lambda case=case: fields_differ(fresh(case)))  # type: ignore[misc]


def views_differ(case: PlayedCase) -> bool:
    """Whether a view is not the expected one, by the pure decision."""
    for expectation in case.playbook.scenario.expectations:
        standing = case.standing(expectation.at)
        for party, expected in expectation.views.items():
            if _plain(case.view(expectation.at, party, standing)) != _plain(expected):
                return True
    return False


def _plain(view: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    return {event: dict(shown) for event, shown in view.items()}


def case_differs(case: PlayedCase) -> bool:
    """Whether a view is not the expected one, by timeline and settlement."""
    playbook = case.playbook
    stated, names = _stated(case)
    for expectation in playbook.scenario.expectations:
        found = answers(
            stated, playbook.scenario.born, playbook.scenario.jurisdiction, frozenset(playbook.registry), expectation.at
        )
        if any(_answered(found, names, playbook, party) != shown for party, shown in _expected(expectation)):
            return True
    return False


def _stated(case: PlayedCase) -> tuple[list[Stated], dict[str, str]]:
    """The case's events under ids that are uuids, and those ids' names in the scenario."""
    scenario = case.playbook.scenario.id
    names: dict[str, str] = {}
    stated: list[Stated] = []
    for fact in case.facts:
        event = fact.event_id.rpartition("/")[2]
        event_id = str(symbol_id(scenario, event))
        names[f"{fact.party}/{event_id}"] = event
        corrects = fact.corrects and str(symbol_id(scenario, fact.corrects.rpartition("/")[2]))
        payload = {name: value for name, value in fact.payload.items() if name != "occurredAt"}
        stated.append(
            Stated(event_id, fact.event_type, fact.party, fact.occurred_at, fact.recorded_at, payload, corrects)
        )
    return stated, names


def _answered(
    found: Mapping[tuple[str, str], Mapping[str, frozenset[str]]],
    names: Mapping[str, str],
    playbook: Playbook,
    party: str,
) -> dict[str, dict[str, frozenset[str]]]:
    return {
        names[event_id]: {playbook.basis_as_written(basis): categories for basis, categories in by_basis.items()}
        for (event_id, receiver), by_basis in found.items()
        if receiver == party and not any(basis in _HIDDEN_FROM_VIEWS for basis in by_basis)
    }


def _expected(expectation: Expectation) -> Iterator[tuple[str, dict[str, dict[str, frozenset[str]]]]]:
    for party, view in expectation.views.items():
        yield (
            party,
            {
                event: {basis: frozenset(categories_of(mask)) for basis, mask in shown.items()}
                for event, shown in view.items()
            },
        )


def time_differs(case: PlayedCase) -> bool:
    """Whether time alone changed a standing at an instant that was not foretold."""
    instants = sorted(expectation.at for expectation in case.playbook.scenario.expectations)
    for earlier, later in pairwise(instants):
        if any(earlier < fact.recorded_at <= later for fact in case.facts):
            continue
        standing = case.standing(earlier)
        foretold = next_change(standing, earlier)
        if (foretold is None or foretold > later) and case.standing(later) != standing:
            return True
    return False


def fields_differ(case: PlayedCase) -> bool:
    """Whether a cut holds anything that its receiver is not shown."""
    for expectation in case.playbook.scenario.expectations:
        standing = case.standing(expectation.at)
        facts = {fact.event_id: fact for fact in case.live(expectation.at)}
        for party in expectation.views:
            for event_id, shown in case.decisions(expectation.at, party, standing).items():
                of_another = bool(shown) and shown[0][0] != "OWN"
                if of_another and not _is_well_cut(case, facts[event_id], party, mask_of_shown(shown)):
                    return True
    return False


def _is_well_cut(case: PlayedCase, fact: Fact, party: str, mask: int) -> bool:
    contract = catalogue().event_types[fact.event_type]
    form = cut(contract, fact.payload, mask, case.policy.withheld_fields(fact.event_type, party))
    if form is None:
        return False
    if "childRef" in form:
        role = Party(party).role
        if role not in MEET_THE_CHILD and not (role == "PRI" and fact.event_type in VISITED_IN_PRISON):
            return False
    return all(_may_stand(contract, name, value, form, mask) for name, value in form.items())


def _may_stand(contract: EventType, name: str, value: Any, form: Mapping[str, Any], mask: int) -> bool:
    field = contract.field[name]
    if field.category == NEVER or value is None:
        return False
    if field.category != DOMAIN:
        return bool(BIT[Category(field.category)] & mask)
    if not field.repeated:
        return bool(domain_bit(form.get("domain")) & mask)
    domains = [item["domain"] if isinstance(item, Mapping) else item for item in value]
    return bool(domains) and all(domain_bit(domain) & mask for domain in domains)
