"""Mutants: records that an agency could have sent, changed as bad software, a bad line or an attacker would.

Rules:
- The same generator state gives the same mutant. A mutant may be sound by chance: `oracle` says.
- What is good comes from the stories of `tests.safety`: every event type, complete and valid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Final

from contracts.limits import VALUE_BYTES_MAX
from contracts.schema_ids import schema_ids
from tests.safety.stories import story
from tests.safety.transcripts import record_of

HeaderList = list[tuple[str, bytes]]
STORIES: Final = 40
FRAME_BYTES: Final = 5
_ODD_BYTES: Final = (b"\x00", b"\x01", b"\x02", b"\x03", b"\x7f", b"\x80", b"\xff", b"\x80\x00", b"\xff" * 9 + b"\x01")
"""What means something in Avro: bounds, wrong branches, overlong numbers, the largest ones."""
_ODD_HEADERS: Final = (b"", b"\xff\xfe", b"0" * 5_000, b"1.1", b"urn:party:POLICE:x", b"2025-02-30T00:00:00Z", b"\x00")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One record on its way to arrival. `party` is whose topic it lies on; `recorded_at` in milliseconds."""

    party: str
    recorded_at: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@lru_cache(maxsize=1)
def good_records() -> tuple[Mutant, ...]:
    """Records that arrival admits, or refuses for what they refer to only."""
    found = []
    for seed in range(STORIES):
        for event in story(seed).events:
            sent = record_of(event, "5f0c7d1e-0000-4000-8000-000000000001")
            found.append(Mutant(sent.party, event.stated.recorded_at, sent.key, sent.value, tuple(sent.headers)))
    return tuple(found)


def mutant(rng: Random) -> Mutant:
    """A record with one to three changes."""
    record = rng.choice(good_records())
    for _ in range(rng.randrange(1, 4)):
        record = rng.choice(CHANGES)(record, rng)
    return record


# --- the value


def _with_value(change: Callable[[bytearray, Random], bytes]) -> Callable[[Mutant, Random], Mutant]:
    def changed(record: Mutant, rng: Random) -> Mutant:
        return record if not record.value else replace(record, value=change(bytearray(record.value), rng))

    return changed


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
    """Much of the same, seldom up to a little over the limit: small on the wire, large here."""
    most = VALUE_BYTES_MAX + 9 if rng.random() < 0.02 else 2_000
    return bytes(value[:FRAME_BYTES]) + rng.choice((b"\x00", b"\x02", b"\xfe")) * rng.randrange(most)


def _no_value(record: Mutant, rng: Random) -> Mutant:
    return replace(record, value=rng.choice((None, b"", b"\x00", b"\x00\x00\x00\x00")))


# --- headers, key, topic, time


def _with_headers(change: Callable[[HeaderList, Random], object]) -> Callable[[Mutant, Random], Mutant]:
    def changed(record: Mutant, rng: Random) -> Mutant:
        headers = list(record.headers)
        if headers:
            change(headers, rng)
        return replace(record, headers=tuple(headers))

    return changed


def _drop_header(headers: HeaderList, rng: Random) -> None:
    headers.pop(rng.randrange(len(headers)))


def _double_header(headers: HeaderList, rng: Random) -> None:
    headers.insert(rng.randrange(len(headers)), rng.choice(headers))


def _spoil_header(headers: HeaderList, rng: Random) -> None:
    at = rng.randrange(len(headers))
    name, value = headers[at]
    spoilt = bytearray(value or b"x")
    spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    headers[at] = (name, rng.choice((bytes(spoilt), *_ODD_HEADERS)))


def _rename_header(headers: HeaderList, rng: Random) -> None:
    at = rng.randrange(len(headers))
    name, value = headers[at]
    headers[at] = (
        rng.choice((name.upper(), name + "s", "ce_" + "x" * 300, "ce_", "", "hub_seq", "traceparent")),
        value,
    )


def _swap_headers(headers: HeaderList, rng: Random) -> None:
    one, other = rng.randrange(len(headers)), rng.randrange(len(headers))
    (name, value), (other_name, other_value) = headers[one], headers[other]
    headers[one], headers[other] = (name, other_value), (other_name, value)


def _many_headers(headers: HeaderList, rng: Random) -> None:
    headers.extend((f"x-{number}", b"") for number in range(rng.choice((3, 40, 3_000))))


def _another_key(record: Mutant, rng: Random) -> Mutant:
    key = record.key or b"x"
    return replace(record, key=rng.choice((None, b"", key[:-1], key + b"0", key * 9, b"\xff\xff", key.upper())))


def _another_topic(record: Mutant, rng: Random) -> Mutant:
    return replace(record, party=rng.choice(good_records()).party)


def _in_anothers_name(record: Mutant, rng: Random) -> Mutant:
    """On another party's topic, and as that party's own."""
    party = rng.choice(good_records()).party
    source = f"urn:party:{party}:main".encode()
    headers = tuple((name, source if name == "ce_source" else value) for name, value in record.headers)
    return replace(record, party=party, headers=headers)


def _long_ago(record: Mutant, rng: Random) -> Mutant:
    """Recorded long before it happened, or long after."""
    return replace(record, recorded_at=record.recorded_at + rng.choice((-(10**9), -60_001, -60_000, 10**9)))


CHANGES: Final[tuple[Callable[[Mutant, Random], Mutant], ...]] = (
    *map(_with_value, (_flip, _flip, _flip, _put, _put, _put, _cut, _lengthen, _repeat_a_part, _lose_a_part)),
    *map(_with_value, (_another_schema, _noise, _bomb)),
    *map(_with_headers, (_drop_header, _double_header, _spoil_header, _spoil_header, _rename_header, _swap_headers)),
    *map(_with_headers, (_many_headers,)),
    *(_no_value, _another_key, _another_topic, _in_anothers_name, _long_ago),
)
