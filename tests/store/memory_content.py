"""What lies in a store in memory: rows of bytes by stream, and the tables beside them as dicts.

`tests.store.memory` reads and writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, cast

from hub.store.ports import Forwarding, Obligation, OpenParked, OpenReview, Promise, Removal, StoreIdentity
from hub.store.record_schemas import StoredSchema
from hub.store.records import BATCHES, BatchCommitted, StoredRecord


@dataclass(slots=True, eq=False)
class Row:
    """One stored record: its format, its place and its bytes. What was decoded once is handed out again, frozen."""

    schema: StoredSchema
    stream: str
    version: int
    body: bytes
    first: int
    """The first number of a run; else the version."""
    _decoded: StoredRecord | None = None

    def record(self) -> StoredRecord:
        """The record that the bytes hold."""
        if self._decoded is None:
            decoded = self.schema.decode(self.stream, self.version, self.body)
            if isinstance(decoded, BatchCommitted):
                decoded = replace(decoded, positions=MappingProxyType(dict(decoded.positions)))
            self._decoded = decoded
        return self._decoded


@dataclass(slots=True)
class Content:
    """All that lies in one store."""

    identity: StoreIdentity
    topic_ids: dict[str, str]
    streams: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    cache_rows: dict[str, bytes] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    open_reviews: dict[str, tuple[OpenReview, ...]] = field(default_factory=dict)
    forwarding: dict[tuple[str, str], Forwarding] = field(default_factory=dict)
    promises: dict[str, tuple[Promise, ...]] = field(default_factory=dict)
    removals: dict[str, tuple[Removal, ...]] = field(default_factory=dict)
    obligations: dict[str, Obligation] = field(default_factory=dict)
    open_parked: dict[str, OpenParked] = field(default_factory=dict)
    send_positions: dict[str, int] = field(default_factory=dict)
    raw_parked: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """(Stream, version) -> the bytes of a parked record that is not resolved."""

    def copy(self) -> Content:
        """The same content, to go on from separately."""
        copied: dict[str, Any] = {
            each.name: dict(getattr(self, each.name)) for each in fields(self) if each.name != "identity"
        }
        return replace(self, **copied)

    def head_of(self, stream: str) -> int:
        """The last version of a stream, 0 where it is empty."""
        rows = self.streams.get(stream)
        return rows[-1].version if rows else 0

    def batch(self, version: int) -> BatchCommitted | None:
        """One stored batch."""
        rows = self.streams.get(BATCHES, ())
        return cast(BatchCommitted, rows[version - 1].record()) if 0 < version <= len(rows) else None
