"""Compares what a party must see with what it does see: its own view and the hub's newest decisions, both.

Rules:
- Left out, as in the `X` lines: the party's own events, and consent and governance records.
- What counts as seen is what the consumer's view holds: the categories of visible fields and list items.
- The basis of each category is that of the hub's newest decision for that party and event. A category in the view
  without a decision has the basis `?`; a decision that the view does not show is a difference of its own.

The view comes from `consumers`, the decisions from the hub's store; differences go to people. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from consumers.visible import VisibleEvent
from contracts.catalogue import catalogue
from contracts.categories import BIT, Category, text_of
from contracts.fact import event_id_of
from deploy.scenario.expansion import Playbook
from deploy.scenario.scenario import ExpectedEvent, ExpectedView
from hub.store.records import Shown

UNDECIDED: Final = "?"
NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class ViewComparison:
    """One party's view at one moment: `expected` and `got` in the scenario's own terms, and each difference."""

    line: int
    at: int
    party: str
    expected: ExpectedView
    got: ExpectedView
    differences: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Terms:
    """Says what the hub holds in the scenario's own terms: `e1` for its event ids, `C:k1` for its consent ids."""

    playbook: Playbook
    event_ids: Mapping[str, str]
    """Hub's event id -> event id of the scenario."""

    def is_compared(self, event_id: str, party: str) -> bool:
        """Whether the scenario event counts for `party`: not its own, no consent or governance record."""
        event = self.playbook.scenario.event[event_id]
        return event.party != party and catalogue().event_types[event.type].anchor != Category.CO

    def decided(self, decisions: Mapping[str, Shown], party: str) -> dict[str, dict[str, int]]:
        """Return the hub's newest decisions for `party` in the scenario's terms; what shows nothing is left out."""
        decided: dict[str, dict[str, int]] = {}
        for hub_id, shown in decisions.items():
            event_id = self.event_ids.get(hub_id, hub_id)
            if event_id == hub_id and not union(dict(shown)) & ~BIT[Category.CO]:
                continue  # a record that the hub itself stated: a notice of a correction
            if shown and (event_id == hub_id or self.is_compared(event_id, party)):
                decided[event_id] = {self.playbook.basis_as_written(basis): mask for basis, mask in shown}
        return decided

    def seen(self, view: Iterable[VisibleEvent], party: str) -> dict[str, int]:
        """Return the categories of each event that the party's view holds."""
        seen: dict[str, int] = {}
        for event in view:
            hub_id = event_id_of(event.party, event.event_id)
            event_id = self.event_ids.get(hub_id, hub_id)
            categories = catalogue().event_types[event.event_type].categories_in(event.payload)
            if self.is_compared(event_id, party) if event_id != hub_id else categories & ~BIT[Category.CO]:
                seen[event_id] = categories
        return seen


def compared(expected: ExpectedView, decided: ExpectedView, seen: Mapping[str, int]) -> tuple[ExpectedView, list[str]]:
    """Return what the party got, and every difference in plain words; no difference means that all three agree."""
    got: dict[str, ExpectedEvent] = {}
    differences: list[str] = []
    for event_id in dict.fromkeys([*expected, *decided, *seen]):
        decision = decided.get(event_id, {})
        visible = seen.get(event_id)
        shown = _with_basis(decision, visible or 0)
        if visible is not None:
            got[event_id] = shown
        wanted = expected.get(event_id)
        if (wanted or {}) != shown or (wanted is None) != (visible is None):
            differences.append(f"{event_id}: expected {_text(wanted)}, got {_text(got.get(event_id))}")
        if union(decision) != (visible or 0):
            differences.append(
                f"{event_id}: the hub's newest decision shows {_text(decision or None)}, the view holds "
                f"{text_of(visible) if visible else NOTHING}"
            )
    return got, differences


def union(shown: ExpectedEvent) -> int:
    """Return the categories shown, whatever the basis."""
    mask = 0
    for categories in shown.values():
        mask |= categories
    return mask


def text_of_view(view: ExpectedView, order: Iterable[str]) -> str:
    """Return a view as an `X` line has it, events in `order`; unknown ones come last."""
    known = [event_id for event_id in order if event_id in view]
    rest = [event_id for event_id in view if event_id not in known]
    return ", ".join(f"{event_id} {_text(view[event_id])}" for event_id in [*known, *rest]) or NOTHING


def _with_basis(decision: ExpectedEvent, visible: int) -> dict[str, int]:
    shown = {basis: mask & visible for basis, mask in decision.items() if mask & visible}
    undecided = visible & ~union(decision)
    return shown | ({UNDECIDED: undecided} if undecided else {})


def _text(shown: ExpectedEvent | None) -> str:
    if shown is None:
        return NOTHING
    grants = sorted((text_of(mask), basis) for basis, mask in shown.items())
    return " ".join(f"{categories}={basis}" for categories, basis in grants) or "no category"
