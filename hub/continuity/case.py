"""One case as known at a cut-off: what every indicator of this room reads.

Rules (domain specification, 6, 4.9.1, 4.9.4):
- Live facts only: recorded by the cut-off, neither corrected nor retracted by then, happened by then. The order in
  which they arrived does not matter.
- A fact happened when it says so itself (`own_time_fields`), else when it occurred. Custody goes by `occurredAt`.
- What was corrected or retracted is kept aside: only "as known then" reads it.
- Days are differences of local civil dates.

Facts come from `hub.case_timeline`, custody and responsibility from `hub.consent`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from contracts.civil_time import Period, add_period, day_date, day_of, resolve
from contracts.fact import Fact
from contracts.parties import Party
from hub.case_timeline.timeline import CaseTimeline, Reader, fact_recorded
from hub.consent.corrections import Superseded
from hub.consent.moment import Moment
from hub.consent.policy import Policy
from hub.consent.responsibility import responsible_municipality
from hub.consent.standing import Person
from hub.continuity.terms import Terms

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
Derived = TypeVar("Derived")


class Known(NamedTuple):
    """A recorded fact, and from when on (milliseconds) it was corrected or retracted."""

    fact: Fact
    until: int | None = None


class Share(NamedTuple):
    """`part` of `whole`; of nothing, nothing."""

    part: int
    whole: int

    def __str__(self) -> str:
        """`2/3`"""
        return f"{self.part}/{self.whole}"


@dataclass(frozen=True)
class KnownCase:
    """A case as known at `at`. `facts` are in the order in which they happened."""

    at: int
    facts: tuple[Fact, ...]
    gone: tuple[Superseded, ...]
    person: Person
    policy: Policy
    terms: Terms
    _responsible: dict[int, str | None] = field(default_factory=dict, compare=False, repr=False)
    _derived: dict[Callable[[KnownCase], Any], Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, recorded: Iterable[Known], person: Person, at: int, policy: Policy, terms: Terms) -> KnownCase:
        """Cut what was recorded, in any order, at `at`."""
        live: list[Fact] = []
        gone: list[Superseded] = []
        for fact, until in recorded:
            if fact.recorded_at > at or policy.is_custody_abroad(fact):
                continue
            if until is not None and until <= at:
                gone.append(Superseded(fact, until))
            elif fact.occurred_at <= at and happened_at(fact, terms) <= at:
                live.append(fact)
        live.sort(key=lambda fact: (happened_at(fact, terms), *fact.order))
        gone.sort(key=lambda each: (each.fact.order, each.until))
        return cls(at, tuple(live), tuple(gone), person, policy, terms)

    def once(self, derive: Callable[[KnownCase], Derived]) -> Derived:
        """What `derive` makes of this case, made once however many ask for it."""
        if derive not in self._derived:
            self._derived[derive] = derive(self)
        derived: Derived = self._derived[derive]
        return derived

    @property
    def zone(self) -> ZoneInfo:
        """The civil time zone of the jurisdiction."""
        return self.policy.zone

    def happened(self, fact: Fact) -> int:
        """When a fact happened."""
        return happened_at(fact, self.terms)

    def of_types(self, *types: str) -> list[Fact]:
        """The facts of these types, in the order in which they happened."""
        return [fact for fact in self.facts if fact.event_type in types]

    def between(self, since: int, before: int, *types: str) -> list[Fact]:
        """The facts of these types that happened from `since`, before `before`."""
        return [fact for fact in self.of_types(*types) if since <= self.happened(fact) < before]

    def by_occurrence(self) -> list[Fact]:
        """The facts in the order in which `hub.consent` reads them."""
        return sorted(self.facts, key=lambda fact: fact.order)

    def known_then(self, then: int, *types: str) -> Iterator[Fact]:
        """The facts of these types that were live at `then`, as known at `then`."""
        for fact in self.facts:
            if fact.event_type in types and fact.recorded_at <= then:
                yield fact
        for gone in self.gone:
            if gone.fact.event_type in types and gone.fact.recorded_at <= then < gone.until:
                yield gone.fact

    def responsible_at(self, instant: int) -> str | None:
        """The municipality that was responsible at `instant`."""
        if instant not in self._responsible:
            moment = Moment(instant, self.policy)
            self._responsible[instant] = responsible_municipality(moment.began_by_now(self.facts), moment)
        return self._responsible[instant]

    def is_of_responsible(self, fact: Fact) -> bool:
        """Whether a party of the municipality responsible when the fact happened stated it."""
        responsible = self.responsible_at(self.happened(fact))
        return responsible is not None and Party(fact.party).municipality == responsible

    def day(self, instant: int) -> int:
        """The local civil day of an instant."""
        return day_of(instant, self.zone)

    def days(self, since: int, until: int) -> int:
        """The difference of the local civil dates of two instants."""
        return self.day(until) - self.day(since)

    def after(self, instant: int, period: Period) -> int:
        """`instant` plus `period`, in local civil time."""
        return add_period(instant, period, self.zone)

    def noon(self, day: int) -> int:
        """12:00 local of a day."""
        return resolve(datetime.combine(day_date(day), time(12)), self.zone)


def happened_at(fact: Fact, terms: Terms) -> int:
    """When a fact happened: by its own time field, else when it occurred."""
    for name in terms.own_time_fields:
        own = fact.payload.get(name)
        if isinstance(own, int):
            return own
    return fact.occurred_at


def recorded_facts(case: CaseTimeline, reader: Reader) -> Iterator[Known]:
    """All facts of a folded case that are or were its own, each with its death if it died."""
    for event_id, entry in case.facts.items():
        if case.is_unlinked(event_id):
            continue
        death = case.dead.get(event_id)
        yield Known(fact_recorded(entry.record, reader), death.at if death else None)
