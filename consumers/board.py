"""A party's board: its view's lines picked into lists that the work needs, and counts for those who see counts only.

Rules:
- Pure. A board is made from the lines alone, so from what the party was sent; the day it is for is passed in.
- Which lists a view has, and their periods, is data (`consumers/views/boards.toml`). A citizen can be on several
  lists, or on none.
- The day moves what periods are counted from; it brings nothing back: a store keeps the present, not the past.
- A count under the smallest one is not shown, and neither are as many others as it takes that the rest, which can be
  computed, is not under it either. Fewer citizens than that give no counts at all.

From `consumers.store`, to `consumers.board_rendering`.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from consumers.views.base import Shape, View
from consumers.views.steering import CELL
from contracts.civil_time import day_of, local_of

_DATA: Final = Path(__file__).parent / "views" / "boards.toml"
_NEVER: Final = "NEVER"
_PERIODS: Final = frozenset({"within_days", "last_days", "past_days", "quiet_days", "ahead_days"})
Lines = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class BoardList:
    """One list: whom it takes, by which column it is ordered, and the columns it shows."""

    name: str
    when: tuple[Mapping[str, Any], ...]
    order: str
    show: tuple[str, ...]

    @property
    def days(self) -> int:
        """The first period that it names, 0 where it names none."""
        return next((condition[kind] for condition in self.when for kind in condition if kind in _PERIODS), 0)


@dataclass(frozen=True, slots=True)
class FilledList:
    """A list and its lines, in order."""

    list: BoardList
    lines: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A view's board of one day. `citizens` is `None` where its reader sees sums alone."""

    view: View
    day: int
    citizens: int | None
    lists: tuple[FilledList, ...]
    counts: Mapping[str, Sequence[tuple[str, int]]]
    figures: tuple[Mapping[str, Any], ...] = ()
    """The cells of the newest month that was drawn by the board's day, each with the names of `steering.CELL`."""


def board_of(view: View, party_id: str, lines: Lines, day: int, zone: ZoneInfo) -> Board:
    """Return the board of `view` for its owner `party_id` on `day`."""
    shapes = {column.name: column.shape for column in view.columns}
    reader = _Reader(shapes, party_id, day, zone)
    filled = tuple(
        FilledList(wanted, tuple(sorted((line for line in lines if reader.takes(wanted, line)), key=reader.by(wanted))))
        for wanted in lists_of(view)
    )
    counted = _Counting(zone, _data()["smallest_count"])
    counts = {
        name: counted.cells(lines, question)
        for name, question in _data().get("counts", {}).items()
        if view.name in question["views"]
    }
    citizens = None if view.counts_only else len(lines)
    return Board(view, day, citizens, filled, counts, _figures(view, lines, day))


def _figures(view: View, lines: Lines, day: int) -> tuple[Mapping[str, Any], ...]:
    columns = [column.name for column in view.columns if column.shape is Shape.FIGURES]
    cells = [dict(zip(CELL, cell, strict=True)) for line in lines for name in columns for cell in line[name] or ()]
    drawn = [cell for cell in cells if cell["month"] <= day]
    newest = max((cell["month"] for cell in drawn), default=None)
    return tuple(cell for cell in drawn if cell["month"] == newest)


def lists_of(view: View) -> tuple[BoardList, ...]:
    """The lists of a view's board, in their order; the steering group's has none."""
    columns = {column.name for column in view.columns}
    lists = {name: said for name, said in _data()["every"].items() if columns >= {said["order"], *said["show"]}}
    return tuple(
        BoardList(name, tuple(said["when"]), said["order"], tuple(said["show"]))
        for name, said in (lists | _data()["boards"].get(view.name, {})).items()
    )


@dataclass(frozen=True)
class _Reader:
    shapes: Mapping[str, Shape]
    party_id: str
    day: int
    zone: ZoneInfo

    def takes(self, wanted: BoardList, line: Mapping[str, Any]) -> bool:
        return all(self._holds(condition, line) for condition in wanted.when)

    def by(self, wanted: BoardList) -> Any:
        def order(line: Mapping[str, Any]) -> tuple[bool, Any, str]:
            value = line[wanted.order]
            return (value is None, 0 if value is None else value, line["key"])

        return order

    def _holds(self, condition: Mapping[str, Any], line: Mapping[str, Any]) -> bool:
        (kind,) = condition.keys() - {"column"}
        asked, value = condition[kind], line[condition["column"]]
        if kind == "present":
            return (value not in (None, [])) is asked
        if kind == "quiet_days" and value is None:
            return True
        if value is None:
            return False
        match kind:
            case "among":
                return bool(value in asked)
            case "contains":
                return bool(asked in value)
            case "own":
                return bool((value == self.party_id) is asked)
        days_ahead, period = self._day(condition["column"], value) - self.day, int(asked)
        match kind:
            case "within_days":
                return 0 <= days_ahead <= period
            case "last_days":
                return 0 <= -days_ahead <= period
            case "ahead_days":
                return days_ahead > period
            case "quiet_days" | "past_days":
                return -days_ahead > period
        raise ValueError(f"condition `{kind}` of a board is not one of those that there are")

    def _day(self, column: str, value: int) -> int:
        return day_of(value, self.zone) if self.shapes[column] is Shape.INSTANT else value


@dataclass(frozen=True)
class _Counting:
    zone: ZoneInfo
    smallest: int

    def cells(self, lines: Lines, question: Mapping[str, Any]) -> list[tuple[str, int]]:
        counts = Counter(cell for line in lines if (cell := self._cell(line, question)) is not None)
        hidden = sum(1 for line in lines if self._cell(line, question) is None)
        shown = sorted(counts.items(), key=lambda cell: (-cell[1], cell[0]))
        # The smallest go first, so what is hidden grows until it is nothing or enough.
        while shown and (shown[-1][1] < self.smallest or 0 < hidden < self.smallest):
            hidden += shown.pop()[1]
        return sorted(shown)

    def _cell(self, line: Mapping[str, Any], question: Mapping[str, Any]) -> str | None:
        if "column" in question:
            value = line[question["column"]]
            return None if value is None else str(value)
        if "present" in question:
            return "NO" if line[question["present"]] in (None, []) else "YES"
        if "month" in question:
            value = line[question["month"]]
            return None if value is None else local_of(value, self.zone).strftime("%Y-%m")
        start, end = line[question["from"]], line[question["to"]]
        if start is None or end is None:
            return _NEVER
        days = day_of(end, self.zone) - day_of(start, self.zone)
        band = next((limit for limit in question["bands"] if days <= limit), None)
        return f">{question['bands'][-1]}" if band is None else f"<={band}"


@cache
def _data() -> Mapping[str, Any]:
    return tomllib.loads(_DATA.read_text(encoding="utf-8"))
