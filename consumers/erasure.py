"""Erases what removed rows left behind in the file of a party's store.

Rules:
- With a batch that removes: the rows are overwritten (`secure_delete`) and the write-ahead log is emptied. Copies that
  SQLite left when it moved rows between pages go later: the file is rewritten (`VACUUM`) and the log emptied again.
- How far that has come is stored, by the transaction that removes, so no crash forgets it. It counts as done only
  when the file was rewritten after the last removal and the log was emptied after that.
- It never fails and holds nothing up. Without room for the rewrite, or where another program holds the log or the
  lock, it stays pending; that is said once, and tried again ever more rarely. What is removed is not shown meanwhile.
- The log is emptied before the file is rewritten, so who holds the log does not make it grow by the whole file.

Used by `consumers.store` alone.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

PAUSE_SECONDS_MIN: Final = 1.0
PAUSE_SECONDS_MAX: Final = 300.0

# How far the erasing has come, as `party_store.erasure_pending` holds it.
_DONE: Final = 0
_TO_REWRITE: Final = 1
_LOG_LEFT: Final = 2
_REWRITING: Final = 3
"""A removal during the rewrite sets `_TO_REWRITE` again; so does nothing else."""

_log = logging.getLogger(__name__)


class _LogHeld(Exception):
    """A reader needs what is in the log."""


class Erasure:
    """The erasing in the file of `connection`."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._pause_seconds = PAUSE_SECONDS_MIN
        self._not_before = clock()
        self._said = ""

    @property
    def is_pending(self) -> bool:
        """Whether bytes of removed rows may still lie in the file or its log."""
        return self._state() != _DONE

    def note_removed(self) -> None:
        """Store that something was removed; belongs into the transaction that removes."""
        self._connection.execute("UPDATE party_store SET erasure_pending = ?", (_TO_REWRITE,))

    def empty_log(self) -> None:
        """Empty the log at once, right after a removal; not while `finish` pauses."""
        if self._clock() >= self._not_before:
            try:
                self._empty_log()
            except (_LogHeld, sqlite3.OperationalError) as error:
                self._put_off(str(error))

    def finish(self, *, at_last: bool = False) -> None:
        """Erase all that is left, unless it was put off a moment ago; `at_last`: try it in any case.

        Costs as much as the store is large: in time, in memory, and in free disk.
        """
        state = self._state()
        if state == _DONE or (self._clock() < self._not_before and not at_last):
            return
        try:
            self._empty_log()
            if state != _LOG_LEFT:
                self._rewrite()
                self._empty_log()
            self._go_on(_LOG_LEFT, _DONE)
        except (_LogHeld, sqlite3.OperationalError, MemoryError) as error:
            self._put_off(str(error) or "not enough memory")
            return
        self._pause_seconds = PAUSE_SECONDS_MIN
        if self._said:
            self._said = ""
            _log.info("what was removed is erased")

    def _rewrite(self) -> None:
        self._connection.execute("UPDATE party_store SET erasure_pending = ?", (_REWRITING,))
        try:
            self._connection.execute("VACUUM")
        except (sqlite3.OperationalError, MemoryError):
            # What was written of the copy would take the room that receiving needs.
            with suppress(_LogHeld, sqlite3.OperationalError):
                self._empty_log()
            raise
        self._go_on(_REWRITING, _LOG_LEFT)

    def _go_on(self, before: int, after: int) -> None:
        # Whoever rebuilds the view may have removed something in between; that stays to be erased.
        self._connection.execute(
            "UPDATE party_store SET erasure_pending = ? WHERE erasure_pending = ?", (after, before)
        )

    def _state(self) -> int:
        (state,) = self._connection.execute("SELECT erasure_pending FROM party_store").fetchone()
        return int(state)

    def _empty_log(self) -> None:
        # The log holds pages as they were before; emptied, only the overwritten ones are left.
        (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise _LogHeld("another program reads in the store")

    def _put_off(self, reason: str) -> None:
        self._not_before = self._clock() + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, PAUSE_SECONDS_MAX)
        if reason != self._said:
            self._said = reason
            _log.warning(
                "bytes of what was removed may still lie in the store's files: %s; it needs free disk and memory as "
                "large as the store, and nobody who reads in it for long; trying again, at least every %.0f s",
                reason,
                PAUSE_SECONDS_MAX,
            )
