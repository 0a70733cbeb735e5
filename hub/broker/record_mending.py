"""Let every record be read that a broker takes from any client, so that arrival can park it.

The client library takes a record that it cannot read for a damaged batch, at which a consumer stops for good. Of what
the broker accepts it cannot read a header name that is no UTF-8, an attribute byte (unused) above 127, and a length
with bits above the 32nd, which the broker drops. One sender could so halt every shard.

Rules:
- Only where reading a record fails is it mended, byte by byte, in the client's own copy of the batch: the unused
  attribute byte becomes 0, bits that the broker drops are dropped, a byte of a header name that is not ASCII becomes
  `?`. So no length changes, and no header of ours is ever made of it.
- Key, value and header values are never touched; the checksum was checked before.
- What cannot be read even then is given out as a record with nothing in it, of the broker's time where the broker gives
  one. Only where its length leads out of the batch is the batch damaged.
"""

from __future__ import annotations

from typing import Any, Final

from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch

INT_BITS: Final = 32
LONG_BITS: Final = 64
_FAILURES: Final = (ValueError, IndexError, CorruptRecordError)

_original: Final = DefaultRecordBatch._read_msg


def mend_records() -> None:
    """Teach the client library to read such records; calling it again changes nothing."""
    DefaultRecordBatch._read_msg = _read_message


def _read_message(batch: Any) -> Any:
    for mended in (False, True):
        try:
            if mended:
                _mend(batch._buffer, batch._pos)
            return _original(batch)
        except _FAILURES:
            continue
    return _nothing_in_it(batch)


def _nothing_in_it(batch: Any) -> Any:
    length, position = _number(batch._buffer, batch._pos)
    if length < 0 or position + length > len(batch._buffer):
        raise CorruptRecordError(f"a record of {length} bytes leads out of its batch")
    batch._pos = position + length
    kind = batch.timestamp_type
    timestamp = batch.max_timestamp if kind == batch.LOG_APPEND_TIME else batch.first_timestamp
    return DefaultRecord(length, batch.base_offset, timestamp, kind, key=None, value=None, headers=[])


def _mend(buffer: bytearray, position: int) -> None:
    """Mend the record that begins at `position`; the broker has checked that its lengths fit."""
    _, position = _number(buffer, position)
    buffer[position] = 0
    _, position = _number(buffer, position + 1, LONG_BITS)
    _, position = _number(buffer, position)
    for _ in ("key", "value"):
        length, position = _number(buffer, position)
        position += max(length, 0)
    headers, position = _number(buffer, position)
    for _ in range(headers):
        length, position = _number(buffer, position)
        for index in range(position, position + length):
            if buffer[index] > 0x7F:
                buffer[index] = ord("?")
        length, position = _number(buffer, position + length)
        position += max(length, 0)


def _number(buffer: bytearray, position: int, bits: int = INT_BITS) -> tuple[int, int]:
    """The number at `position`, and where it ends; of its last byte the bits that it has no room for are dropped."""
    shift = value = 0
    while True:
        byte = buffer[position]
        if bits - shift < 7:
            byte = buffer[position] = byte & ((1 << (bits - shift)) - 1)
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
        shift += 7
