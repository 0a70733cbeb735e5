"""The `hub` command line, called wrongly: one line that says what to do, never a traceback, never 0 on nonsense."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from contracts.failures import NotFound
from deploy import command_line
from deploy.command_line import hub
from tests.command_line.broken_worlds import BrokenWorlds, broken_worlds
from tests.command_line.calls import commands, fault_of
from tests.command_line.hostile_calls import faults

CANARY = "0704881239"
SWEDISH = "19880407-1236"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> BrokenWorlds:
    return broken_worlds(tmp_path_factory.mktemp("worlds"))


def _hub(
    *arguments: str, environment: Mapping[str, str] | None = None, shell: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """`hub` as a program of its own; `shell` says what becomes of its streams."""
    words = [sys.executable, "-c", "from deploy.command_line import main; main()", *arguments]
    command = ["sh", "-c", f'"$@" {shell}', "sh", *words] if shell else words
    settings = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **(environment or {})}
    return subprocess.run(command, env=settings, capture_output=True, timeout=60, check=False)


def test_the_tree_is_walked_whole() -> None:
    names = {words[0] for words, _ in commands()}
    assert names == set(command_line.COMMANDS)
    assert len(list(commands())) > 35


def test_no_call_ends_in_a_traceback_or_in_0_on_nonsense(
    worlds: BrokenWorlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made, found = faults(worlds, seed=1, rounds=2, share=0.3)
    assert found == []
    assert made > 300


def test_the_judge_sees_a_traceback_and_a_0() -> None:
    @click.command()
    @click.argument("how")
    def command(how: str) -> None:
        if how == "crash":
            raise KeyError(how)
        if how == "failure":
            raise NotFound("there is none: look elsewhere")

    outcomes = {how: CliRunner().invoke(command, [how]) for how in ("crash", "failure", "well")}
    assert fault_of(outcomes["crash"], must_fail=True) == "a traceback of KeyError"
    assert fault_of(outcomes["well"], must_fail=True) == "exit code 0 on nonsense"
    assert fault_of(outcomes["failure"], must_fail=True) == fault_of(outcomes["well"], must_fail=False) == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", CANARY, SWEDISH, "A.SOC"),
        ("case", "find", "A.SOC", CANARY),
        ("view", "show", CANARY),
        ("identity", "basics", CANARY, "--party", SWEDISH),
        ("identity", "enrol", CANARY),
        ("contracts", "list", CANARY, SWEDISH),
        ("parked", "show", "A.SOC", CANARY),
        (CANARY,),
        ("parked", f"--{CANARY}"),
        ("case", "find", "\x1b[2J", "\x1b]0;x\x07"),
    ],
)
def test_a_national_id_in_the_wrong_place_is_not_repeated(
    worlds: BrokenWorlds,
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HUB_WORLD_DIRECTORY", worlds.directories["whole"])
    monkeypatch.setattr(sys, "argv", ["hub", *arguments])
    assert command_line.run() != 0
    said = "".join(capsys.readouterr())
    assert CANARY not in said
    assert SWEDISH not in said
    assert said.replace("\n", "").isprintable()
    assert said.strip()


def test_a_fault_of_ours_is_one_line_without_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"about {CANARY}")

    monkeypatch.setattr(click.Group, "invoke", fail)
    monkeypatch.setattr(sys, "argv", ["hub", "contracts", "list"])
    assert command_line.run() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: unexpected `RuntimeError` in `test_hostile_calls.py:")
    assert CANARY not in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("shell", "code"),
    [("| true", None), (">&-", 1), ("<&-", 0), ("2>&-", 0), ("<&- 2>&-", 0), ("> /dev/full", 1)],
)
def test_streams_that_are_closed_or_full_end_no_command_in_a_traceback(shell: str, code: int | None) -> None:
    done = _hub("contracts", "list", "--json", shell=shell)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    if code is not None:
        assert done.returncode == code, done.stderr


def test_no_home_and_no_directory_to_write_to_is_no_traceback(worlds: BrokenWorlds) -> None:
    for arguments in (
        ("view", "show", "A.SOC"),
        ("contracts", "generate", "/proc/nowhere"),
        ("dev", "kafka", "--state", "/proc/x"),
    ):
        done = _hub(*arguments, environment={"HUB_WORLD_DIRECTORY": worlds.directories["nothing"]})
        assert done.returncode not in (0, None)
        assert b"Traceback" not in done.stderr
        assert done.stderr.strip()


def test_input_that_is_no_text_is_refused() -> None:
    words = [sys.executable, "-c", "from deploy.command_line import main; main()", "identity", "enrol"]
    done = subprocess.run(words, input=b"\xff\xfe\x00\n", capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert b"standard input is no text" in done.stderr or b"national id" in done.stderr
    assert b"Traceback" not in done.stderr


def test_every_command_explains_itself_though_nothing_is_set_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, _ in commands():
        result = CliRunner().invoke(hub, [*words, "--help"])
        assert result.exit_code == 0
        assert len(result.output.splitlines()) > 3
