"""How a life is written down: facts with their times, what the life comes to, and the drawing of days, ids and plans.

Rules:
- Days are counted from the day of release, in local civil time; release is at 10:00.
- A fact is recorded some minutes after it happened, one in twenty some days after.
- Ids are drawn from the life's own random numbers, so they are the same in every run.

For `deploy.benchmark.lives`, which draws whole lives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.civil_time import instant_of, zone_of

MUNICIPAL_ROLES: Final = ("SOC", "JOB", "BEN", "ADD", "YTH", "HSG")
STATE_PARTIES: Final = ("PRI", "KIF", "PHE", "PSY")
FIRST_RELEASE: Final = date(2025, 1, 1)
DAYS_OF_RELEASES: Final = 365
LONGEST_BEFORE: Final = 640
LONGEST_AFTER: Final = 420
"""No life has a fact further from its release than this, in days."""
CONTINUED_DAYS: Final = (30, 90, 180)
RETURNED_DAYS: Final = (180, 365, 730)
RELEASED_AT: Final = time(10)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LifeFact:
    """One fact as it is sent. `recorded_at` in milliseconds; `retracts` names the event type that is taken back."""

    party: str
    event_type: str
    values: dict[str, Any]
    occurred_at: datetime
    recorded_at: int
    reference: str
    revision: int = 0
    retracts: str = ""
    key_of_nobody: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a life comes to after release, by how it was drawn.

    `contact_days`: to the first attended contact. `continued`: the place in `CONTINUED_DAYS`, its length for later or
    never, `None` where nothing was begun inside. `returned`: the place in `RETURNED_DAYS`, its length for never.
    """

    kind: str
    month: str
    contact_days: int | None
    continued: int | None
    returned: int
    without_housing: bool
    without_income: bool


@dataclass(frozen=True, slots=True)
class Life:
    """One citizen; `facts` in the order of recording, repeats among them."""

    case_id: str
    born: date
    municipality: str
    facts: tuple[LifeFact, ...]
    outcome: Outcome

    @property
    def publishers(self) -> frozenset[str]:
        """Who states something of this citizen."""
        return frozenset(fact.party for fact in self.facts)


def municipality_code(number: int) -> str:
    """The code of a municipality, `001` for the first."""
    return f"{number + 1:03}"


@dataclass
class Drawing:
    """One life while it is drawn: its random numbers, its facts so far, and what it has come to."""

    rng: Random
    home: str
    zone: ZoneInfo = field(default_factory=lambda: zone_of("DK"))
    facts: list[LifeFact] = field(default_factory=list)
    release_day: date = FIRST_RELEASE
    kind: str = ""
    length: int = 0
    """Days in custody."""
    custody: str = ""
    begun: bool = False
    """Whether anything was begun inside that could go on."""
    went_on: list[tuple[int, time]] = field(default_factory=list)
    contacts: list[int] = field(default_factory=list)

    def state(self, party: str, event_type: str, day: int, hour: int, /, **values: Any) -> None:
        """Add a fact of `day` after release at `hour`; a value given as `...` is that moment."""
        minute = 0 if hour in (8, 9, 10) else self.rng.randrange(60)
        minute = 0 if event_type.startswith(("Released", "TreatmentResumed", "GuidanceSession")) else minute
        moment = datetime.combine(self.release_day + day * DAY, time(hour, minute), self.zone)
        late = self.rng.random() < 0.05
        minutes = self.rng.randrange(24 * 60, 20 * 24 * 60) if late else self.rng.randrange(1, 180)
        said = {name: moment if value is ... else value for name, value in values.items() if value is not None}
        reference = f"{event_type}/{len(self.facts)}"
        self.facts.append(LifeFact(party, event_type, said, moment, instant_of(moment) + minutes * 60_000, reference))

    def day(self, after: int) -> date:
        """The date `after` days after release."""
        return self.release_day + after * DAY

    def inside(self, first: int, last: int) -> int:
        """A day in custody, counted from release: between `first` and `last` days after its start."""
        first = max(1, min(first, self.length - 1))
        return -self.length + self.rng.randrange(first, max(first + 1, min(last, self.length)))

    def plan(self) -> dict[str, Any]:
        """A plan of two items."""
        domains = self.rng.sample(("HOUSING", "SUBSTANCE", "EMPLOYMENT", "EDUCATION", "FINANCE"), 2)
        items = [
            {
                "itemId": self.new_id(),
                "domain": domain,
                "goal": "g1",
                "activityType": "a1",
                "responsible": "PRI",
                "status": "PLANNED",
            }
            for domain in domains
        ]
        return {"planId": self.new_id(), "version": 1, "items": items}

    def new_id(self) -> str:
        """A drawn UUID."""
        return str(UUID(int=self.rng.getrandbits(128), version=4))
