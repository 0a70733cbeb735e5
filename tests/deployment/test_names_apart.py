"""No hub is made whose names would take another's user, or reach what another hub has on the same cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from kafka.admin import ACL, ACLOperation, ResourceType

from contracts.connection import KafkaConnection
from contracts.failures import BadRegistry
from contracts.parties import Party, PartyRegistry
from contracts.topics import Names
from deploy import world_making
from deploy.rights import Right, deployer_rights, rights_of
from deploy.world import World
from deploy.world_making import create_world, extend_world

DEPLOYER: Final = "admin"
HERS: Final = PartyRegistry.of([Party("PRI"), Party("A.SOC")])


class PlayedCluster:
    """A cluster that knows its rights, and notes whose passwords are drawn."""

    def __init__(self) -> None:
        self.acls: list[ACL] = [right.acl() for right in deployer_rights(DEPLOYER)]
        self.users: set[str] = {DEPLOYER}

    def describe_acls(self, _: object) -> tuple[list[ACL], None]:
        return self.acls, None

    def describe_user_scram_credentials(self) -> dict[str, object]:
        return dict.fromkeys(self.users)

    def list_topics(self) -> list[str]:
        return []

    def grant(self, _: object, rights: Iterable[Right]) -> None:
        self.acls += [right.acl() for right in rights]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> PlayedCluster:
    cluster = PlayedCluster()

    @contextmanager
    def administering(_: KafkaConnection) -> Iterator[PlayedCluster]:
        yield cluster

    monkeypatch.setattr(world_making, "administering", administering)
    monkeypatch.setattr(world_making, "create_users", lambda _, passwords: cluster.users.update(passwords))
    monkeypatch.setattr(world_making, "grant", cluster.grant)
    monkeypatch.setattr(world_making, "create_topics", lambda *_, **__: None)
    return cluster


Make = Callable[[PartyRegistry, str], World]


@pytest.fixture
def make(tmp_path: Path, cluster: PlayedCluster) -> Make:
    admin = KafkaConnection("localhost:1", DEPLOYER, "secret")
    return lambda registry, name: create_world(
        tmp_path / f"world-{name}", admin, registry, partitions=1, played=False, world_name=name
    )


def test_hubs_beside_each_other_and_one_whose_making_stopped_are_made(cluster: PlayedCluster, make: Make) -> None:
    cluster.grant(None, rights_of(Names("trial"), HERS))
    for name in ("", "trial", "tria", "trials"):
        make(HERS, name)


@pytest.mark.parametrize("party", ["ADMIN", "Admin"])
def test_a_party_does_not_take_the_deployers_user(cluster: PlayedCluster, make: Make, party: str) -> None:
    """Its password would be drawn anew, and nobody could administer the cluster any more."""
    with pytest.raises(BadRegistry, match="`admin` is the deployer's own"):
        make(PartyRegistry.of([Party(party)]), "")
    assert cluster.users == {DEPLOYER}
    with pytest.raises(BadRegistry, match="a name of the hub's own"):
        make(PartyRegistry.of([Party("BROKER")]), "")


def test_nor_does_one_that_joins(cluster: PlayedCluster, make: Make) -> None:
    world = make(HERS, "")
    before = set(cluster.users)
    joining = PartyRegistry.of([*HERS, Party("ADMIN")])
    with pytest.raises(BadRegistry, match="`admin` is the deployer's own"):
        extend_world(world, KafkaConnection("localhost:1", DEPLOYER, "secret"), joining)
    assert cluster.users == before


def test_nobody_leaves_by_a_registry_of_who_joins_and_who_left_stays_in_it(cluster: PlayedCluster, make: Make) -> None:
    world = make(PartyRegistry.of([*HERS, Party("PHE", left=True)]), "")
    assert "phe" not in cluster.users
    deployer = KafkaConnection("localhost:1", DEPLOYER, "secret")
    leaving = [replace(party, left=True) for party in HERS]
    for registry in ([*HERS], [*leaving, Party("PHE", left=True)]):
        with pytest.raises(BadRegistry, match="is not in the new registry as it was: only add parties to it"):
            extend_world(world, deployer, PartyRegistry.of(registry))
    for left in (True, False):
        world = extend_world(world, deployer, PartyRegistry.of([*HERS, Party("PHE", left=left)]))
        assert ("phe" in cluster.users) is not left


def test_no_hub_takes_a_name_under_which_a_party_of_another_may_use_groups(cluster: PlayedCluster, make: Make) -> None:
    make(HERS, "")
    before = set(cluster.users)
    for name in ("pri", "a-soc"):
        with pytest.raises(BadRegistry, match=rf"{name}  read  group {name}\.\*"):
            make(PartyRegistry.of([Party("PSY")]), name)
    assert cluster.users == before


def test_no_party_takes_a_name_that_reaches_the_groups_of_another_hub(cluster: PlayedCluster, make: Make) -> None:
    make(HERS, "psy")
    with pytest.raises(BadRegistry, match=r"psy\.hub-reader  read  group psy\.hub\.\*"):
        make(PartyRegistry.of([Party("PSY")]), "")
    world = make(HERS, "")
    with pytest.raises(
        BadRegistry, match="choose another name for the hub or another id for the party, or take that right away"
    ):
        extend_world(world, KafkaConnection("localhost:1", DEPLOYER, "secret"), PartyRegistry.of([*HERS, Party("PSY")]))


BEYOND = [("ops", "*", False), ("gov", "o", True), ("hub-auditor", "*", False), ("pri", "printers", False)]
"""Rights of who backs the cluster up, or does something else there."""


@pytest.mark.parametrize(("user", "topic", "by_prefix"), BEYOND)
def test_no_party_or_service_takes_over_a_user_that_may_do_more_on_the_cluster(
    cluster: PlayedCluster, make: Make, user: str, topic: str, by_prefix: bool
) -> None:
    cluster.grant(None, [Right(user, ACLOperation.READ, ResourceType.TOPIC, topic, by_prefix)])
    with pytest.raises(BadRegistry, match=re.escape(f"`{user}  read  topic {topic}")):
        make(PartyRegistry.of([*HERS, Party("OPS"), Party("GOV")]), "")
    assert cluster.users == {DEPLOYER}


def test_nor_one_whose_rights_are_none_of_the_table(cluster: PlayedCluster, make: Make) -> None:
    cluster.grant(None, [Right("pri", ACLOperation.READ, ResourceType.TOPIC, "out.a-soc.v1")])
    cluster.users.add("pri")
    with pytest.raises(BadRegistry, match="user `pri` is on the cluster already"):
        make(HERS, "")
    assert cluster.users == {DEPLOYER, "pri"}


def test_no_party_takes_over_a_user_without_rights(cluster: PlayedCluster, make: Make) -> None:
    """A super user has none that a client could see."""
    cluster.users.add("ops")
    rights = list(cluster.acls)
    with pytest.raises(BadRegistry, match="user `ops` is on the cluster already"):
        make(PartyRegistry.of([*HERS, Party("OPS")]), "")
    world = make(HERS, "")
    before = set(cluster.users), list(cluster.acls)
    joining = PartyRegistry.of([*HERS, Party("OPS")])
    with pytest.raises(BadRegistry, match="user `ops` is on the cluster already"):
        extend_world(world, KafkaConnection("localhost:1", DEPLOYER, "secret"), joining)
    assert (cluster.users, cluster.acls) == before
    assert cluster.acls[: len(rights)] == rights


def test_who_may_act_as_a_user_of_the_hub_is_no_neighbour(cluster: PlayedCluster, make: Make) -> None:
    tokens = ACLOperation.CREATE_TOKENS, ResourceType.USER
    cluster.grant(None, [Right("somebody", *tokens, "User:pri-archive"), Right("somebody", *tokens, "*")])
    make(HERS, "")
    for user, owner in (("somebody", "User:trial.hub-sender"), ("trial.pri", "User:elsewhere")):
        taken = Right(user, *tokens, owner)
        cluster.grant(None, [taken])
        with pytest.raises(BadRegistry, match=f"{user}  create_tokens  user {owner}"):
            make(HERS, "trial")
        cluster.acls.remove(taken.acl())
    make(HERS, "trial")
