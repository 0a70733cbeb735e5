"""Where the wrapped data keys lie, whichever database holds them; `hub.store.keys` gives them their meaning.

Rules:
- A table is made by command, never by opening. What it was made for stands in it: a key check under its own name.
- `insert` and `destroy` are durable when they return.
- `changes` is another number whenever somebody else may have destroyed a key since it was last asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

KEY_TABLE_FORMAT = 1


class KeyTable(Protocol):
    """One table of names and wrapped keys; a destroyed key is a name without one."""

    def rows(self, names: Sequence[str]) -> Mapping[str, bytes | None]:
        """The wrapped key of each name that is there, `None` for a destroyed one."""

    def insert(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """Add keys under new names."""

    def destroy(self, names: Sequence[str]) -> None:
        """Take the keys of `names` away for ever, those of names that were never there too."""

    def live_names(self, prefix: str) -> Sequence[str]:
        """The names with `prefix` whose key is there, sorted."""

    def destroyed_names(self, prefix: str) -> Sequence[str]:
        """The names with `prefix` whose key was destroyed, sorted."""

    def changes(self) -> int:
        """A number that differs from the last one where somebody else changed the table."""

    def close(self) -> None:
        """Release it."""
