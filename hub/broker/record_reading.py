"""Reads what a fetch brought by aiokafka's compiled parser, below kafka-python's consumer.

A consumer of kafka-python takes each record apart in Python, and makes a record object of its own: more than a tenth of
all that the hub does for an event. Fetching, positions and what belongs to a batch stay the client's business.

Rules:
- A batch is checked as kafka-python does: its checksum, transactions that were given up, control batches.
- Where the compiled parser cannot read a record, and where a batch is compressed (the inputs are stored uncompressed),
  kafka-python's own parser goes on from there, with `record_mending` to mend what it can. So what is a damaged batch
  is for one parser to say.
- Of a record with more headers than may be, no more are read than it takes to see that: of empty ones half a million
  fit into it, and they would take thirty times its size.
- The broker's stamp is a mark of the batch that it writes itself, so a topic's setting need not be asked for: a batch
  without it has times of its senders' own, whatever the topic is set to by now (`NO_TIMESTAMP` where that may not be).
- A record's offset is its place in its batch: what it says of that itself no broker checks. The inputs are never
  compacted, so no place is empty.
- The compiled parser reads a length before it looks whether the batch goes on. Behind the last byte of a `bytearray`
  stands a zero, which ends any length: it never reads further than that.

The library is pinned to one version; `tests/broker/test_record_reading.py` compares both ways of reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from aiokafka.record._crecords import DefaultRecordBatch as CompiledBatch
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.protocol.consumer import IsolationLevel

from contracts.limits import HEADERS_COUNT_MAX
from hub.broker.ports import InputRecord
from hub.broker.record_mending import mend_records

RECORD_FORMAT: Final = 2
"""The only one that a broker of version 4 holds."""
NO_TIMESTAMP: Final = -1
HEADER_COST_BYTES: Final = 150
"""What a header takes beside its name and its value: an empty one takes two bytes in the log."""


def read_compiled(consumer: KafkaConsumer, *, must_be_stamped: bool = False) -> None:
    """Have `consumer` give out an `InputRecord` for each record.

    `must_be_stamped`: one that the broker did not stamp has no timestamp (`NO_TIMESTAMP`), whatever its sender says.
    """
    mend_records()
    consumer._fetcher.PartitionRecords = _StampedPartitionRecords if must_be_stamped else _PartitionRecords


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """What one fetch brought of one partition."""

    def _unpack_records(self, tp: TopicPartition, records: Any, *_: object) -> Iterator[InputRecord]:
        while (batch := records.next_batch()) is not None:
            if batch.magic != RECORD_FORMAT or not batch.validate_crc():
                raise CorruptRecordError(f"a batch of {tp} at offset {batch.base_offset} is damaged")
            self.leader_epoch = batch.leader_epoch
            if self._is_given_out(batch):
                self.bytes_read += batch.size_in_bytes
                for record in self._timed(batch, _records_of(batch, tp)):
                    self.records_read += 1
                    self.next_fetch_offset = record.offset + 1
                    yield record
            # Also where the last records of a batch are not there any more.
            self.next_fetch_offset = batch.next_offset
        self.drain()

    def _timed(self, batch: Any, records: Iterator[InputRecord]) -> Iterator[InputRecord]:  # noqa: ARG002
        return records

    def _is_given_out(self, batch: Any) -> bool:
        if self.isolation_level == IsolationLevel.READ_COMMITTED and batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return False
        return not batch.is_control_batch


class _StampedPartitionRecords(_PartitionRecords):
    """The same of a topic whose records have the broker's time or none."""

    def _timed(self, batch: Any, records: Iterator[InputRecord]) -> Iterator[InputRecord]:
        if batch.timestamp_type == batch.LOG_APPEND_TIME:
            return records
        return (record._replace(timestamp=NO_TIMESTAMP) for record in records)


def _records_of(batch: Any, place: TopicPartition) -> Iterator[InputRecord]:
    read = 0
    if batch.compression_type == batch.CODEC_NONE:
        try:
            for record in CompiledBatch(batch._buffer):
                yield _input_record(record, place, batch.base_offset + read)
                read += 1
        except Exception:
            pass
        else:
            return
    for index, record in enumerate(islice(batch, read, None), read):
        yield _input_record(record, place, batch.base_offset + index)


def _input_record(record: Any, place: TopicPartition, offset: int) -> InputRecord:
    headers, timestamp = record.headers, record.timestamp
    if len(headers) > HEADERS_COUNT_MAX:
        headers = headers[: HEADERS_COUNT_MAX + 1]
    if None in [value for _, value in headers]:
        headers = [(name, value or b"") for name, value in headers]
    size = sum([HEADER_COST_BYTES + len(name) + len(value) for name, value in headers])
    return InputRecord(
        place.topic,
        place.partition,
        offset,
        NO_TIMESTAMP if timestamp is None else timestamp,
        record.key,
        record.value,
        headers,
        None,
        size,
    )
