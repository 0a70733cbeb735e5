"""The view of a party whose role has no view of its own: one line per citizen it sees anything of.

Rules:
- Nothing is interpreted: how many events, the first, the last, and who coordinates as far as is visible.
"""

from __future__ import annotations

from typing import Final

from consumers.views import reading
from consumers.views.base import Column, Line, Shape, View


def _fold(events: reading.Events) -> Line | None:
    return {
        "events": len(events),
        "first_at": events[0].occurred_at,
        "last_at": events[-1].occurred_at,
        "last_event": events[-1].event_type,
        "coordinator": reading.coordinator(events),
    }


VIEW: Final = View(
    "summary",
    (
        Column("events", Shape.NUMBER),
        Column("first_at", Shape.INSTANT),
        Column("last_at", Shape.INSTANT),
        Column("last_event", Shape.CODE),
        Column("coordinator", Shape.TEXT),
    ),
    frozenset(),
    _fold,
)
