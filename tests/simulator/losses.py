"""Receivers lose things, and ask for a resync: a store, the newest of a store, records that were deleted unread.

Rules:
- All of it is drawn from chances of its own, so that a history without a loss is what it was before there were any.
- Who lost something asks, at once or late, now and then twice, or a second time while the first runs.
- Now and then one asks that lost nothing: it must come to no harm.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final

from hub.shard.resyncing import REQUEST
from tests.safety.stories import new_id
from tests.simulator.citizens import NAMES, PARTIES, PARTITIONS
from tests.simulator.receivers import empty_store
from tests.simulator.world import World

RATES: Final = (0.0, 0.0, 0.02, 0.05)
"""How likely a loss is after each step, in histories of different tempers."""
ASKED_LATE: Final = 0.2
CASES_AT_ONCE: Final = (1, 2, 100)


class Losses:
    """What receivers lose in the history of one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"losses of {seed}")
        self.rate = self.chance.choice(RATES)
        self.cases_at_once = self.chance.choice(CASES_AT_ONCE)
        self._copies: dict[str, bytes] = {}

    def now_and_then(self, world: World) -> str:
        """Perhaps let somebody lose something; return what happened, empty where nothing did."""
        if self.chance.random() >= self.rate:
            return ""
        party = self.chance.choice(PARTIES)
        what = self.chance.choice(("copy", "copy", "store", "newest", "newest", "records", "nothing"))
        if what == "copy":
            self._copies[party] = world.receivers[party].content()
            return f"{party} is copied"
        if what != "nothing":
            self._lose(world, party, what)
        for _ in range(self.chance.choice((1, 1, 2))):
            self._ask(world, party)
        return f"{party} loses {what}"

    def _lose(self, world: World, party: str, what: str) -> None:
        receiver, topic = world.receivers[party], NAMES.output(party)
        for shard in range(PARTITIONS):
            end, place = len(world.network.broker.log(topic, shard)), (topic, shard)
            first = world.network.deleted.get(place, 0)
            world.network.deleted[place] = max(first, self.chance.choice((self.chance.randint(0, end), end, end)))
        content = {"store": empty_store(party), "newest": self._copies.get(party, empty_store(party))}
        receiver.lose(content.get(what) or receiver.content())

    def _ask(self, world: World, party: str) -> None:
        payload = {"party": party, "requestId": new_id(self.chance)}
        for shard in range(PARTITIONS):
            asking = partial(world.control, shard, REQUEST, payload, chance=self.chance)
            for _ in range(self.chance.choice((1, 1, 2))):
                if self.chance.random() < ASKED_LATE:
                    world.network.late.append(asking)
                else:
                    asking()
