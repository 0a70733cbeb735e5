"""Shows a board: as text for people, as plain values for programs.

Rules:
- A list without citizens says so; a list is never left out, so that its absence tells nothing.
- `*` before a citizen: the line changed after the change number that the reader named.
- Where counts are shown it is always said that small ones are not, whether there are any or none.

From `consumers.board`, to a terminal or another program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from consumers.board import Board, FilledList
from consumers.rendering import column_text, column_value
from consumers.views.base import Column
from consumers.wording import Wording
from contracts.civil_time import day_date


@dataclass(frozen=True, slots=True)
class Changes:
    """How often lines changed so far, each citizen's last change, and up to where the reader knows them."""

    count: int
    last: Mapping[str, int]
    known: int

    def is_new(self, key: str) -> bool:
        """Whether the citizen's line changed after what the reader knows."""
        return self.last.get(key, 0) > self.known


def board_text(board: Board, party_id: str, changes: Changes, words: Wording, zone: ZoneInfo) -> str:
    """The board of `party_id`, list by list."""
    head = [f"{words.view(board.view.name)} {words.phrase('of_party')} {party_id}, {day_date(board.day).isoformat()}"]
    if board.citizens is not None:
        head.append(words.phrase("citizens", count=board.citizens))
    if not board.view.counts_only:
        head.append(words.phrase("changes", count=changes.count))
    paragraphs = ["\n".join(head)]
    paragraphs += [_list_text(filled, board, changes, words, zone) for filled in board.lists]
    if board.counts:
        shown = [words.phrase("counts")]
        for name, cells in board.counts.items():
            shown.append(f"  {words.count(name)}:")
            shown += [f"    {words.code(value)}: {count}" for value, count in cells]
        paragraphs.append("\n".join([*shown, f"  {words.phrase('small_counts')}"]))
    if board.view.counts_only:
        paragraphs.append("\n".join([*_figures_text(board, words), words.phrase("small_counts")]))
    return "\n\n".join(paragraphs)


def _figures_text(board: Board, words: Wording) -> Iterator[str]:
    if not board.figures:
        yield words.phrase("no_figures")
        return
    yield words.phrase("figures_of", month=day_date(board.figures[0]["month"]).strftime("%Y-%m"))
    last = None
    for cell in board.figures:
        if last != (title := (cell["table"], cell["place"])):
            last = title
            yield "  " + ", ".join([words.table(cell["table"]), *([cell["place"]] if cell["place"] else [])])
        where = [cell["period"], *(words.figure(cell[name]) for name in ("row", "measure", "column"))]
        count = cell["count"] if cell["of"] is None else words.phrase("part_of", part=cell["count"], whole=cell["of"])
        numbers = ""
        if cell["median"] is not None:
            numbers = " " + words.phrase("median", median=cell["median"], p90=cell["ninthDecile"])
        yield f"    {', '.join(dict.fromkeys(part for part in where if part))}: {count}{numbers}"


def board_values(board: Board, party_id: str, changes: Changes, zone: ZoneInfo) -> dict[str, Any]:
    """The board as plain values: codes, ISO times and dates."""
    columns = {column.name: column for column in board.view.columns}
    values: dict[str, Any] = {
        "party": party_id,
        "view": board.view.name,
        "as_of": day_date(board.day).isoformat(),
        "citizens": board.citizens,
    }
    if not board.view.counts_only:
        values["changes"] = changes.count
        values["lists"] = {
            filled.list.name: [
                {"key": line["key"], "new": changes.is_new(line["key"])}
                | {name: column_value(columns[name], line[name], zone) for name in filled.list.show}
                for line in filled.lines
            ]
            for filled in board.lists
        }
    if board.view.counts_only:
        values["figures"] = [{**cell, "month": day_date(cell["month"]).strftime("%Y-%m")} for cell in board.figures]
    if board.counts:
        values["counts"] = {name: dict(cells) for name, cells in board.counts.items()}
    return values


def _list_text(filled: FilledList, board: Board, changes: Changes, words: Wording, zone: ZoneInfo) -> str:
    title = f"{words.board_list(filled.list.name, filled.list.days)} ({len(filled.lines)})"
    if not filled.lines:
        return title
    columns = [_column(board, name) for name in filled.list.show]
    rows = [[f"  {words.phrase('citizen')}", *(words.column(column.name) for column in columns)]]
    for line in filled.lines:
        mark = "*" if changes.is_new(line["key"]) else " "
        cells = (column_text(column, line[column.name], words, zone) for column in columns)
        rows.append([f"{mark} {line['key']}", *(cell or "-" for cell in cells)])
    return "\n".join([title, *_aligned(rows)])


def _column(board: Board, name: str) -> Column:
    return next(column for column in board.view.columns if column.name == name)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
