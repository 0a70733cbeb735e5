"""One party's own store: what it was sent and may still hold, how far it has read, and its view.

Rules:
- Rows, view lines and positions of a batch are one transaction. The positions are the fence: a second subscription
  on the same file is refused by them.
- A retraction removes the row, a newer disclosure of the same event replaces it whole. Removed bytes are
  overwritten (`secure_delete`) and the write-ahead log is emptied at once. Copies that SQLite left behind when it
  moved rows between pages go by rewriting the file as soon as the subscription has caught up, at closing and at
  opening. `erasure_pending` is stored, so no crash forgets it.
- An event is known by the receiver's key, its publisher and its id. The key is part of it, so that a retraction
  under a key that the citizen no longer has never reaches what came under the new one.
- A file is made by command, whole or not at all, and readable by its owner only; another party's is refused.

From `consumers.subscription`, to `consumers.views` and to people.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from consumers.examine import Disclosed, Step
from consumers.views.choice import view_of
from consumers.views.tables import ViewTable
from consumers.visible import VisibleEvent
from contracts.codec import FRAME_BYTES, codec
from contracts.failures import CallerFailure, DamagedStore, FencedOff, ForeignStore, NotFound
from contracts.parties import Party
from contracts.schema_ids import schema_ids

_APPLICATION_ID: Final = 0x48754250
_FORMAT: Final = 1
_BUSY_TIMEOUT_MS: Final = 5_000


_SCHEMA: Final = (
    """CREATE TABLE party_store (
        party TEXT NOT NULL, partitions INTEGER, view_digest TEXT NOT NULL, erasure_pending INTEGER NOT NULL)""",
    "CREATE TABLE position (partition INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL, last_number INTEGER NOT NULL)",
    """CREATE TABLE received (
        key TEXT NOT NULL, party TEXT NOT NULL, event_id TEXT NOT NULL, event_type TEXT NOT NULL,
        ce_time INTEGER NOT NULL, occurred_at INTEGER NOT NULL, partition INTEGER NOT NULL, hub_seq INTEGER NOT NULL,
        schema_id INTEGER NOT NULL, value BLOB NOT NULL, corrects TEXT, correlation TEXT, causation TEXT,
        PRIMARY KEY (key, party, event_id))""",
)


@dataclass(frozen=True, slots=True)
class Position:
    """How far one partition is read: the next offset, and the last number that was applied (0 = none)."""

    next_offset: int
    last_number: int


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
        self.view = view_of(party_id)
        self._view_table = ViewTable(self.view)

    @classmethod
    def create(cls, path: Path, party_id: str) -> Self:
        """Make the store of `party_id` and open it; raise `CallerFailure` where the file is there already."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        try:
            connection = _connect(unfinished)
            try:
                _lay_out(connection, party_id)
            finally:
                connection.close()
            os.link(unfinished, path)  # refuses an existing file, unlike a rename
        except FileExistsError as error:
            raise CallerFailure(f"store `{path}` is there already; open it, or remove it by hand") from error
        finally:
            unfinished.unlink(missing_ok=True)
        return cls.open(path, party_id)

    @classmethod
    def open(cls, path: Path, party_id: str) -> Self:
        """Open the store of `party_id` for its subscription.

        Raises `NotFound`, `ForeignStore` (another party's, another format, not such a store) or `DamagedStore`.
        """
        if not path.is_file():
            raise NotFound(f"no store `{path}`; make it with `PartyStore.create`")
        connection = _connect_checked(path)
        try:
            _check(connection, path, party_id)
            store = cls(connection, party_id, writable=True)
            store._renew_view()
            store.finish_erasure()
        except BaseException:
            connection.close()
            raise
        return store

    @classmethod
    def open_for_reading(cls, path: Path, party_id: str) -> Self:
        """Open the store of `party_id` to look at it, beside its subscription; raises as `open` does."""
        if not path.is_file():
            raise NotFound(f"no store `{path}`; party `{party_id}` has not received anything here")
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
            _check(connection, path, party_id)
        except BaseException:
            connection.close()
            raise
        return cls(connection, party_id, writable=False)

    def close(self) -> None:
        """Finish erasing what was removed where this store may write, and release the file."""
        try:
            if self._writable:
                self.finish_erasure()
        finally:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def positions(self) -> dict[int, Position]:
        """How far each partition is read; a partition of which nothing was read is not named."""
        rows = self._connection.execute("SELECT partition, next_offset, last_number FROM position ORDER BY partition")
        return {partition: Position(next_offset, last_number) for partition, next_offset, last_number in rows}

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
                event_type = self._remove(step)
                if event_type is not None:
                    removed = True
                    changed.setdefault(step.key, set()).add(event_type)
                if isinstance(step, Disclosed):
                    self._insert(step)
                    changed.setdefault(step.key, set()).add(step.event_type)
            for key, event_types in changed.items():
                if self.view.reads(event_types):
                    self._refold(key)
            if removed:
                self._connection.execute("UPDATE party_store SET erasure_pending = 1")
        if removed:
            self._empty_log()

    @property
    def erasure_pending(self) -> bool:
        """Whether copies of removed rows may still lie in the file; `finish_erasure` ends that."""
        (pending,) = self._connection.execute("SELECT erasure_pending FROM party_store").fetchone()
        return bool(pending)

    def finish_erasure(self) -> None:
        """Rewrite the file from what is still visible, where something was removed since the last time.

        Costs as much as the store is large. Where a reader holds the log it stays pending and is tried again.
        """
        if not self.erasure_pending:
            return
        self._connection.execute("VACUUM")
        if self._empty_log():
            with self._transaction():
                self._connection.execute("UPDATE party_store SET erasure_pending = 0")

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
        if self._view_digest() == self.view.digest:
            return self._view_table.lines(self._connection)
        # A reader newer than the subscription must not write, so it folds for itself.
        found = []
        for key in self.keys():
            events = self.visible(key, self.view.event_types or None)
            line = self.view.fold(events) if events else None
            if line is not None:
                found.append({"key": key} | {column.name: line.get(column.name) for column in self.view.columns})
        return found

    def _move(self, move: Move) -> None:
        after = (move.after.next_offset, move.after.last_number, move.partition)
        if move.before is None:
            moved = self._connection.execute(
                "INSERT OR IGNORE INTO position (next_offset, last_number, partition) VALUES (?, ?, ?)", after
            )
        else:
            moved = self._connection.execute(
                "UPDATE position SET next_offset = ?, last_number = ? "
                "WHERE partition = ? AND next_offset = ? AND last_number = ?",
                (*after, move.before.next_offset, move.before.last_number),
            )
        if moved.rowcount != 1:
            raise FencedOff(f"partition {move.partition} was moved by another subscription on this store; run one only")

    def _remove(self, step: Step) -> str | None:
        identity = (step.key, step.attributes.party, step.attributes.id)
        row = self._connection.execute(
            "DELETE FROM received WHERE key = ? AND party = ? AND event_id = ? RETURNING event_type", identity
        ).fetchone()
        return row[0] if row else None

    def _insert(self, step: Disclosed) -> None:
        sent = step.attributes
        self._connection.execute(
            "INSERT INTO received VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                step.key, sent.party, sent.id, step.event_type, sent.time, step.occurred_at, step.partition,
                sent.number, step.schema_id, step.value, sent.corrects, sent.correlation, sent.causation,
            ),
        )  # fmt: skip

    def _refold(self, key: str) -> None:
        self._view_table.replace(self._connection, key, self.visible(key, self.view.event_types or None))

    def _renew_view(self) -> None:
        """Fold the view again where its code is not the one that the lines were folded by."""
        if self._view_digest() == self.view.digest:
            return
        with self._transaction():
            self._view_table.drop_all(self._connection)
            self._view_table.create(self._connection)
            for key in self.keys():
                self._refold(key)
            self._connection.execute("UPDATE party_store SET view_digest = ?, erasure_pending = 1", (self.view.digest,))

    def _view_digest(self) -> str:
        (digest,) = self._connection.execute("SELECT view_digest FROM party_store").fetchone()
        return str(digest)

    def _empty_log(self) -> bool:
        # The log holds pages as they were before; emptied, only the overwritten ones are left.
        (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def store_path(world_directory: Path, party_id: str) -> Path:
    """Where the store of `party_id` lies in a world's directory."""
    return world_directory / "consumers" / f"{Party(party_id).name_in_topics}.db"


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for setting in (
            f"busy_timeout = {_BUSY_TIMEOUT_MS}",
            "secure_delete = ON",
            "synchronous = FULL",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_checked(path: Path) -> sqlite3.Connection:
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        raise ForeignStore(f"`{path}` is no party store, or is damaged: {error}") from error


def _lay_out(connection: sqlite3.Connection, party_id: str) -> None:
    view = view_of(party_id)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise CallerFailure(
            f"the file system gives journal mode `{mode}`, expected `wal`; put the store on a local disk"
        )
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        connection.execute(statement)
    ViewTable(view).create(connection)
    connection.execute("INSERT INTO party_store VALUES (?, NULL, ?, 0)", (party_id, view.digest))
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_FORMAT}")
    connection.execute("COMMIT")


def _check(connection: sqlite3.Connection, path: Path, party_id: str) -> None:
    try:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application_id != _APPLICATION_ID or version != _FORMAT:
            raise ForeignStore(f"`{path}` is no party store of format {_FORMAT}; expected one made by this version")
        (owner,) = connection.execute("SELECT party FROM party_store").fetchone()
    except sqlite3.DatabaseError as error:
        raise ForeignStore(f"`{path}` is no party store, or is damaged: {error}") from error
    if owner != party_id:
        raise ForeignStore(f"`{path}` is the store of party `{owner}`, expected `{party_id}`")


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
