"""On which bases a party was shown something of a fact before: what it is still shown, and what was taken back from it.

Rules:
- A basis is kept for the categories that were shown on it. What is taken back leaves `kept`; what is shown again leaves
  `taken_back`, and begins anew with the basis on which it is shown.

Pure. Folded from the decisions of a case by `timeline`; `hub.disclosure.endings` reads which consents showed what.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hub.store.records import Shown

Line = tuple[str, str]
"""(Event id, party)."""
Masks = dict[str, int]
"""Basis -> the categories that were shown on it."""


@dataclass(slots=True)
class FormerBases:
    """The bases of everything that a case's parties were shown before now."""

    kept: dict[Line, Masks] = field(default_factory=dict)
    """What the party is still shown, on whatever basis."""
    taken_back: dict[Line, Masks] = field(default_factory=dict)

    def decided(self, event_id: str, party: str, before: Shown, now: Shown) -> None:
        """Take in a decision after which the party is shown `now` of a fact, where it was shown `before`."""
        line, still = (event_id, party), 0
        for _, mask in now:
            still |= mask
        shown = _joined(self.kept.pop(line, {}).items(), before)
        if kept := {basis: mask & still for basis, mask in shown.items() if mask & still}:
            self.kept[line] = kept
        gone = _joined(self.taken_back.pop(line, {}).items(), shown.items())
        if lost := {basis: mask & ~still for basis, mask in gone.items() if mask & ~still}:
            self.taken_back[line] = lost


def _joined(some: Iterable[tuple[str, int]], more: Iterable[tuple[str, int]]) -> Masks:
    masks = dict(some)
    for basis, mask in more:
        masks[basis] = masks.get(basis, 0) | mask
    return masks
