"""The topics of a world and their settings.

Rules:
- Every topic has the same number of partitions, fixed when it is made: changing it would move keys.
- Inputs are stored uncompressed and bounded in size, so a small record cannot become a huge one on reading.
- In production the broker stamps records (`LogAppendTime`) and deletes them after 7 days: Kafka is a pipe.
- A played world has its own dates, some long past or to come: its records carry their own time and stay.
- Nothing is compacted, and nothing deleted for its size: a record that no shard has stored yet would be lost.
- Whoever may alter topics can change a setting behind the hub's back: what a cluster has is compared with what a world
  is made with (`setting_differences`), also where nobody ever set it and the broker's default holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import NoError, TopicAlreadyExistsError, for_code

from contracts.failures import BadSetting
from contracts.parties import PartyRegistry
from contracts.topics import Names

INPUT_BYTES_MAX: Final = 1024 * 1024
OUTPUT_BYTES_MAX: Final = 2 * 1024 * 1024
RETENTION_MS: Final = 7 * 24 * 60 * 60 * 1000
WAIT_MS: Final = 30_000
_LONGEST: Final = str(2**63 - 1)

_KEPT_WHOLE: Final = {"cleanup.policy": "delete", "retention.bytes": "-1"}
_PRODUCTION: Final = {"message.timestamp.type": "LogAppendTime", "retention.ms": str(RETENTION_MS)}
_PLAYED: Final = {
    "message.timestamp.type": "CreateTime",
    "retention.ms": "-1",
    "segment.ms": _LONGEST,
    "message.timestamp.after.max.ms": _LONGEST,
}
PARTITIONS: Final = "partitions"
_TOOL: Final = 'kafka-configs.sh --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG"'
_INPUT: Final = {"compression.type": "uncompressed", "max.message.bytes": str(INPUT_BYTES_MAX)}
_OUTPUT: Final = {"max.message.bytes": str(OUTPUT_BYTES_MAX)}


def topic_settings(names: Names, registry: PartyRegistry, *, played: bool) -> dict[str, dict[str, str]]:
    """Return the settings of every topic of a world, by topic name."""
    common = _KEPT_WHOLE | (_PLAYED if played else _PRODUCTION)
    inputs = [names.hub_input, *(names.input(party.id) for party in registry)]
    outputs = [names.checkpoints, *(names.output(party.id) for party in registry)]
    return dict.fromkeys(inputs, common | _INPUT) | dict.fromkeys(outputs, common | _OUTPUT)


@dataclass(frozen=True, slots=True)
class TopicDifference:
    """One setting that a topic has otherwise than its world was made with, and what to do about it."""

    topic: str
    setting: str
    expected: str
    found: str
    fix: str

    def text(self) -> str:
        """The difference for people, on two lines."""
        return (
            f"{self.topic}  {self.setting}  expected {self.expected}, found {self.found}\n           to do: {self.fix}"
        )


def read_topics(client: KafkaAdminClient, topics: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return how many `partitions` each of `topics` has and every setting that holds for it; none that is not there."""
    there = sorted(set(client.list_topics()).intersection(topics))
    described = {each["name"]: len(each["partitions"]) for each in client.describe_topics(there)} if there else {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in described]
    answer = client.describe_configs(asked, config_filter=ConfigFilterType.ALL).get("topic", {}) if asked else {}
    return {
        topic: {PARTITIONS: str(count)} | {name: str(each["value"]) for name, each in answer.get(topic, {}).items()}
        for topic, count in described.items()
    }


def setting_differences(
    wanted: Mapping[str, Mapping[str, str]], found: Mapping[str, Mapping[str, str]], partitions: int
) -> list[TopicDifference]:
    """What the topics of a cluster have otherwise than `wanted`, in the order of their names."""
    differences = []
    for topic, settings in sorted(wanted.items()):
        if topic not in found:
            differences.append(TopicDifference(topic, "topic", "there", "none", _MISSING_FIX))
            continue
        has = found[topic]
        differences += [
            TopicDifference(topic, name, value, has.get(name, "unknown"), _fix(topic, name, value))
            for name, value in ({PARTITIONS: str(partitions), **settings}).items()
            if has.get(name) != value
        ]
    return differences


_MISSING_FIX: Final = (
    "`hub world join` makes those of a party that it takes in; one that was deleted is lost with what lay on it, and "
    "its shards do not open"
)


def _fix(topic: str, name: str, value: str) -> str:
    if name == PARTITIONS:
        return "none: other partitions move keys to other shards, which refuse to open; make a hub anew"
    return f"{_TOOL} --alter --entity-type topics --entity-name {topic} --add-config {name}={value}"


def create_topics(
    client: KafkaAdminClient, settings: dict[str, dict[str, str]], *, partitions: int, again: bool = False
) -> None:
    """Create the topics in one call and wait until each partition has its leader.

    `again`: who did so before may have stopped meanwhile, so those that are there stay as they are. Raises `BadSetting`
    where one of them has another number of partitions.
    """
    wanted: dict[str, dict[str, Any]] = {
        topic: {"num_partitions": partitions, "configs": configs} for topic, configs in settings.items()
    }
    answer = client.create_topics(wanted, timeout_ms=WAIT_MS, raise_errors=False)
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        if error is not NoError and not (again and error is TopicAlreadyExistsError):
            raise error(f"topic `{topic['name']}`")
    client.wait_for_topics(list(wanted), timeout_ms=WAIT_MS)
    for topic in client.describe_topics(list(wanted)):
        if len(topic["partitions"]) != partitions:
            raise BadSetting(
                f"topic `{topic['name']}` is there already with `{len(topic['partitions'])}` partitions, expected "
                f"`{partitions}`: is it another's? If nobody needs it, delete it and try again"
            )


def delete_topics(client: KafkaAdminClient, topics: Iterable[str]) -> None:
    """Delete the topics in one call."""
    client.delete_topics(list(topics), timeout_ms=WAIT_MS)
