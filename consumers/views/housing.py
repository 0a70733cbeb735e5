"""The housing service's view: who comes out to which roof, whose application is open, and which effort runs.

Rules:
- Every citizen of whom one of these events is visible has a line.
- An application is open from HousingApplied or HousingOffered until the same housing is secured, refused or lost.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_APPLICATIONS: Final = ("HousingApplied", "HousingOffered")
_ANSWERS: Final = ("HousingSecured", "HousingRefused", "HousingLost")
_NEEDS: Final = {"HOUSING": "housing", "COORDINATOR": "coordinator"}


def _fold(events: reading.Events) -> Line | None:
    housing, plan = reading.housing(events), reading.plan(events, reading.JOINT_PLANS)
    applications = reading.open_ones(events, _APPLICATIONS, _ANSWERS, "housingId")
    efforts = reading.open_ones(events, ("HousingSocialEffortStarted",), ("HousingSocialEffortEnded",), "activityId")
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "housing": reading.field_of(housing, "kind"),
        "housing_from": reading.field_of(housing, "startsOn"),
        "housing_asked": applications[-1].event_type if applications else None,
        "housing_asked_at": applications[-1].occurred_at if applications else None,
        "housing_lost_at": reading.latest_instant(events, ("HousingLost",)),
        "effort": reading.field_of(efforts[-1], "effortType") if efforts else None,
        "master_plan": reading.field_of(efforts[-1], "masterPlan") if efforts else None,
        "plan": plan.event_type if plan else None,
        "follow_up": reading.field_of(plan, "followUpDate"),
        "coordinator": reading.coordinator(events),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "housing",
    (
        *CUSTODY_COLUMNS,
        Column("housing", Shape.CODE),
        Column("housing_from", Shape.DAY),
        Column("housing_asked", Shape.CODE),
        Column("housing_asked_at", Shape.INSTANT),
        Column("housing_lost_at", Shape.INSTANT),
        Column("effort", Shape.CODE),
        Column("master_plan", Shape.TEXT),
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
    | frozenset(_APPLICATIONS)
    | {"HousingRefused", "HousingSocialEffortStarted", "HousingSocialEffortEnded"},
    _fold,
)
