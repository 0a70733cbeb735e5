"""Local civil time: how a law's dates and periods become instants.

Rules (domain specification, 4.9.1 and 4.9.16):
- An instant is an `int`: milliseconds since 1970-01-01T00:00Z. A day is an `int`: days since 1970-01-01.
- Periods are added in local civil time and keep the time of day; a month too short gives its last day.
- A local time that does not exist moves forward by the length of the gap; one that occurs twice is the first.
- A date begins, and ends, at 00:00 local.

Pure: no clock of its own. Where a zone is asked for, it is a key of the IANA time zone database.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from contracts.limits import DAY_MAX, DAY_MIN

ZONE_OF_JURISDICTION: Final = {"DK": "Europe/Copenhagen", "SE": "Europe/Stockholm"}

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_PERIOD: Final = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?")


@dataclass(frozen=True, slots=True)
class Period:
    """An ISO 8601 period of whole years, months and days."""

    years: int = 0
    months: int = 0
    days: int = 0

    @classmethod
    def parse(cls, text: str) -> Period:
        """Return the period written as `P6M`, `P30D` or `P1Y`; raise `ValueError` on anything else."""
        match = _PERIOD.fullmatch(text)
        if match is None or not any(match.groups()):
            raise ValueError(f"period `{text}` is not of the form P<n>Y, P<n>M or P<n>D")
        years, months, days = (int(part or 0) for part in match.groups())
        return cls(years, months, days)


def zone_of(jurisdiction: str) -> ZoneInfo:
    """Return the civil time zone of `jurisdiction` (`DK` or `SE`); raise `KeyError` for another."""
    return ZoneInfo(ZONE_OF_JURISDICTION[jurisdiction])


def instant_of(moment: datetime) -> int:
    """Return an aware `moment` as milliseconds, whole milliseconds only (finer digits are dropped)."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no instant: give it a time zone")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def moment_of(instant: int) -> datetime:
    """Return `instant` as an aware UTC datetime."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant)


def local_of(instant: int, zone: ZoneInfo) -> datetime:
    """Return `instant` as wall-clock time in `zone`."""
    return moment_of(instant).astimezone(zone)


def resolve(wall: datetime, zone: ZoneInfo) -> int:
    """Return the instant of the naive local time `wall`; gaps move forward, repeated times are the first."""
    aware = wall.replace(tzinfo=zone, fold=0)
    # In a gap fold=0 applies the offset before the change, which is exactly "forward by the gap's length".
    return instant_of(aware.astimezone(UTC))


@lru_cache(maxsize=65_536)
def start_of_day(day: int, zone: ZoneInfo) -> int:
    """Return the instant of 00:00 local on the day numbered `day`."""
    midnight = datetime.combine(day_date(day), datetime.min.time())
    return resolve(midnight, zone)


def day_of(instant: int, zone: ZoneInfo) -> int:
    """Return the number of the local civil day on which `instant` falls."""
    return local_of(instant, zone).toordinal() - _EPOCH_DAY


def day_number(day: date) -> int:
    """Return a calendar date as a day number (Avro's `date`)."""
    return day.toordinal() - _EPOCH_DAY


def day_date(day: int) -> date:
    """Return the calendar date of a day number."""
    return date.fromordinal(day + _EPOCH_DAY)


def add_to_date(day: date, period: Period) -> date:
    """Return `day` plus `period`: 31 Aug + P6M and 29 Feb + P1Y give the last day of February."""
    months = day.month - 1 + period.months + 12 * period.years
    year, month = day.year + months // 12, months % 12 + 1
    last = calendar.monthrange(year, month)[1]
    return date(year, month, min(day.day, last)) + timedelta(days=period.days)


def add_period(instant: int, period: Period, zone: ZoneInfo) -> int:
    """Return `instant` plus `period` in local civil time, the time of day kept."""
    local = local_of(instant, zone)
    moved = add_to_date(local.date(), period)
    return resolve(datetime.combine(moved, local.time()), zone)


def birthday(born: date, years: int, zone: ZoneInfo) -> int:
    """Return the instant at which someone `born` on a date turns `years`: 00:00 local, 29 Feb -> 28 Feb."""
    return start_of_day(day_number(add_to_date(born, Period(years=years))), zone)


def parse_local(text: str, zone: ZoneInfo) -> int:
    """Return the instant of `2025-01-25T09:00[:05]` local; a plain date means 12:00.

    Raises `ValueError` on anything else: a text with an offset too, and a year outside those of the contracts.
    """
    wall = datetime.fromisoformat(text if "T" in text else f"{text}T12:00")
    if wall.tzinfo is not None:
        raise ValueError(f"time `{text}` has an offset: give local civil time, without one")
    # Further out, the calendar ends within the reach of an offset or a period.
    if not DAY_MIN <= day_number(wall.date()) <= DAY_MAX:
        raise ValueError(f"time `{text}` is of no year from 1900 to 2199: give one of these")
    return resolve(wall, zone)


def format_local(instant: int, zone: ZoneInfo) -> str:
    """Return `instant` as people read it: `2025-01-25 09:00`, seconds only where there are any."""
    local = local_of(instant, zone)
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")
