"""Scenarios of a third, hostile reader, who looked in the text of the rules for what the hub might have got wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.scenario.grammar import read_scenarios
from deploy.scenario.scenario import Scenario

REFUSED: Final = {
    "R610": {"k2": "refused", "k6": "unknown_consent"},
    "R662": {"x1": "corrects_nothing"},
    "R667": {"k3b": "unknown_consent"},
}
"""What contract or arrival refuses, by scenario: event -> reason."""


def third_reading() -> list[Scenario]:
    """Every scenario of this folder."""
    return [scenario for path in sorted(Path(__file__).parent.glob("*.md")) for scenario in read_scenarios(path)]
