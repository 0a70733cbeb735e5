"""The benefit office's view: who loses or regains a claim because custody starts or ends, and what is paid.

Rules:
- Every citizen of whom one of these events is visible has a line.
- A benefit is running from BenefitGranted to BenefitStopped of the same benefit; an application counts as open
  until it is granted, refused or stopped.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_NEEDS: Final = {"BENEFIT": "benefits", "HOUSING": "housing"}


def _fold(events: reading.Events) -> Line | None:
    running = reading.open_ones(events, ("BenefitGranted",), ("BenefitStopped",), "benefitId")
    applied = reading.open_ones(
        events, ("BenefitApplied",), ("BenefitGranted", "BenefitRefused", "BenefitStopped"), "benefitId"
    )
    work = reading.open_ones(events, ("EmploymentStarted",), ("EmploymentEnded",), "activityId")
    housing = reading.housing(events)
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "kept_open_until": reading.field_of(reading.latest(events, ("CaseKeptOpen",)), "keepOpenUntil"),
        "benefits": [event.payload["kind"] for event in running if "kind" in event.payload],
        "applied_for": [event.payload["kind"] for event in applied if "kind" in event.payload],
        "stopped_at": reading.latest_instant(events, ("BenefitStopped",)),
        "employment": reading.field_of(work[-1], "kind") if work else None,
        "housing": reading.field_of(housing, "kind"),
        "housing_from": reading.field_of(housing, "startsOn"),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "benefit",
    (
        *CUSTODY_COLUMNS,
        Column("kept_open_until", Shape.DAY),
        Column("benefits", Shape.CODES),
        Column("applied_for", Shape.CODES),
        Column("stopped_at", Shape.INSTANT),
        Column("employment", Shape.CODE),
        Column("housing", Shape.CODE),
        Column("housing_from", Shape.DAY),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.HOUSING
    | reading.INCOME
    | frozenset(reading.TRANSFERS)
    | {"BenefitApplied", "BenefitRefused", "CaseKeptOpen"},
    _fold,
)
