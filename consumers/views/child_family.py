"""The children's service's view: parents in and out of prison, what is known of their children, and who sees whom.

Rules:
- Every citizen of whom one of these events is visible has a line; the citizen is the parent, or the young person.
- A placement runs from ChildPlaced to ChildPlacementEnded of the same child; a visit is open until held or cancelled.
- Where children are placed, visits are those of the child that is seen least: one without a visit to come first.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import CUSTODY_COLUMNS, MISSING, Column, Line, Shape, View, missing

_NEEDS: Final = {"CHILD_PERSPECTIVE": "perspective_at", "CARE": "care", "COORDINATOR": "coordinator"}


def _fold(events: reading.Events) -> Line | None:
    perspective = reading.latest(events, ("ChildPerspectiveRecorded",))
    placed = reading.open_ones(events, ("ChildPlaced",), ("ChildPlacementEnded",), "childRef")
    visits = [_visits(events, reading.field_of(each, "childRef")) for each in placed] or [_visits(events, None)]
    arranged, last_visit = min(visits, key=lambda visit: (visit[0] is not None, visit[1] or 0))
    infants = reading.open_ones(events, ("InfantStayApproved",), ("InfantStayEnded",), "childRef")
    concern = reading.latest(events, ("ChildConcernNotified",))
    cares = reading.stated_at_start(events, "caresForChild")
    case = reading.own_case(events)
    line: dict[str, object] = reading.custody_line(events) | {
        "planned_release": reading.planned_release(events),
        "cares_for_child": None if cares is None else "YES" if cares else "NO",
        "children": reading.field_of(perspective, "minorChildren"),
        "perspective_at": perspective.occurred_at if perspective else None,
        "care": reading.field_of(perspective, "careArrangement"),
        "child_placement": reading.field_of(placed[-1], "placement") if placed else None,
        "visit_arranged": arranged,
        "last_visit": last_visit,
        "infant_since": infants[-1].occurred_at if infants else None,
        "concern": reading.field_of(concern, "concern"),
        "concern_at": concern.occurred_at if concern else None,
        "case": case.event_type if case else None,
        "coordinator": reading.coordinator(events),
    }
    line["missing"] = missing(line, _NEEDS)
    return line


def _visits(events: reading.Events, child: object) -> tuple[int | None, int | None]:
    """When the last visit was arranged that is open, and when the last one was held; `None` = of whichever child."""
    of_child = [event for event in events if child is None or event.payload.get("childRef", child) == child]
    to_come = reading.open_ones(of_child, ("VisitArranged",), ("VisitHeld", "VisitCancelled"), "visitId")
    return to_come[-1].occurred_at if to_come else None, reading.latest_instant(of_child, ("VisitHeld",))


VIEW: Final = View(
    "child_family",
    (
        *CUSTODY_COLUMNS,
        Column("cares_for_child", Shape.CODE),
        Column("children", Shape.NUMBER),
        Column("perspective_at", Shape.INSTANT),
        Column("care", Shape.CODE),
        Column("child_placement", Shape.CODE),
        Column("visit_arranged", Shape.INSTANT),
        Column("last_visit", Shape.INSTANT),
        Column("infant_since", Shape.INSTANT),
        Column("concern", Shape.CODE),
        Column("concern_at", Shape.INSTANT),
        Column("case", Shape.CODE),
        Column("coordinator", Shape.TEXT),
        MISSING,
    ),
    reading.CUSTODY
    | reading.RELEASE_DATES
    | reading.COORDINATOR
    | frozenset(reading.CASES)
    | frozenset(reading.TRANSFERS)
    | {
        "ChildPerspectiveRecorded",
        "ChildPlaced",
        "ChildPlacementEnded",
        "VisitArranged",
        "VisitHeld",
        "VisitCancelled",
        "InfantStayApproved",
        "InfantStayEnded",
        "ChildConcernNotified",
    },
    _fold,
)
