"""Local civil time for the naive reader (4.9.1, 4.9.16).

Rules:
- An instant is milliseconds since 1970-01-01T00:00Z, a day is days since 1970-01-01, as on the wire.
- A date begins and ends at 00:00 local. Periods keep the local time of day; a month too short gives its last day.
- A local time that does not exist moves forward by the gap; one that occurs twice is the first.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

FIRST_DAY = date(1970, 1, 1)
FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600_000
ZONES = {"DK": ZoneInfo("Europe/Copenhagen"), "SE": ZoneInfo("Europe/Stockholm")}


def instant(wall: datetime, zone: ZoneInfo) -> int:
    """Return the instant of the wall-clock time `wall` in `zone`."""
    # The first of two offsets: in a gap it is the one before the change, which moves the time forward.
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return (moment - FIRST_INSTANT) // timedelta(milliseconds=1)


def wall_clock(at: int, zone: ZoneInfo) -> datetime:
    """Return what a clock on the wall shows at the instant `at`."""
    return (FIRST_INSTANT + timedelta(milliseconds=at)).astimezone(zone).replace(tzinfo=None, fold=0)


@lru_cache(maxsize=65_536)
def midnight(day: int, zone: ZoneInfo) -> int:
    """Return 00:00 local of the day numbered `day`."""
    first = FIRST_DAY + timedelta(days=day)
    return instant(datetime(first.year, first.month, first.day), zone)


def day_of(at: int, zone: ZoneInfo) -> int:
    """Return the number of the local day on which `at` falls."""
    return (wall_clock(at, zone).date() - FIRST_DAY).days


def months_later(day: date, months: int) -> date:
    """Return the same day of the month `months` later, or the last day of that month."""
    count = day.year * 12 + day.month - 1 + months
    year, month = count // 12, count % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def add_months(at: int, months: int, zone: ZoneInfo) -> int:
    """Return `at` plus whole months, the time of day kept."""
    wall = wall_clock(at, zone)
    return instant(datetime.combine(months_later(wall.date(), months), wall.time()), zone)


def add_days(at: int, days: int, zone: ZoneInfo) -> int:
    """Return `at` plus whole days, the time of day kept."""
    return instant(wall_clock(at, zone) + timedelta(days=days), zone)


def birthday(born: date, years: int, zone: ZoneInfo) -> int:
    """Return the instant at which somebody turns `years`; born on 29 February, on the 28th in common years."""
    return midnight((months_later(born, 12 * years) - FIRST_DAY).days, zone)
