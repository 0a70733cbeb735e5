"""A private file is whole or not there, and on the disk, wherever its writer is stopped."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from contracts.parties import Party, PartyRegistry
from contracts.private_files import made_once, write_private
from contracts.registry_file import write_registry

STOPPED = 3


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets.json"


@contextmanager
def steps_seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What reaches the disk and what takes its place, in the order in which it happens."""
    seen: list[str] = []
    fsync, replace, link = os.fsync, os.replace, os.link

    def synced(descriptor: int) -> None:
        seen.append("directory on disk" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content on disk")
        fsync(descriptor)

    def replaced(source: Path, target: Path) -> None:
        seen.append("in its place")
        replace(source, target)

    def linked(source: Path, target: Path) -> None:
        seen.append("in its place")
        link(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", synced)
        patch.setattr(os, "replace", replaced)
        patch.setattr(os, "link", linked)
        yield seen


def test_content_is_on_the_disk_before_it_takes_the_place_and_the_place_is_before_the_return(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ["content on disk", "in its place", "directory on disk"]
    with steps_seen(monkeypatch) as seen:
        write_private(file, "a")
    assert seen == wanted
    with steps_seen(monkeypatch) as seen, made_once(file.with_name("other")) as unfinished:
        unfinished.write_text("b")
    assert seen == wanted
    with steps_seen(monkeypatch) as seen:
        write_registry(file.with_name("registry.toml"), PartyRegistry.of([Party("PRI")]))
    assert seen == wanted


def test_only_the_owner_may_read_what_was_written_or_made(file: Path) -> None:
    former = os.umask(0)
    try:
        write_private(file, "a")
        with made_once(file.with_name("other")) as unfinished:
            unfinished.write_text("b")
    finally:
        os.umask(former)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {
        "secrets.json": 0o600,
        "other": 0o600,
    }


def test_two_writers_of_one_file_never_mix(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def another_writes_meanwhile(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        write_private(file, "the other's, whole")
        assert file.read_text() == "the other's, whole"
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", another_writes_meanwhile)
    write_private(file, "ours, whole")
    assert file.read_text() == "ours, whole"
    assert list(file.parent.iterdir()) == [file]


def test_what_cannot_be_written_leaves_what_was_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(file, "before")

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_private(file, "after")
    with pytest.raises(OSError, match="no space"), made_once(file.with_name("other")):
        pass
    assert file.read_text() == "before"
    assert list(file.parent.iterdir()) == [file]


def test_what_is_there_is_never_made_again(file: Path) -> None:
    file.write_text("before")
    with pytest.raises(FileExistsError), made_once(file):
        pytest.fail("nothing is begun where something is there")
    file.unlink()
    with pytest.raises(FileExistsError), made_once(file) as unfinished:
        unfinished.write_text("ours")
        file.write_text("the other's")
    assert file.read_text() == "the other's"
    assert list(file.parent.iterdir()) == [file]


def test_a_database_is_made_whole_without_its_log(file: Path) -> None:
    with made_once(file) as unfinished, closing(sqlite3.connect(unfinished, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE one (it TEXT)")
        database.execute("INSERT INTO one VALUES ('whole')")
    assert list(file.parent.iterdir()) == [file]
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT it FROM one").fetchall() == [("whole",)]


def test_a_kill_at_any_point_is_followed_by_another_try(file: Path) -> None:
    """Killed before its place is taken, there is nothing; afterwards, all of it."""
    for where, remains in (("fsync", False), ("link", False), ("rmdir", True)):
        program = (
            f"import os, pathlib; from contracts.private_files import made_once; file = pathlib.Path({str(file)!r})\n"
            f"with made_once(file) as unfinished: unfinished.write_text('whole'); "
            f"os.{where} = lambda *_, **__: os._exit({STOPPED})"
        )
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == STOPPED
        assert file.exists() == remains
    assert file.read_text() == "whole"
    file.unlink()
    with made_once(file) as unfinished:
        unfinished.write_text("at last")
    assert file.read_text() == "at last"
