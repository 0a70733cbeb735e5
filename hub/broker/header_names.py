"""Let a record be read whose header names are not UTF-8, so that arrival can park it.

The client library decodes header names strictly and reads the unused attribute byte as a number of any length. It
takes a failure in either for a damaged batch, at which a consumer stops for good; the broker accepts both from any
client. One sender could so halt every shard.

Rules:
- Only where reading a record fails is it mended, byte by byte, in the client's own copy of the batch: the unused
  attribute byte becomes 0, a byte of a header name that is not ASCII becomes `?`. So no length changes, and no
  header of ours is ever made of it.
- Key, value and header values are never touched; the checksum was checked before.
- What cannot be read even then is a damaged batch.
"""

from __future__ import annotations

from typing import Any, Final

from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch

_original: Final = DefaultRecordBatch._read_msg


def repair_header_names() -> None:
    """Teach the client library to read such records; calling it again changes nothing."""
    DefaultRecordBatch._read_msg = _read_message


def _read_message(batch: Any) -> Any:
    try:
        return _original(batch)
    except (ValueError, IndexError, CorruptRecordError):
        _mend(batch._buffer, batch._pos)
        return _original(batch)


def _mend(buffer: bytearray, position: int) -> None:
    """Mend the record that begins at `position`; the broker has checked that its lengths fit."""
    _, position = _varint(buffer, position)
    buffer[position] = 0
    position += 1
    for _ in ("timestamp", "offset"):
        _, position = _varint(buffer, position)
    for _ in ("key", "value"):
        length, position = _varint(buffer, position)
        position += max(length, 0)
    headers, position = _varint(buffer, position)
    for _ in range(headers):
        length, position = _varint(buffer, position)
        for index in range(position, position + length):
            if buffer[index] > 0x7F:
                buffer[index] = ord("?")
        length, position = _varint(buffer, position + length)
        position += max(length, 0)


def _varint(buffer: bytearray, position: int) -> tuple[int, int]:
    shift = value = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
        shift += 7
