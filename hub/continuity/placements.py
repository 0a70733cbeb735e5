"""Placements: how many days, and when their cost moves to another bearer.

Rules: days from start to end, to the cut-off while it runs, as differences of local civil dates; the cost shifts on
the latest date stated for any placement of the case. Pure.
"""

from __future__ import annotations

from contracts.fact import Fact
from hub.continuity.case import KnownCase


def placement_days(case: KnownCase) -> int:
    """The days in placements, all together."""
    started: dict[str, Fact] = {}
    days = 0
    for fact in case.of_types("CarePlacementStarted", "CarePlacementEnded"):
        placement_id = str(fact.payload["placementId"])
        if fact.event_type == "CarePlacementStarted":
            started.setdefault(placement_id, fact)
        elif placement_id in started:
            days += case.days(case.happened(started.pop(placement_id)), case.happened(fact))
    return days + sum(case.days(case.happened(fact), case.at) for fact in started.values())


def cost_shift_day(case: KnownCase) -> int | None:
    """The day (a number) on which the cost of a placement moves; `None` where none is stated."""
    stated = [
        fact.payload["costShiftDate"]
        for fact in case.of_types("CarePlacementStarted", "CarePlacementEnded")
        if fact.payload.get("costShiftDate") is not None
    ]
    return int(stated[-1]) if stated else None
