"""The citizen of a played world: enrolled like any other, under a national id that nobody has.

Rule: the id has the form of the jurisdiction's ids but names no day, so no person can ever have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_PLAYED: Final[Mapping[str, str]] = {"DK": "000000-0001", "SE": "00000000-0001"}


def played_national_id(jurisdiction: str) -> str:
    """Return the national id of a played citizen of `jurisdiction`; raise `KeyError` for another."""
    return _PLAYED[jurisdiction]
