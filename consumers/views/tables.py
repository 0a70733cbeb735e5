"""A view's own table inside its party's store.

Rules:
- One row per citizen, replaced whole; columns are the view's, lists as JSON.
- Every statement runs inside the caller's transaction.

From `consumers.store`, which folds, to the same SQLite file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from consumers.views.base import Shape, View
from consumers.visible import VisibleEvent


class ViewTable:
    """The table `view_<name>` of one view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._table = f"view_{view.name}"

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the table."""
        columns = "".join(f', "{column.name}"' for column in self._view.columns)
        connection.execute(f"CREATE TABLE {self._table} (key TEXT PRIMARY KEY{columns})")

    @staticmethod
    def drop_all(connection: sqlite3.Connection) -> None:
        """Drop the tables of whatever views this file held."""
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'view_*'")
        for (name,) in names.fetchall():
            connection.execute(f'DROP TABLE "{name}"')

    def replace(self, connection: sqlite3.Connection, key: str, events: Sequence[VisibleEvent]) -> None:
        """Fold `events`, all that the view reads of one citizen, into that citizen's line."""
        connection.execute(f"DELETE FROM {self._table} WHERE key = ?", (key,))
        line = self._view.fold(events) if events else None
        if line is None:
            return
        strangers = set(line) - {column.name for column in self._view.columns}
        if strangers:
            raise ValueError(f"view `{self._view.name}` folded columns it does not have: {sorted(strangers)}")
        values = [key]
        for column in self._view.columns:
            value: Any = line.get(column.name)
            values.append(json.dumps(value) if column.shape is Shape.CODES and value is not None else value)
        connection.execute(f"INSERT INTO {self._table} VALUES ({', '.join('?' * len(values))})", values)

    def lines(self, connection: sqlite3.Connection) -> list[dict[str, Any]]:
        """Return all lines by key, lists as lists."""
        found = []
        for key, *values in connection.execute(f"SELECT * FROM {self._table} ORDER BY key"):
            line: dict[str, Any] = {"key": key}
            for column, value in zip(self._view.columns, values, strict=True):
                line[column.name] = json.loads(value) if column.shape is Shape.CODES and value is not None else value
            found.append(line)
        return found
