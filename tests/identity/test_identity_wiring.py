"""What `hub identity basics` takes from the stores of a world: the case behind a key, and who sees something of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.failures import NotFound
from contracts.parties import Party, PartyRegistry
from deploy import identity_wiring
from deploy.hub_places import hub_directory, shard_path
from deploy.world import World
from hub.consent.rule_reader import RULES_FOLDER
from hub.identity.basics import Basics, read_basics_rules
from hub.identity.enrolment import Identity
from hub.identity.vault import Vault
from hub.store.keys import KeyStore
from hub.store.places import keys_path
from tests.shard.harness import CASE, DAY_MS, SECRET, ShardUnderTest, consent, imprisonment

CPR = "120488-0003"
NAME = "Somebody"


@pytest.fixture(autouse=True)
def waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub runs here that could settle anything meanwhile."""
    monkeypatch.setattr(identity_wiring, "SETTLED_SECONDS_MAX", 0.0)


def stopped(hub: ShardUnderTest, place: Path) -> World:
    """The world of a hub that no longer runs."""
    hub.store.close()
    hub.keys.close()
    world = World(place / "world", hub.registry, "", "localhost:1", "SASL_PLAINTEXT", None, 1, True, {}, SECRET, SECRET)
    world.write()
    keys = keys_path(hub_directory(world))
    keys.parent.mkdir(parents=True)
    shutil.copy(place / "keys.db", keys)
    shutil.copy(place / "shard-0.db", shard_path(world, 0))
    return world


@contextmanager
def identity_of(hub: ShardUnderTest, place: Path) -> Iterator[Identity]:
    vault = Vault.create(place / "vault.db", SECRET, 1)
    yield Identity(vault, SECRET, hub.control, hub.registry, read_basics_rules(), lambda: hub.now)
    vault.close()


def basics(identity: Identity, world: World, key: str, party: str) -> Basics:
    return identity.basics_of(key, party, identity_wiring._visibility_of(world), identity_wiring._case_behind_of(world))


def test_a_municipality_that_the_hub_tells_of_an_imprisonment_learns_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = ShardUnderTest(tmp_path, ("PRI", "A.SOC", "B.SOC"))
    monkeypatch.setattr(identity_wiring, "now_ms", lambda: hub.now)
    with identity_of(hub, tmp_path) as identity:
        case_id = identity.enrol(CPR, name=NAME)
        identity.key_for(CPR, "PRI")
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start", case_id=case_id)
        hub.settle()
        (sent,) = hub.broker.log(hub.names.output("A.SOC"), 0)
        key = (sent.key or b"").decode()
        world = stopped(hub, tmp_path)
        assert basics(identity, world, key, "A.SOC").name == NAME
        for other, party in ((key, "B.SOC"), (hub.key("B.SOC", case_id), "B.SOC"), ("x", "A.SOC")):
            with pytest.raises(NotFound):
                basics(identity, world, other, party)


def consented(place: Path) -> ShardUnderTest:
    """A hub in which `B.SOC` sees something of a case on a consent of one day."""
    hub = ShardUnderTest(place)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given = consent(hub.now, ["CU"], ["B.SOC"]) | {"validUntil": hub.now + DAY_MS}
    hub.state("PRI", "ConsentGiven", given, "given")
    hub.settle()
    assert hub.view("B.SOC")
    return hub


def sees_at(world: World, monkeypatch: pytest.MonkeyPatch, now: int) -> bool:
    monkeypatch.setattr(identity_wiring, "now_ms", lambda: now)
    return identity_wiring._visibility_of(world)(CASE, "B.SOC")


def test_a_consent_that_lapses_while_the_hub_is_stopped_lets_no_name_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = consented(tmp_path)
    due = hub.store.due_of([CASE])[CASE]
    world = stopped(hub, tmp_path)
    assert sees_at(world, monkeypatch, due - 1)
    assert not sees_at(world, monkeypatch, due)


@pytest.mark.parametrize(("party", "sees"), [("A.SOC", True), ("B.SOC", False)])
def test_a_case_that_has_just_become_due_is_waited_for_until_the_hub_has_settled_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, party: str, *, sees: bool
) -> None:
    hub = consented(tmp_path)
    world = stopped(hub, tmp_path)
    hub.keys = KeyStore.in_file(tmp_path / "keys.db", SECRET)
    hub.restart()
    hub.tick(2 * DAY_MS)
    hub.settle()
    hub.store.close()
    hub.keys.close()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        shutil.copy(tmp_path / "shard-0.db", shard_path(world, 0))

    monkeypatch.setattr(identity_wiring, "SETTLED_SECONDS_MAX", 60.0)
    monkeypatch.setattr(identity_wiring, "now_ms", lambda: hub.now)
    monkeypatch.setattr("time.sleep", sleep)
    assert identity_wiring._visibility_of(world)(CASE, party) == sees
    assert len(slept) == 1


def test_a_case_that_could_not_be_decided_lets_no_name_out_whatever_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = consented(tmp_path)
    now = hub.now

    def failing(*_: object) -> None:
        raise RuntimeError("the test lets it fail")

    monkeypatch.setattr("hub.shard.settling.renewed", failing)
    hub.tick(60_000)
    hub.state("A.SOC", "CaseOpened", {"caseNo": "another", "at": hub.now}, "opened")
    hub.settle()
    assert not sees_at(stopped(hub, tmp_path), monkeypatch, now)


@pytest.mark.parametrize("changed", ["parties", "rules"])
def test_rules_or_parties_that_the_shard_has_not_adopted_let_no_name_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    hub = consented(tmp_path)
    world = stopped(hub, tmp_path)
    assert sees_at(world, monkeypatch, hub.now)
    if changed == "parties":
        world = replace(world, registry=PartyRegistry.of([*world.registry.parties.values(), Party("Z.VOL")]))
    else:
        folder = world.directory / "rules"
        shutil.copytree(RULES_FOLDER, folder)
        (folder / "DK-1.toml").write_text((folder / "DK-1.toml").read_text() + "\n# another text\n")
    assert not sees_at(world, monkeypatch, hub.now)
