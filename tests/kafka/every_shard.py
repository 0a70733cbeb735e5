"""An ownership that asks nobody: every shard is this worker's, whoever else holds it. So shards are taken by force."""

from __future__ import annotations

from hub.broker.ports import GiveUp


class EveryShard:
    """Implements `hub.broker.ports.Ownership` for a hub of `partitions` shards."""

    def __init__(self, partitions: int) -> None:
        self._owned = frozenset(range(partitions))
        self.was_told = True
        self.rebuilds = 0

    def start(self, give_up: GiveUp) -> None:
        """Nobody ever takes a shard from us."""

    def look(self, wait_seconds: float = 0.0) -> frozenset[int]:
        """Every shard."""
        return self._owned

    def close(self) -> None:
        """There is nobody to tell."""
