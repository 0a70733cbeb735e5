"""Topics are made once; who takes parties into a hub may have made some of theirs before."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from contracts.failures import BadSetting
from contracts.parties import Party, PartyRegistry
from contracts.topics import Names
from deploy.deploy_command import deploy
from deploy.local_kafka import LocalKafka
from deploy.topics import PARTITIONS, create_topics, setting_differences, topic_settings
from deploy.world import World
from tests.conftest import MakeWorld

REGISTRY = PartyRegistry.of([Party("A.SOC"), Party("PSY")])


@pytest.fixture
def client(local_kafka: LocalKafka) -> Iterator[KafkaAdminClient]:
    deployer = KafkaAdminClient(**local_kafka.admin.client_options())
    yield deployer
    deployer.close()


@pytest.fixture
def as_deployer(local_kafka: LocalKafka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of the deployer of the local broker."""
    (tmp_path / "password").write_text(local_kafka.admin.password, encoding="ascii")
    monkeypatch.setenv("HUB_KAFKA", local_kafka.bootstrap)
    monkeypatch.setenv("HUB_DEPLOYER_PASSWORD_FILE", str(tmp_path / "password"))


def check(world: World, *words: str) -> Result:
    asked = ["topics", "--check", "--world", str(world.directory), *words]
    return CliRunner().invoke(deploy, asked, catch_exceptions=False)


@pytest.mark.kafka
@pytest.mark.usefixtures("as_deployer")
@pytest.mark.parametrize("played", [False, True])
def test_a_world_has_the_topics_that_it_was_made_with(make_world: MakeWorld, *, played: bool) -> None:
    done = check(make_world(REGISTRY, partitions=2, played=played))
    assert (done.exit_code, done.output.strip()) == (0, "0 differences")


@pytest.mark.kafka
@pytest.mark.usefixtures("as_deployer")
def test_a_setting_that_was_altered_by_hand_is_named_with_what_mends_it(
    make_world: MakeWorld, client: KafkaAdminClient
) -> None:
    world = make_world(REGISTRY, played=False)
    stated, told = world.names.input("PSY"), world.names.output("A.SOC")
    for topic, changed in (
        (stated, {"message.timestamp.type": "CreateTime"}),
        (told, {"cleanup.policy": "compact", "retention.ms": "1000"}),
    ):
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=changed)])
    done = check(world)
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0] == f"{stated}  message.timestamp.type  expected LogAppendTime, found CreateTime"
    assert lines[1].endswith(f"--entity-name {stated} --add-config message.timestamp.type=LogAppendTime")
    assert lines[2] == f"{told}  cleanup.policy  expected delete, found compact"
    assert lines[4] == f"{told}  retention.ms  expected 604800000, found 1000"
    assert lines[-1] == "3 differences"
    assert [each["found"] for each in json.loads(check(world, "--json").output)] == ["CreateTime", "compact", "1000"]


def test_a_topic_that_is_gone_or_has_other_partitions_is_named() -> None:
    wanted = topic_settings(Names(), REGISTRY, played=False)
    found = {topic: {PARTITIONS: "8"} | settings for topic, settings in wanted.items()}
    assert setting_differences(wanted, found, 8) == []
    del found["in.psy.v1"]
    found["out.psy.v1"][PARTITIONS] = "9"
    differences = setting_differences(wanted, found, 8)
    assert [(each.topic, each.setting, each.found) for each in differences] == [
        ("in.psy.v1", "topic", "none"),
        ("out.psy.v1", PARTITIONS, "9"),
    ]
    assert all(each.fix for each in differences)


@pytest.mark.kafka
def test_a_topic_that_is_there_stays_where_it_is_the_same_and_is_refused_elsewhere(client: KafkaAdminClient) -> None:
    first, second, third = (f"topic-{uuid.uuid4()}" for _ in range(3))
    settings: dict[str, dict[str, str]] = {first: {"retention.ms": "-1"}}
    create_topics(client, settings, partitions=2)
    with pytest.raises(TopicAlreadyExistsError):
        create_topics(client, settings, partitions=2)
    create_topics(client, settings | {second: {}}, partitions=2, again=True)
    made = client.describe_topics([first, second])
    assert sorted(len(topic["partitions"]) for topic in made) == [2, 2]
    with pytest.raises(BadSetting, match="with `2` partitions, expected `3`"):
        create_topics(client, settings | {third: {}}, partitions=3, again=True)
