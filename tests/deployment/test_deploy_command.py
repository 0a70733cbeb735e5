"""`hub deploy`: what it says is what is made, and a cluster that differs is told from one that does not."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)

from contracts.parties import Party, PartyRegistry
from contracts.registry_file import write_registry
from contracts.topics import Names
from deploy.deploy_command import deploy
from deploy.local_kafka import DEPLOYER_USER, LocalKafka
from deploy.rights import Right, grant
from deploy.rights_check import difference, text_of, whole_table
from deploy.world import World
from tests.conftest import MakeWorld

REGISTRY = PartyRegistry.of([Party("A.SOC"), Party("PSY")])
READ, WRITE, TOPIC, GROUP = ACLOperation.READ, ACLOperation.WRITE, ResourceType.TOPIC, ResourceType.GROUP
USER = ResourceType.USER


@pytest.fixture
def as_deployer(local_kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of the deployer of the local broker."""
    (tmp_path / "password").write_text(local_kafka.admin.password, encoding="ascii")
    monkeypatch.setenv("HUB_KAFKA", local_kafka.bootstrap)
    monkeypatch.setenv("HUB_DEPLOYER_PASSWORD_FILE", str(tmp_path / "password"))


@pytest.fixture
def client(local_kafka: LocalKafka) -> Iterator[KafkaAdminClient]:
    deployer = KafkaAdminClient(**local_kafka.admin.client_options())
    yield deployer
    deployer.close()


def run(*words: str) -> Result:
    return CliRunner().invoke(deploy, words, catch_exceptions=False)


def check(world: World, *words: str) -> Result:
    return run("rights", "--check", "--world", str(world.directory), *words)


@pytest.mark.kafka
@pytest.mark.usefixtures("as_deployer")
def test_a_world_has_the_rights_of_its_table_and_no_others(make_world: MakeWorld) -> None:
    done = check(make_world(REGISTRY))
    assert (done.exit_code, done.output.strip()) == (0, "0 differences")


@pytest.mark.kafka
@pytest.mark.usefixtures("as_deployer")
def test_a_right_that_was_taken_or_given_by_hand_is_named(make_world: MakeWorld, client: KafkaAdminClient) -> None:
    world = make_world(REGISTRY)
    names = world.names
    lost = ResourcePatternFilter(TOPIC, names.input("PSY"), ACLResourcePatternType.LITERAL)
    client.delete_acls([ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, lost)])
    grant(client, [Right("passer-by", READ, TOPIC, f"{names.prefix}out.", by_prefix=True)])
    done = check(world)
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        f"missing  {names.user('PSY')}  write  topic {names.input('PSY')}",
        f"surplus  passer-by  read  topic {names.prefix}out.*",
        "2 differences",
    ]
    as_json = json.loads(check(world, "--format", "json").output)
    assert [row["user"] for row in as_json["missing"]] == [names.user("PSY")]
    assert [(row["user"], row["by_prefix"]) for row in as_json["surplus"]] == [("passer-by", True)]
    assert check(make_world(REGISTRY)).exit_code == 0


SURPLUS = {
    "another's user": Right("passer-by", READ, TOPIC, "out.psy.v1"),
    "another topic of ours": Right("passer-by", READ, TOPIC, "out.new.v1"),
    "every topic": Right("passer-by", READ, TOPIC, "*"),
    "the beginning of a name of ours": Right("passer-by", READ, TOPIC, "o", by_prefix=True),
    "everybody": Right("*", READ, TOPIC, "elsewhere"),
    "one of ours, elsewhere": Right("psy", WRITE, TOPIC, "elsewhere"),
    "a party in the name of another": Right("a-soc", WRITE, TOPIC, "in.psy.v1"),
    "the deployer, by itself": Right(DEPLOYER_USER, READ, TOPIC, "out.psy.v1"),
    "the hub's group": Right("passer-by", READ, GROUP, "hub.workers"),
    "a party's group": Right("passer-by", READ, GROUP, "psy.x"),
    "the cluster": Right("passer-by", ACLOperation.ALTER, ResourceType.CLUSTER, "kafka-cluster"),
    "tokens of one of ours": Right("passer-by", ACLOperation.CREATE_TOKENS, USER, "User:hub-sender"),
    "tokens of the deployer": Right("passer-by", ACLOperation.CREATE_TOKENS, USER, f"User:{DEPLOYER_USER}"),
    "tokens of everybody": Right("passer-by", ACLOperation.CREATE_TOKENS, USER, "*"),
    "tokens of the beginning of a name of ours": Right("passer-by", ACLOperation.CREATE_TOKENS, USER, "User:h", True),
    "a transaction": Right("psy", WRITE, ResourceType.TRANSACTIONAL_ID, "x"),
}
ELSEWHERE = (
    Right("passer-by", READ, TOPIC, "elsewhere"),
    Right("w1.psy", READ, TOPIC, "w1.out.psy.v1"),
    Right("w1.hub-sender", WRITE, TOPIC, "w1.out.", by_prefix=True),
    Right("w1.psy", READ, GROUP, "w1.psy.", by_prefix=True),
    Right("passer-by", WRITE, ResourceType.TRANSACTIONAL_ID, "x"),
    Right("passer-by", ACLOperation.CREATE_TOKENS, USER, "User:psychology"),
)


@pytest.mark.parametrize("case", SURPLUS)
def test_what_is_too_much_for_this_hub(case: str) -> None:
    table = whole_table(Names(), REGISTRY, DEPLOYER_USER)
    present = [right.acl() for right in (*table, *ELSEWHERE, SURPLUS[case])]
    found = difference(table, present, Names(), REGISTRY)
    assert [text_of(acl) for acl in found.surplus] == [text_of(SURPLUS[case].acl())]
    assert not found.missing


def test_a_denial_and_a_right_from_one_host_are_no_right_of_the_table() -> None:
    table = whole_table(Names(), REGISTRY, DEPLOYER_USER)
    pattern = ResourcePattern(TOPIC, "in.psy.v1")
    denied = ACL("User:psy", "*", WRITE, ACLPermissionType.DENY, pattern)
    from_host = ACL("User:psy", "10.0.0.1", WRITE, ACLPermissionType.ALLOW, pattern)
    kept = [right.acl() for right in table if right.acl().resource_pattern != pattern]
    found = difference(table, [*kept, denied, from_host], Names(), REGISTRY)
    assert [text_of(acl) for acl in found.missing] == ["psy  write  topic in.psy.v1"]
    assert [text_of(acl) for acl in found.surplus] == [
        "psy  denied write  topic in.psy.v1",
        "psy  write  topic in.psy.v1 from 10.0.0.1",
    ]


@pytest.mark.parametrize("name", ["", "w1"])
def test_every_form_says_the_whole_table(tmp_path: Path, name: str) -> None:
    write_registry(tmp_path / "registry.toml", REGISTRY)
    words = ("rights", "--registry", str(tmp_path / "registry.toml"), "--name", name, "--format")
    wanted = {right.acl() for right in whole_table(Names(name), REGISTRY, DEPLOYER_USER)}
    script = run(*words, "kafka-acls").output.splitlines()
    assert script[0] == "set -eu"
    assert {as_the_tool_reads(line) for line in script[1:]} == wanted
    assert len(json.loads(run(*words, "json").output)) == len(wanted)
    _, *rows = run(*words, "table").output.splitlines()
    assert {" ".join(row.split()) for row in rows} == {" ".join(text_of(acl).split()) for acl in wanted}


def as_the_tool_reads(line: str) -> ACL:
    """The right that `kafka-acls.sh` makes of a line: its options, by its own manual."""
    tool = argparse.ArgumentParser(allow_abbrev=False)
    for option in ("--bootstrap-server", "--command-config", "--allow-principal", "--operation", "--topic", "--group"):
        tool.add_argument(option)
    tool.add_argument("--add", action="store_true", required=True)
    tool.add_argument("--cluster", action="store_true")
    tool.add_argument("--resource-pattern-type", choices=["literal", "prefixed"], required=True)
    program, *words = shlex.split(line)
    read = tool.parse_args(words)
    assert (program, read.bootstrap_server, read.command_config) == ("kafka-acls.sh", "$BOOTSTRAP", "$COMMAND_CONFIG")
    operations = {operation.name.replace("_", "").lower(): operation for operation in ACLOperation}
    kind = TOPIC if read.topic else GROUP if read.group else ResourceType.CLUSTER
    assert read.cluster == (kind == ResourceType.CLUSTER)
    return ACL(
        read.allow_principal,
        "*",
        operations[read.operation.lower()],
        ACLPermissionType.ALLOW,
        ResourcePattern(
            kind,
            read.topic or read.group or "kafka-cluster",
            ACLResourcePatternType[read.resource_pattern_type.upper()],
        ),
    )
