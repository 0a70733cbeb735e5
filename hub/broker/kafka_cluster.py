"""What a store must know of the cluster that it belongs to: Kafka's own ids, which no other cluster shares.

Rules:
- Asked once when a store is made and once when it is opened; a missing topic or another number of partitions is
  refused, never worked around.
- Where logs begin is asked of the topics of parties that join a hub at work, before its shards are opened for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from contracts.connection import KafkaConnection
from contracts.failures import ForeignStore, TransportFailure

WAIT_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """The cluster's id, and Kafka's id of each topic by name."""

    cluster_id: str
    topic_ids: Mapping[str, str]


def identify_cluster(connection: KafkaConnection, topics: Iterable[str], partitions: int) -> ClusterIdentity:
    """Return the ids of the cluster and of `topics`, each of which must have `partitions` partitions.

    Raises `ForeignStore` where a topic is missing or partitioned otherwise, `TransportFailure` without an answer.
    """
    wanted = list(topics)
    try:
        client = KafkaAdminClient(**connection.client_options())
        try:
            cluster_id = client.describe_cluster()["cluster_id"]
            described = {topic["name"]: topic for topic in client.describe_topics(wanted)}
        finally:
            client.close()
    except KafkaError as error:
        raise _no_answer(connection, error) from error
    for topic in wanted:
        found = len(described[topic]["partitions"]) if topic in described else 0
        if found != partitions:
            raise ForeignStore(
                f"topic `{topic}` has `{found}` partitions: expected `{partitions}`, as when this hub was made"
            )
    return ClusterIdentity(cluster_id, {topic: str(described[topic]["topic_id"]) for topic in wanted})


def log_starts(connection: KafkaConnection, topics: Iterable[str], partitions: int) -> Sequence[Mapping[str, int]]:
    """Return of each partition where the log of each of `topics` begins; raise `TransportFailure` without an answer."""
    wanted = list(topics)
    try:
        consumer = KafkaConsumer(**connection.consumer_options())
        try:
            places = [TopicPartition(topic, number) for topic in wanted for number in range(partitions)]
            firsts = consumer.beginning_offsets(places, timeout_ms=WAIT_MS)
        finally:
            consumer.close(autocommit=False)
    except KafkaError as error:
        raise _no_answer(connection, error) from error
    return [{topic: firsts[TopicPartition(topic, number)] for topic in wanted} for number in range(partitions)]


def _no_answer(connection: KafkaConnection, error: KafkaError) -> TransportFailure:
    return TransportFailure(
        f"the cluster at `{connection.bootstrap}` did not answer user `{connection.user}`: `{type(error).__name__}`; "
        "expected a reachable cluster and a known user"
    )
