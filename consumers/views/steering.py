"""The steering group's and the operator's view: the figures that were drawn for them, and never a line (N2).

Rules:
- It reads `FiguresDrawn` alone: sums that the hub drew at the end of a month, with small cells left out already.
- The newest telling of a table of a month counts. Months stay beside each other; the board shows one of them.
- A cell is a list, in the order of `CELL`; numbers with decimals are text.
"""

from __future__ import annotations

from typing import Any, Final

from consumers.views import reading
from consumers.views.base import Column, Line, Shape, View

DRAWN: Final = "FiguresDrawn"
CELL: Final = (
    "month", "table", "place", "period", "row", "measure", "column", "count", "of", "median", "ninthDecile",
)  # fmt: skip


def _fold(events: reading.Events) -> Line | None:
    newest: dict[tuple[Any, Any, Any], list[list[Any]]] = {}
    for event in events:
        payload = event.payload
        if event.event_type == DRAWN and "month" in payload and "table" in payload:
            place = (payload["month"], payload["table"], payload.get("place"))
            newest[place] = [_cell(place, cell) for cell in payload.get("cells") or ()]
    figures = [cell for place in sorted(newest, key=str) for cell in newest[place]]
    return {"figures": figures} if newest else None


def _cell(place: tuple[Any, Any, Any], cell: dict[str, Any]) -> list[Any]:
    known = dict(zip(CELL[:3], place, strict=True)) | cell
    return [_number(known.get(name)) for name in CELL]


def _number(value: Any) -> Any:
    """A decimal of the wire as text; whatever else is there as it is."""
    if not isinstance(value, bytes):
        return value
    hundredths = int.from_bytes(value, "big", signed=True)
    sign = "-" if hundredths < 0 else ""
    return f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02}"


VIEW: Final = View("steering", (Column("figures", Shape.FIGURES),), frozenset({DRAWN}), _fold, counts_only=True)
