"""Contracts that somebody offers with bad intent or bad luck: each is refused, and the refusal names the rule.

Rules:
- A row of `hostile_offers` is a change of the program's own catalogue (or of one small area beside it) as files, as an
  agency would send it. `hub contracts lint` judges the directory, then `check`; what passes both may be published.
- Nothing is written, given an id or recorded of what is refused.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random
from typing import Final

import pytest
from click.testing import CliRunner, Result

from contracts.catalogue import DIRECTORY, read_catalogue
from contracts.failures import BadContract, Failure
from contracts.lint import lint
from contracts.schema_ids import read_schema_ids, write_schemas
from deploy.command_line import hub
from tests.contracts.hostile_offers import OFFERED


def _judge(folder: Path) -> list[Result]:
    """What `lint` says, and what `check` says where that finds nothing."""
    judged = []
    for command in ("lint", "check"):
        judged.append(CliRunner().invoke(hub, ["contracts", command, str(folder)], standalone_mode=False))
        if judged[-1].exit_code or judged[-1].exception:
            break
    return judged


def _words(judged: list[Result]) -> str:
    """All that the commands say, whether in findings or in a failure."""
    said = []
    for each in judged:
        assert each.exception is None or isinstance(each.exception, (SystemExit, Failure)), each.exception
        said.append(f"{each.stderr} {each.exception if isinstance(each.exception, Failure) else ''}")
    return "\n".join(said)


@pytest.fixture
def offered(tmp_path: Path) -> Path:
    """The program's own catalogue as files, to be changed."""
    folder = tmp_path / "offered"
    shutil.copytree(DIRECTORY, folder)
    return folder


def test_there_are_enough_of_them() -> None:
    assert len(OFFERED) >= 40


def test_the_programs_own_contracts_pass_as_an_offer(offered: Path) -> None:
    judged = _judge(offered)
    assert [each.exit_code for each in judged] == [0, 0], _words(judged)


@pytest.mark.parametrize("case", OFFERED)
def test_a_hostile_contract_is_refused_by_the_name_of_the_rule(offered: Path, case: str) -> None:
    rule, offer = OFFERED[case]
    offer(offered)
    judged = _judge(offered)
    assert any(each.exit_code != 0 or each.exception for each in judged)
    words = _words(judged)
    assert rule in words.replace(":", " ").split(), words
    assert all(character.isprintable() or character == "\n" for character in words)
    assert len(words) < 40_000


@pytest.mark.parametrize("case", [name for name, (rule, _) in OFFERED.items() if rule in ("name-form", "national-id")])
def test_what_the_lint_finds_gets_no_file_and_no_id(offered: Path, tmp_path: Path, case: str) -> None:
    OFFERED[case][1](offered)
    target = tmp_path / "a" / "b" / "schemas"
    with pytest.raises(BadContract, match=OFFERED[case][0]):
        write_schemas(target, read_catalogue(offered))
    assert not target.exists()
    assert list(tmp_path.iterdir()) == [offered]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("id-reused", '[[schema]]\nid = 1\ntype = "A"\nversion = 1\nform = "published"\nsha256 = "x"\n' * 2),
        ("ids-form", '[[schema]]\nid = true\ntype = "A"\nversion = 1\nform = "published"\nsha256 = "x"\n'),
        ("ids-form", '[[schema]]\nid = 4294967297\ntype = "A"\nversion = 1\nform = "published"\nsha256 = "x"\n'),
        ("ids-form", "[[schema]]\nid = 1\n"),
        ("ids-form", "schema = 3\n"),
        ("toml-nesting", "a=" + "[" * 3_900),
        ("no-id", "schema = []\n"),
    ],
)
def test_a_hostile_file_of_ids_is_refused(offered: Path, tmp_path: Path, rule: str, text: str) -> None:
    file = tmp_path / "ids.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadContract, match=rule):
        read_schema_ids(file, read_catalogue(offered))


_LINES: Final = (
    "x = 3",
    'x = "a"',
    "x = []",
    "x = {}",
    "[x]",
    "[[x]]",
    "[family.fields]",
    "[[family]]",
    "events = 1",
    "",
)


@pytest.mark.parametrize("seed", range(25))
def test_no_damaged_catalogue_ends_in_anything_but_a_refusal(tmp_path: Path, seed: int) -> None:
    """Words of the files are exchanged at random: the reader refuses by rule, or the lint judges what is left."""
    rng = Random(seed)
    folder = tmp_path / "offered"
    shutil.copytree(DIRECTORY, folder)
    file = rng.choice(sorted(folder.glob("*.toml")))
    lines = file.read_text(encoding="utf-8").splitlines()
    at = rng.randrange(len(lines))
    if rng.random() < 0.5:
        lines[at] = rng.choice((lines[rng.randrange(len(lines))], *_LINES))
    else:
        words = lines[at].split(" ")
        words[rng.randrange(len(words))] = rng.choice(('"OTHER"', "3", "true", "[]", "{}", "1979-05-27", "inf", '"@"'))
        lines[at] = " ".join(words)
    file.write_text("\n".join(lines), encoding="utf-8")
    try:
        findings = lint(read_catalogue(folder))
    except BadContract as refused:
        assert str(refused).isprintable()
    else:
        assert isinstance(findings, list)


@pytest.mark.parametrize("kind", ["fifo", "endless", "directory", "dangling"])
def test_what_is_no_file_is_refused_and_never_waited_for(offered: Path, kind: str) -> None:
    thing = offered / "zz.toml"
    if kind == "fifo":
        os.mkfifo(thing)
    elif kind == "directory":
        thing.mkdir()
    else:
        thing.symlink_to("/dev/zero" if kind == "endless" else "/nowhere")
    assert "`zz.toml`: toml-file: is no file" in _words(_judge(offered))
