"""Topics are made once; who takes parties into a hub may have made some of theirs before."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from contracts.failures import BadSetting
from deploy.local_kafka import LocalKafka
from deploy.topics import create_topics

pytestmark = pytest.mark.kafka


@pytest.fixture
def client(local_kafka: LocalKafka) -> Iterator[KafkaAdminClient]:
    deployer = KafkaAdminClient(**local_kafka.admin.client_options())
    yield deployer
    deployer.close()


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
