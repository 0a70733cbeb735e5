"""A party's `out` topic on Kafka.

Rules:
- Partitions are assigned and sought from the party's own positions; no consumer group holds a position, so none
  can lose one. What is committed to the group of `confirmed` is read by the hub's cleaner alone.
- A client of its own commits. kafka-python's `poll` looks for the coordinator of a client's group before it fetches,
  and gives nothing, without a word, while there is none: a retraction would wait for a hint.
- Bytes as they come: a deserialiser that raises would stop the client for good.
- Any error throws the client away; the next `start` makes a fresh one. A client that met a damaged record spins.
- Kafka's loggers stay at INFO or above: at DEBUG they write keys, headers and values.
- A broker answers a reader without rights with silence; a topic that is not shown is refused here.

From Kafka `out.<party>.v1`, to `consumers.subscription`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from consumers.source import LogSpan, ReceivedRecord
from contracts.connection import KafkaConnection
from contracts.failures import ForeignStore, TransportFailure
from contracts.topics import Names

_WAIT_MS: Final = 1_000
"""So long at most a confirmation holds reading up; where it fails, it is left for `_CONFIRM_AGAIN_SECONDS`."""
_CONFIRM_AGAIN_SECONDS: Final = 20.0


class KafkaSource:
    """Implements `consumers.source.Source`."""

    def __init__(self, connection: KafkaConnection, names: Names, party_id: str) -> None:
        self._connection = connection
        self._topic = names.output(party_id)
        self._group = names.confirmed_group(party_id)
        self._consumer: KafkaConsumer | None = None
        self._confirming: KafkaConsumer | None = None
        self._confirmed: Mapping[int, int] = {}
        self._confirm_not_before = time.monotonic()
        keep_contents_out_of_logs()

    def start(self, positions: Mapping[int, int]) -> Mapping[int, LogSpan]:
        """See `Source.start`."""
        self._discard()
        try:
            self._consumer = KafkaConsumer(**self._connection.consumer_options(), group_id=None)
            return self._assign(self._consumer, positions)
        except KafkaError as error:
            self._discard()
            raise self._failure(error) from error
        except BaseException:
            self._discard()
            raise

    def _assign(self, consumer: KafkaConsumer, positions: Mapping[int, int]) -> Mapping[int, LogSpan]:
        numbers = consumer.partitions_for_topic(self._topic)
        if not numbers:
            raise TransportFailure(
                f"topic `{self._topic}` is not there, or user `{self._connection.user}` may not read it; "
                "check the name and the rights"
            )
        partitions = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        strangers = sorted(set(positions) - set(numbers))
        if strangers:
            raise ForeignStore(
                f"the store knows partition `{strangers[0]}`, which topic `{self._topic}` has not; "
                "expected the store of this topic"
            )
        consumer.assign(partitions)
        first, end = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for partition in partitions:
            position = positions.get(partition.partition, 0)
            if position > end[partition]:
                raise ForeignStore(
                    f"topic `{self._topic}`, partition {partition.partition}: the store has read up to offset "
                    f"`{position}`, the log ends at `{end[partition]}`; expected the log that this store was filled "
                    "from: check cluster and topic"
                )
            consumer.seek(partition, max(position, first[partition]))
        return {partition.partition: LogSpan(first[partition], end[partition]) for partition in partitions}

    def poll(self, limit: int, wait_seconds: float) -> Sequence[ReceivedRecord]:
        """See `Source.poll`."""
        consumer = self._consumer
        if consumer is None:
            raise TransportFailure("the source is not started; call `start` with the stored positions")
        try:
            found = consumer.poll(timeout_ms=int(wait_seconds * 1000), max_records=limit)
        except KafkaError as error:
            self._discard()
            raise self._failure(error) from error
        except BaseException:
            self._discard()
            raise
        return [
            ReceivedRecord(record.partition, record.offset, record.key, record.value, tuple(record.headers))
            for records in found.values()
            for record in records
        ]

    def confirm(self, positions: Mapping[int, int]) -> None:
        """See `Source.confirm`."""
        if positions == self._confirmed or time.monotonic() < self._confirm_not_before:
            return
        try:
            if self._confirming is None:
                options = self._connection.consumer_options() | {"bootstrap_timeout_ms": _WAIT_MS}
                self._confirming = KafkaConsumer(**options, group_id=self._group)
            self._confirming.commit(
                {
                    TopicPartition(self._topic, partition): OffsetAndMetadata(offset, "", -1)
                    for partition, offset in positions.items()
                },
                timeout_ms=_WAIT_MS,
            )
            self._confirmed = dict(positions)
        except KafkaError:
            self._confirm_not_before = time.monotonic() + _CONFIRM_AGAIN_SECONDS
            self._discard_confirming()

    def close(self) -> None:
        """See `Source.close`."""
        self._discard()
        self._discard_confirming()

    def _discard(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._close(consumer)

    def _discard_confirming(self) -> None:
        consumer, self._confirming = self._confirming, None
        self._close(consumer)

    def _close(self, consumer: KafkaConsumer | None) -> None:
        if consumer is not None:
            try:
                consumer.close(autocommit=False, timeout_ms=_WAIT_MS)
            except KafkaError:
                logging.getLogger(__name__).warning("a client of topic `%s` did not close cleanly", self._topic)

    def _failure(self, error: KafkaError) -> TransportFailure:
        # The error's class says what happened; its text may quote what was read.
        return TransportFailure(
            f"topic `{self._topic}` cannot be read: {type(error).__name__}; check broker, user and password"
        )


def keep_contents_out_of_logs() -> None:
    """Raise Kafka's loggers to INFO where they are set lower."""
    logger = logging.getLogger("kafka")
    if logger.getEffectiveLevel() < logging.INFO or logger.level == logging.NOTSET:
        logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))
