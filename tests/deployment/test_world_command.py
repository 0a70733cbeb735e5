"""`hub world make` and `join` can be given again wherever they stopped: in the end all have files and a key each.

The cluster is played here; `test_topics.py` asks a real one whether topics may be there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kafka.admin import ACL

import deploy.world
from contracts.connection import KafkaConnection
from contracts.failures import Failure, ForeignStore, TransportFailure
from contracts.parties import Party, PartyRegistry
from contracts.registry_file import write_registry
from contracts.topics import Names
from deploy import world_command, world_making
from deploy.hub_places import world_stores
from deploy.identity_command import vault_path
from deploy.key_registration import parties_without_a_key
from deploy.rights import Right, rights_of, users_of
from deploy.world import HUB_KEY, OPERATOR_KEY, World
from deploy.world_command import world_group
from hub.arrival.keyring import REGISTERED
from hub.identity.vault import Vault
from hub.store import sqlite
from hub.store.keys import KeyStore
from hub.store.ports import BatchWrites, StoreIdentity
from hub.store.records import BATCHES, BatchCommitted, SigningKeyChanged, keys_stream

BEFORE = PartyRegistry.of([Party("PRI")])
AFTER = PartyRegistry.of([Party("PRI"), Party("A.SOC"), Party("PSY")])
SHARDS = 2
STEPS: Mapping[str, tuple[Any, str]] = {
    "rights": (world_making, "grant"),
    "users": (world_making, "create_users"),
    "topics": (world_making, "create_topics"),
    "secrets": (World, "write"),
    "registry": (deploy.world, "write_registry"),
    "quotas": (world_command, "set_quotas"),
    "files": (world_command, "write_consumer_file"),
    "keys": (world_command, "register_all"),
}
"""What `join` does, in its order."""


@dataclass
class PlayedCluster:
    """A hub of one party, and what its cluster would remember: passwords, rights and topics."""

    directory: Path
    passwords: dict[str, str] = field(default_factory=dict)
    acls: list[ACL] = field(default_factory=list)
    topics: set[str] = field(default_factory=set)

    @property
    def world(self) -> World:
        return World.open(self.directory / "world")

    def make(self) -> None:
        self.passwords = {user: f"password-of-{user}" for user in users_of(Names(), BEFORE)}
        self.grant(None, rights_of(Names(), BEFORE))
        keys = {name: bytes([number]) * 32 for number, name in enumerate([HUB_KEY, OPERATOR_KEY, "PRI"], 1)}
        world = World(
            self.directory / "world", BEFORE, "", "localhost:1", "SASL_PLAINTEXT", None, SHARDS, False,
            dict(self.passwords), b"s" * 32, b"m" * 32, signing_keys=keys,
        )  # fmt: skip
        world.write()
        self.create_hub(world)
        self.register(world, ["PRI"])

    def create_hub(self, world: World, _: object = None, *, cluster_id: str = "cluster") -> None:
        identities = [StoreIdentity(cluster_id, "", shard, SHARDS, {}) for shard in range(SHARDS)]
        world_stores(world).create(world.master_key, identities, None)

    def describe_acls(self, _: object) -> tuple[list[ACL], None]:
        return self.acls, None

    def describe_user_scram_credentials(self) -> dict[str, object]:
        return dict.fromkeys(self.passwords)

    def list_topics(self) -> list[str]:
        return []

    def grant(self, _: object, rights: Iterable[Right]) -> None:
        self.acls += [right.acl() for right in rights]

    def create_users(self, _: object, passwords: Mapping[str, str]) -> None:
        self.passwords.update(passwords)

    def create_topics(self, _: object, settings: Mapping[str, object], *, partitions: int, again: bool = False) -> None:
        assert partitions == SHARDS
        assert again or not self.topics & settings.keys()
        self.topics |= settings.keys()

    def register(self, world: World, parties: Iterable[str], shards: Iterable[int] = range(SHARDS)) -> None:
        """What the hub stores when it is told the keys of `parties`."""
        place = world_stores(world)
        with closing(place.open_keys(world.master_key)) as keys:
            for shard in shards:
                with closing(place.open_store(StoreIdentity("cluster", "", shard, SHARDS, {}), keys)) as store:
                    for party in parties:
                        if store.signing_keys(party):
                            continue
                        key, version = world.signing_key(party), store.head().batch + 1
                        change = SigningKeyChanged(keys_stream(party), 1, 0, REGISTERED, key.id, key.public)
                        store.commit(BatchWrites(BatchCommitted(BATCHES, version, "owner", 0, {}), [change]))

    def join(self) -> Result:
        return self.ask("join")

    def ask(self, command: str, *options: str) -> Result:
        arguments = [command, "--registry", str(self.directory / "new.toml"), "--world", str(self.directory / "world")]
        if command == "make":
            arguments += ["--partitions", str(SHARDS)]
        return CliRunner().invoke(world_group, [*arguments, *options])


@pytest.fixture
def cluster(unmade: PlayedCluster) -> PlayedCluster:
    """With a hub of one party."""
    unmade.make()
    return unmade


@pytest.fixture
def unmade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedCluster:
    """With no hub yet."""
    cluster = PlayedCluster(tmp_path)
    write_registry(tmp_path / "new.toml", AFTER)

    @contextmanager
    def administering(_: KafkaConnection) -> Iterator[PlayedCluster]:
        yield cluster

    for module in (world_making, world_command):
        monkeypatch.setattr(module, "administering", administering)
    admin = KafkaConnection("localhost:1", "deployer", "secret")
    monkeypatch.setattr(world_command, "deployer_connection", lambda: admin)
    monkeypatch.setattr(world_making, "create_users", cluster.create_users)
    monkeypatch.setattr(world_making, "grant", cluster.grant)
    monkeypatch.setattr(world_making, "create_topics", cluster.create_topics)
    monkeypatch.setattr(world_command, "set_quotas", lambda *_: None)
    monkeypatch.setattr(world_command, "create_hub", cluster.create_hub)
    monkeypatch.setattr(world_command, "register_all", cluster.register)
    return cluster


def stop_at(patch: pytest.MonkeyPatch, owner: Any, name: str, *, is_done: bool) -> None:
    """Let a step of a command fail before it is done, or right after."""
    done: Callable[..., Any] = getattr(owner, name)

    def stopped(*arguments: Any, **named: Any) -> None:
        if is_done:
            done(*arguments, **named)
        raise TransportFailure("the broker is gone: ask again")

    patch.setattr(owner, name, stopped)


def require_all_joined(cluster: PlayedCluster) -> None:
    world = cluster.world
    assert world.registry == AFTER
    assert parties_without_a_key(world) == []
    assert {f"{side}.{name}.v1" for side in ("in", "out") for name in ("a-soc", "psy")} <= cluster.topics
    assert cluster.passwords == world.passwords
    for party, name in (("A.SOC", "a-soc"), ("PSY", "psy")):
        files = world.directory / "consumers"
        assert f"HUB_CONSUMER_PASSWORD={cluster.passwords[name]}\n" in (files / f"{name}.env").read_text()
        assert (files / f"{name}.signing-key").read_text() == world.signing_key(party).private.hex()


def test_parties_join_at_once_and_nobody_joins_twice(cluster: PlayedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    done = cluster.join()
    assert (done.exit_code, "2 parties joined" in done.output) == (0, True)
    require_all_joined(cluster)
    told: list[list[str]] = []
    monkeypatch.setattr(world_command, "register_all", lambda _, parties: told.append(list(parties)))
    again = cluster.join()
    assert (again.exit_code, "0 parties joined" in again.output, told) == (0, True, [[]])


@pytest.mark.parametrize("is_done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("step", ["grant", "create_users"])
def test_make_is_given_again_where_it_stopped_before_its_topics(
    unmade: PlayedCluster, monkeypatch: pytest.MonkeyPatch, step: str, is_done: bool
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, world_making, step, is_done=is_done)
        assert isinstance(unmade.ask("make").exception, TransportFailure)
    again = unmade.ask("make")
    assert again.exit_code == 0, again.exception
    require_all_joined(unmade)


MAKING: Mapping[str, tuple[Any, str]] = {
    "quotas": (world_command, "set_quotas"),
    "keys of the hub": (KeyStore, "create"),
    "store": (sqlite, "create_store"),
    "vault": (world_command, "create_vault"),
    "keys": (world_command, "register_all"),
    "files": (world_command, "write_consumer_file"),
    "settings of workers": (world_command, "write_worker_file"),
}
"""What `make` does once its world is written."""


@pytest.mark.parametrize("is_done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("step", MAKING)
def test_make_is_given_again_in_the_same_words_until_it_is_complete(
    unmade: PlayedCluster, monkeypatch: pytest.MonkeyPatch, step: str, is_done: bool
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, *MAKING[step], is_done=is_done)
        assert isinstance(unmade.ask("make").exception, TransportFailure)
    is_complete = is_done and step == "settings of workers"
    if not is_complete:
        otherwise = unmade.ask("make", "--partitions", "3")
        assert "begun otherwise" in str(otherwise.exception)
        again = unmade.ask("make")
        assert again.exit_code == 0, again.exception
    require_all_joined(unmade)
    assert (unmade.world.directory / "hub" / "worker.env").is_file()
    Vault.open(vault_path(unmade.world), unmade.world.master_key).close()
    assert "holds a world already" in str(unmade.ask("make").exception)


def test_make_goes_on_with_no_store_of_another_hub(unmade: PlayedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, world_command, "create_vault", is_done=False)
        unmade.ask("make")
    monkeypatch.setattr(world_command, "create_hub", lambda world, _: unmade.create_hub(world, cluster_id="another"))
    assert isinstance(unmade.ask("make").exception, ForeignStore)


@pytest.mark.parametrize("is_done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("step", STEPS)
def test_it_is_given_again_after_a_stop_at_any_step(
    cluster: PlayedCluster, monkeypatch: pytest.MonkeyPatch, step: str, is_done: bool
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, *STEPS[step], is_done=is_done)
        assert isinstance(cluster.join().exception, TransportFailure)
    again = cluster.join()
    assert again.exit_code == 0, again.exception
    require_all_joined(cluster)


def test_a_key_that_only_one_shard_was_told_is_told_again(
    cluster: PlayedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(world: World, parties: Iterable[str]) -> None:
        cluster.register(world, parties, shards=[0])
        raise TransportFailure("the broker is gone: ask again")

    with monkeypatch.context() as patch:
        patch.setattr(world_command, "register_all", stopped)
        assert isinstance(cluster.join().exception, TransportFailure)
    told: list[list[str]] = []
    monkeypatch.setattr(world_command, "register_all", lambda _, parties: told.append(sorted(parties)))
    again = cluster.join()
    assert told == [["A.SOC", "PSY"]]
    assert "a shard knows no key of theirs yet: A.SOC, PSY" in again.output


def test_what_an_agency_did_with_its_files_stays(cluster: PlayedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world_command, "register_all", lambda *_: None)
    assert cluster.join().exit_code == 0
    key = cluster.world.directory / "consumers" / "a-soc.signing-key"
    key.write_text("the agency's own")
    assert cluster.join().exit_code == 0
    assert key.read_text() == "the agency's own"


def test_where_the_stores_cannot_be_read_nothing_is_changed(cluster: PlayedCluster) -> None:
    (cluster.directory / "world" / "hub" / "shard-1.db").unlink()
    assert isinstance(cluster.join().exception, Failure)
    assert cluster.world.registry == BEFORE
    assert cluster.topics == set()
