"""Which publishers are silent: whether nothing was stated, or nothing could be.

Rules:
- Only signs of life count (`PublisherAlive`), never facts: whether a publisher is silent must not depend on what there
  is to state of anybody.
- Silent is who gave none for longer than its period, or never gave one.

The instants come from the shard's state; read by reminders, metrics and the operator's command. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.parties import PartyRegistry
from hub.continuity.clock_terms import ClockTerms


@dataclass(frozen=True)
class Silence:
    """The periods of a hub's publishers."""

    registry: PartyRegistry
    terms: ClockTerms

    def period_seconds(self, party: str) -> int:
        """After how long without a sign of life `party` counts as silent."""
        known = self.registry.parties.get(party)
        own = known.silent_after_seconds if known is not None else None
        return self.terms.silent_after_seconds if own is None else own

    def is_silent(self, party: str, heard: Mapping[str, int], at: int) -> bool:
        """Whether `party` is silent at `at`; `heard`: when each party gave its last sign of life (milliseconds)."""
        last = heard.get(party)
        return last is None or at - last > self.period_seconds(party) * 1000
