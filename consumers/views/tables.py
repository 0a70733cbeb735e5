"""A view's own table inside its party's store.

Rules:
- One row per citizen, replaced whole; columns are the view's, lists as JSON.
- Every statement runs inside the caller's transaction.

From `consumers.views.versions`, which says whose events are folded when, to the same SQLite file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from consumers.views.base import View
from consumers.visible import VisibleEvent

Row = tuple[Any, ...]


class ViewTable:
    """The table of one version of one view."""

    def __init__(self, view: View, version: int) -> None:
        self._view = view
        self._table = f"view_{view.name}_{version}"

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the table."""
        columns = "".join(f', "{column.name}"' for column in self._view.columns)
        connection.execute(f"CREATE TABLE {self._table} (key TEXT PRIMARY KEY{columns})")

    def row(self, connection: sqlite3.Connection, key: str) -> Row | None:
        """Return a citizen's row as it is stored."""
        found: Row | None = connection.execute(f"SELECT * FROM {self._table} WHERE key = ?", (key,)).fetchone()
        return found

    def replace(self, connection: sqlite3.Connection, key: str, row: Row | None) -> None:
        """Put `row` in the place of the citizen's row, if there is one."""
        connection.execute(f"DELETE FROM {self._table} WHERE key = ?", (key,))
        if row is not None:
            connection.execute(f"INSERT INTO {self._table} VALUES ({', '.join('?' * len(row))})", row)

    def rows(self, connection: sqlite3.Connection) -> list[Row]:
        """Return all rows by key."""
        return connection.execute(f"SELECT * FROM {self._table} ORDER BY key").fetchall()


def row_of(view: View, key: str, events: Sequence[VisibleEvent]) -> Row | None:
    """Fold `events`, all that the view reads of one citizen, into that citizen's row; `None` = no line."""
    line = view.fold(events) if events else None
    if line is None:
        return None
    strangers = set(line) - {column.name for column in view.columns}
    if strangers:
        raise ValueError(f"view `{view.name}` folded columns it does not have: {sorted(strangers)}")
    values: list[Any] = [key]
    for column in view.columns:
        value: Any = line.get(column.name)
        values.append(json.dumps(value) if column.is_list and value is not None else value)
    return tuple(values)


def line_of(view: View, row: Row) -> dict[str, Any]:
    """Return a row as a line, lists as lists."""
    line: dict[str, Any] = {"key": row[0]}
    for column, value in zip(view.columns, row[1:], strict=True):
        line[column.name] = json.loads(value) if column.is_list and value is not None else value
    return line
