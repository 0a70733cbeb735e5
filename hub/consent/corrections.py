"""Corrections: what was live before, and the facts for which a live one stands.

Rules (domain specification, 2.1, 4.9.17):
- A correction replaces the whole fact. What hangs on an id that the fact once bore, or on when it was first recorded,
  is asked of all its revisions.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from contracts.fact import Fact


@dataclass(frozen=True, slots=True)
class Superseded:
    """A fact that was live from its recording until it was corrected or retracted at `until` (milliseconds)."""

    fact: Fact
    until: int


def revisions(fact: Fact, gone: Mapping[str, Fact]) -> tuple[Fact, ...]:
    """Return `fact`, what it corrects, what that corrected, and so on; `gone` are superseded facts by event id."""
    found = {fact.event_id: fact}
    while fact.corrects is not None and fact.corrects not in found and fact.corrects in gone:
        fact = gone[fact.corrects]
        found[fact.event_id] = fact
    return tuple(found.values())


def first_recorded(same: Iterable[Fact]) -> int:
    """Return when the hub first had a fact, in whatever of its `revisions`."""
    return min(revision.recorded_at for revision in same)


def superseded_by_id(superseded: Iterable[Superseded], event_types: Container[str]) -> dict[str, Fact]:
    """Return what was corrected or retracted of these types, by event id, as `revisions` takes it."""
    return {each.fact.event_id: each.fact for each in superseded if each.fact.event_type in event_types}
