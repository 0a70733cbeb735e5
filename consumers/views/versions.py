"""The versions of a party's view inside its store: the live one, and one that is built beside it.

Rules:
- Readers read the live version only. A new version is folded beside it, some citizens per transaction, and takes its
  place in the transaction that finds nothing left to fold. A crash on the way leaves the live one as it was.
- A citizen whose events change meanwhile loses the row in the version being built and waits there to be folded again.
  So a retraction purges every version in the transaction that removes the event.
- A program folds only what its own code made. In a version of other code it deletes the citizen's row and leaves the
  citizen waiting; a reader that has that code folds who waits for itself.
- A line's change number counts up when a disclosure or retraction changed the line, never when it is folded again:
  a rebuild announces nothing twice.
- Every method runs inside the caller's transaction; one that reads needs one too, to see one moment.

From `consumers.store`, to the same SQLite file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consumers.views.base import View
from consumers.views.tables import Row, ViewTable, line_of, row_of
from consumers.visible import VisibleEvent
from contracts.failures import FencedOff

_SCHEMA: Final = (
    """CREATE TABLE view_version (
        version INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, live INTEGER NOT NULL,
        built_from TEXT NOT NULL)""",
    """CREATE TABLE waiting (
        version INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (version, key)) WITHOUT ROWID""",
    "CREATE TABLE line_change (key TEXT PRIMARY KEY, number INTEGER NOT NULL)",
    "CREATE TABLE change_count (number INTEGER NOT NULL)",
    "INSERT INTO change_count VALUES (0)",
)
_NO_NUMBERS: Final = "{}"


@dataclass(frozen=True, slots=True)
class Version:
    """One version. `built_from` is the last number of each partition when it went live."""

    number: int
    name: str
    digest: str
    live: bool
    built_from: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """A version, how many lines it has, how many citizens wait to be folded, and whether other code made it."""

    version: Version
    rows: int
    waiting: int
    stale: bool


class ViewVersions:
    """The versions of `view`; `events_of` gives all that the view reads of one citizen, in order."""

    def __init__(self, view: View, events_of: Callable[[str], Sequence[VisibleEvent]]) -> None:
        self._view = view
        self._events_of = events_of

    def note_changed(self, connection: sqlite3.Connection, changed: Mapping[str, Iterable[str]]) -> None:
        """Bring every version up to events that came or went; `changed` has their types by citizen."""
        for version in self._all(connection):
            ours = version.digest == self._view.digest
            for key, event_types in changed.items():
                if ours and not self._view.reads(event_types):
                    continue
                if ours and version.live:
                    self._refold(connection, version, key)
                else:
                    self._put_off(connection, version, key)

    def start(self, connection: sqlite3.Connection) -> int:
        """Begin a new version beside the live one and return its number; one begun earlier is given up."""
        numbers = [version.number for version in self._all(connection)]
        for version in self._all(connection):
            if not version.live:
                _drop(connection, version)
        number = max(numbers, default=0) + 1
        _make(connection, self._view, number, live=False)
        connection.execute("INSERT INTO waiting SELECT DISTINCT ?, key FROM received", (number,))
        return number

    def fold_some(self, connection: sqlite3.Connection, number: int, limit: int, numbers: Mapping[int, int]) -> bool:
        """Fold up to `limit` citizens who wait in version `number`; return whether none is left.

        With none left the version is live, as built from `numbers`. Raises `FencedOff` where another build has
        taken its place.
        """
        version = next((version for version in self._all(connection) if version.number == number), None)
        if version is None:
            raise FencedOff("another build of this view took the place of this one; look at its status")
        table = ViewTable(self._view, number)
        keys = connection.execute("SELECT key FROM waiting WHERE version = ? LIMIT ?", (number, limit)).fetchall()
        for (key,) in keys:
            table.replace(connection, key, row_of(self._view, key, self._events_of(key)))
            connection.execute("DELETE FROM waiting WHERE version = ? AND key = ?", (number, key))
        if len(keys) == limit:
            return False
        if not version.live:
            self._switch(connection, version, numbers)
        return True

    def lines(self, connection: sqlite3.Connection, keys: Callable[[], Iterable[str]]) -> list[dict[str, Any]]:
        """Return the live lines by key; `keys` are all citizens.

        A program of other code than the live version folds for itself: it may not write.
        """
        live = self.live(connection)
        if live.digest == self._view.digest:
            rows = {row[0]: row for row in ViewTable(self._view, live.number).rows(connection)}
            waiting = connection.execute("SELECT key FROM waiting WHERE version = ?", (live.number,)).fetchall()
            late: Iterable[str] = [key for (key,) in waiting]
        else:
            rows, late = {}, keys()
        for key in late:
            row = row_of(self._view, key, self._events_of(key))
            if row is not None:
                rows[key] = row
        return [line_of(self._view, rows[key]) for key in sorted(rows)]

    def changes(self, connection: sqlite3.Connection) -> tuple[int, dict[str, int]]:
        """Return how many changes there were so far, and the number of each citizen's last one."""
        (count,) = connection.execute("SELECT number FROM change_count").fetchone()
        return int(count), dict(connection.execute("SELECT key, number FROM line_change").fetchall())

    def live(self, connection: sqlite3.Connection) -> Version:
        """The version that readers read."""
        return next(version for version in self._all(connection) if version.live)

    def statuses(self, connection: sqlite3.Connection) -> list[VersionStatus]:
        """Every version that there is, the oldest first."""
        found = []
        for version in self._all(connection):
            (rows,) = connection.execute(f'SELECT count(*) FROM "{_table(version)}"').fetchone()
            waiting = self.waiting(connection, version.number)
            found.append(VersionStatus(version, rows, waiting, version.digest != self._view.digest))
        return found

    def waiting(self, connection: sqlite3.Connection, number: int) -> int:
        """How many citizens wait to be folded in version `number`."""
        (count,) = connection.execute("SELECT count(*) FROM waiting WHERE version = ?", (number,)).fetchone()
        return int(count)

    def _all(self, connection: sqlite3.Connection) -> list[Version]:
        rows = connection.execute("SELECT version, name, digest, live, built_from FROM view_version ORDER BY version")
        return [
            Version(number, name, digest, bool(live), {int(at): last for at, last in json.loads(built_from).items()})
            for number, name, digest, live, built_from in rows.fetchall()
        ]

    def _switch(self, connection: sqlite3.Connection, version: Version, numbers: Mapping[int, int]) -> None:
        _drop(connection, self.live(connection))
        connection.execute(
            "UPDATE view_version SET live = 1, built_from = ? WHERE version = ?", (json.dumps(numbers), version.number)
        )

    def _refold(self, connection: sqlite3.Connection, version: Version, key: str) -> None:
        table = ViewTable(self._view, version.number)
        waiting = connection.execute("DELETE FROM waiting WHERE version = ? AND key = ?", (version.number, key))
        before, after = table.row(connection, key), row_of(self._view, key, self._events_of(key))
        if before != after or waiting.rowcount:
            table.replace(connection, key, after)
            _announce(connection, key, after)

    def _put_off(self, connection: sqlite3.Connection, version: Version, key: str) -> None:
        connection.execute(f'DELETE FROM "{_table(version)}" WHERE key = ?', (key,))
        connection.execute("INSERT OR IGNORE INTO waiting VALUES (?, ?)", (version.number, key))
        if version.live:
            # Other code knows whether the line changes; that something came is all that can be said here.
            held = connection.execute("SELECT key FROM received WHERE key = ? LIMIT 1", (key,)).fetchone()
            _announce(connection, key, held)


def lay_out_versions(connection: sqlite3.Connection, view: View) -> None:
    """Make the tables of a new store, with an empty live version of `view`."""
    for statement in _SCHEMA:
        connection.execute(statement)
    _make(connection, view, 1, live=True)


def _make(connection: sqlite3.Connection, view: View, number: int, *, live: bool) -> None:
    ViewTable(view, number).create(connection)
    values = (number, view.name, view.digest, int(live), _NO_NUMBERS)
    connection.execute("INSERT INTO view_version VALUES (?, ?, ?, ?, ?)", values)


def _announce(connection: sqlite3.Connection, key: str, line: Row | None) -> None:
    """Give a changed line the next change number; a line that is gone has none."""
    if line is None:
        connection.execute("DELETE FROM line_change WHERE key = ?", (key,))
        return
    connection.execute("UPDATE change_count SET number = number + 1")
    connection.execute("INSERT OR REPLACE INTO line_change SELECT ?, number FROM change_count", (key,))


def _drop(connection: sqlite3.Connection, version: Version) -> None:
    connection.execute(f'DROP TABLE "{_table(version)}"')
    connection.execute("DELETE FROM waiting WHERE version = ?", (version.number,))
    connection.execute("DELETE FROM view_version WHERE version = ?", (version.number,))


def _table(version: Version) -> str:
    return f"view_{version.name}_{version.number}"
