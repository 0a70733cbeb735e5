"""What lies on a party's output topic, and whether its numbers are what a receiver can rely on.

Rules:
- A topic is read to its end, every partition, by the party itself.
- Every number is there and comes first in its turn. What comes again says the same, or takes back what a later number
  of the same event has overtaken; so does a record that names no event.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from contracts.cloudevents import parse_disclosed
from contracts.topics import HUB_PARTY
from deploy.world import World

READ_SECONDS_MAX: Final = 60.0
RECORDS_PER_POLL: Final = 2_000

Place = tuple[str, int]
"""A topic and a partition of it."""


def ends_of(consumer: KafkaConsumer, topics: Sequence[str], partitions: int) -> dict[Place, int]:
    """The end of each partition of `topics`."""
    places = [TopicPartition(topic, partition) for topic in topics for partition in range(partitions)]
    return {(place.topic, place.partition): end for place, end in consumer.end_offsets(places).items()}


def sent_to(world: World, party: str) -> Iterator[Any]:
    """Every record of the party's output topic as the broker holds it, by partition and offset."""
    names = world.names
    consumer = KafkaConsumer(**world.connection(names.user(party)).consumer_options())
    try:
        ends = ends_of(consumer, [names.output(party)], world.partitions)
        for (topic, partition), end in ends.items():
            place = TopicPartition(topic, partition)
            consumer.assign([place])
            consumer.seek(place, 0)
            deadline = time.monotonic() + READ_SECONDS_MAX
            while consumer.position(place) < end:
                assert time.monotonic() < deadline, f"`{topic}` could not be read to its end"
                for records in consumer.poll(timeout_ms=500, max_records=RECORDS_PER_POLL).values():
                    yield from records
    finally:
        consumer.close()


def number_faults(records: Iterable[Any], last: Mapping[int, int]) -> list[str]:
    """What is wrong with the numbers on a topic. `last`: the last number given out on each partition that has one."""
    faults: list[str] = []
    first: dict[tuple[int, int], tuple[Any, ...]] = {}
    newest: dict[tuple[object, ...], int] = {}
    emptied: list[tuple[tuple[object, ...], int]] = []
    reached: dict[int, int] = {}
    for record in records:
        told = parse_disclosed(record.headers)
        event = (record.partition, record.key, told.party, told.id)
        newest[event] = max(told.number, newest.get(event, 0))
        content = (event, told.decision, told.effect, record.value)
        where = f"number {told.number} of partition {record.partition}"
        if told.number == reached.get(record.partition, 0) + 1:
            reached[record.partition] = told.number
            first[record.partition, told.number] = content
        elif told.number > reached.get(record.partition, 0):
            faults.append(f"{where} came after {reached.get(record.partition, 0)}: skipped")
        elif content != (before := first[record.partition, told.number]):
            named = [each for each in (event, before[0]) if each != _nothing(record, told.decision)]
            if told.decision != before[1] or len(set(named)) > 1:
                faults.append(f"{where} came again for another event or decision: doubled")
            elif (told.effect, record.value) == ("retracted", None):
                emptied.append((named[0], told.number))
            elif (before[2], before[3]) == ("retracted", None):
                # What an owner had under way while it was frozen: its successor had emptied it by then.
                emptied.append((named[0], told.number))
            else:
                faults.append(f"{where} came again with other content: doubled")
    if reached != last:
        faults.append(f"the last numbers are {reached}, given out are {dict(last)}")
    faults += [f"number {number} was emptied and not overtaken" for event, number in emptied if newest[event] == number]
    return faults


def _nothing(record: Any, decision: str) -> tuple[object, ...]:
    """What a record of this key is about that names no event."""
    return record.partition, record.key, HUB_PARTY, decision
