"""Probation's view: who is under supervision or coming out to it, on what terms, and what is in place.

Rules:
- A citizen has a line once custody, release or supervision is visible.
- Supervision runs from SupervisionStarted to SupervisionEnded of the same supervision.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_NEEDS: Final = {"PLAN": "plan", "COORDINATOR": "coordinator", "HOUSING": "housing", "INCOME": "income"}


def _fold(events: reading.Events) -> Line | None:
    line = reading.custody_line(events)
    running = reading.open_ones(events, ("SupervisionStarted",), ("SupervisionEnded",), "supervisionId")
    if not line and not running:
        return None
    supervision = running[-1] if running else None
    release = reading.latest(events, reading.RELEASES)
    terms = reading.field_of(supervision, "conditions") or reading.field_of(release, "conditions")
    housing, plan = reading.housing(events), reading.plan(events)
    danger = reading.latest(events, ("KspActivated", "KspEnded"))
    line |= {
        "planned_release": reading.planned_release(events),
        "supervised_since": supervision.occurred_at if supervision else None,
        "supervised_until": reading.field_of(supervision, "until"),
        "conditions": terms,
        "plan": plan.event_type if plan else None,
        "plans_differ": reading.plans_differ(events),
        "coordinator": reading.coordinator(events),
        "consultant": reading.consultant(events),
        "housing": reading.field_of(housing, "kind"),
        "housing_from": reading.field_of(housing, "startsOn"),
        "income": reading.income(events),
        "danger_until": reading.field_of(danger, "endsOn") if danger and danger.event_type == "KspActivated" else None,
        "last_contact": reading.latest_instant(events, ("MunicipalContactHeld",)),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "probation",
    (
        *CUSTODY_COLUMNS,
        Column("supervised_since", Shape.INSTANT),
        Column("supervised_until", Shape.DAY),
        Column("conditions", Shape.CODES),
        Column("plan", Shape.CODE),
        Column("plans_differ", Shape.CODES),
        Column("coordinator", Shape.TEXT),
        Column("consultant", Shape.TEXT),
        Column("housing", Shape.CODE),
        Column("housing_from", Shape.DAY),
        Column("income", Shape.CODES),
        Column("danger_until", Shape.DAY),
        Column("last_contact", Shape.INSTANT),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.HOUSING
    | reading.INCOME
    | reading.COORDINATOR
    | frozenset(reading.PLANS)
    | frozenset(reading.TRANSFERS)
    | {"SupervisionStarted", "SupervisionEnded", "KspActivated", "KspEnded", "MunicipalContactHeld"},
    _fold,
)
