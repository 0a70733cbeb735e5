"""The raw limit: the least that any hub of this design must do per event, and nothing else.

Rules:
- Poll, decode, rows in batches (`raw_store`), one produced record per event with as many headers as a disclosure has.
  No decision, no check, no encryption.
- One process, the same records, batches, options and warm-up as the hub's. Both Kafka clients are kafka-python's, which
  reads for the hub too. The hub sends through librdkafka, so the same is measured with that sender beside it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Producer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from contracts.codec import codec
from deploy.benchmark.raw_store import RawStore
from deploy.benchmark.workload import PUBLISHER
from deploy.world import World
from hub.broker.kafka_outputs import BATCH_BYTES, REQUEST_BYTES_MAX
from hub.shard.worker import BATCH_RECORDS_MAX


def run_raw(
    world: World,
    store: RawStore,
    first_offset: int,
    warm_up: int,
    count: int,
    topics: Sequence[str],
    *,
    native: bool = False,
) -> float:
    """Handle records of the publisher's topic from `first_offset`, one produced record to each of `topics`.

    `warm_up` records come first and are not measured; `native` sends as the hub does. Returns the seconds that the
    next `count` took.
    """
    names = world.names
    place = TopicPartition(names.input(PUBLISHER), 0)
    consumer = KafkaConsumer(**world.connection(names.service("reader")).consumer_options())
    consumer.assign([place])
    consumer.seek(place, first_offset)
    sender = _NativeSender(world) if native else _PlainSender(world, topics)
    handled = 0

    def handle_until(end: int) -> None:
        nonlocal handled
        while handled < end:
            rows: list[tuple[str, bytes]] = []
            for records in consumer.poll(timeout_ms=1000, max_records=min(BATCH_RECORDS_MAX, end - handled)).values():
                for record in records:
                    decoded = codec().decode_body(int.from_bytes(record.value[1:5], "big"), record.value[5:])
                    handled += 1
                    rows.append((decoded["kind"], record.value))
                    for topic in topics:
                        sender.send(topic, record)
            if rows:
                store.insert(rows)
        sender.flush()

    handle_until(warm_up)
    began = time.perf_counter()
    handle_until(warm_up + count)
    seconds = time.perf_counter() - began
    sender.close()
    consumer.close()
    return seconds


class _PlainSender:
    """kafka-python's producer, with the futures of all that it was given."""

    def __init__(self, world: World, topics: Sequence[str]) -> None:
        self._futures: list[Any] = []
        self._producer = KafkaProducer(
            **world.connection(world.names.service("sender")).producer_options(),
            batch_size=BATCH_BYTES,
            max_request_size=REQUEST_BYTES_MAX,
            compression_type="lz4",
        )
        for topic in topics:
            self._producer.partitions_for(topic)

    def send(self, topic: str, record: Any) -> None:
        future = self._producer.send(topic, value=record.value, key=record.key, headers=_headers(record), partition=0)
        self._futures.append(future)

    def flush(self) -> None:
        self._producer.flush()
        self._futures.clear()

    def close(self) -> None:
        self._producer.close()


class _NativeSender:
    """librdkafka's producer, as the hub has it."""

    def __init__(self, world: World) -> None:
        self._producer = Producer(
            {
                **world.connection(world.names.service("sender")).native_producer_options(),
                "batch.size": BATCH_BYTES,
                "message.max.bytes": REQUEST_BYTES_MAX,
                "compression.type": "lz4",
            }
        )

    def send(self, topic: str, record: Any) -> None:
        self._producer.produce(topic, value=record.value, key=record.key, headers=[*_headers(record)], partition=0)

    def flush(self) -> None:
        self._producer.flush()

    def close(self) -> None:
        self._producer.flush()


def _headers(record: Any) -> list[tuple[str, bytes]]:
    """The record's own headers and three more: as many as the hub sends."""
    return [*record.headers, ("hub_seq", b"1"), ("hub_effect", b"disclosed"), ("hub_decision", b"0" * 36)]
