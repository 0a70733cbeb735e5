"""I1: does what began in custody go on after release?

Rules (domain specification, 6, I1):
- A = the ids (`activityId`, else `treatmentId` or `trialId`) that first began at or after s and before r, and the
  activities of the sentence plan and joint plan in force at r that are planned to start within 30 days; without
  those completed before r.
- An activity continues within N days if an event with its id, or continuing it, happened after r and by r + N days,
  of a type that is a start, a resumption, a session or a contact, attended as far as attendance is stated.
- A fact may leave out the activity where it states the treatment or trial: ids that one fact states name one activity.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from contracts.civil_time import Period, start_of_day
from contracts.fact import Fact
from hub.continuity.case import KnownCase, Share
from hub.continuity.plans import joint_plan, sentence_plan

_IDS: Final = ("activityId", "treatmentId", "trialId")


@dataclass(frozen=True, slots=True)
class Continuation:
    """The activities of one release, each with the instant at which it first went on, if it did."""

    released_at: int
    first_continued: Mapping[str, int | None]

    def within(self, case: KnownCase, period: Period) -> Share:
        """How many of the activities went on within `period`."""
        limit = case.after(self.released_at, period)
        continued = [at for at in self.first_continued.values() if at is not None and at <= limit]
        return Share(len(continued), len(self.first_continued))

    def days(self, case: KnownCase) -> int | None:
        """Days until the first of them went on."""
        continued = [at for at in self.first_continued.values() if at is not None]
        return case.days(self.released_at, min(continued)) if continued else None


def activity_of(fact: Fact) -> str | None:
    """The id of the activity that a fact is about."""
    return next(iter(ids_of(fact)), None)


def ids_of(fact: Fact) -> list[str]:
    """Every id by which a fact names the activity that it is about, the one that stands for it first."""
    return [str(found) for name in _IDS if (found := fact.payload.get(name)) is not None]


def continuation(case: KnownCase, start: int, released_at: int) -> Continuation:
    """I1 for one release."""
    names = _names(case, _begun(case, start, released_at) | _planned(case, released_at))
    completed = _completed(case, released_at)
    return Continuation(
        released_at,
        {
            activity: _first_continued(case, names[activity], released_at)
            for activity in sorted(names)
            if names[activity].isdisjoint(completed)
        },
    )


def _begun(case: KnownCase, start: int, released_at: int) -> set[str]:
    first: dict[str, int] = {}
    for fact in case.of_types(*case.terms.begun_by):
        activity = activity_of(fact)
        if activity is not None:
            first.setdefault(activity, case.happened(fact))
    return {activity for activity, at in first.items() if start <= at < released_at}


def _planned(case: KnownCase, released_at: int) -> set[str]:
    limit = case.after(released_at, case.terms.planned_within)
    items = [*sentence_plan(case, released_at).items, *joint_plan(case, released_at).items]
    return {
        str(item["activityId"])
        for item in items
        if item.get("activityId") is not None
        and item.get("plannedStart") is not None
        and start_of_day(item["plannedStart"], case.zone) < limit
    }


def _names(case: KnownCase, activities: Iterable[str]) -> dict[str, set[str]]:
    names = {activity: {activity} for activity in activities}
    for fact in case.facts:
        ids = ids_of(fact)
        for activity in names.keys() & ids:
            names[activity].update(ids)
    return names


def _completed(case: KnownCase, released_at: int) -> set[str]:
    completed: set[str] = set()
    for fact in case.of_types(*case.terms.completed_by, *case.terms.completed_by_reason):
        by_reason = fact.event_type in case.terms.completed_by_reason
        if by_reason and fact.payload.get("reason") != case.terms.completed_reason:
            continue
        if case.happened(fact) < released_at:
            completed.update(ids_of(fact))
    return completed


def _first_continued(case: KnownCase, names: set[str], released_at: int) -> int | None:
    for fact in case.facts:
        if (
            case.happened(fact) > released_at
            and fact.event_type.endswith(case.terms.continued_by_suffix)
            and not names.isdisjoint((*ids_of(fact), fact.payload.get("continuesId")))
            and fact.payload.get("attendance") in (None, case.terms.attended)
        ):
            return case.happened(fact)
    return None
