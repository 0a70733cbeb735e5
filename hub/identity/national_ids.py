"""National ids: their form, and the birth date that they tell.

Rules:
- Denmark: CPR, 10 digits `DDMMYYSSSS`; the seventh digit and the year give the century.
- Sweden: personnummer, 12 digits `YYYYMMDDNNNN`.
- A hyphen or a space may stand before the last four digits. A day of 61 to 91 belongs to a replacement number
  (Danish erstatningsnummer, Swedish samordningsnummer); 60 is taken off.
- Check digits are not asked for: Denmark has given out numbers without them since 2007.
- Swedes usually write 10 digits, `YYMMDDNNNN`. Whom a Danish reading makes a Dane is under Danish law, which discloses
  without consent; so 10 digits that are a Swede's by their date are refused where the Danish reading is no ordinary
  date, or where of the two check digits only the Swedish one is right. Whoever asks for a Dane names the country then,
  and always may: `DK` before the number. Whoever asks for a Swede writes 12 digits: digits alone cannot tell a Dane
  from a Swede born in 2001 or later where both check digits are right.
- No failure and no text form of a `NationalId` shows a digit of it.

Source: CPR-kontoret, "Opbygning af CPR-nummeret"; Skatteverket, SKV 704. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from contracts.failures import BadNationalId

_DANISH: Final = re.compile(r"(DK[- ]?)?([0-9]{6})[- ]?([0-9]{4})")
_SWEDISH: Final = re.compile(r"([0-9]{8})[- ]?([0-9]{4})")
_REPLACEMENT_DAYS: Final = 60
_DANISH_WEIGHTS: Final = (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
_SWEDISH_WEIGHTS: Final = (2, 1, 2, 1, 2, 1, 2, 1, 2, 1)


@dataclass(frozen=True, slots=True)
class NationalId:
    """A well-formed national id. `digits` are without separator; `told_birth_date` is `None` where it tells none."""

    jurisdiction: str
    digits: str = field(repr=False)
    told_birth_date: date | None = field(repr=False)


def parse_national_id(text: str) -> NationalId:
    """Return the national id written in `text`; raise `BadNationalId` for anything else, and for what may be either."""
    stripped = text.strip()
    if match := _DANISH.fullmatch(stripped):
        country, *parts = match.groups()
        digits = "".join(parts)
        if not country and _may_be_a_swedes(digits):
            raise BadNationalId(
                "national id of 10 digits may be Danish or Swedish, whose law differs: write `DK` before a Danish one, "
                "or a Swedish one with its 12 digits"
            )
        return NationalId("DK", digits, _danish_birth_date(digits))
    if match := _SWEDISH.fullmatch(stripped):
        digits = "".join(match.groups())
        return NationalId("SE", digits, _date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])))
    raise BadNationalId(
        "national id has no known form: expected a Danish CPR of 10 digits or a Swedish personnummer of 12 digits"
    )


def _may_be_a_swedes(digits: str) -> bool:
    # Any leap year of either century is one of the 2000s.
    if _date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:6])) is None:
        return False
    if int(digits[:2]) > _REPLACEMENT_DAYS or _danish_birth_date(digits) is None:
        # Check digits are left out here: a Swede's mistyped number shall make no Dane either.
        return True
    return _has_swedish_check_digit(digits) and not _has_danish_check_digit(digits)


def _has_danish_check_digit(digits: str) -> bool:
    return sum(int(digit) * weight for digit, weight in zip(digits, _DANISH_WEIGHTS, strict=True)) % 11 == 0


def _has_swedish_check_digit(digits: str) -> bool:
    products = (int(digit) * weight for digit, weight in zip(digits, _SWEDISH_WEIGHTS, strict=True))
    return sum(product // 10 + product % 10 for product in products) % 10 == 0


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
