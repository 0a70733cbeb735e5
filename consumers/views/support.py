"""The mentors' and volunteers' view: whom they follow, when they last met, and the plan that they are part of.

Rules:
- Every citizen of whom one of these events is visible has a line; all of it rests on the citizen's consent.
- Following somebody runs from the assignment to its end.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_CONTACTS: Final = ("MentorContactHeld", "VolunteerContactHeld")
_NEEDS: Final = {"COORDINATOR": "coordinator"}


def _fold(events: reading.Events) -> Line | None:
    following = reading.open_ones(
        events, ("MentorAssigned", "VolunteerAssigned"), ("MentorEnded", "VolunteerEnded"), "activityId"
    )
    work = reading.open_ones(events, ("EmploymentStarted",), ("EmploymentEnded",), "activityId")
    plan = reading.plan(events, reading.JOINT_PLANS)
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "followed_since": following[-1].occurred_at if following else None,
        "mentor": reading.field_of(following[-1], "mentor") if following else None,
        "last_contact": reading.latest_instant(events, _CONTACTS),
        "attendance": reading.field_of(reading.latest(events, _CONTACTS), "attendance"),
        "employment": reading.field_of(work[-1], "kind") if work else None,
        "housing": reading.field_of(reading.housing(events), "kind"),
        "plan": plan.event_type if plan else None,
        "follow_up": reading.field_of(plan, "followUpDate"),
        "coordinator": reading.coordinator(events),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "support",
    (
        *CUSTODY_COLUMNS,
        Column("followed_since", Shape.INSTANT),
        Column("mentor", Shape.TEXT),
        Column("last_contact", Shape.INSTANT),
        Column("attendance", Shape.CODE),
        Column("employment", Shape.CODE),
        Column("housing", Shape.CODE),
        Column("plan", Shape.CODE),
        Column("follow_up", Shape.DAY),
        Column("coordinator", Shape.TEXT),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.HOUSING
    | reading.COORDINATOR
    | frozenset(reading.JOINT_PLANS)
    | frozenset(reading.TRANSFERS)
    | frozenset(_CONTACTS)
    | {"MentorAssigned", "MentorEnded", "VolunteerAssigned", "VolunteerEnded", "EmploymentStarted", "EmploymentEnded"},
    _fold,
)
