"""The rights table tried from outside: every user x every topic and group x every operation, each one done.

What is allowed is written down here a second time, as sets, apart from `deploy.rights`; all else must be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import pytest
from confluent_kafka import Producer
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from contracts.connection import KafkaConnection
from contracts.parties import Party, PartyRegistry
from deploy.local_kafka import LocalKafka
from deploy.topics import create_topics
from deploy.users import create_users, draw_passwords
from deploy.world import World
from tests.conftest import MakeWorld
from tests.deployment.attempts import INTERNAL, Attempts

pytestmark = pytest.mark.kafka

Pairs = set[tuple[str, str]]

REGISTRY: Final = PartyRegistry.of([Party("A.SOC"), Party("PSY")])
PARTIES: Final = ("a-soc", "psy")
INPUTS: Final = {"in.a-soc.v1", "in.psy.v1", "in.hub.v1"}
OUTPUTS: Final = {"out.a-soc.v1", "out.psy.v1"}
CHECKPOINTS: Final = "hub.checkpoints.v1"
FOREIGN: Final = "elsewhere.v1"
"""A topic on the same broker that is no hub's."""
TOPICS: Final = INPUTS | OUTPUTS | {CHECKPOINTS, FOREIGN, INTERNAL}
GROUPS: Final = {"a-soc.views", "psy.views", "hub.workers", "auditor.desk", "elsewhere"}
STRANGER: Final = "stranger"
"""A user who may connect and has no row in the table."""
USERS: Final = (
    *PARTIES, "hub-reader", "hub-sender", "hub-operator", "hub-auditor", "hub-cleaner", "hub-deployer", STRANGER
)  # fmt: skip

MAY_WRITE: Final[Pairs] = {
    ("a-soc", "in.a-soc.v1"),
    ("psy", "in.psy.v1"),
    ("hub-reader", "in.hub.v1"),
    ("hub-operator", "in.hub.v1"),
    ("hub-sender", "out.a-soc.v1"),
    ("hub-sender", "out.psy.v1"),
    ("hub-sender", CHECKPOINTS),
}
MAY_READ: Final[Pairs] = {
    ("a-soc", "out.a-soc.v1"),
    ("a-soc", CHECKPOINTS),
    ("psy", "out.psy.v1"),
    ("psy", CHECKPOINTS),
    ("hub-reader", "in.a-soc.v1"),
    ("hub-reader", "in.psy.v1"),
    ("hub-reader", "in.hub.v1"),
    ("hub-sender", "out.a-soc.v1"),
    ("hub-sender", "out.psy.v1"),
    ("hub-auditor", CHECKPOINTS),
}
ALL_OF_DEPLOYER: Final[Pairs] = {("hub-deployer", topic) for topic in TOPICS}
MAY_DELETE: Final[Pairs] = {("hub-cleaner", topic) for topic in INPUTS | OUTPUTS} | ALL_OF_DEPLOYER
MAY_DESCRIBE: Final[Pairs] = MAY_WRITE | MAY_READ | MAY_DELETE
MAY_JOIN: Final[Pairs] = {
    ("a-soc", "a-soc.views"),
    ("psy", "psy.views"),
    ("hub-reader", "hub.workers"),
    ("hub-auditor", "auditor.desk"),
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """One world, a topic of nobody's and a user without rights, and the names as this test says them."""

    world: World
    connections: dict[str, KafkaConnection]

    def full(self, name: str) -> str:
        """The name on the broker."""
        return name if name == INTERNAL else self.world.names.prefix + name

    def short(self, name: str) -> str:
        """The name in this test."""
        return name.removeprefix(self.world.names.prefix)

    def tried(self, attempt: Callable[[Attempts], set[str]]) -> Pairs:
        """Let every user attempt it, several at a time; return who succeeded where."""

        def of_user(user: str) -> Pairs:
            return {(user, self.short(name)) for name in attempt(Attempts(self.connections[user]))}

        with ThreadPoolExecutor(len(USERS)) as pool:
            return set[tuple[str, str]]().union(*pool.map(of_user, USERS))

    def full_names(self, names: Iterable[str]) -> list[str]:
        """The names on the broker, in order."""
        return [self.full(name) for name in sorted(names)]


@pytest.fixture(scope="module")
def cluster(local_kafka: LocalKafka, make_world: MakeWorld) -> Cluster:
    """Every topic that somebody may read holds a record, so that a read that is allowed is seen to be one."""
    world = make_world(REGISTRY)
    prefix = world.names.prefix
    connections = {user: world.connection(prefix + user) for user in USERS if user not in ("hub-deployer", STRANGER)}
    connections["hub-deployer"] = local_kafka.admin
    (password,) = (passwords := draw_passwords([prefix + STRANGER])).values()
    connections[STRANGER] = KafkaConnection(local_kafka.bootstrap, prefix + STRANGER, password)
    client = KafkaAdminClient(**local_kafka.admin.client_options())
    create_users(client, passwords)
    create_topics(client, {prefix + FOREIGN: {}}, partitions=1)
    client.close()
    found = Cluster(world, connections)
    for user, topic in sorted(MAY_WRITE):
        producer = Producer(connections[user].native_producer_options())
        producer.produce(found.full(topic), value=b"v", partition=0, timestamp=1)
        assert producer.flush(10) == 0
    # Asked for a position, Kafka makes its own topic of positions; this client waits until it is there.
    consumer = KafkaConsumer(**connections["hub-auditor"].consumer_options(), group_id=found.full("auditor.desk"))
    consumer.committed(TopicPartition(found.full(CHECKPOINTS), 0), timeout_ms=10_000)
    consumer.close()
    return found


def test_writing_is_allowed_exactly_where_the_table_says(cluster: Cluster) -> None:
    assert cluster.tried(lambda user: user.writing(cluster.full_names(TOPICS))) == MAY_WRITE


def test_reading_is_allowed_exactly_where_the_table_says(cluster: Cluster) -> None:
    assert cluster.tried(lambda user: user.reading(cluster.full_names(TOPICS))) == MAY_READ


def test_a_topic_is_seen_exactly_by_those_with_a_right_to_it(cluster: Cluster) -> None:
    assert cluster.tried(lambda user: user.describing(cluster.full_names(TOPICS))) == MAY_DESCRIBE


def test_records_are_deleted_by_the_cleaner_and_the_deployer_alone(cluster: Cluster) -> None:
    assert cluster.tried(lambda user: user.deleting(cluster.full_names(TOPICS))) == MAY_DELETE


def test_topics_and_their_settings_are_the_deployers_alone(cluster: Cluster) -> None:
    topics = cluster.full_names(TOPICS)
    assert cluster.tried(lambda user: user.adding_partitions(topics)) == ALL_OF_DEPLOYER
    assert cluster.tried(lambda user: user.reading_settings(topics)) == ALL_OF_DEPLOYER
    assert cluster.tried(lambda user: user.changing_settings(topics)) == ALL_OF_DEPLOYER
    more = {"in.more.v1", "out.more.v1", "a-soc.more", "psy.more"}
    created = cluster.tried(lambda user: user.creating(cluster.full_names(more)))
    assert created == {("hub-deployer", topic) for topic in more}


def test_groups_are_open_exactly_to_those_the_table_names(cluster: Cluster) -> None:
    groups = cluster.full_names(GROUPS)
    readable = {user: cluster.full(topic) for user, topic in sorted(MAY_READ)}

    def joining(user: str) -> Pairs:
        topic = readable.get(user, cluster.full(CHECKPOINTS))
        return {
            (user, cluster.short(group)) for group in Attempts(cluster.connections[user]).moving_groups(groups, topic)
        }

    assert cluster.tried(lambda user: user.seeing_groups(groups)) == MAY_JOIN
    with ThreadPoolExecutor(len(USERS)) as pool:
        assert set[tuple[str, str]]().union(*pool.map(joining, USERS)) == MAY_JOIN
    assert cluster.tried(lambda user: user.deleting_groups(groups)) == set()
