"""Changes of what stands around a record's value: headers, key, topic, time, and whether there is a value at all.

Rules:
- The same generator state gives the same change.
- A header value is bytes: what a client sends as null, the reader of the broker makes empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

from contracts.limits import HEADER_VALUE_BYTES_MAX, HEADERS_COUNT_MAX
from tests.fuzz.records import Mutant, good_records

HeaderList = list[tuple[str, bytes]]
HeaderChange = Callable[[HeaderList, Random], object]
Change = Callable[[Mutant, Random], Mutant]
_ODD_VALUES: Final = (
    b"", b"\xff\xfe", b"0" * 5_000, b"1.1", b"urn:party:POLICE:x", b"2025-02-30T00:00:00Z", b"\x00", b"\r\nce_id: x",
    b"x" * HEADER_VALUE_BYTES_MAX, b"x" * (HEADER_VALUE_BYTES_MAX + 1), "Åse Ærø".encode(), "Åse".encode("utf-16"),
    b"urn:party:A.SOC:" + b"s" * 40, b"urn:party:A.SOC:" + b"s" * 41, b"urn:party:A.SOC\n:main",
    b"urn:party:a.soc:main",
    b"9999-12-31T23:59:59Z", b"0000-01-01T00:00:00Z", b"2025-06-30T23:59:60Z", b"2025-01-06T09:00:00", b"1736150400",
    b"2025-01-06T09:00:00.000000001+23:59", "٢٠٢٥-01-06T09:00:00Z".encode(), b"{}", b"application/json", b"null",
    b"0" * 9_000, b"9" * 40, b"-1",
    b"00000000-0000-0000-0000-000000000000", b"{5F0C7D1E-0000-4000-8000-000000000001}", b"x" * 900_000,
)  # fmt: skip
_ODD_NAMES: Final = (
    "ce_" + "x" * 300, "ce_", "", "hub_seq", "hub_case", "traceparent", "CE_ID", "ce-id", "ce_id ", " ce_id",
    "ce_id\x00",
    "ce\u200b_id", "ϲe_id", "ce_ıd", "content-type", "Content-Type", "ce_datacontenttype", "ce_subject", "ce_signature",
    "x" * 100_000,
)  # fmt: skip
_TIMES: Final = (-1, 0, -(2**63), 2**63 - 1, 4_102_444_800_000)


def _drop(headers: HeaderList, rng: Random) -> None:
    headers.pop(rng.randrange(len(headers)))


def _double(headers: HeaderList, rng: Random) -> None:
    headers.insert(rng.randrange(len(headers)), rng.choice(headers))


def _double_and_differ(headers: HeaderList, rng: Random) -> None:
    """The same name with two values: which one counts must not depend on who reads."""
    name, _ = rng.choice(headers)
    headers.insert(rng.randrange(len(headers) + 1), (name, rng.choice(_ODD_VALUES)))


def _spoil(headers: HeaderList, rng: Random) -> None:
    at = rng.randrange(len(headers))
    name, value = headers[at]
    spoilt = bytearray(value or b"x")
    spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    headers[at] = (name, rng.choice((bytes(spoilt), *_ODD_VALUES)))


def _rename(headers: HeaderList, rng: Random) -> None:
    at = rng.randrange(len(headers))
    name, value = headers[at]
    headers[at] = (rng.choice((name.upper(), name + "s", *_ODD_NAMES)), value)


def _add(headers: HeaderList, rng: Random) -> None:
    headers.insert(rng.randrange(len(headers) + 1), (rng.choice(_ODD_NAMES), rng.choice(_ODD_VALUES)))


def _swap(headers: HeaderList, rng: Random) -> None:
    one, other = rng.randrange(len(headers)), rng.randrange(len(headers))
    (name, value), (other_name, other_value) = headers[one], headers[other]
    headers[one], headers[other] = (name, other_value), (other_name, value)


def _shuffle(headers: HeaderList, rng: Random) -> None:
    rng.shuffle(headers)


def _many(headers: HeaderList, rng: Random) -> None:
    count = rng.choice((3, HEADERS_COUNT_MAX - len(headers), HEADERS_COUNT_MAX - len(headers) + 1, 3_000))
    headers.extend((f"x-{number}", b"") for number in range(count))


def with_headers(change: HeaderChange) -> Change:
    """A change of the headers as one of the record."""

    def changed(record: Mutant, rng: Random) -> Mutant:
        headers = list(record.headers)
        if headers:
            change(headers, rng)
        return replace(record, headers=tuple(headers))

    return changed


def _no_headers(record: Mutant, rng: Random) -> Mutant:
    return replace(record, headers=())


def _no_value(record: Mutant, rng: Random) -> Mutant:
    return replace(record, value=rng.choice((None, b"", b"\x00", b"\x00\x00\x00\x00")))


def _another_key(record: Mutant, rng: Random) -> Mutant:
    key = record.key or b"x"
    odd: tuple[bytes | None, ...] = (
        None,
        b"",
        key[:-1],
        key + b"0",
        key * 9,
        b"\xff\xff",
        key.upper(),
        b"\x00",
        key + b"\x00",
        b" " + key,
    )
    odd += (b"0101900005", b"x" * 64, b"x" * 65, b"x" * 900_000, "å".encode(), key.replace(b"-", b""))
    return replace(record, key=rng.choice(odd))


def _another_topic(record: Mutant, rng: Random) -> Mutant:
    return replace(record, party=rng.choice(good_records()).party)


def _in_anothers_name(record: Mutant, rng: Random) -> Mutant:
    """On another party's topic, and as that party's own."""
    party = rng.choice(good_records()).party
    source = f"urn:party:{party}:main".encode()
    headers = tuple((name, source if name == "ce_source" else value) for name, value in record.headers)
    return replace(record, party=party, headers=headers)


def _another_time(record: Mutant, rng: Random) -> Mutant:
    """Recorded long before it happened, long after, or at a time that is none."""
    shifted = (record.recorded_at + by for by in (-(10**9), -60_001, -60_000, 10**9))
    return replace(record, recorded_at=rng.choice((*shifted, *_TIMES)))


ENVELOPE_CHANGES: Final[tuple[Change, ...]] = (
    *map(with_headers, (_drop, _double, _double_and_differ, _spoil, _spoil, _rename, _add, _swap, _shuffle, _many)),
    *(_no_headers, _no_value, _another_key, _another_topic, _in_anothers_name, _another_time),
)
