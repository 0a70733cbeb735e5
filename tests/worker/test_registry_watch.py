"""A registry that changes while a worker runs is found once, and only when it can be worked with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.failures import ForeignStore
from contracts.parties import Party, PartyRegistry
from contracts.registry_file import write_registry
from hub import registry_watch
from hub.metrics import Metrics
from hub.registry_watch import RegistryWatch

BEFORE = PartyRegistry.of([Party("A.SOC"), Party("PRI")])
AFTER = PartyRegistry.of([*BEFORE, Party("A.JOB")])


class Watched:
    """A registry file that is watched without pauses. `missing` are parties without topics."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.missing: set[str] = set()
        self.fault: Exception | None = None
        self.checked: list[PartyRegistry] = []
        self.metrics = Metrics()
        write_registry(file, BEFORE)
        self.watch = RegistryWatch(file, BEFORE, self._check, self.metrics)

    def _check(self, registry: PartyRegistry) -> None:
        self.checked.append(registry)
        if self.fault:
            raise self.fault
        if self.missing & registry.parties.keys():
            raise ForeignStore("a topic is not there")

    def looks(self, times: int = 20) -> list[PartyRegistry]:
        """What some looks find."""
        found = []
        for _ in range(times):
            time.sleep(0.002)
            if registry := self.watch.changed():
                found.append(registry)
        return found

    def refused(self) -> float | None:
        return self.metrics.registry.get_sample_value("hub_registry_refused")

    def until_refused(self, value: float) -> list[PartyRegistry]:
        deadline = time.monotonic() + 10.0
        found: list[PartyRegistry] = []
        while self.refused() != value:
            assert time.monotonic() < deadline, "waited in vain"
            found += self.looks(1)
        return found


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(registry_watch, "LOOK_SECONDS", 0.0)
    watched = Watched(tmp_path / "registry.toml")
    yield watched
    watched.watch.close()


def found_by(watched: Watched) -> list[PartyRegistry]:
    deadline = time.monotonic() + 10.0
    while not (found := watched.looks()):
        assert time.monotonic() < deadline, "the change was not found"
    return found


def test_the_file_as_it_was_is_no_change_and_is_not_checked(watched: Watched) -> None:
    assert watched.looks() == []
    write_registry(watched.file, BEFORE)
    assert watched.looks() == []
    assert watched.checked == []


def test_a_change_is_found_once(watched: Watched) -> None:
    watched.looks()
    write_registry(watched.file, AFTER)
    assert found_by(watched) == [AFTER]
    assert watched.looks() == []
    write_registry(watched.file, BEFORE)
    assert found_by(watched) == [BEFORE]


def test_a_changed_period_of_silence_is_found(watched: Watched) -> None:
    changed = PartyRegistry.of([Party("A.SOC", silent_after_seconds=3_600), Party("PRI")])
    watched.looks()
    write_registry(watched.file, changed)
    (found,) = found_by(watched)
    assert found["A.SOC"].silent_after_seconds == 3_600
    assert watched.looks() == []


@pytest.mark.parametrize("content", ["[[party]]\nid = 7\n", "[[party", ""])
def test_a_file_that_cannot_be_read_changes_nothing_until_it_can(watched: Watched, content: str) -> None:
    watched.file.write_text(content, encoding="utf-8")
    assert watched.until_refused(1.0) == []
    assert watched.checked == []
    write_registry(watched.file, AFTER)
    assert found_by(watched) == [AFTER]
    assert watched.refused() == 0.0


def test_a_file_that_is_away_changes_nothing(watched: Watched) -> None:
    away = watched.file.with_name("away")
    watched.looks()
    watched.file.rename(away)
    assert watched.until_refused(1.0) == []
    away.rename(watched.file)
    assert watched.until_refused(0.0) == []


def test_a_party_counts_once_its_topics_are_there(watched: Watched) -> None:
    watched.missing = {"A.JOB"}
    write_registry(watched.file, AFTER)
    assert watched.until_refused(1.0) == []
    watched.missing = set()
    assert found_by(watched) == [AFTER]


def test_a_fault_that_nobody_foresaw_ends_no_worker_and_is_told_without_its_words(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.fault = RuntimeError("0101900005")
    write_registry(watched.file, AFTER)
    assert watched.until_refused(1.0) == []
    assert "unexpected `RuntimeError` in" in caplog.text
    assert "0101900005" not in caplog.text
    watched.fault = None
    assert found_by(watched) == [AFTER]
