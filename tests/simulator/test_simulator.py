"""Seeded histories of the real hub with faults keep every promise; the same seed is the same history; defects show.

`python -m tests.simulator` plays more of them, and plants every defect.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

import pytest

from tests.safety.defects import planted
from tests.simulator import history
from tests.simulator.defects import DEFECTS, QUICKLY_FOUND, SEEDS_MAX, find
from tests.simulator.invariants import ALL
from tests.simulator.machine import Violated
from tests.simulator.regressions import SEEDS
from tests.simulator.running import play, play_all, told

HISTORIES: Final = 2_000
PORTIONS: Final = 40
PORTION: Final = HISTORIES // PORTIONS


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_every_promise_is_kept_in_every_history(portion: int) -> None:
    outcomes = play_all(range(portion * PORTION, (portion + 1) * PORTION))
    assert [line for outcome in outcomes if outcome.invariant for line in told(outcome)] == []
    assert len(outcomes) == PORTION
    assert min(outcome.steps for outcome in outcomes) >= history.STEPS_MIN == 200


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_that_once_failed_keeps_every_promise(seed: int) -> None:
    outcome = play(seed)
    assert outcome.invariant == "", told(outcome)


def test_the_same_seed_twice_leaves_the_same_trace_and_another_seed_another_one() -> None:
    first, again, other = play(11).trace, play(11).trace, play(12).trace
    assert first == again
    assert len(first) > 200
    assert first[-1] != other[-1]


def test_another_process_leaves_the_same_trace_however_its_sets_are_ordered() -> None:
    lines = []
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.simulator", "--seed", "13", "--trace"]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        lines.append(done.stdout.splitlines())
    assert lines[0] == lines[1] == [*play(13).trace, "seed 13: every promise kept"]


def test_a_broken_promise_is_told_with_one_command_that_plays_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(world: object) -> str:
        raise Violated(ALL[0], "planted here")

    monkeypatch.setattr(history, "fingerprint", broken)
    lines = told(play(11))
    assert lines[:2] == [f"seed 11: broken: {ALL[0]}", "  planted here"]
    assert lines[-1] == "again: python -m tests.simulator --seed 11"
    assert "delivered after" in lines[-3]


def test_there_are_more_than_thirty_defects_of_different_names() -> None:
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS) > 30
    assert set(QUICKLY_FOUND) <= {defect.name for defect in DEFECTS}


def test_every_known_defect_can_be_planted_in_the_code_as_it_is() -> None:
    for defect in DEFECTS:
        with planted(defect):
            pass


@pytest.mark.parametrize("defect", [each for each in DEFECTS if each.name in QUICKLY_FOUND], ids=lambda each: each.name)
def test_a_planted_defect_is_found(defect: object) -> None:
    found = next(each for each in DEFECTS if each is defect)
    outcome = find(found, SEEDS_MAX)
    assert outcome is not None
    assert outcome.invariant in ALL
    assert play(outcome.seed).invariant == "", "the defect was not taken out again"
