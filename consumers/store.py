"""One party's own store: what it was sent and may still hold, how far it has read, and its view.

Rules:
- Rows, view lines and positions of a batch are one transaction. The positions are the fence: a second subscription
  on the same file is refused by them.
- A retraction removes the row, a newer disclosure of the same event replaces it whole. What is left of removed bytes
  goes in quiet moments and at closing (`consumers.erasure`); opening waits for nothing but the file itself, so that
  the next retraction is received however it stands.
- Readers read the live version of the view; another is built beside it (`consumers.views.versions`).
- Where a resync begins behind a gap, all rows of the partition go with the move behind its mark. Until its end the
  partition counts as being filled, and readers can know.
- An event is known by the receiver's key, its publisher and its id. The key is part of it, so that a retraction
  under a key that the citizen no longer has never reaches what came under the new one.
- A file is made by command, whole or not at all, and readable by its owner only; another party's is refused.

From `consumers.subscription`, to `consumers.views` and to people.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from consumers.erasure import Erasure
from consumers.examine import Anew, Disclosed, Mark, Step
from consumers.store_file import check, connect, connect_checked, connect_for_reading, lay_out, renew_format
from consumers.views.choice import view_of
from consumers.views.versions import VersionStatus, ViewVersions
from consumers.visible import VisibleEvent
from contracts.codec import FRAME_BYTES, codec
from contracts.failures import CallerFailure, DamagedStore, FencedOff, ForeignStore, NotFound, StoreUnavailable
from contracts.parties import Party
from contracts.private_files import made_once
from contracts.schema_ids import schema_ids

_FOLDED_AT_ONCE: Final = 200
_FOLDED_AT_ONCE_MAX: Final = 1_600
"""So many take well under the time for which whoever else writes waits for the lock."""
_PAUSE_SECONDS_MIN: Final = 0.02
_PASSING: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""The primary codes of errors that trying again can mend."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """How far one partition is read: the next offset, and the last number that was applied (0 = none).

    `is_filling`: a resync has begun behind a gap and is not completed, so not all that may be seen is here yet.
    """

    next_offset: int
    last_number: int
    is_filling: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A partition's position before and after a batch; `before` is `None` where nothing was read yet."""

    partition: int
    before: Position | None
    after: Position


class PartyStore:
    """One SQLite file. Make it with `create`, use it with `open` (one writer) or `open_for_reading`."""

    def __init__(self, connection: sqlite3.Connection, party_id: str, *, writable: bool) -> None:
        self.party_id = party_id
        self._connection = connection
        self._writable = writable
        self._erasure = Erasure(connection)
        self.view = view_of(party_id)
        self._versions = ViewVersions(self.view, lambda key: self.visible(key, self.view.event_types or None))

    @classmethod
    def create(cls, path: Path, party_id: str) -> Self:
        """Make the store of `party_id` and open it; raise `CallerFailure` where the file is there already."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with made_once(path) as unfinished, closing(connect(unfinished)) as connection:
                lay_out(connection, party_id)
        except FileExistsError as error:
            raise CallerFailure(f"store `{path}` is there already; open it, or remove it by hand") from error
        return cls.open(path, party_id)

    @classmethod
    def open(cls, path: Path, party_id: str) -> Self:
        """Open the store of `party_id` for its subscription.

        Raises `NotFound`, `ForeignStore` (another party's, another format, not such a store) or `DamagedStore`.
        """
        if not path.is_file():
            raise NotFound(f"no store `{path}`; make it with `python -m consumers make-store`")
        connection = connect_checked(path)
        try:
            renew_format(connection, party_id)
            check(connection, path, party_id)
            store = cls(connection, party_id, writable=True)
            store._renew_view()
        except BaseException:
            connection.close()
            raise
        return store

    @classmethod
    def open_for_reading(cls, path: Path, party_id: str) -> Self:
        """Open the store of `party_id` to look at it, beside its subscription; raises as `open` does."""
        if not path.is_file():
            raise NotFound(f"no store `{path}`; party `{party_id}` has not received anything here")
        connection = connect_for_reading(path)
        try:
            check(connection, path, party_id)
        except BaseException:
            connection.close()
            raise
        return cls(connection, party_id, writable=False)

    @classmethod
    def open_for_rebuilding(cls, path: Path, party_id: str) -> Self:
        """Open the store of `party_id` to `rebuild` its view beside its subscription; raises as `open` does.

        What the rebuilding leaves to erase is left to the subscription.
        """
        if not path.is_file():
            raise NotFound(f"no store `{path}`; party `{party_id}` has not received anything here")
        connection = connect_checked(path)
        try:
            check(connection, path, party_id)
        except BaseException:
            connection.close()
            raise
        return cls(connection, party_id, writable=False)

    def close(self) -> None:
        """Try once more to erase what was removed, where this store may write, and release the file."""
        try:
            if self._writable:
                self._erasure.finish(at_last=True)
        finally:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def positions(self) -> dict[int, Position]:
        """How far each partition is read; a partition of which nothing was read is not named."""
        rows = self._connection.execute(
            "SELECT partition, next_offset, last_number, is_filling FROM position ORDER BY partition"
        )
        return {partition: Position(at, number, bool(is_filling)) for partition, at, number, is_filling in rows}

    def filling(self) -> list[int]:
        """The partitions that are being filled anew: not all that may be seen of their citizens is here yet."""
        return [partition for partition, at in self.positions().items() if at.is_filling]

    def bind_partitions(self, partitions: int) -> None:
        """Remember how many partitions the topic has; raise `ForeignStore` where that differs from before."""
        (known,) = self._connection.execute("SELECT partitions FROM party_store").fetchone()
        if known is None:
            with self._transaction():
                self._connection.execute("UPDATE party_store SET partitions = ?", (partitions,))
        elif known != partitions:
            raise ForeignStore(
                f"the topic has `{partitions}` partitions, this store was filled from `{known}`; "
                "the number is fixed when topics are made: check the cluster"
            )

    def apply(self, steps: Sequence[Step], moves: Sequence[Move]) -> None:
        """Apply `steps` in their order and move the positions, all in one transaction.

        Raises `FencedOff` where the positions are not those of `moves` any more: another writer has this file.
        """
        removed = False
        with self._transaction():
            for move in moves:
                self._move(move)
            changed: dict[str, set[str]] = {}
            for step in steps:
                for key, event_type in self._remove(step):
                    removed = True
                    changed.setdefault(key, set()).add(event_type)
                if isinstance(step, Disclosed):
                    self._insert(step)
                    changed.setdefault(step.key, set()).add(step.event_type)
            self._versions.note_changed(self._connection, changed)
            if removed:
                self._erasure.note_removed()
        if removed:
            self._erasure.empty_log()

    @property
    def erasure_pending(self) -> bool:
        """Whether copies of removed rows may still lie in the file; `finish_erasure` ends that."""
        return self._erasure.is_pending

    def finish_erasure(self) -> None:
        """Rewrite the file from what is still visible, where something was removed since the last time.

        Costs as much as the store is large. Never fails: where it cannot be done now it stays pending.
        """
        self._erasure.finish()

    def visible(self, key: str | None = None, event_types: Iterable[str] | None = None) -> list[VisibleEvent]:
        """Return what this party may see now, of one citizen or of all, in `VisibleEvent.order` per key.

        `event_types` narrows it to those. Raises `DamagedStore` where a stored value cannot be decoded.
        """
        query = "SELECT key, event_id, party, ce_time, occurred_at, schema_id, value, corrects FROM received"
        conditions, values = [], []
        if key is not None:
            conditions.append("key = ?")
            values.append(key)
        if event_types is not None:
            wanted = sorted(event_types)
            conditions.append(f"event_type IN ({', '.join('?' * len(wanted))})")
            values.extend(wanted)
        if conditions:
            query += f" WHERE {' AND '.join(conditions)}"
        events = [_visible(row) for row in self._connection.execute(query, values)]
        return sorted(events, key=lambda event: (event.key, event.order))

    def keys(self) -> list[str]:
        """The party's own pseudonyms of all citizens of whom it sees anything."""
        return [key for (key,) in self._connection.execute("SELECT DISTINCT key FROM received ORDER BY key")]

    def view_lines(self) -> list[dict[str, Any]]:
        """The lines of the party's view, by key; each has `key` and the view's columns (`None` = not known)."""
        with self._transaction("DEFERRED"):
            return self._versions.lines(self._connection, self.keys)

    def numbered_lines(self) -> tuple[list[dict[str, Any]], int, dict[str, int]]:
        """The lines, how often lines changed so far, and the number of each citizen's last change."""
        with self._transaction("DEFERRED"):
            lines = self._versions.lines(self._connection, self.keys)
            return (lines, *self._versions.changes(self._connection))

    def view_status(self) -> list[VersionStatus]:
        """Every version of the view, the oldest first."""
        with self._transaction("DEFERRED"):
            return self._versions.statuses(self._connection)

    def rebuild(self) -> Iterator[int]:
        """Build the view anew beside the live version and switch; yield before each step how many citizens wait.

        Raises `FencedOff` where another build takes the place of this one.
        """
        with self._transaction():
            number = self._versions.start(self._connection)
        return self._fold_waiting(number)

    def rebuild_beside(self) -> Iterator[int]:
        """`rebuild` beside a running subscription: each step is followed by as long a pause.

        SQLite lets nobody queue for its write lock; without pauses the subscription might never get it.
        """
        begun = time.monotonic()
        for waiting in self.rebuild():
            time.sleep(max(_PAUSE_SECONDS_MIN, time.monotonic() - begun))
            yield waiting
            begun = time.monotonic()

    def _move(self, move: Move) -> None:
        after = (move.after.next_offset, move.after.last_number, int(move.after.is_filling), move.partition)
        if move.before is None:
            moved = self._connection.execute(
                "INSERT OR IGNORE INTO position (next_offset, last_number, is_filling, partition) VALUES (?, ?, ?, ?)",
                after,
            )
        else:
            moved = self._connection.execute(
                "UPDATE position SET next_offset = ?, last_number = ?, is_filling = ? "
                "WHERE partition = ? AND next_offset = ? AND last_number = ?",
                (*after, move.before.next_offset, move.before.last_number),
            )
        if moved.rowcount != 1:
            raise FencedOff(f"partition {move.partition} was moved by another subscription on this store; run one only")

    def _remove(self, step: Step) -> list[tuple[str, str]]:
        """Remove the rows that a step ends; return of which citizens (key) and event types there were some."""
        if isinstance(step, Mark):
            return []
        where, values = "partition = ?", list[int | str]([step.partition])
        if not isinstance(step, Anew):
            where, values = (
                "key = ? AND party = ? AND event_id = ?",
                [step.key, step.attributes.party, step.attributes.id],
            )
        gone = self._connection.execute(f"DELETE FROM received WHERE {where} RETURNING key, event_type", values)
        return list(dict.fromkeys(gone.fetchall()))

    def _insert(self, step: Disclosed) -> None:
        sent = step.attributes
        self._connection.execute(
            "INSERT INTO received VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                step.key, sent.party, sent.id, step.event_type, sent.time, step.occurred_at, step.partition,
                sent.number, step.schema_id, step.value, sent.corrects, sent.correlation, sent.causation,
            ),
        )  # fmt: skip

    def _renew_view(self) -> None:
        """Build the view again where other code made the live version; fold who waits where the code is this.

        Without room, or beside who holds the lock, that is left to the next opening: who reads folds for itself then,
        and a retraction must not wait for a view.
        """
        try:
            self._fold_live_version()
        except StoreUnavailable as failure:
            _log.warning("the view is built again when the store is opened next: %s", failure)

    def _fold_live_version(self) -> None:
        live = next(status for status in self.view_status() if status.version.live)
        if live.stale:
            steps = self.rebuild()
        elif live.waiting:
            steps = self._fold_waiting(live.version.number)
        else:
            return
        for _ in steps:
            pass

    def _fold_waiting(self, number: int) -> Iterator[int]:
        limit, waited, done = _FOLDED_AT_ONCE, None, False
        while not done:
            waiting = self._versions.waiting(self._connection, number)
            if waited is not None and waiting >= waited:
                # More came than was folded: without longer steps the build might never end.
                limit = min(2 * limit, _FOLDED_AT_ONCE_MAX)
            waited = waiting
            yield waiting
            with self._transaction():
                numbers = {partition: position.last_number for partition, position in self.positions().items()}
                done = self._versions.fold_some(self._connection, number, limit, numbers)
                if done:
                    # A dropped version leaves its pages behind.
                    self._erasure.note_removed()

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        try:
            self._connection.execute(f"BEGIN {kind}")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING:
                raise StoreUnavailable(
                    f"the store could not be used now: {error}; free the disk or the lock"
                ) from error
            raise


def store_path(world_directory: Path, party_id: str) -> Path:
    """Where the store of `party_id` lies in a world's directory."""
    return world_directory / "consumers" / f"{Party(party_id).name_in_topics}.db"


def _visible(row: tuple[Any, ...]) -> VisibleEvent:
    key, event_id, party, ce_time, occurred_at, schema_id, value, corrects = row
    entry = schema_ids().entry(schema_id)
    if entry is None:
        raise DamagedStore(f"a stored event has schema `{schema_id}`, which this version does not know; update it")
    payload: Mapping[str, Any] = codec().decode_body(schema_id, value[FRAME_BYTES:])
    present = _present(payload)
    return VisibleEvent(key, event_id, party, entry.event_type.name, ce_time, occurred_at, present, corrects)


def _present(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is null, in the items of lists too."""
    return {
        name: [_present(item) if isinstance(item, dict) else item for item in content]
        if isinstance(content, list)
        else content
        for name, content in payload.items()
        if content is not None
    }
