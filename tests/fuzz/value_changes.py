"""Changes of a record's value: bits, parts, numbers, frames, sizes up to every limit and over it, other formats.

Rules:
- A change takes the framed value and gives another one; the same generator state gives the same one.
- What looks like a bomb is small here too: nothing above the broker's own limit could ever arrive.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import Any, Final

from contracts.catalogue import catalogue
from contracts.codec import codec
from contracts.event_types import Kind
from contracts.limits import INSTANT_MAX, INSTANT_MIN, INT_MAX, LIST_ITEMS_MAX, TEXT_CHARACTERS_MAX, VALUE_BYTES_MAX
from contracts.schema_ids import schema_ids
from deploy.topics import INPUT_BYTES_MAX

ValueChange = Callable[[bytearray, Random], bytes]
FRAME_BYTES: Final = 5
_ODD_BYTES: Final = (b"\x00", b"\x01", b"\x02", b"\x03", b"\x7f", b"\x80", b"\xff", b"\x80\x00", b"\xff" * 9 + b"\x01")
"""What means something in Avro: bounds, wrong branches, overlong numbers, the largest ones."""
_SIZES: Final = (VALUE_BYTES_MAX - 1, VALUE_BYTES_MAX, VALUE_BYTES_MAX + 1, INPUT_BYTES_MAX - 200, INPUT_BYTES_MAX)
_ODD_TEXTS: Final = (
    "", "x" * TEXT_CHARACTERS_MAX, "x" * (TEXT_CHARACTERS_MAX + 1), "\N{PILE OF POO}" * TEXT_CHARACTERS_MAX, "\x00",
    "\x1b[2J", "line\nline\r\t", "\x7f", "\x80", "\x85", "a\x9b31m", "\xa0", "\u2028", "\u202e0101900005", "\ufeff",
    "0101900005", "010190-0005", "19900101+0005", "٠١٠١٩٠٠٠٠٥", "a.soc", "A.SOC\n", "A.SOC ", "ß", "%00",
    "../../etc/passwd", "' OR 1=1 --", "${jndi:x}",
)  # fmt: skip
_ODD_NUMBERS: Final = (
    -1, 0, 1, INT_MAX, INT_MAX + 1, -(2**31), 2**63 - 1, -(2**63), INSTANT_MIN, INSTANT_MIN - 1, INSTANT_MAX,
    INSTANT_MAX + 1, -25_568, -25_567, 84_005, 84_006,
)  # fmt: skip


def _place(value: Sequence[int], rng: Random) -> int:
    """A place in the body more often than in the frame."""
    first = FRAME_BYTES if len(value) > FRAME_BYTES and rng.random() < 0.9 else 0
    return rng.randrange(first, len(value))


def _flip(value: bytearray, rng: Random) -> bytes:
    value[_place(value, rng)] ^= 1 << rng.randrange(8)
    return bytes(value)


def _put(value: bytearray, rng: Random) -> bytes:
    at = _place(value, rng)
    value[at : at + 1] = rng.choice(_ODD_BYTES)
    return bytes(value)


def _cut(value: bytearray, rng: Random) -> bytes:
    return bytes(value[: rng.randrange(len(value))])


def _lengthen(value: bytearray, rng: Random) -> bytes:
    return bytes(value) + rng.randbytes(rng.randrange(1, 9))


def _repeat_a_part(value: bytearray, rng: Random) -> bytes:
    at, end = sorted((_place(value, rng), _place(value, rng)))
    return bytes(value[:end] + value[at:])


def _lose_a_part(value: bytearray, rng: Random) -> bytes:
    at, end = sorted((_place(value, rng), _place(value, rng)))
    return bytes(value[:at] + value[end:])


def _another_schema(value: bytearray, rng: Random) -> bytes:
    schema_id = rng.choice((*rng.sample(tuple(schema_ids().entries), 3), 0, 2**31, 999_999))
    value[1:FRAME_BYTES] = schema_id.to_bytes(4, "big")
    return bytes(value)


def _noise(value: bytearray, rng: Random) -> bytes:
    return bytes(value[:FRAME_BYTES]) + rng.randbytes(rng.randrange(200))


def _bomb(value: bytearray, rng: Random) -> bytes:
    """Much of the same, seldom as much as a limit allows: small on the wire, large here."""
    size = rng.choice(_SIZES) if rng.random() < 0.02 else rng.randrange(2_000)
    return (bytes(value[:FRAME_BYTES]) + rng.choice((b"\x00", b"\x02", b"\xfe")) * size)[:INPUT_BYTES_MAX]


def _many_items(value: bytearray, rng: Random) -> bytes:
    """The count of a block says more than there is, or a block says its size wrongly."""
    at = _place(value, rng)
    value[at:at] = rng.choice(
        (b"\xfe\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\x01\x02", b"\x03\x80\x01")
    )
    return bytes(value)


def _another_format(value: bytearray, rng: Random) -> bytes:
    """What a client sends whose serialiser is another one, or none, or that compresses by itself."""
    body, frame = bytes(value[FRAME_BYTES:]), bytes(value[:FRAME_BYTES])
    return rng.choice(
        (
            body,
            frame + bytes(value),
            b"\x00" + bytes(value),
            frame + b"\x00" + body,  # the message index of Protobuf
            b"Obj\x01" + bytes(value),
            b"\xc3\x01" + rng.randbytes(8) + body,  # Avro's single-object encoding
            frame + b"Obj\x01" + body,
            gzip.compress(bytes(value), mtime=0),
            frame + zlib.compress(body),
            frame + gzip.compress(bytes(VALUE_BYTES_MAX), mtime=0),
            b'{"specversion":"1.0","data":{}}',
            frame[:1] + frame[:0:-1] + body,  # the id in the other byte order
        )
    )


def _odd_value(value: bytearray, rng: Random) -> bytes:
    """Sound Avro whose value is outside the model, or just inside it."""
    entry = schema_ids().entries.get(int.from_bytes(value[1:FRAME_BYTES], "big"))
    if entry is None or value[:1] != b"\x00":
        return bytes(value)
    try:
        payload = codec().decode(bytes(value)).payload
    except Exception:  # it was spoilt before
        return bytes(value)
    field = rng.choice(entry.event_type.fields)
    if field.repeated:
        items = payload.get(field.name) or []
        wanted = rng.choice((0, LIST_ITEMS_MAX, LIST_ITEMS_MAX + 1))
        payload[field.name] = (items * (LIST_ITEMS_MAX + 1))[:wanted]
    else:
        payload[field.name] = rng.choice(_odd_values(field.kind))
    try:
        return codec().encode(entry.id, payload)
    except Exception:  # it does not fit the schema: then it cannot be sent
        return bytes(value)


@lru_cache(maxsize=32)
def _odd_values(kind: Kind) -> Sequence[Any]:
    match kind:
        case Kind.INT | Kind.TIMESTAMP | Kind.DATE:
            return (*_ODD_NUMBERS, None)
        case Kind.BOOL:
            return (True, False, None)
        case Kind.DECIMAL:
            return (
                b"",
                b"\x00\x01",
                b"\xff\xff",
                b"\x80",
                b"\x02\x54\x0b\xe3\xff",
                b"\x02\x54\x0b\xe4\x00",
                b"\x00" * 99,
                None,
            )
        case Kind.ENUM:
            return sorted({each.symbols[0] for each in catalogue().code_lists.values()} | {"OTHER"})
    return (*_ODD_TEXTS, None)


def _largest_sound(value: bytearray, rng: Random) -> bytes:
    """Every list full and every text as long as it may be: what the model allows, against the limit of size."""
    entry = schema_ids().entries.get(int.from_bytes(value[1:FRAME_BYTES], "big"))
    if entry is None or rng.random() > 0.05:
        return bytes(value)
    try:
        payload = codec().decode(bytes(value)).payload
        for field in entry.event_type.fields:
            if field.repeated and payload.get(field.name):
                payload[field.name] = (payload[field.name] * LIST_ITEMS_MAX)[:LIST_ITEMS_MAX]
            elif field.kind is Kind.STRING:
                payload[field.name] = rng.choice("xæ界") * TEXT_CHARACTERS_MAX
        return codec().encode(entry.id, payload)
    except Exception:  # it was spoilt before
        return bytes(value)


VALUE_CHANGES: Final[tuple[ValueChange, ...]] = (
    *(_flip, _flip, _flip, _put, _put, _put, _cut, _lengthen, _repeat_a_part, _lose_a_part),
    *(_another_schema, _noise, _bomb, _many_items, _another_format),
    *(_odd_value, _odd_value, _odd_value, _odd_value, _largest_sound),
)
