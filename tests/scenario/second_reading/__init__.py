"""Scenarios of a second reader, who took the expected lines from the text of the rules alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.scenario.grammar import read_scenarios
from deploy.scenario.scenario import Scenario

UNUSUAL: Final = frozenset({"R198", "R301", "R303", "R304", "R420", "R513"})
"""Those whose parties or events take another way than those of the oracle: played on a real Kafka too."""

REFUSED: Final = {
    "R301": {"k1": "refused"},
    "R302": {"k1": "refused"},
    "R303": {"a1": "unknown_consent", "x1": "corrects_nothing"},
    "R480": {"a1": "unknown_consent"},
}
"""What contract or arrival refuses, by scenario: event -> reason."""


def second_reading() -> list[Scenario]:
    """Every scenario of this folder."""
    return [scenario for path in sorted(Path(__file__).parent.glob("*.md")) for scenario in read_scenarios(path)]
