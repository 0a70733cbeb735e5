"""National ids: their form, and the birth date that they tell.

Rules:
- Denmark: CPR, 10 digits `DDMMYYSSSS`; the seventh digit and the year give the century.
- Sweden: personnummer, 12 digits `YYYYMMDDNNNN`.
- A hyphen or a space may stand before the last four digits. A day of 61 to 91 belongs to a replacement number
  (Danish erstatningsnummer, Swedish samordningsnummer); 60 is taken off.
- Check digits are not asked for: Denmark has given out numbers without them since 2007.
- No failure and no text form of a `NationalId` shows a digit of it.

Source: CPR-kontoret, "Opbygning af CPR-nummeret"; Skatteverket, SKV 704. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from contracts.failures import BadNationalId

_DANISH: Final = re.compile(r"([0-9]{6})[- ]?([0-9]{4})")
_SWEDISH: Final = re.compile(r"([0-9]{8})[- ]?([0-9]{4})")
_REPLACEMENT_DAYS: Final = 60


@dataclass(frozen=True, slots=True)
class NationalId:
    """A well-formed national id. `digits` are without separator; `told_birth_date` is `None` where it tells none."""

    jurisdiction: str
    digits: str = field(repr=False)
    told_birth_date: date | None = field(repr=False)


def parse_national_id(text: str) -> NationalId:
    """Return the national id written in `text`; raise `BadNationalId` for anything else."""
    stripped = text.strip()
    if match := _DANISH.fullmatch(stripped):
        digits = "".join(match.groups())
        return NationalId("DK", digits, _danish_birth_date(digits))
    if match := _SWEDISH.fullmatch(stripped):
        digits = "".join(match.groups())
        return NationalId("SE", digits, _date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])))
    raise BadNationalId(
        "national id has no known form: expected a Danish CPR of 10 digits or a Swedish personnummer of 12 digits"
    )


def _danish_birth_date(digits: str) -> date | None:
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    return _date(_danish_century(int(digits[6]), year) + year, month, day)


def _danish_century(seventh: int, year: int) -> int:
    if seventh <= 3:
        return 1900
    if seventh in (4, 9):
        return 2000 if year <= 36 else 1900
    return 2000 if year <= 57 else 1800


def _date(year: int, month: int, day: int) -> date | None:
    if day > _REPLACEMENT_DAYS:
        day -= _REPLACEMENT_DAYS
    try:
        return date(year, month, day)
    except ValueError:
        return None
