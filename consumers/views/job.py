"""The job centre's view: who can start work or schooling, what runs already, and the plan around it.

Rules:
- Every citizen of whom one of these events is visible has a line.
- An effort that began in prison and one that continues it outside are both shown until each has ended.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_NEEDS: Final = {"COORDINATOR": "coordinator", "EMPLOYMENT": "employment", "MENTOR": "mentor"}


def _fold(events: reading.Events) -> Line | None:
    work = reading.open_ones(events, ("EmploymentStarted",), ("EmploymentEnded",), "activityId")
    courses = reading.open_ones(
        events, ("ProgrammeStarted",), ("ProgrammeInterrupted", "ProgrammeCompleted"), "activityId"
    )
    mentors = reading.open_ones(events, ("MentorAssigned",), ("MentorEnded",), "activityId")
    plan = reading.plan(events, reading.JOINT_PLANS)
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "employment": reading.field_of(work[-1], "kind") if work else None,
        "programme": reading.field_of(courses[-1], "domain") if courses else None,
        "mentor": reading.field_of(mentors[-1], "provider") if mentors else None,
        "plan": plan.event_type if plan else None,
        "follow_up": reading.field_of(plan, "followUpDate"),
        "coordinator": reading.coordinator(events),
        "consultant": reading.consultant(events),
        "last_meeting": reading.latest_instant(events, ("JobcenterMeetingHeld",)),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "job",
    (
        *CUSTODY_COLUMNS,
        Column("employment", Shape.CODE),
        Column("programme", Shape.CODE),
        Column("mentor", Shape.TEXT),
        Column("plan", Shape.CODE),
        Column("follow_up", Shape.DAY),
        Column("coordinator", Shape.TEXT),
        Column("consultant", Shape.TEXT),
        Column("last_meeting", Shape.INSTANT),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.COORDINATOR
    | frozenset(reading.JOINT_PLANS)
    | frozenset(reading.TRANSFERS)
    | {
        "EmploymentStarted",
        "EmploymentEnded",
        "ProgrammeStarted",
        "ProgrammeInterrupted",
        "ProgrammeCompleted",
        "MentorAssigned",
        "MentorEnded",
        "JobcenterMeetingHeld",
    },
    _fold,
)
