"""One pair played again tells what the search found there, and nothing where the hub keeps its word."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.safety import __main__ as command
from tests.safety.interference import STORIES_PER_ROUND, search
from tests.safety.replay import replay
from tests.safety.test_non_interference import links_go_along_untold

PARTY = "A.SOC"


def test_a_difference_is_named_by_the_place_at_which_it_can_be_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as planted:
        links_go_along_untold(planted)
        found = search(tmp_path / "search", STORIES_PER_ROUND, 0, (PARTY,)).interference
        where, what = found[0].split(", ", 1)
        number, place = map(int, where.split(" ")[0].split("/"))
        told = list(replay(tmp_path / "again", 0, number, place, (PARTY,)))
    assert told[0].startswith(f"{PARTY}, record ")
    assert told[0].rpartition(": ")[2] == what.rpartition(": ")[2], "the same parts of a record differ"
    assert told[1].startswith("  twin: ")
    was, now = (next(line for line in told if line.startswith(start)) for start in ("  was: ", "  is: "))
    assert was.removeprefix("  was: ") != now.removeprefix("  is: ")
    assert list(replay(tmp_path / "mended", 0, number, place, (PARTY,))) == []


@pytest.mark.parametrize("named", ["7", "1/20", "1/-1", "x/1", "1/"])
def test_a_place_that_no_round_has_is_refused_with_what_to_give(
    named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["safety", f"--only={named}"])
    with pytest.raises(SystemExit):
        command.main()
    assert f"`{named}` names no story: give ROUND/PLACE, the place from 0 to 19" in capsys.readouterr().err
