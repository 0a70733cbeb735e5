"""A party whose records are taken and never confirmed: it holds up nobody, and all of it goes out in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.scenario.simulated_broker import SimulatedOutputs
from hub.broker.ports import OutputRecord, Outputs
from hub.shard import sending, worker
from hub.shard.sending import STUCK_SECONDS
from tests.shard.harness import ShardUnderTest, imprisonment
from tests.shard.test_disclosing import release_date

STUCK = "A.SOC"
GIVEN_UP_SECONDS = 30
IN_FLIGHT_MAX = 40
PORTION = 10


class Silent(SimulatedOutputs):
    """A sender that takes what is for a party whose partition has no leader, and gives it up after a while."""

    def __init__(self, hub: OneSilent) -> None:
        super().__init__(hub.broker, hub.names, 0)
        self._hub = hub
        self._held: list[int] = []
        self._held_at = 0.0
        self._begins_again_at = 0

    def send(self, records: Sequence[OutputRecord]) -> None:
        """Send what is for others; of the silent party nothing that does not begin where it was given up."""
        for record in records:
            if record.party != STUCK:
                super().send([record])
            elif self._begins_again_at in (0, record.number):
                self._begins_again_at = 0
                self._take(record)

    def _take(self, record: OutputRecord) -> None:
        if not self._hub.is_silent:
            super().send([record])
            return
        self._held_at = self._held_at if self._held else self._hub.seconds
        self._held.append(record.number)
        self._taken[record.party] = max(record.number, self._taken.get(record.party, 0))

    def stalled(self) -> Sequence[str]:
        """Whose sending was given up."""
        if self._held and self._hub.seconds - self._held_at > GIVEN_UP_SECONDS:
            self._begins_again_at = self._held[0]
            self._held.clear()
            self._hub.given_up += 1
        return [STUCK] if self._begins_again_at else []


@dataclass
class OneSilent(ShardUnderTest):
    """A hub on a clock of its own."""

    seconds: float = 1000.0
    is_silent: bool = False
    given_up: int = 0
    unread: list[int] = field(default_factory=list)

    def _outputs(self) -> Outputs:
        return Silent(self)

    def monotonic(self) -> float:
        """The seconds."""
        return self.seconds


def test_nobody_waits_for_a_party_of_which_nothing_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "IN_FLIGHT_MAX", IN_FLIGHT_MAX)
    monkeypatch.setattr(sending, "LEFT_OVER_NUMBERS_MAX", PORTION)
    hub = OneSilent(tmp_path)
    monkeypatch.setattr(sending, "time", hub)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    hub.is_silent = True
    stated = 1
    for second in range(4 * GIVEN_UP_SECONDS):
        hub.seconds += 1.0
        hub.tick(1000)
        for number in range(3):
            values = release_date(hub, 20_300 + second)
            hub.state("PRI", "ReleaseDateSet", values, f"date {second} {number}")
        stated += 3
        for _ in range(3):
            hub.shard.step(0.0)
        hub.unread.append(stated - hub.shard.state.positions[hub.names.input("PRI")])
    assert max(hub.unread) <= 3 * (STUCK_SECONDS + 1), "records were left unread for longer than that"
    assert hub.unread[-GIVEN_UP_SECONDS:] == [0] * GIVEN_UP_SECONDS
    assert len(hub.told("PRI")) == hub.store.head().numbers["PRI"]
    assert hub.given_up >= 2
    hub.is_silent = False
    for _ in range(3):
        hub.seconds += GIVEN_UP_SECONDS + 1
        hub.settle()
    told = list(dict.fromkeys(number for number, *_ in hub.told(STUCK)))
    assert told == list(range(1, 1 + hub.store.head().numbers[STUCK]))


def test_of_what_a_stuck_party_is_told_meanwhile_nothing_is_handed_to_the_client_and_what_ended_since_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that has taken a number does not say whether it left; so it is given the oldest one only, again."""
    hub = OneSilent(tmp_path)
    monkeypatch.setattr(sending, "time", hub)
    hub.enrol()
    hub.is_silent = True
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    hub.seconds += GIVEN_UP_SECONDS + 1
    hub.settle()
    assert hub.given_up == 1
    date = hub.state("PRI", "ReleaseDateSet", release_date(hub), "date")
    hub.settle()
    for _ in range(6):
        hub.seconds += GIVEN_UP_SECONDS + 1
        hub.settle()
    assert hub.given_up >= 3
    assert hub.shard.sending.outputs.taken()[STUCK] == 1
    hub.now += 1000
    ended = {"targetEventId": date.rpartition("/")[2], "at": hub.now, "reason": "NOT_OCCURRED"}
    hub.state("PRI", "EventRetracted", ended, "retraction")
    hub.settle()
    hub.is_silent = False
    for _ in range(3):
        hub.seconds += GIVEN_UP_SECONDS + 1
        hub.settle()
    assert [number for number, *_ in hub.told(STUCK)] == list(range(1, 1 + hub.store.head().numbers[STUCK]))
    assert date not in [event_id for _, _, event_id, _ in hub.told(STUCK)]
