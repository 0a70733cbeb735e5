"""The treatment institution's view: who is placed there, until when, who pays, and which breach was reported.

Rules:
- Every citizen of whom one of these events is visible has a line.
- A placement runs from CarePlacementStarted to CarePlacementEnded of the same placement.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_NEEDS: Final = {"COORDINATOR": "coordinator", "PLAN": "plan"}


def _fold(events: reading.Events) -> Line | None:
    placements = reading.open_ones(events, ("CarePlacementStarted",), ("CarePlacementEnded",), "placementId")
    placement = placements[-1] if placements else None
    treatment, plan = reading.treatment(events), reading.plan(events)
    awaited = reading.awaited(events)
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "placed_since": placement.occurred_at if placement else None,
        "placement": reading.field_of(placement, "kind"),
        "placed_until": reading.field_of(placement, "plannedEnd"),
        "cost_bearer": reading.field_of(placement, "costBearer"),
        "cost_shift": reading.field_of(placement, "costShiftDate"),
        "breach_at": reading.latest_instant(events, ("CarePlacementBreached",)),
        "treatment": treatment.event_type if treatment else None,
        "awaited_by": reading.field_of(awaited, "to"),
        "referred_at": awaited.occurred_at if awaited else None,
        "plan": plan.event_type if plan else None,
        "coordinator": reading.coordinator(events),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


VIEW: Final = View(
    "placement",
    (
        *CUSTODY_COLUMNS,
        Column("placed_since", Shape.INSTANT),
        Column("placement", Shape.CODE),
        Column("placed_until", Shape.DAY),
        Column("cost_bearer", Shape.CODE),
        Column("cost_shift", Shape.DAY),
        Column("breach_at", Shape.INSTANT),
        Column("treatment", Shape.CODE),
        Column("awaited_by", Shape.TEXT),
        Column("referred_at", Shape.INSTANT),
        Column("plan", Shape.CODE),
        Column("coordinator", Shape.TEXT),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.COORDINATOR
    | frozenset(reading.PLANS)
    | frozenset(reading.TREATMENT)
    | frozenset(reading.TRANSFERS)
    | {"CarePlacementStarted", "CarePlacementEnded", "CarePlacementBreached"},
    _fold,
)
