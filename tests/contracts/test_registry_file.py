"""A registry file holds parties and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.failures import BadRegistry
from contracts.parties import Party, PartyRegistry
from contracts.registry_file import read_registry, write_registry
from tests.contracts.second_version import grown, in_force


def test_a_written_registry_is_read_back(tmp_path: Path) -> None:
    registry = PartyRegistry.of(
        [Party("PSY", True), Party("A.SOC", silent_after_seconds=60), Party("A.ADD", True), Party("PRI")]
    )
    write_registry(tmp_path / "registry.toml", registry)
    read = read_registry(tmp_path / "registry.toml")
    assert read == registry
    assert (read["A.SOC"].silent_after_seconds, read["PRI"].silent_after_seconds) == (60, None)
    assert read.digest == registry.digest
    assert [path.name for path in tmp_path.iterdir()] == ["registry.toml"]


def test_who_left_takes_part_no_longer_and_is_kept_as_it_was(tmp_path: Path) -> None:
    registry = PartyRegistry.of([Party("PRI"), Party("A.ADD", True, left=True)])
    write_registry(tmp_path / "registry.toml", registry)
    assert read_registry(tmp_path / "registry.toml") == registry
    cited = PartyRegistry.of_cited_text(registry.cited_text)
    for kept in (registry, cited):
        assert ([party.id for party in kept], "A.ADD" in kept) == (["PRI"], False)
        assert kept.left["A.ADD"].healthcare_provider
    assert cited == registry
    assert registry.digest != PartyRegistry.of([Party("PRI")]).digest


@pytest.mark.parametrize("left", [True, False])
def test_no_party_may_go_missing(left: bool) -> None:
    before = PartyRegistry.of([Party("A.SOC", left=left), Party("PRI")])
    PartyRegistry.of([Party("A.SOC", left=True), Party("PRI")]).require_all_of(before)
    with pytest.raises(BadRegistry, match=r"party `A\.SOC` was in the registry and is not"):
        PartyRegistry.of([Party("PRI")]).require_all_of(before)


def test_a_party_may_still_read_an_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "registry.toml"
    with in_force(grown(tmp_path / "contracts")):
        registry = PartyRegistry.of([Party("A.SOC", reads=(("HousingLost", 1), ("HousingSecured", 1))), Party("PRI")])
        write_registry(path, registry)
        assert read_registry(path) == registry
        assert registry.digest == PartyRegistry.of([Party("A.SOC"), Party("PRI")]).digest, "no decision rests on it"
        for reads in ("HousingSecured = 2", "HousingSecured = 0", "CaseOpened = 1", "Nothing = 1", 'HousingLost = "1"'):
            path.write_text(f'[[party]]\nid = "A.SOC"\nreads = {{ {reads} }}\n')
            with pytest.raises(BadRegistry, match=r"party 1, `reads`: expected event types"):
                read_registry(path)


@pytest.mark.parametrize(
    "text",
    [
        '[[party]]\nid = "A.SOC"\nreads = 3',
        '[[party]]\nid = "A.SOC"\nreads = { HousingSecured = 1 }',
        "",
        "party = 3",
        "party = []",
        "[[party]]",
        "[[party]]\nid = 3",
        '[[party]]\nid = "A SOC"',
        '[[party]]\nid = "A.SOC"\nhealthcare_provider = "no"',
        '[[party]]\nid = "A.SOC"\nleft = "yes"',
        '[[party]]\nid = "A.SOC"\nrole = "SOC"',
        '[[party]]\nid = "A.SOC"\nsilent_after_seconds = 0',
        '[[party]]\nid = "A.SOC"\nsilent_after_seconds = true',
        '[[party]]\nid = "A.SOC"\nsilent_after_seconds = 1.5',
        '[[party]]\nid = "A.SOC"\n[[party]]\nid = "A.SOC"',
        '[[party]]\nid = "A.SOC"\n[[party]]\nid = "a.soc"',
        '[[party]]\nid = "A.SOC"\n[other]\nx = 1',
        "not toml",
    ],
)
def test_a_malformed_registry_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "registry.toml"
    path.write_text(text)
    with pytest.raises(BadRegistry):
        read_registry(path)


def test_a_missing_registry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRegistry, match=r"none\.toml"):
        read_registry(tmp_path / "none.toml")
