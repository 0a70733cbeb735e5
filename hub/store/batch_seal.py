"""The seal of a batch: a code under the master key over every row that is stored with it, and the seal before it.

Rules:
- Rows of cases do not open at another place; other rows are open, and no row tells that one behind it was removed. The
  seal tells both, of every row of the batch in their order, its own among them.
- With the seal of the batch before it taken in, no seal can be taken out unseen as long as one behind it stands.
- It needs the master key: who has the rows, or the rows and the wrapped keys, cannot make one.

Written by `hub.store.shard_store` with each batch; compared where a store is looked over (`hub.store.checking`).
"""

from __future__ import annotations

import hashlib
import hmac
from struct import Struct
from typing import Final

from eventsourcing.persistence import StoredEvent

_PURPOSE: Final = b"seal of a batch"
_HEAD: Final = Struct(">IqII")
"""Bytes of the stream's name, version, bytes of the class name, bytes of the state."""


def seal_key(master_key: bytes) -> bytes:
    """Return the key of all seals under a master key."""
    return hmac.digest(master_key, _PURPOSE, "sha256")


class BatchSeal:
    """The seal of one batch, row by row; `before` is that of the batch before it, empty where that has none."""

    def __init__(self, key: bytes, before: bytes) -> None:
        self._code = hmac.new(key, bytes([len(before)]) + before, hashlib.sha256)

    def add(self, row: StoredEvent) -> None:
        """Take in the next row."""
        stream, topic = str(row.originator_id).encode(), row.topic.encode()
        self._code.update(_HEAD.pack(len(stream), row.originator_version, len(topic), len(row.state)) + stream + topic)
        self._code.update(row.state)

    def value(self) -> bytes:
        """Return the 32 bytes of the seal."""
        return self._code.digest()
