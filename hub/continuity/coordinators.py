"""I5 and I6: one coordinator through it all, and one in place three months before release.

Rules (domain specification, 6, I5, I6):
- Who coordinates at an instant is `hub.consent.coordination`'s answer.
- A change is an assignment or hand-over in [s, r + 180 days] whose party, or coordinator where both name one, differs
  from the one before it in that window.
- Gap days are whole local days without any coordinator in that window, after the first assignment ever.
- I6 looks at 12:00 on the day 90 days before the release date that was planned, as known 90 days before r; where none
  was known then, before the day of r. Remand episodes are left out and reported apart.

Pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contracts.civil_time import Period, start_of_day
from contracts.fact import Fact
from hub.consent.coordination import coordinator_of
from hub.consent.moment import Moment
from hub.continuity.case import KnownCase, Share
from hub.continuity.episodes import Episode, planned_release

_ASSIGNED = ("CoordinatorAssigned", "CoordinatorHandedOver")
_COORDINATION = (*_ASSIGNED, "CoordinatorVacated")


@dataclass(frozen=True, slots=True)
class Coordination:
    """I5 of one episode. `joint_handovers`: the changes that were made in a joint meeting."""

    changes: int
    gap_days: int
    joint_handovers: Share


def coordination(case: KnownCase, episode: Episode) -> Coordination:
    """I5; the window ends at the cut-off where that comes first."""
    until = case.at
    if episode.end is not None:
        until = min(until, case.after(episode.end, case.terms.coordinator_window))
    changed = list(_changes(case.between(episode.start, until + 1, *_ASSIGNED)))
    joint = sum(fact.payload.get("jointHandoverMeeting") is True for fact in changed)
    return Coordination(len(changed), _gap_days(case, episode.start, until), Share(joint, len(changed)))


def caseloads(case: KnownCase) -> Mapping[tuple[str, str], int]:
    """The last caseload stated of each coordinator, by party and pseudonymous staff id; the newest statement last."""
    found: dict[tuple[str, str], int] = {}
    for fact in case.of_types(*_ASSIGNED):
        payload = fact.payload
        if payload.get("caseload") is not None and payload.get("coordinator") is not None:
            coordinator = str(payload["party"]), str(payload["coordinator"])
            found.pop(coordinator, None)
            found[coordinator] = int(payload["caseload"])
    return found


def without_coordinator_before_release(case: KnownCase, episode: Episode) -> bool | None:
    """I6 of one release; `None` while there is none."""
    if episode.end is None:
        return None
    days = case.terms.coordinator_before_release_days
    planned = planned_release(case, episode, case.after(episode.end, Period(days=-days)))
    looked_at = case.noon((case.day(episode.end) if planned is None else planned) - days)
    return coordinator_at(case, looked_at) is None


def coordinator_at(case: KnownCase, instant: int) -> str | None:
    """The party that coordinates at `instant`."""
    facts = [fact for fact in case.of_types(*_COORDINATION) if case.happened(fact) <= instant]
    return coordinator_of(facts, Moment(instant, case.policy))


def _changes(assignments: list[Fact]) -> Iterator[Fact]:
    for before, after in itertools.pairwise(assignments):
        people = [fact.payload.get("coordinator") for fact in (before, after)]
        another_person = None not in people and people[0] != people[1]
        if another_person or before.payload.get("party") != after.payload.get("party"):
            yield after


def _gap_days(case: KnownCase, since: int, until: int) -> int:
    facts = case.of_types(*_COORDINATION)
    first = next((case.happened(fact) for fact in facts if fact.event_type in _ASSIGNED), None)
    if first is None:
        return 0
    changes = [at for fact in facts if max(since, first) < (at := case.happened(fact)) < until]
    edges = [max(since, first), *changes, until]
    empty: list[tuple[int, int]] = []
    for begin, end in itertools.pairwise(edges):
        if begin >= end or coordinator_at(case, begin) is not None:
            continue
        if empty and empty[-1][1] == begin:
            begin = empty.pop()[0]
        empty.append((begin, end))
    return sum(_whole_days(case, begin, end) for begin, end in empty)


def _whole_days(case: KnownCase, begin: int, end: int) -> int:
    return sum(
        begin <= start_of_day(day, case.zone) and start_of_day(day + 1, case.zone) <= end
        for day in range(case.day(begin), case.day(end) + 1)
    )
