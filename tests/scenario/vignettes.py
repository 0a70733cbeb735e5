"""Small scenarios and the scenario files, shared by the tests of the player."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.scenario.core_world import CoreWorld
from deploy.scenario.examples import GOOD_RELEASE
from deploy.scenario.expansion import expand
from deploy.scenario.grammar import parse_scenarios, read_scenarios
from deploy.scenario.player import Outcome, play
from deploy.scenario.scenario import Scenario

SCENARIO_DIRECTORY: Final = Path(__file__).parent.parent / "scenarios"

HEADER: Final = "S V1 DK born=1990-05-05 health=[] | A vignette"
CUSTODY: Final = (
    "e1 2025-02-03T09:00 PRI ImprisonmentStarted(custodyId=c1 legalStatus=CONVICTED planDuty=true homeMunicipality=A)"
)
CONSENT: Final = (
    "k1 2025-02-10T10:00 A.ADD ConsentGiven(by=SUBJECT form=WRITTEN cat=[SU] src=[A.ADD] to=[FAC] for=[TREATMENT])"
)


def vignette(*lines: str) -> Scenario:
    """Return the scenario of `HEADER` and `lines`."""
    (scenario,) = parse_scenarios("\n".join([HEADER, *lines]))
    return scenario


def played(scenario: Scenario) -> Outcome:
    """What comes of a scenario in the hub's own code, in one process."""
    playbook = expand(scenario)
    world = CoreWorld(playbook.registry)
    try:
        return play(playbook, world)
    finally:
        world.close()


def all_files() -> list[Path]:
    """Every scenario file of the project."""
    return [GOOD_RELEASE, *sorted(SCENARIO_DIRECTORY.glob("*.md"))]


def good_release() -> Scenario:
    """Return SC1."""
    (scenario,) = read_scenarios(GOOD_RELEASE)
    return scenario
