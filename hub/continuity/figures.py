"""The tables that steering group, operator and evaluator read: what is counted of each case, and where.

Rules (domain specification, 3 and 6):
- ACTIVE_EFFORTS: efforts open at the cut-off, by domain and provider.
- TREATMENTS: treatments begun in the month, by target group and funding: no figure mixes target groups.
- TRIALS: treatment trials begun so many months before that their end is known (`terms`), by funding and outcome.
- SCHEME: treatments that rest on an agreement which came to its end in the month, by agreement and what became of them;
  SCHEME_CONTINUED: releases of citizens of such a scheme, by agreement and whether something went on.
- COSTS: treatments begun or resumed under an agreement in the month, by who bears them, in custody or after release.
- ANONYMOUS_CONTACTS: contacts of the month counted without a name, by setting.
- The indicators and barriers have tables of their own (`measures`, `table`).
- What happens once is counted in one month only, as known at that month's end: two drawings can not be compared to
  tell what came in between. That is not so of what is open at the cut-off (ACTIVE_EFFORTS).

Every table but the anonymous one counts things of citizens; `suppression` keeps small cells back. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from contracts.civil_time import day_number, local_of, start_of_day
from contracts.fact import Fact
from hub.consent.agreements import CITED_BY_FIELD, Registered
from hub.continuity.activities import continuation
from hub.continuity.case import KnownCase
from hub.continuity.costs import bearer_of, phase_of
from hub.continuity.efforts import open_efforts
from hub.continuity.episodes import Episode, episodes_of
from hub.continuity.suppression import TOTAL, Cell, Count, shown_cells
from hub.continuity.trials import trials

ANONYMOUS_CONTACTS: Final = "ANONYMOUS_CONTACTS"
RUNNING: Final = "RUNNING"
NOT_STATED: Final = "NOT_STATED"
WENT_ON: Final = "WENT_ON"
DID_NOT_GO_ON: Final = "DID_NOT_GO_ON"

RegisteredById = Mapping[str, Registered]
"""Agreement id -> what was last registered of it, by the cut-off."""


class Tally(NamedTuple):
    """One thing counted of one citizen."""

    table: str
    row: str
    column: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table as it may be shown."""

    name: str
    cells: tuple[Cell, ...]


def tallies_of(case: KnownCase, month: Month, agreements: RegisteredById) -> Iterator[Tally]:
    """Everything that is counted of one case in `month`, each thing once; `case` is as known at its end."""
    for count_in in _TABLES.values():
        yield from count_in(case, month, agreements)


@dataclass(frozen=True, slots=True)
class Month:
    """The month that is drawn: from 00:00 local of its first day; `end` is the cut-off. `earlier` is a month before it.

    Instants in milliseconds.
    """

    start: int
    end: int
    zone: ZoneInfo

    @classmethod
    def of(cls, first: date, zone: ZoneInfo) -> Month:
        """The month that begins on `first`."""
        return cls(_midnight(first, zone), _midnight(_months_after(first, 1), zone), zone)

    def earlier(self, months: int) -> Month:
        """The month so many months before."""
        return Month.of(_months_after(local_of(self.start, self.zone).date(), -months), self.zone)

    def has(self, instant: int) -> bool:
        """Whether `instant` lies in it."""
        return self.start <= instant < self.end


def _months_after(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return start_of_day(day_number(day), zone)


class Counting:
    """Takes in case after case; holds counts and which citizens they are of, and nothing else."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[tuple[str, str], list[str]]] = {}

    def take(self, person: str, tallies: Iterable[Tally]) -> None:
        """Count what was found in the case of `person`, a name that only tells citizens apart."""
        for table, row, column in tallies:
            self._counts.setdefault(table, {}).setdefault((row, column), []).append(person)

    def tables(self, smallest: int) -> list[Table]:
        """Return each table with the cells that may be shown; one of which nothing may be shown is empty."""
        return [
            Table(
                name,
                tuple(
                    shown_cells(
                        {
                            place: Count(len(persons), frozenset(persons))
                            for place, persons in self._counts.get(name, {}).items()
                        },
                        smallest,
                        with_sums=True,
                    )
                ),
            )
            for name in _TABLES
        ]


def anonymous_contacts(counted: Iterable[Fact], month: Month, smallest: int) -> Table:
    """Return the contacts counted without a name; a cell of fewer than `smallest` contacts is left out.

    Nobody knows how many people were met: each contact is taken for one.
    """
    sums: dict[str, int] = {}
    for fact in counted:
        if month.has(start_of_day(fact.payload["date"], month.zone)):
            setting = str(fact.payload["setting"])
            sums[setting] = sums.get(setting, 0) + int(fact.payload["contacts"])
    cells = (Cell(setting, TOTAL, number) for setting, number in sorted(sums.items()) if number >= smallest)
    return Table(ANONYMOUS_CONTACTS, tuple(cells))


# --- what is counted of a case


def _active_efforts(case: KnownCase, _: Month, __: RegisteredById) -> Iterator[Tally]:
    for effort in open_efforts(case):
        yield Tally("ACTIVE_EFFORTS", effort.domain, effort.provider)


def _treatments(case: KnownCase, month: Month, _: RegisteredById) -> Iterator[Tally]:
    begun: dict[str, Fact] = {}
    for fact in case.of_types("TreatmentStarted"):
        begun.setdefault(str(fact.payload["treatmentId"]), fact)
    for fact in begun.values():
        if month.has(case.happened(fact)):
            funding = fact.payload.get("funding") or NOT_STATED
            yield Tally("TREATMENTS", str(fact.payload["targetGroup"]), str(funding))


def _trials(case: KnownCase, month: Month, _: RegisteredById) -> Iterator[Tally]:
    counted = month.earlier(case.terms.trials_counted_after_months)
    begun: dict[str, int] = {}
    for fact in case.of_types("TreatmentTrialStarted"):
        begun.setdefault(str(fact.payload["trialId"]), case.happened(fact))
    for trial in trials(case):
        if counted.has(begun[trial.trial_id]):
            yield Tally("TRIALS", trial.funding, trial.outcome or RUNNING)


def _scheme(case: KnownCase, month: Month, agreements: RegisteredById) -> Iterator[Tally]:
    steps = case.of_types(*case.terms.treatment_opened_by, *case.terms.treatment_closed_by)
    last = {str(fact.payload["treatmentId"]): fact for fact in steps}
    rested = {
        (agreement_id, str(fact.payload["treatmentId"]))
        for fact in steps
        for agreement_id in _cited_that_ended(fact, month, agreements)
    }
    for agreement_id, treatment_id in sorted(rested):
        fact = last[treatment_id]
        opened = fact.event_type in case.terms.treatment_opened_by
        yield Tally("SCHEME", agreement_id, RUNNING if opened else fact.event_type.removeprefix("Treatment").upper())


def _scheme_continued(case: KnownCase, month: Month, agreements: RegisteredById) -> Iterator[Tally]:
    rested = {
        agreement_id
        for fact in case.of_types(*case.terms.treatment_opened_by)
        for agreement_id in _cited_that_ended(fact, month, agreements)
    }
    for episode in episodes_of(case) if rested else ():
        if episode.end is not None:
            found = continuation(case, episode.start, episode.end)
            went_on = found.within(case, case.terms.continued_within[-1]).part > 0
            for agreement_id in sorted(rested) if found.first_continued else ():
                yield Tally("SCHEME_CONTINUED", agreement_id, WENT_ON if went_on else DID_NOT_GO_ON)


def _costs(case: KnownCase, month: Month, agreements: RegisteredById) -> Iterator[Tally]:
    episodes = episodes_of(case)
    for fact in case.of_types(*case.terms.treatment_opened_by):
        registered = agreements.get(str(fact.payload.get(CITED_BY_FIELD)))
        if registered is not None and month.has(case.happened(fact)):
            phase = phase_of(_is_in_custody(episodes, case.happened(fact)))
            yield Tally("COSTS", bearer_of(case, fact, registered.cost_rule, phase), phase)


def _cited_that_ended(fact: Fact, month: Month, agreements: RegisteredById) -> Iterator[str]:
    """The agreement that a fact cites, if it came to its end in the month."""
    cited = str(fact.payload.get(CITED_BY_FIELD))
    registered = agreements.get(cited)
    end = None if registered is None else registered.end
    if end is not None and month.has(end):
        yield cited


def _is_in_custody(episodes: Iterable[Episode], instant: int) -> bool:
    # One that was overtaken by another has no release of its own: what ended the last one ended custody.
    begun = [each for each in episodes if each.start <= instant]
    return bool(begun) and (begun[-1].end is None or instant < begun[-1].end)


_TABLES: Final[Mapping[str, Callable[[KnownCase, Month, RegisteredById], Iterator[Tally]]]] = {
    "ACTIVE_EFFORTS": _active_efforts,
    "TREATMENTS": _treatments,
    "TRIALS": _trials,
    "SCHEME": _scheme,
    "SCHEME_CONTINUED": _scheme_continued,
    "COSTS": _costs,
}
