"""The limits of one record: how long, how many, how deep. One place, so that WIRE.md and the checks agree.

Rules:
- A limit is checked before the thing that it limits is read: the size of a value before its Avro is decoded.
- Units last in each name.
"""

from __future__ import annotations

from typing import Final

VALUE_BYTES_MAX: Final = 262_144
HEADERS_COUNT_MAX: Final = 40
HEADER_VALUE_BYTES_MAX: Final = 256
TEXT_CHARACTERS_MAX: Final = 2_000
CODE_CHARACTERS_MAX: Final = 64
LIST_ITEMS_MAX: Final = 200
NESTING_LEVELS_MAX: Final = 8
FIELDS_COUNT_MAX: Final = 100
SYMBOLS_COUNT_MAX: Final = 200
DOC_CHARACTERS_MAX: Final = 500

INT_MAX: Final = 2**31 - 1
"""Counts and versions are never negative; Avro's `int` ends here."""
DAY_MIN: Final = -25_567
"""1900-01-01 as a day number."""
DAY_MAX: Final = 84_005
"""2199-12-31 as a day number."""
INSTANT_MIN: Final = DAY_MIN * 86_400_000
INSTANT_MAX: Final = (DAY_MAX + 1) * 86_400_000 - 1

DECIMAL_PRECISION: Final = 10
DECIMAL_SCALE: Final = 2
DECIMAL_BYTES_MAX: Final = 5
