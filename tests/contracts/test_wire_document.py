"""WIRE.md says what the code does: limits, headers, reason codes and the partitioner's example."""

from __future__ import annotations

from pathlib import Path

import pytest

import contracts.limits as limits
from contracts.cloudevents import Attributes, DisclosureAttributes, disclosed_headers, published_headers
from contracts.partitioning import murmur2, partition_of
from contracts.reasons import Reason
from contracts.topics import Names

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
TEXT = Path(limits.__file__).with_name("WIRE.md").read_text(encoding="utf-8")
ROWS = {cells[1].strip(): cells[2] for line in TEXT.splitlines() if len(cells := line.split("|")) > 3}


def test_every_reason_has_its_row() -> None:
    assert {name.strip("`") for name in ROWS if name.strip("`") in set(Reason)} == set(Reason)


def test_every_header_is_named() -> None:
    sent = published_headers(Attributes(ID, "urn:party:A.SOC:x", "a.b.C.v1", 0, ID, ID, ID))
    told = disclosed_headers(DisclosureAttributes(ID, "A.SOC", "a.b.C.v1", 0, 1, "disclosed", ID))
    assert all(f"`{name}`" in TEXT for name, _ in [*sent, *told])


def test_topic_names_are_those_of_the_code() -> None:
    assert f"`{Names().input('A.SOC')}`" in ROWS["write"]
    assert f"`{Names().output('A.SOC')}`" in ROWS["read"]


@pytest.mark.parametrize(
    ("row", "limit"),
    [
        ("value", limits.VALUE_BYTES_MAX),
        ("headers", limits.HEADERS_COUNT_MAX),
        ("headers", limits.HEADER_VALUE_BYTES_MAX),
        ("text", limits.TEXT_CHARACTERS_MAX),
        ("code", limits.CODE_CHARACTERS_MAX),
        ("list", limits.LIST_ITEMS_MAX),
        ("int", limits.INT_MAX),
    ],
)
def test_a_limit_is_the_codes(row: str, limit: int) -> None:
    assert f"{limit:,}" in ROWS[row]


def test_the_partitioners_example_is_right() -> None:
    assert f"murmur2 of `foobar` is {murmur2(b'foobar')} unsigned, so partition {partition_of(b'foobar', 8)} of 8" in (
        TEXT.replace("\n", " ")
    )


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas_own(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed & 0xFFFFFFFF
