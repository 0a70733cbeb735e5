"""Which numbers were told last: a look at the ends of the parties' output topics, before a shard sends anything.

Rules:
- A number that is handed over again may lie behind a higher one, so the last `LAST_RECORDS` are looked at.
- A topic that is not there, or has no such partition, says nothing; one that does not answer is `TransportFailure`.
- What no number can be read of is passed over, and no signature is asked for: who may write there the broker checks,
  and a strange record must not stop a shard. Content is not looked at.
- All topics are read together, over one connection that is closed afterwards.

From the output topics, through `hub.broker.ports.Outputs`, to whoever opens a shard.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, TopicAuthorizationFailedError

from contracts.cloudevents import claimed_number
from contracts.connection import KafkaConnection
from contracts.failures import TransportFailure, TransportRefused
from contracts.topics import Names
from hub.broker.ports import LAST_RECORDS
from hub.broker.record_reading import read_compiled

FETCH_BYTES: Final = 256 * 1024
FETCH_WAIT_MS: Final = 100
LOOK_MS_MAX: Final = 15_000


def last_numbers(
    connection: KafkaConnection, names: Names, partition: int, parties: Iterable[str]
) -> Mapping[str, int]:
    """Return the highest number at the end of each party's output topic; see `Outputs.last_numbers`.

    Raises `TransportFailure` where the broker does not answer, `TransportRefused` where the right to read is missing.
    """
    party_of = {names.output(party): party for party in parties}
    try:
        consumer = KafkaConsumer(
            **connection.consumer_options()
            | {"fetch_max_wait_ms": FETCH_WAIT_MS, "max_partition_fetch_bytes": FETCH_BYTES}
            | {"bootstrap_timeout_ms": LOOK_MS_MAX}
        )
        try:
            read_compiled(consumer)
            shown = consumer.topics()
            topics = [each for each in party_of if each in shown]
            places = [TopicPartition(each, partition) for each in topics if _has(consumer, each, partition)]
            found = _numbers_at_the_end(consumer, places)
        finally:
            consumer.close(autocommit=False, timeout_ms=1000)
    except TopicAuthorizationFailedError as error:
        raise TransportRefused(
            f"user `{connection.user}` may not read what was told: expected the right to read the output topics; "
            "`hub deploy rights --check` names it, `hub deploy rights --format kafka-acls` gives it"
        ) from error
    except KafkaError as error:
        raise TransportFailure(
            f"what was told last could not be read from `{connection.bootstrap}` (`{type(error).__name__}`): nothing "
            "is sent before it is known; try again"
        ) from error
    return {party_of[topic]: number for topic, number in found.items()}


def _has(consumer: KafkaConsumer, topic: str, partition: int) -> bool:
    return partition in (consumer.partitions_for_topic(topic) or ())


def _numbers_at_the_end(consumer: KafkaConsumer, places: list[TopicPartition]) -> dict[str, int]:
    """The highest number among the last records of each of `places`, by topic."""
    if not places:
        return {}
    firsts = consumer.beginning_offsets(places, timeout_ms=LOOK_MS_MAX)
    ends = consumer.end_offsets(places, timeout_ms=LOOK_MS_MAX)
    unread = {place for place in places if firsts[place] < ends[place]}
    consumer.assign(list(unread))
    for place in unread:
        consumer.seek(place, max(firsts[place], ends[place] - LAST_RECORDS))
    numbers: dict[str, int] = {}
    deadline = time.monotonic() + LOOK_MS_MAX / 1000
    while unread:
        if time.monotonic() > deadline:
            topic = min(place.topic for place in unread)
            raise TransportFailure(f"the last records of `{topic}` did not come: is its leader there; try again")
        for place, records in consumer.poll(timeout_ms=FETCH_WAIT_MS).items():
            for record in records:
                if (number := claimed_number(record.headers)) is not None:
                    numbers[place.topic] = max(number, numbers.get(place.topic, 0))
        unread = {place for place in unread if consumer.position(place, timeout_ms=LOOK_MS_MAX) < ends[place]}
    return numbers
