"""What the compiled parser gives out is what kafka-python's would: of good batches, odd ones, and mutilated ones."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.util import calc_crc32c

from contracts.limits import HEADERS_COUNT_MAX
from hub.broker import record_reading
from hub.broker.ports import InputRecord
from hub.broker.record_mending import mend_records
from hub.broker.record_reading import (
    HEADER_COST_BYTES,
    NO_TIMESTAMP,
    _PartitionRecords,
    _StampedPartitionRecords,
    read_compiled,
)

PLACE = TopicPartition("in.pri.v1", 3)
CRC_AT, CRC_OF = 17, 21
ATTRIBUTES_AT, LOG_APPEND_TIME = 22, 0x08
PLAIN, GZIP = 0, 1
Stated = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

some_bytes = st.one_of(st.none(), st.binary(max_size=40))
headers = st.lists(st.tuples(st.text(max_size=8), some_bytes), max_size=6)
stated = st.tuples(st.integers(-1, 2**45), some_bytes, some_bytes, headers)
batches = st.lists(stated, min_size=1, max_size=8)


def packed(records: Sequence[Stated], first: int = 0, compression: int = PLAIN) -> bytearray:
    """A batch as the broker sends it."""
    builder = DefaultRecordBatchBuilder(2, compression, False, -1, -1, -1, 1_000_000)
    for number, (timestamp, key, value, its_headers) in enumerate(records):
        assert builder.append(number, timestamp, key, value, its_headers) is not None
    batch = bytearray(builder.build())
    struct.pack_into(">q", batch, 0, first)
    return batch


def checked(batch: bytearray) -> bytearray:
    """The batch with a checksum that fits."""
    struct.pack_into(">I", batch, CRC_AT, calc_crc32c(memoryview(batch)[CRC_OF:]))
    return batch


def read(data: bytes, kind: type[Any], at: int = 0, **options: Any) -> tuple[list[Any], type[Exception] | None, int]:
    """What is given out, the failure at which that ends, and where the next fetch begins."""
    mend_records()
    found = kind(at, PLACE, MemoryRecords(data), **options)
    given_out: list[Any] = []
    try:
        while found:
            given_out += found.take(3)
    except CorruptRecordError as error:
        return given_out, type(error), found.next_fetch_offset
    return given_out, None, found.next_fetch_offset


def both(data: bytes, at: int = 0, **options: Any) -> tuple[list[InputRecord], type[Exception] | None]:
    """What is read by the compiled parser, which is what the other one reads."""
    ours, failure, position = read(data, _PartitionRecords, at, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_reading, "CompiledBatch", Mock(side_effect=ValueError))
        theirs, their_failure, their_position = read(data, _PartitionRecords, at, **options)
    assert ours == theirs
    assert [one.header_bytes for one in ours] == [_size(one.headers) for one in ours]
    assert (failure, position) == (their_failure, their_position)
    return ours, failure


def _told(record: Any) -> tuple[Any, ...]:
    its_headers = [(name, value or b"") for name, value in record.headers]
    return record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, its_headers


def _size(its_headers: Sequence[tuple[str, bytes | None]]) -> int:
    return sum(HEADER_COST_BYTES + len(name) + len(value or b"") for name, value in its_headers)


@given(st.lists(batches, min_size=1, max_size=3), st.sampled_from([PLAIN, GZIP]), st.integers(0, 9))
def test_good_batches_are_read_alike_from_any_offset(several: list[list[Stated]], compression: int, at: int) -> None:
    data, first = bytearray(), 0
    for records in several:
        data += packed(records, first, compression)
        first += len(records)
    ours, failure = both(bytes(data), min(at, first - 1))
    the_librarys, *ended = read(bytes(data), Fetcher.PartitionRecords, min(at, first - 1))
    assert [_told(one) for one in ours] == [_told(one) for one in the_librarys]
    assert (failure, ended) == (None, [None, first])
    assert [one.offset for one in ours] == list(range(min(at, first - 1), first))


@pytest.mark.parametrize("compression", [PLAIN, GZIP])
def test_only_the_stamp_of_the_broker_is_a_time_where_it_stamps(compression: int) -> None:
    dated_by_sender = packed([(7, None, b"v", []), (9, None, b"v", [])], compression=compression)
    dated_by_broker = packed([(7, None, b"v", []), (9, None, b"v", [])], 2, compression)
    dated_by_broker[ATTRIBUTES_AT] |= LOG_APPEND_TIME
    found, failure, _ = read(bytes(dated_by_sender + checked(dated_by_broker)), _StampedPartitionRecords)
    assert [one.timestamp for one in found] == [NO_TIMESTAMP, NO_TIMESTAMP, 9, 9]
    assert failure is None


@given(batches, st.data())
def test_a_mutilated_batch_is_read_alike(records: list[Stated], data: st.DataObject) -> None:
    batch = packed(records)
    for _ in range(data.draw(st.integers(1, 4))):
        # Behind the header of the batch, whose fields the broker writes or checks itself.
        batch[data.draw(st.integers(61, len(batch) - 1))] = data.draw(st.integers(0, 255))
    both(bytes(checked(batch)))


@given(batches, st.integers(1, 60))
def test_a_batch_cut_short_is_read_alike(records: list[Stated], missing: int) -> None:
    batch = packed(records)
    del batch[max(62, len(batch) - missing) :]
    struct.pack_into(">i", batch, 8, len(batch) - 12)
    both(bytes(checked(batch)))


def number(value: int, excess: int = 0) -> bytes:
    """A length as it stands in a record; with `excess`, in five bytes with bits that a broker drops."""
    left, found = value << 1, bytearray()
    while left > 0x7F or (excess and len(found) < 4):
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left | excess)
    return bytes(found)


def with_other(old: bytes, new: bytes) -> bytearray:
    """A batch of two records, with a length in the first one written otherwise."""
    batch = packed([(5, b"key", b"value", [("name", b"data")]), (6, b"k", b"v", [])])
    length, at = batch[61] // 2, batch.index(old, 62)
    batch[at : at + 1] = new
    batch[61:62] = number(length - 1 + len(new))
    struct.pack_into(">i", batch, 8, len(batch) - 12)
    return checked(batch)


@pytest.mark.parametrize("length", [2**31, 2**62, 2**63 - 1])
def test_a_record_of_a_length_beyond_everything_is_empty_and_what_follows_is_read(length: int) -> None:
    ours, failure = both(bytes(with_other(b"\x06key", number(length))))
    assert (failure, [(one.offset, one.value) for one in ours]) == (None, [(0, None), (1, b"v")])


def test_what_cannot_be_read_has_the_brokers_time_where_the_broker_stamps() -> None:
    """By a time of the sender's own a shard's clock would go ahead."""
    stamped_by_broker, stamped_at = 0x08, 1_736_337_600_000
    batch = with_other(b"\x06key", number(2**31))
    batch[22] |= stamped_by_broker
    struct.pack_into(">q", batch, 35, stamped_at)
    ours, failure = both(bytes(checked(batch)))
    assert (failure, [(one.offset, one.timestamp) for one in ours]) == (None, [(0, stamped_at), (1, stamped_at)])


@pytest.mark.parametrize(
    ("old", "value"), [(b"\x06key", 3), (b"\x0avalue", 5), (b"\x08name", 4), (b"\x08data", 4), (b"\x02\x08name", 1)]
)
def test_bits_of_a_length_that_the_broker_drops_are_dropped(old: bytes, value: int) -> None:
    ours, failure = both(bytes(with_other(old, number(value, 0x10))))
    assert (failure, [one.value for one in ours]) == (None, [b"value", b"v"])
    assert (ours[0].key, ours[0].headers) == (b"key", [("name", b"data")])


def test_a_record_is_where_it_stands_whatever_it_says() -> None:
    batch = packed([(1, b"k", b"v", []), (2, b"k", b"v", []), (3, b"k", b"v", [])], 40)
    at = batch.index(b"\x02k", 62) - 1
    for says in (0x0E, 0x01, 0x7E):
        batch[at] = says
        ours, failure = both(bytes(checked(batch)), 40)
        assert (failure, [one.offset for one in ours]) == (None, [40, 41, 42])


def test_a_header_name_that_is_not_utf8_is_mended_and_what_follows_is_read() -> None:
    batch = packed([(1, b"k", b"v", []), (2, b"k", b"v", [("ce_id", b"1")]), (3, b"k", b"v", [("ce_id", b"2")])])
    at = batch.index(b"ce_id")
    batch[at : at + 2] = b"\xff\xfe"
    ours, failure = both(bytes(checked(batch)))
    assert (failure, [one.headers for one in ours]) == (None, [[], [("??_id", b"1")], [("ce_id", b"2")]])


@pytest.mark.parametrize("compression", [PLAIN, GZIP])
@pytest.mark.parametrize("value", [None, b""])
def test_of_far_too_many_headers_no_more_are_held_than_it_takes_to_refuse_them(
    compression: int, value: bytes | None
) -> None:
    """Half a million empty ones fit into a record, and would take thirty times its size."""
    many: list[tuple[str, bytes | None]] = [("", value)] * 20_000
    ours, failure = both(bytes(packed([(1, b"k", None, many), (2, b"k", b"v", many[:40])], compression=compression)))
    assert failure is None
    assert [len(one.headers) for one in ours] == [HEADERS_COUNT_MAX + 1, 40]
    assert [one.size_bytes for one in ours] == [41 * HEADER_COST_BYTES + 1, 40 * HEADER_COST_BYTES + 2]


def test_a_wrong_checksum_is_a_damaged_batch() -> None:
    batch = packed([(5, b"k", b"v", [])])
    batch[-1] ^= 1
    assert both(bytes(batch)) == ([], CorruptRecordError)


def _control(first: int, producer: int, *, is_commit: bool) -> bytearray:
    batch = packed([(5, struct.pack(">hh", 0, int(is_commit)), b"\0" * 6, [])], first)
    return _by(batch, producer, 0x30)


def _by(batch: bytearray, producer: int, attributes: int) -> bytearray:
    struct.pack_into(">h", batch, CRC_OF, attributes)
    struct.pack_into(">q", batch, 43, producer)
    return checked(batch)


@pytest.mark.parametrize("is_commit", [True, False])
def test_what_a_transaction_gave_up_is_not_given_out(is_commit: bool) -> None:
    """The hub starts none, but any client that may write to an input can."""
    records: list[Stated] = [(5, b"k", b"v", [])]
    data = _by(packed(records, 0), 7, 0x10) + _control(1, 7, is_commit=is_commit) + packed(records, 2)

    class Aborted:
        first_offset, producer_id = 0, 7

    options = {
        "isolation_level": IsolationLevel.READ_COMMITTED,
        "aborted_transactions": [] if is_commit else [Aborted],
    }
    ours, failure = both(bytes(data), 0, **options)
    assert (failure, [one.offset for one in ours]) == (None, [0, 2] if is_commit else [2])


def test_good_batches_never_come_to_the_slower_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: object) -> None:
        raise AssertionError("read by the slower parser")

    monkeypatch.setattr("kafka.record.default_records.DefaultRecordBatch.__next__", never)
    data = packed([(1, b"k", b"v", [("ce_id", b"1")]), (2, None, None, [("x", None)])])
    given_out, failure, _ = read(bytes(data), _PartitionRecords)
    assert (failure, len(given_out)) == (None, 2)


def test_only_the_given_consumer_reads_so() -> None:
    consumer, other = (Mock(_fetcher=Mock(PartitionRecords=Fetcher.PartitionRecords)) for _ in range(2))
    read_compiled(consumer)
    assert consumer._fetcher.PartitionRecords is _PartitionRecords
    assert other._fetcher.PartitionRecords is Fetcher.PartitionRecords
