"""One generated history in the making: who takes part, what has been stated, which moments are worth asking about.

Rules:
- Everything follows from one `random.Random`; no clock, no other chance.
- Nothing is recorded before it occurred, and no later step of a thing before the step that it follows.
- A moment is worth asking about where something begins or ends; `mark` keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final

from contracts.catalogue import catalogue
from contracts.parties import Party
from tests.consent.production import Stated
from tests.naive import civil
from tests.naive.case import role
from tests.naive.payloads import Values, number

MINUTE: Final = 60_000
DAY: Final = 86_400_000
SPAN_DAYS: Final = 420
YEAR: Final = 365 * DAY
ALWAYS: Final = {
    "DK": ("PRI", "KIF", "PHE", "PSY", "FAC", "A.SOC", "A.JOB", "A.BEN", "A.ADD", "A.CHI", "B.SOC"),
    "SE": ("PRI", "KIF", "PHE", "PSY", "FAC", "SD.SOC", "SD.CHI", "EH.SOC", "ADD", "SD.ADD"),
}
SOMETIMES: Final = {
    "DK": (
        "A.YTH", "A.HSG", "B.JOB", "B.ADD", "B.CHI", "B.BEN", "MNT", "VOL", "EVA", "POL", "GOV", "OPS",
        "dk.kf.vestre.PRI", "se.kv.KIF", "R.PSY",
    ),
    "SE": ("SD.BEN", "SD.JOB", "SD.YTH", "SD.HSG", "EH.CHI", "MNT", "VOL", "EVA", "POL", "GOV", "OPS", "R.PSY",
           "dk.kf.PRI"),
}  # fmt: skip
BIRTH_DATES: Final = (
    date(1984, 5, 5), date(1984, 5, 5), date(1991, 3, 8), date(2007, 10, 20), date(2008, 2, 29), date(2009, 7, 1),
    date(2006, 12, 24), date(2010, 2, 28), date(2011, 1, 10),
)  # fmt: skip

AWKWARD: Final = (
    # Half a year, 90 and 30 days before a local time that does not exist; it itself moved; a time that occurs twice;
    # ends of months and the leap day.
    datetime(2024, 9, 30, 2, 30), datetime(2024, 12, 30, 2, 30), datetime(2025, 2, 28, 2, 30),
    datetime(2025, 3, 30, 2, 30), datetime(2024, 10, 27, 2, 30), datetime(2024, 9, 27, 2, 30),
    datetime(2024, 8, 31, 10, 0), datetime(2024, 2, 29, 8, 0), datetime(2025, 8, 29, 23, 59), datetime(2024, 5, 31),
)  # fmt: skip


class Story:
    """What has been stated so far."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = Random(seed)
        self.jurisdiction = "DK" if chance.random() < 0.55 else "SE"
        self.zone = civil.ZONES[self.jurisdiction]
        self.born = chance.choice(BIRTH_DATES)
        self.first_day = (date(2024, 1, 10) + timedelta(days=chance.randrange(420)) - civil.FIRST_DAY).days
        extra = chance.sample(SOMETIMES[self.jurisdiction], chance.randint(4, 8))
        self.parties: tuple[str, ...] = (*ALWAYS[self.jurisdiction], *extra)
        self.speakers = tuple(party for party in self.parties if party != "KIF" or chance.random() < 0.6)
        """Who states anything; without KIF, it may stay inactive."""
        self.providers = frozenset(
            party for party in self.parties if role(party) in ("ADD", "FAC") and chance.random() < 0.6
        )
        towns = ["A", "B"] if self.jurisdiction == "DK" else ["SD", "EH"]
        self.home, self.away = towns if chance.random() < 0.7 else reversed(towns)
        self.values = Values(chance, self.parties, [*towns, towns[0]])
        self.stated: list[Stated] = []
        self.marks: list[int] = []
        self.focus: list[int] = []
        self.emergencies: list[int] = []
        self.prompt = False
        """Whether what is stated is recorded at once."""
        for years in (15, 18):
            at = civil.birthday(self.born, years, self.zone)
            if 0 <= at - civil.midnight(self.first_day, self.zone) <= 2 * YEAR:
                self.look(at)

    @property
    def registry(self) -> frozenset[Party]:
        """The parties with their flags."""
        return frozenset(Party(party, party in self.providers) for party in self.parties)

    def mark(self, at: int) -> None:
        """Keep a moment worth asking about, where it lies in the span of the history."""
        if -30 * DAY <= at - civil.midnight(self.first_day, self.zone) <= (SPAN_DAYS + 420) * DAY:
            self.marks.append(at)

    def look(self, at: int) -> None:
        """Keep a moment at which something rare holds, or has just begun or ended."""
        self.focus.append(at)

    def happens(self, odds: float) -> bool:
        """Whether something happens by these odds."""
        return self.chance.random() < odds

    def moment(self, first: int = 0, last: int = SPAN_DAYS) -> int:
        """A moment between two days of the history; once in a while a day's beginning or an awkward one."""
        begins = civil.midnight(self.first_day + first, self.zone)
        ends = civil.midnight(self.first_day + last + 1, self.zone)
        if self.happens(0.05):
            return civil.midnight(self.first_day + self.chance.randint(first, last), self.zone)
        return self._awkward(begins, ends) or begins + self.chance.randrange((ends - begins) // MINUTE) * MINUTE

    def after(self, at: int, most_days: int, awkward: float = 0.2) -> int:
        """A moment after `at`."""
        most = at + most_days * DAY
        return self._awkward(at + 1, most, awkward) or at + self.chance.randrange(1, most_days * 1440) * MINUTE

    def _awkward(self, begins: int, ends: int, odds: float = 0.2) -> int | None:
        """Once in a while: a moment at which local time, or what a period makes of it, is no plain sum."""
        found = [at for wall in AWKWARD if begins <= (at := civil.instant(wall, self.zone)) < ends]
        return self.chance.choice(found) if found and self.happens(odds) else None

    def day(self, at: int, *offsets: int) -> int:
        """The local day of `at`, moved by one of `offsets` days."""
        return civil.day_of(at, self.zone) + self.chance.choice(offsets or (0,))

    def one_of(self, *roles: str) -> str:
        """One party in one of these roles."""
        found = [party for party in self.speakers if role(party) in roles]
        return self.chance.choice(found)

    def some(self, least: int, most: int) -> list[str]:
        """Some parties."""
        return self.chance.sample(self.parties, min(len(self.parties), self.chance.randint(least, most)))

    def say(self, kind: str, speaker: str, at: int, follows: Stated | None = None, /, **said: Any) -> Stated:
        """State an event of `speaker`; fields left out are filled in. `follows` was recorded before it."""
        late = self.chance.choice((0, 0, 0, 1, 900, 3 * MINUTE, 120 * MINUTE, DAY, self.chance.randrange(12 * DAY)))
        late = min(late, 1) if self.prompt else late
        recorded = max(at + late, follows.recorded_at + 1 if follows else 0)
        payload = self.values.payload(kind, speaker, at, civil.day_of(at, self.zone), said)
        stated = Stated(number(self.chance), kind, speaker, at, recorded, payload)
        self.stated.append(stated)
        self.mark(at)
        self.mark(recorded)
        return stated

    def instants(self, count: int) -> list[int]:
        """Moments to ask at: where something changes, a hair's breadth around it, and anywhere."""
        chance = self.chance
        looked = chance.sample(self.focus, min(len(self.focus), count - 2))
        chosen = [*looked, *chance.sample(self.marks, min(len(self.marks), count - 1 - len(looked)))]
        chosen += chance.sample(self.emergencies, min(1, len(self.emergencies)))
        near = [at + chance.choice((-1000, -1, -1, 0, 0, 0, 1, 1000)) for at in chosen]
        return sorted({*near, self.moment(0, SPAN_DAYS + 200)})


def publishers(kind: str, parties: Sequence[str]) -> list[str]:
    """Those of `parties` whose role may state this event."""
    contract = catalogue().event_types[kind]
    return [party for party in parties if contract.may_state(role(party))]
