"""The hub loses the broker for a while, and parties do not: what they withdraw meanwhile lies there when it is back.

Rules:
- Drawn from chances of its own, so that a history in which contact is never lost is what it was before there were any.
- Now and then it is lost just when a consent has opened something that could not be sent, and that is withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from tests.simulator.citizens import NAMES, PARTIES
from tests.simulator.statements import Author, Statement
from tests.simulator.world import World

RATES: Final = (0.0, 0.0, 0.01, 0.03)
"""How likely it is lost after each step, in histories of different tempers."""
FOUND_AGAIN: Final = 0.1
AWAY_MS: Final = (1_000, 20_000, 20_000, 5 * 60_000)
"""How much time may pass when it is lost."""
LONG_MS: Final = 5 * 60_000
STEPS: Final = 6

Say = Callable[[Callable[[int], Statement | None]], str]


class Contact:
    """The hub's contact to the broker in the history of one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"contact of {seed}")
        self.rate = self.chance.choice(RATES)

    def now_and_then(self, world: World, author: Author, say: Say) -> str:
        """Perhaps lose or find it; return what happened, empty where nothing did."""
        network, drawn = world.network, self.chance.random()
        if network.is_cut_off and drawn < FOUND_AGAIN:
            network.is_cut_off = False
            return "the broker is back"
        if network.is_cut_off or drawn >= self.rate:
            return ""
        if self.chance.random() < 0.5:
            return f"the broker is out of reach: {'; '.join(self._with_something_unsent(world, author, say))}"
        network.is_cut_off = True
        world.tick(self.chance.choice(AWAY_MS))
        return "the broker is out of reach"

    def _with_something_unsent(self, world: World, author: Author, say: Say) -> list[str]:
        """A consent opens something that no topic takes; then contact is lost, and the consent is withdrawn."""
        said, network = [say(author.consent)], world.network
        shard = author.consents[-1].partition
        holders = [worker for worker in world.workers if shard in worker.shards]
        before, network.unreachable = network.unreachable, set(map(NAMES.output, PARTIES))
        world.tick(1_000)
        for worker in holders:
            for _ in range(STEPS):
                if shard in worker.shards:
                    worker.step(shard)
        network.unreachable, network.is_cut_off = before, True
        said.append(say(author.withdrawal_of_the_last))
        world.tick(LONG_MS)
        for worker in holders:
            for _ in range(STEPS):
                if shard in worker.shards:
                    worker.step(shard)
        return said
