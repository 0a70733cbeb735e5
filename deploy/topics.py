"""The topics of a world and their settings.

Rules:
- Every topic has the same number of partitions, fixed when it is made: changing it would move keys.
- Inputs are stored uncompressed and bounded in size, so a small record cannot become a huge one on reading.
- In production the broker stamps records (`LogAppendTime`) and deletes them after 7 days: Kafka is a pipe.
- A played world has its own dates, some long past or to come: its records carry their own time and stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from kafka.admin import KafkaAdminClient
from kafka.errors import NoError, TopicAlreadyExistsError, for_code

from contracts.failures import BadSetting
from contracts.parties import PartyRegistry
from contracts.topics import Names

INPUT_BYTES_MAX: Final = 1024 * 1024
OUTPUT_BYTES_MAX: Final = 2 * 1024 * 1024
RETENTION_MS: Final = 7 * 24 * 60 * 60 * 1000
WAIT_MS: Final = 30_000
_LONGEST: Final = str(2**63 - 1)

_PRODUCTION: Final = {"message.timestamp.type": "LogAppendTime", "retention.ms": str(RETENTION_MS)}
_PLAYED: Final = {
    "message.timestamp.type": "CreateTime",
    "retention.ms": "-1",
    "segment.ms": _LONGEST,
    "message.timestamp.after.max.ms": _LONGEST,
}
_INPUT: Final = {"compression.type": "uncompressed", "max.message.bytes": str(INPUT_BYTES_MAX)}
_OUTPUT: Final = {"max.message.bytes": str(OUTPUT_BYTES_MAX)}


def topic_settings(names: Names, registry: PartyRegistry, *, played: bool) -> dict[str, dict[str, str]]:
    """Return the settings of every topic of a world, by topic name."""
    common = _PLAYED if played else _PRODUCTION
    inputs = [names.hub_input, *(names.input(party.id) for party in registry)]
    outputs = [names.checkpoints, *(names.output(party.id) for party in registry)]
    return dict.fromkeys(inputs, common | _INPUT) | dict.fromkeys(outputs, common | _OUTPUT)


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
