"""Merges, unlinks and withdrawals in any order, with receivers out of reach and kills: nothing acknowledged too early.

The prison withdraws, and perhaps the hub does too, or the prison mistyped the id before. Each history ends with
everything in reach: then the withdrawal is acknowledged, nothing of it is held, and what was mistyped is still open.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

import pytest

from hub.shard.worker import Shard
from tests.shard.merging import (
    CONSENT_ID,
    LOSER,
    PARTITIONS,
    THIRD,
    WINNER,
    MergingShards,
    consented,
    dated,
    hour,
    imprisoned,
    opened,
    withdrawn,
)

PLACES: Final = {
    "same": {LOSER: 0, WINNER: 0, THIRD: 0},
    "across": {LOSER: 0, WINNER: 1, THIRD: 1},
    "chain": {THIRD: 1, LOSER: 0, WINNER: 1},
}
ACTIONS: Final = 14
SEEDS: Final = 20


class Watched(MergingShards):
    """Looks, whenever the withdrawal is acknowledged, at what is still held that had rested on the consent."""

    def step(self) -> bool:
        """One step of every shard, one after the other."""
        worked = [self._step(shard) for shard in self.shards]
        return any(worked)

    def _step(self, shard: Shard) -> bool:
        before = len(self.acknowledged())
        worked = shard.step(0.0)
        if len(self.acknowledged()) > before:
            assert self.still_held(CONSENT_ID) == [], "acknowledged too early"
        return worked


class History:
    """Draws what happens next to the cases, as the vault would allow it: no circle, chains undone from the end."""

    def __init__(self, hub: Watched, chance: Random, home: str) -> None:
        self.hub, self.chance, self.home = hub, chance, home
        self.into: dict[str, str] = {}
        self.is_withdrawn = self.is_withdrawn_by_the_hub = False
        self.mistyped: set[str] = set()

    def go_on(self) -> None:
        """Do one thing that is possible now."""
        withdrawals = (self._withdraw, self._end, self._mistype)
        happenings = (self._merge, self._unlink, self._away, self._away, self._kill, self._late)
        self.chance.choice((*withdrawals, *happenings))()
        for _ in range(self.chance.randrange(25)):
            for shard in self.hub.shards:
                shard.forwarding.pause.until = 0.0
            self.hub.step()

    def _merge(self) -> None:
        for losing, winning in ((LOSER, WINNER), (THIRD, LOSER), (THIRD, WINNER)):
            if losing not in self.into and winning not in self.into and self.chance.random() < 0.5:
                self._come_to_rest(losing, winning)
                self.into[losing] = winning
                self.hub.merge(losing, winning)
                return

    def _unlink(self) -> None:
        for losing, winning in list(self.into.items()):
            if winning not in self.into:
                self._come_to_rest(losing, winning)
                del self.into[losing]
                self.hub.unlink(losing)
                return

    def _come_to_rest(self, *cases: str) -> None:
        """The vault begins nothing with a citizen of whom the shards are still at something."""
        for _ in range(300):
            timelines = [self.hub.shards[self.hub.shards_of[case]].cases.get(case).timeline for case in cases]
            if not any(each.joining or each.is_leaving for each in timelines):
                return
            for shard in self.hub.shards:
                shard.forwarding.pause.until = 0.0
            self.hub.step()
        raise AssertionError("a merge did not come to its end while a receiver was away")

    def _withdraw(self) -> None:
        if not self.is_withdrawn:
            self.is_withdrawn = True
            withdrawn(self.hub, self.under())

    def _end(self) -> None:
        """Have the hub withdraw the consent, as often as not before the prison does."""
        if not self.is_withdrawn_by_the_hub:
            self.is_withdrawn_by_the_hub = True
            values = {"consentId": CONSENT_ID, "at": self.hub.now, "by": "SUBJECT"}
            self.hub.state("HUB", "ConsentWithdrawn", values, "withdrawn", self.under())

    def _mistype(self) -> None:
        if not self.mistyped:
            values = {"consentId": "d0000000-0000-4000-8000-00000000000f", "at": self.hub.now, "by": "SUBJECT"}
            self.mistyped.add(self.hub.state("PRI", "ConsentWithdrawn", values, "mistyped", self.under()))

    def under(self) -> str:
        """A key under which the consent may be withdrawn: of the case that has it, or of one that goes on for it."""
        case_id = self.home
        while case_id in self.into and self.chance.random() < 0.5:
            case_id = self.into[case_id]
        return case_id

    def _away(self) -> None:
        if self.chance.random() < 0.3:
            self.hub.reachable()
        else:
            self.hub.unreachable("A.JOB", self.chance.randrange(PARTITIONS))

    def _late(self) -> None:
        self.hub.say_something_again(self.chance)

    def _kill(self) -> None:
        self.hub.restart(self.chance.randrange(PARTITIONS))
        hour(self.hub)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_withdrawal_is_acknowledged_when_all_is_gone_and_not_before(tmp_path: Path, place: str, seed: int) -> None:
    chance = Random(f"{place} {seed}")
    hub = Watched(tmp_path, PLACES[place])
    for case_id in (LOSER, THIRD):
        imprisoned(hub, case_id)
    home = chance.choice((LOSER, THIRD))
    dated(hub, home)
    consented(hub, home)
    opened(hub, WINNER)
    hub.settle()
    for shard in hub.shards:
        shard.idle_write_ms = chance.choice((0, 60_000))
    history = History(hub, chance, home)
    for _ in range(ACTIONS):
        history.go_on()
    if not history.is_withdrawn:
        withdrawn(hub, history.under())
    hub.settle()
    hour(hub)
    hub.settle()
    assert hub.acknowledged()
    assert hub.still_held(CONSENT_ID) == []
    assert not history.mistyped & set(hub.acknowledged())
    assert {event_id for shard in hub.shards for event_id in shard.promises.waiting} == history.mistyped
    assert not any(shard.promises.removing for shard in hub.shards)
    assert not any(shard.cases.get(case).timeline.unremoved for case, shard in _held(hub))


def _held(hub: MergingShards) -> list[tuple[str, Shard]]:
    return [(case_id, hub.shards[number]) for case_id, number in hub.shards_of.items()]
