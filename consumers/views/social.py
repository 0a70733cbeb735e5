"""The municipal social service's view: its citizens in and out of prison, and what is arranged for them.

Rules:
- Every citizen of whom one of these events is visible has a line.
- `case` says whether the service's case is open as far as is visible here, whoever of the municipality opened it.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_NEEDS: Final = {"CASE": "case", "COORDINATOR": "coordinator", "PLAN": "plan", "HOUSING": "housing", "INCOME": "income"}


def _fold(events: reading.Events) -> Line | None:
    case, housing, plan = reading.own_case(events), reading.housing(events), reading.plan(events)
    treatment = reading.treatment(events)
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "case": case.event_type if case else None,
        "kept_open_until": reading.field_of(reading.latest(events, ("CaseKeptOpen",)), "keepOpenUntil"),
        "coordinator": reading.coordinator(events),
        "consultant": reading.consultant(events),
        "plan": plan.event_type if plan else None,
        "plans_differ": reading.plans_differ(events),
        "follow_up": reading.field_of(plan, "followUpDate"),
        "housing": reading.field_of(housing, "kind"),
        "housing_from": reading.field_of(housing, "startsOn"),
        "income": reading.income(events),
        "treatment": treatment.event_type if treatment else None,
        "last_contact": reading.latest_instant(events, ("MunicipalContactHeld",)),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "social",
    (
        *CUSTODY_COLUMNS,
        Column("case", Shape.CODE),
        Column("kept_open_until", Shape.DAY),
        Column("coordinator", Shape.TEXT),
        Column("consultant", Shape.TEXT),
        Column("plan", Shape.CODE),
        Column("plans_differ", Shape.CODES),
        Column("follow_up", Shape.DAY),
        Column("housing", Shape.CODE),
        Column("housing_from", Shape.DAY),
        Column("income", Shape.CODES),
        Column("treatment", Shape.CODE),
        Column("last_contact", Shape.INSTANT),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.HOUSING
    | reading.INCOME
    | reading.COORDINATOR
    | frozenset(reading.PLANS)
    | frozenset(reading.CASES)
    | frozenset(reading.TREATMENT)
    | frozenset(reading.TRANSFERS)
    | {"CaseKeptOpen", "MunicipalContactHeld"},
    _fold,
)
