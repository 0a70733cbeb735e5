"""A scenario as the pure decision sees it: live facts as known at T -> standing -> what each party is shown.

No broker, no store, no arrival: what is corrected or retracted by T is left out here, as the timeline does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from contracts.catalogue import catalogue
from contracts.civil_time import moment_of
from contracts.fact import Fact, outline_of
from contracts.models import checked
from deploy.scenario.examples import GOOD_RELEASE
from deploy.scenario.expansion import Playbook, expand, symbol_id
from deploy.scenario.grammar import read_scenarios
from deploy.scenario.scenario import Scenario
from hub.consent.decision import Decider, Shown
from hub.consent.policy import Policy, load_policy
from hub.consent.standing import Person, Standing, Superseded, derive
from tests.consent.histories import held_by

SCENARIOS = Path(__file__).parents[1] / "scenarios"

View = Mapping[str, Mapping[str, int]]


def all_scenarios() -> list[Scenario]:
    """Every scenario of the oracle files."""
    return [scenario for path in [GOOD_RELEASE, *sorted(SCENARIOS.glob("*.md"))] for scenario in read_scenarios(path)]


@dataclass(frozen=True)
class PlayedCase:
    """One scenario's case, decided without any machinery."""

    playbook: Playbook

    @classmethod
    def of(cls, scenario: Scenario) -> PlayedCase:
        return cls(expand(scenario))

    @cached_property
    def policy(self) -> Policy:
        return load_policy(self.playbook.scenario.jurisdiction, self.playbook.registry)

    @cached_property
    def person(self) -> Person:
        return Person(self.playbook.scenario.born, self.playbook.scenario.jurisdiction)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(self._facts())

    def _facts(self) -> Iterator[Fact]:
        scenario = self.playbook.scenario
        for statement in self.playbook.statements:
            event = statement.event
            targets = {name: symbol_id(scenario.id, target) for name, target in statement.targets.items()}
            values = {**statement.values, **targets, "occurredAt": moment_of(event.occurred_at)}
            payload = checked(catalogue().event_types[event.type], values)
            corrects = f"{event.party}/{event.corrects}" if event.corrects else None
            yield Fact(
                f"{event.party}/{event.id}",
                event.type,
                event.party,
                event.occurred_at,
                event.recorded_at,
                payload,
                corrects,
            )

    @cached_property
    def ends(self) -> Mapping[str, int]:
        """When each corrected or retracted fact ended, by event id."""
        ends: dict[str, int] = {}
        targets = {f"{s.event.party}/{s.event.id}": s.targets for s in self.playbook.statements}
        for fact in self.facts:
            for ended in (fact.corrects, *(f"{fact.party}/{t}" for t in targets[fact.event_id].values())):
                if ended is not None:
                    ends[ended] = min(fact.recorded_at, ends.get(ended, fact.recorded_at))
        return ends

    def live(self, at: int) -> list[Fact]:
        return [
            fact
            for fact in self.facts
            if fact.recorded_at <= at and not (fact.event_id in self.ends and self.ends[fact.event_id] <= at)
        ]

    def standing(self, at: int, arranged: Callable[[list[Fact]], Sequence[Fact]] = list) -> Standing:
        live = self.live(at)
        return derive(
            arranged([fact for fact in live if fact.event_type in self.policy.gate_types]),
            held_by(live),
            frozenset(fact.party for fact in live),
            self.person,
            at,
            self.policy,
            [Superseded(fact, self.ends[fact.event_id]) for fact in self.facts if fact.event_id in self.ends],
        )

    def decisions(self, at: int, party: str, standing: Standing | None = None) -> dict[str, Shown]:
        """What `party` is shown of every live fact, own ones and records included."""
        decider = Decider(self.policy, standing or self.standing(at))
        return {
            fact.event_id: decider.shown(outline_of(fact, catalogue().event_types[fact.event_type]), party)
            for fact in self.live(at)
        }

    def view(self, at: int, party: str, standing: Standing | None = None) -> View:
        """What `party` is shown, in the terms of an X line: others' facts without consent and governance records."""
        return {
            event_id.rpartition("/")[2]: {self.playbook.basis_as_written(basis): mask for basis, mask in shown}
            for event_id, shown in self.decisions(at, party, standing).items()
            if shown and shown[0][0] not in ("OWN", "CO")
        }
