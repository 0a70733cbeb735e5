"""The cleaner deletes behind what is stored and what is confirmed, on the real broker, and never a record more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from deploy.cleaner_command import Cleaned, clean
from deploy.stores import opened_stores
from tests.conftest import MakeWorld
from tests.kafka.live_world import PARTITIONS, REGISTRY, LiveWorld, raw

pytestmark = pytest.mark.kafka


@pytest.fixture
def live(make_world: MakeWorld) -> Iterator[LiveWorld]:
    world = LiveWorld(make_world(REGISTRY, partitions=PARTITIONS, played=False))
    yield world
    world.close()


def firsts(live: LiveWorld, service_or_party: str, topic: str) -> dict[int, int]:
    """The first offset that each partition still has."""
    consumer = KafkaConsumer(**live.world.connection(service_or_party).consumer_options())
    try:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        return {place.partition: first for place, first in consumer.beginning_offsets(places).items()}
    finally:
        consumer.close()


def stored(live: LiveWorld, topic: str) -> dict[int, int]:
    with opened_stores(live.world) as stores:
        return {shard: store.head().positions.get(topic, 0) for shard, store in enumerate(stores)}


def outcome(cleaned: list[Cleaned], topic: str) -> dict[int, int]:
    return {each.partition: each.before for each in cleaned if each.topic == topic and each.refused is None}


def test_what_is_stored_and_confirmed_goes_and_the_rest_stays(live: LiveWorld) -> None:
    names = live.world.names
    told = {live.publish(live.housing()) for _ in range(5)}
    live.write(raw(live, live.housing(), value=b"\x00not avro"))
    live.wait_until(lambda: live.seen_by_prison() == told, "the prison sees what was stated")
    live.wait_until(lambda: len(live.parked()) == 1, "the bad record is parked")
    for _ in range(20):
        live.seen_by_prison()  # says, in between, how far the prison's store has come
    live.wait_until(lambda: bool(outcome(clean(live.world), names.output("PRI"))), "the prison has confirmed")
    given = names.input("A.SOC")
    assert firsts(live, names.service("reader"), given) == stored(live, given)
    assert sum(firsts(live, names.user("PRI"), names.output("PRI")).values()) >= 5
    assert set(firsts(live, names.user("A.BEN"), names.output("A.BEN")).values()) == {0}
    told.add(live.publish(live.housing()))
    live.wait_until(lambda: live.seen_by_prison() == told, "what is stated afterwards arrives")
    live.hub.kill()
    live.hub.start()
    told.add(live.publish(live.housing()))
    live.wait_until(lambda: live.seen_by_prison() == told, "a hub that starts again goes on where it was")


def test_a_party_that_confirms_more_than_there_is_is_refused_and_holds_up_nobody(live: LiveWorld) -> None:
    names, connection = live.world.names, live.world.connection(live.world.names.user("A.BEN"))
    consumer = KafkaConsumer(**connection.consumer_options(), group_id=names.confirmed_group("A.BEN"))
    place, other = TopicPartition(names.output("A.BEN"), 0), TopicPartition(names.input("A.SOC"), 0)
    consumer.assign([place])
    consumer.commit({place: OffsetAndMetadata(1_000_000, "", -1)})
    with pytest.raises(Exception, match="Authorization"):
        consumer.commit({other: OffsetAndMetadata(1_000_000, "", -1)})
    consumer.close(autocommit=False)
    good = live.publish(live.housing())
    live.wait_until(lambda: good in live.seen_by_prison(), "the prison sees what was stated")
    cleaned = clean(live.world)
    assert {each.topic for each in cleaned if each.refused} == {place.topic}
    assert outcome(cleaned, names.input("A.SOC"))
