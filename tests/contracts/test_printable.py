"""What a terminal is shown of text that somebody stated."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from contracts.printable import printable

STEERING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ("Åse Ødegård, Vesterbrogade 1", "Åse Ødegård, Vesterbrogade 1"),
        ("Kåre\u00a0Ås \u4e2d\U0001f4a9", "Kåre\u00a0Ås \u4e2d\U0001f4a9"),
        ("first\nsecond\r\tthird", r"first\nsecond\r\tthird"),
        ("\x1b[2J\x9b31m\x85", r"\x1b[2J\x9b31m\x85"),
        ("\u202e0001\u2066x\u2028y\ufeff", r"\u202e0001\u2066x\u2028y\ufeff"),
        ("\ud800", r"\ud800"),
        ("", ""),
    ],
)
def test_what_is_no_sign_and_no_space_is_escaped(stated: str, shown: str) -> None:
    assert printable(stated) == shown


def test_no_character_of_unicode_that_steers_gets_through() -> None:
    for each in map(chr, range(sys.maxunicode + 1)):
        is_kept = printable(each) == each
        assert is_kept != (unicodedata.category(each) in STEERING), hex(ord(each))
