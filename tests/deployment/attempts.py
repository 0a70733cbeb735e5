"""What one Kafka user can really do: every operation, tried on topics and groups.

Rules:
- An attempt counts as allowed unless the broker says that it is not; any other failure ends the test.
- Fetching and deleting are asked of the broker itself: a client asks nothing about a topic that it is not shown, and
  polls in vain.
- What is tried changes no topic: settings and partitions are only validated, records deleted up to the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)
from kafka import TopicPartition as KafkaPythonPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import InvalidTopicError, TopicAuthorizationFailedError
from kafka.protocol.consumer import FetchRequest

from contracts.connection import KafkaConnection

WAIT_SECONDS_MAX: Final = 15.0
NODE: Final = 1
"""The only broker of a local cluster."""
NAMED_TOPICS: Final = 12
"""The last version of Kafka's fetch request that names topics."""
INTERNAL: Final = "__consumer_offsets"
REFUSALS: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)


class Attempts:
    """The attempts of one user. Each method returns those of the names for which it was allowed."""

    def __init__(self, connection: KafkaConnection) -> None:
        options = connection.native_client_options()
        self._connection = connection
        self._producer_options = options | {"acks": "1", "enable.idempotence": False}
        self._admin = AdminClient(options)

    def writing(self, topics: Iterable[str]) -> set[str]:
        """Write a record."""
        outcomes: dict[str, bool] = {}
        producer = Producer(self._producer_options)
        for topic in topics:

            def delivered(error: KafkaError | None, _: object, topic: str = topic) -> None:
                outcomes[topic] = _is_allowed(error)

            producer.produce(topic, value=b"v", partition=0, timestamp=1, on_delivery=delivered)
        assert producer.flush(WAIT_SECONDS_MAX) == 0
        return {topic for topic, allowed in outcomes.items() if allowed}

    def reading(self, topics: Iterable[str]) -> set[str]:
        """Fetch the first record; each topic that may be read must hold one."""
        with self._asking() as client:
            return {topic for topic in topics if _fetches(client, topic)}

    def describing(self, topics: Iterable[str]) -> set[str]:
        """Ask for a topic's partitions."""
        return self._allowed(self._admin.describe_topics(TopicCollection(list(topics))))

    def deleting(self, topics: Iterable[str]) -> set[str]:
        """Delete records."""
        with self._asking() as client:
            return {topic for topic in topics if _deletes(client, topic)}

    def adding_partitions(self, topics: Iterable[str]) -> set[str]:
        """Change a topic."""
        wanted = [NewPartitions(topic, 100) for topic in topics]
        return self._allowed(self._admin.create_partitions(wanted, validate_only=True))

    def reading_settings(self, topics: Iterable[str]) -> set[str]:
        """Read a topic's settings."""
        asked = self._admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic) for topic in topics])
        return self._allowed({resource.name: future for resource, future in asked.items()})

    def changing_settings(self, topics: Iterable[str]) -> set[str]:
        """Change a topic's settings."""
        entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
        wanted = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry]) for topic in topics]
        asked = self._admin.incremental_alter_configs(wanted, validate_only=True)
        return self._allowed({resource.name: future for resource, future in asked.items()})

    def creating(self, topics: Iterable[str]) -> set[str]:
        """Create a topic."""
        return self._allowed(self._admin.create_topics([NewTopic(topic, 1) for topic in topics], validate_only=True))

    def seeing_groups(self, groups: Iterable[str]) -> set[str]:
        """Read a group's positions."""
        allowed: set[str] = set()
        for group in groups:
            allowed |= self._allowed(self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
        return allowed

    def moving_groups(self, groups: Iterable[str], topic: str) -> set[str]:
        """Commit a group's position in `topic`, which the user may read if it may read at all."""
        allowed: set[str] = set()
        for group in groups:
            position = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 0)])
            (future,) = self._admin.alter_consumer_group_offsets([position]).values()
            if _settled(future, lambda done: all(_is_allowed(place.error) for place in done.topic_partitions)):
                allowed.add(group)
        return allowed

    def deleting_groups(self, groups: Iterable[str]) -> set[str]:
        """Delete a group."""
        return self._allowed(self._admin.delete_consumer_groups(list(groups)))

    @contextmanager
    def _asking(self) -> Iterator[KafkaAdminClient]:
        client = KafkaAdminClient(**self._connection.client_options())
        try:
            yield client
        finally:
            client.close()

    @staticmethod
    def _allowed(asked: Mapping[str, Future[Any]]) -> set[str]:
        return {name for name, future in asked.items() if _settled(future, lambda _: True)}


def _fetches(client: KafkaAdminClient, topic: str) -> bool:
    partition = FetchRequest.FetchTopic.FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1024)
    request = FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=1024,
        topics=[FetchRequest.FetchTopic(topic=topic, partitions=[partition])],
        max_version=NAMED_TOPICS,
    )
    (answered,) = client._manager.run(client._manager.send, request, NODE).responses
    (outcome,) = answered.partitions
    if outcome.error_code == TopicAuthorizationFailedError.errno:
        return False
    assert outcome.error_code == 0 and outcome.records, topic
    return True


def _deletes(client: KafkaAdminClient, topic: str) -> bool:
    try:
        client.delete_records({KafkaPythonPartition(topic, 0): 0}, partition_leader_id=NODE)
    except TopicAuthorizationFailedError:
        return False
    except InvalidTopicError:
        assert topic == INTERNAL
    return True


def _settled(future: Future[Any], accepted: Callable[[Any], bool]) -> bool:
    try:
        return accepted(future.result(timeout=WAIT_SECONDS_MAX))
    except KafkaException as failure:
        return _is_allowed(failure.args[0])


def _is_allowed(error: KafkaError | None) -> bool:
    if error is None:
        return True
    assert error.code() in REFUSALS, error
    return False
