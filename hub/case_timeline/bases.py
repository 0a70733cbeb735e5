"""On which bases a party was shown something of a fact before: what it is still shown, and what was taken back from it.

Rules:
- A basis is kept for the categories that were shown on it. What is taken back leaves `kept` for `taken_back`.
- What is shown again leaves `taken_back`, and keeps its bases in `shown_again`, with the settlement before: a consent
  that had ended by then was told to have, one that ends from then on was not.
- What another case had shown stays apart until the case is settled with all that this one brings: then it counts like
  what was shown here and is still shown, or was taken back.

Pure. Folded from the decisions of a case by `timeline`; `hub.disclosure.endings` reads which consents showed what.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hub.store.records import Shown

Line = tuple[str, str]
"""(Event id, party)."""
Masks = dict[str, int]
"""Basis -> the categories that were shown on it."""


class Settled(NamedTuple):
    """A settlement of a case: the version of its record, and its clock."""

    version: int
    at: int


NEVER: Final = Settled(0, 0)


@dataclass(slots=True)
class FormerBases:
    """The bases of everything that a case's parties were shown before now."""

    kept: dict[Line, Masks] = field(default_factory=dict)
    """What the party is still shown, on whatever basis, without a break."""
    shown_again: dict[Line, dict[Settled, Masks]] = field(default_factory=dict)
    """What it is shown again: the last settlement in which it was not -> the bases from before."""
    taken_back: dict[Line, Masks] = field(default_factory=dict)
    from_another: dict[Line, Masks] = field(default_factory=dict)
    """What another case had shown, and this one has not settled yet."""
    brought_at: int = 0
    """When the last of that was brought (milliseconds)."""

    def decided(self, event_id: str, party: str, before: Shown, now: Shown, settled: Settled) -> None:
        """Take in a decision after which the party is shown `now` of a fact, where it was shown `before`.

        `settled` is the settlement before this one.
        """
        line, still = (event_id, party), 0
        for _, mask in now:
            still |= mask
        gone = self.taken_back.pop(line, {})
        again = self.shown_again.pop(line, {})
        shown = joined(self.kept.pop(line, {}).items(), before)
        shown = joined(self.from_another.pop(line, {}).items(), shown.items())
        if kept := _within(still, shown):
            self.kept[line] = kept
        ever = joined(gone.items(), shown.items())
        for masks in again.values():
            ever = joined(ever.items(), masks.items())
        if lost := _within(~still, ever):
            self.taken_back[line] = lost
        again[settled] = gone
        if again := {each: part for each, masks in again.items() if (part := _within(still, masks))}:
            self.shown_again[line] = again

    def brought(self, event_id: str, party: str, shown: Shown, at: int) -> None:
        """Take in what another case had shown the party."""
        if shown:
            self.brought_at = at
            self.from_another[event_id, party] = joined(self.from_another.get((event_id, party), {}).items(), shown)

    def settled(self) -> None:
        """Count what another case had shown, and this one did not show again, as taken back."""
        for line, masks in self.from_another.items():
            self.taken_back[line] = joined(self.taken_back.get(line, {}).items(), masks.items())
        self.from_another.clear()


def joined(some: Iterable[tuple[str, int]], more: Iterable[tuple[str, int]]) -> Masks:
    """Return what was shown on each basis by either."""
    masks = dict(some)
    for basis, mask in more:
        masks[basis] = masks.get(basis, 0) | mask
    return masks


def _within(categories: int, masks: Masks) -> Masks:
    return {basis: mask & categories for basis, mask in masks.items() if mask & categories}
