"""The evaluator's view: what became of each released citizen, under the evaluator's own pseudonym.

Rules:
- A citizen has a line once a release is visible. It is about the latest release; a custody start after it is a return.
- Nothing of offence, risk, network, child, address or free text is read, whatever was sent (never-rule N3).
- An activity that first began in that time in custody and was not completed in it went on where it, or one that
  continues it, shows itself after release (domain specification, I1).
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import Column, Line, Shape, View
from consumers.visible import VisibleEvent

_CONTACTS: Final = ("MunicipalContactHeld", "JobcenterMeetingHeld")
_BEGINNINGS: Final = frozenset(
    {
        "TreatmentStarted", "TreatmentTrialStarted", "ProgrammeStarted", "GuidanceStarted", "EducationStarted",
        "EmploymentStarted", "DebtAdviceStarted", "MentorAssigned",
    }
)  # fmt: skip
_GOING_ON: Final = _BEGINNINGS | {"TreatmentResumed", "GuidanceSessionHeld", "MentorContactHeld"}
_COMPLETED: Final = frozenset({"TreatmentCompleted", "ProgrammeCompleted", "EducationCompleted"})
_ENDED: Final = frozenset({"GuidanceEnded", "EmploymentEnded", "DebtAdviceEnded", "MentorEnded"})
_IDS: Final = ("activityId", "treatmentId", "trialId")


def _ids(event: VisibleEvent) -> set[object]:
    """Every id that an event has for its activity: a treatment is told by its number as well."""
    return {event.payload[name] for name in _IDS if name in event.payload}


def _is_completed(event: VisibleEvent) -> bool:
    return event.event_type in _COMPLETED or (event.event_type in _ENDED and event.payload.get("reason") == "COMPLETED")


def _went_on(events: reading.Events, start: int | None, release: int) -> str | None:
    over = {
        each
        for event in events
        if (event.event_type in _BEGINNINGS and event.occurred_at < (start or 0))
        or (_is_completed(event) and event.occurred_at < release)
        for each in _ids(event)
    }
    begun = [
        ids
        for event in events
        if event.event_type in _BEGINNINGS
        and (start or 0) <= event.occurred_at < release
        and over.isdisjoint(ids := _ids(event))
    ]
    if not begun:
        return None
    named = set[object]().union(*begun)
    later = [
        event
        for event in events
        if event.event_type in _GOING_ON
        and event.occurred_at > release
        and event.payload.get("attendance", "ATTENDED") == "ATTENDED"
    ]
    went_on = any(not named.isdisjoint(_ids(event) | {event.payload.get("continuesId")}) for event in later)
    return "YES" if went_on else "NO"


def fold(events: reading.Events) -> Line | None:
    """One released citizen's line."""
    release = reading.latest(events, reading.RELEASES)
    if release is None:
        return None
    at = release.occurred_at
    before = [event for event in events if event.occurred_at <= at]
    after = [event for event in events if event.occurred_at > at]
    start = reading.custody_began(before)
    contacts = [
        event
        for event in events
        if event.event_type in _CONTACTS and event.occurred_at >= at and event.payload.get("attendance") == "ATTENDED"
    ]
    back = [event for event in after if event.event_type in reading.CUSTODY_STARTS]
    housing = reading.housing(before)
    return {
        "custody_at": start,
        "released_at": at,
        "release_kind": release.event_type,
        "coordinator": reading.coordinator(before),
        "housing": reading.field_of(housing, "kind"),
        "income": reading.income(before),
        "went_on": _went_on(events, start, at),
        "first_contact": contacts[0].occurred_at if contacts else None,
        "returned_at": back[0].occurred_at if back else None,
    }


COLUMNS: Final = (
    Column("custody_at", Shape.INSTANT),
    Column("released_at", Shape.INSTANT),
    Column("release_kind", Shape.CODE),
    Column("coordinator", Shape.TEXT),
    Column("housing", Shape.CODE),
    Column("income", Shape.CODES),
    Column("went_on", Shape.CODE),
    Column("first_contact", Shape.INSTANT),
    Column("returned_at", Shape.INSTANT),
)
EVENT_TYPES: Final = (
    reading.CUSTODY
    | reading.HOUSING
    | reading.INCOME
    | reading.COORDINATOR
    | _GOING_ON
    | _COMPLETED
    | _ENDED
    | frozenset(_CONTACTS)
) - {"RecalledToPrison"}  # its anchor is risk
VIEW: Final = View("cohort", COLUMNS, EVENT_TYPES, fold)
