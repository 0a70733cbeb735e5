"""A long run that was cut goes on where it was, and with nothing else than it began with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.failures import BadSetting
from tests.simulator import __main__ as command
from tests.simulator import long_run
from tests.simulator.__main__ import main
from tests.simulator.history import Outcome
from tests.simulator.long_run import LongRun

CUT_AFTER = 7
BROKEN = 3


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that are played, each as a history of 200 steps at once; one of them breaks a promise."""
    seeds: list[int] = []

    def play_many(left: range, processes: int) -> Iterator[Outcome]:
        for seed in left:
            seeds.append(seed)
            yield Outcome(seed, 200, ["a step"] * 50, "some promise" if seed == BROKEN else "", "why")

    monkeypatch.setattr(command, "play_many", play_many)
    monkeypatch.setattr(command, "PROGRESS_SECONDS", 0.0)
    return seeds


def run(monkeypatch: pytest.MonkeyPatch, file: Path, *more: str) -> int:
    monkeypatch.setattr(sys, "argv", ["simulator", "--seeds", "20", "--kept-in", str(file), "--json", *more])
    return command.main()


def test_a_run_that_was_cut_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, played: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.json"
    uncut: Callable[[range, int], Iterator[Outcome]] = vars(command)["play_many"]

    def cut(left: range, processes: int) -> Iterator[Outcome]:
        for outcome in uncut(left, processes):
            if outcome.seed == CUT_AFTER:
                raise KeyboardInterrupt
            yield outcome

    monkeypatch.setattr(command, "play_many", cut)
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, file)
    assert json.loads(file.read_text())["played"] == CUT_AFTER
    monkeypatch.setattr(command, "play_many", uncut)
    assert run(monkeypatch, file) == 1
    assert played == [*range(CUT_AFTER + 1), *range(CUT_AFTER, 20)]
    figures = json.loads(capsys.readouterr().out)
    assert (figures["seeds"], figures["steps"], figures["failing"]) == (20, 4_000, {str(BROKEN): "some promise"})
    again = LongRun.begun(file, range(20))
    assert len(again.left()) == 0
    assert [len(outcome.trace) for outcome in again.summary.failed] == [12]


def test_without_a_file_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, played: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["simulator", "--seeds", "2"])
    assert command.main() == 0
    assert "2 seeds, 400 steps, 0 violations" in capsys.readouterr().out
    assert played == [0, 1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("seeds", "code", "content", "told"),
    [
        (range(21), "", None, "other seeds"),
        (range(1, 21), "", None, "other seeds"),
        (range(20), "changed", None, "other code"),
        (range(20), "", "{}", "no run"),
        (range(20), "", "[]", "no run"),
        (range(20), "", "not json", "no run"),
    ],
)
def test_a_run_of_anything_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: range, code: str, content: str | None, told: str
) -> None:
    file = tmp_path / "run.json"
    LongRun.begun(file, range(20)).keep(1.0)
    if content is not None:
        file.write_text(content)
    if code:
        monkeypatch.setattr(long_run, "digest_of_code", lambda: code)
    with pytest.raises(BadSetting, match=told):
        LongRun.begun(file, seeds)


def test_the_digest_of_the_code_changes_with_any_file_that_a_history_is_played_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_run, "_ROOT", tmp_path)
    digests = {long_run.digest_of_code()}
    for place in ("hub/a.py", "hub/rules/dk.toml", "tests/simulator/b.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("1")
        digests.add(long_run.digest_of_code())
    (tmp_path / "hub" / "a.py").write_text("2")
    digests.add(long_run.digest_of_code())
    assert len(digests) == 5
    (tmp_path / "README.md").write_text("2")
    (tmp_path / "hub" / "__pycache__").mkdir()
    (tmp_path / "hub" / "__pycache__" / "a.pyc").write_text("2")
    assert long_run.digest_of_code() in digests


@pytest.mark.parametrize("beside", [["--seed", "3"], ["--defects"]])
def test_what_is_no_run_of_many_is_not_kept(
    beside: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["simulator", "--kept-in", str(tmp_path / "run.json"), *beside])
    with pytest.raises(SystemExit):
        main()
    assert "`--kept-in` goes with `--seeds`" in capsys.readouterr().err
