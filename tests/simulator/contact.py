"""The hub loses the broker for a while, and parties do not: what they withdraw meanwhile lies there when it is back.

Drawn from chances of its own, so that a history in which contact is never lost is what it was before there were any.
"""

from __future__ import annotations

from random import Random
from typing import Final

from tests.simulator.world import World

RATES: Final = (0.0, 0.0, 0.01, 0.03)
"""How likely it is lost after each step, in histories of different tempers."""
FOUND_AGAIN: Final = 0.1
AWAY_MS: Final = (1_000, 20_000, 20_000, 5 * 60_000)
"""How much time may pass when it is lost."""


class Contact:
    """The hub's contact to the broker in the history of one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"contact of {seed}")
        self.rate = self.chance.choice(RATES)

    def now_and_then(self, world: World) -> str:
        """Perhaps lose or find it; return what happened, empty where nothing did."""
        network, drawn = world.network, self.chance.random()
        if network.is_cut_off and drawn < FOUND_AGAIN:
            network.is_cut_off = False
            return "the broker is back"
        if network.is_cut_off or drawn >= self.rate:
            return ""
        network.is_cut_off = True
        world.tick(self.chance.choice(AWAY_MS))
        return "the broker is out of reach"
