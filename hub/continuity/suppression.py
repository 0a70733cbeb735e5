"""Which cells of a table may be shown, so that no small one is told, and none can be found by subtraction.

Rules (domain specification, 4.3 N2):
- A cell is shown if it is of `smallest` citizens at least. One that is not shown is not there: few look like none.
- The sum of a row is given only where every cell of it is shown: there is never anything to subtract from. To leave out
  further cells beside the small one and give the sum is not enough: who knows by which rule they are chosen can often
  work the small one out.
- No sums of columns and none of all rows are given.

Pure. Counts come from `hub.continuity.figures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TOTAL: Final = "TOTAL"


@dataclass(frozen=True, slots=True)
class Count:
    """One cell as counted: how many, and of which citizens; `persons` only tells citizens apart."""

    number: int
    persons: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as shown."""

    row: str
    column: str
    count: int


def shown_cells(counts: Mapping[tuple[str, str], Count], smallest: int, *, with_sums: bool) -> list[Cell]:
    """Return the cells that may be shown of `counts` by (row, column), sums of rows (`TOTAL`) last of their row."""
    rows: dict[str, dict[str, Count]] = {}
    for (row, column), count in sorted(counts.items()):
        if count.number:
            rows.setdefault(row, {})[column] = count
    found: list[Cell] = []
    for row, cells in rows.items():
        large = {column: count for column, count in cells.items() if len(count.persons) >= smallest}
        found += [Cell(row, column, count.number) for column, count in large.items()]
        if with_sums and len(large) == len(cells):
            found.append(Cell(row, TOTAL, sum(count.number for count in cells.values())))
    return found
