"""Every interleaving of a withdrawal with the hub's own steps, and drawn ones with faults; and the checker itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.withdrawal_races.race import RacingHub, drawn, interleavings, new_hub, new_race, run
from tests.withdrawal_races.verdict import faults

DRAWN = 150


@pytest.fixture
def hub(tmp_path: Path) -> RacingHub:
    return new_hub(tmp_path)


@pytest.mark.parametrize("part", range(2))
def test_in_every_interleaving_the_promise_holds(hub: RacingHub, part: int) -> None:
    scripts = list(interleavings())
    assert len(scripts) == 330
    for seed, script in list(enumerate(scripts))[part::2]:
        race = run(hub, *new_race(hub, seed), script)
        assert list(faults(hub, race)) == [], (seed, script)


def test_with_faults_in_between_the_promise_holds(hub: RacingHub) -> None:
    for seed in range(DRAWN):
        race = run(hub, *new_race(hub, seed), drawn(seed))
        assert list(faults(hub, race)) == [], (seed, race.script)


def test_the_checker_sees_an_acknowledgement_that_comes_too_early(
    hub: RacingHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.shard.promises._first_missing", lambda promised, confirmed: None)
    assert any(list(faults(hub, run(hub, *new_race(hub, seed), drawn(seed)))) for seed in range(40))


def test_the_checker_sees_a_withdrawal_that_takes_nothing_back(hub: RacingHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.shard.sending.mask_of_shown", lambda shown: 1 << 1 | 1 << 3)
    monkeypatch.setattr("hub.shard.settling.mask_of_shown", lambda shown: 1 << 1 | 1 << 3)
    assert any(list(faults(hub, run(hub, *new_race(hub, seed), drawn(seed)))) for seed in range(10))
