"""The prison's release board: who is in custody, when they leave, and what waits for them outside.

Rules:
- A citizen has a line once a start of custody or a release is visible.
- After release the prison holds its own records alone, so the line keeps little more than the release itself.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import MISSING, Column, Line, Shape, View, missing

_NEEDS: Final = {
    "RELEASE_DATE": "planned_release",
    "PLAN": "plan",
    "COORDINATOR": "coordinator",
    "HOUSING": "housing",
    "INCOME": "income",
}


def _fold(events: reading.Events) -> Line | None:
    line = reading.custody_line(events)
    if not line:
        return None
    housing, plan = reading.housing(events), reading.plan(events)
    line |= {
        "earliest_parole": reading.stated_at_start(events, "earliestParole"),
        "planned_release": reading.planned_release(events),
        "plan": plan.event_type if plan else None,
        "coordinator": reading.coordinator(events),
        "housing": reading.field_of(housing, "kind"),
        "housing_from": reading.field_of(housing, "startsOn"),
        "income": reading.income(events),
        "plans_differ": reading.plans_differ(events),
        "kept_open_until": reading.field_of(reading.latest(events, ("CaseKeptOpen",)), "keepOpenUntil"),
    }
    if line["custody"] != "RELEASED":
        line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "prison",
    (
        Column("custody", Shape.CODE),
        Column("since", Shape.INSTANT),
        Column("institution", Shape.TEXT),
        Column("earliest_parole", Shape.DAY),
        Column("planned_release", Shape.DAY),
        Column("plan", Shape.CODE),
        Column("plans_differ", Shape.CODES),
        Column("coordinator", Shape.TEXT),
        Column("housing", Shape.CODE),
        Column("housing_from", Shape.DAY),
        Column("income", Shape.CODES),
        Column("kept_open_until", Shape.DAY),
        Column("released_at", Shape.INSTANT),
        Column("release_kind", Shape.CODE),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.HOUSING
    | reading.INCOME
    | reading.COORDINATOR
    | frozenset(reading.PLANS)
    | frozenset(reading.TRANSFERS)
    | {"CaseKeptOpen"},
    _fold,
)
