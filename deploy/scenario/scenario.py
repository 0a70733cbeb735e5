"""A scenario as read: a citizen, what agencies state about them, and what each party must see when.

Rules:
- Instants are milliseconds, already resolved from local civil time of the jurisdiction; `born` is a date.
- Field values stay text (or a list of texts): `expansion` gives them their types.
- `line` is the line of the file, for messages.

Made by `grammar`, read by `expansion`, `player` and `comparison`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from zoneinfo import ZoneInfo

from contracts.civil_time import zone_of

FieldText = str | tuple[str, ...]
"""One field's value as written: a word, or the words of a list."""

ExpectedEvent = Mapping[str, int]
"""What a party must see of one event: basis as written (`S2`, `C:k1`, `BG`) -> category mask."""

ExpectedView = Mapping[str, ExpectedEvent]
"""A party's complete expected view: event id of the scenario -> what it must see of it."""


@dataclass(frozen=True, slots=True)
class ScenarioEvent:
    """One `E` event. `recorded_at` equals `occurred_at` unless `rec=` says otherwise."""

    line: int
    id: str
    occurred_at: int
    party: str
    type: str
    fields: Mapping[str, FieldText]
    recorded_at: int
    corrects: str | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """One `X` line: the complete view of each party named, at `at`."""

    line: int
    at: int
    views: Mapping[str, ExpectedView]


@dataclass(frozen=True)
class Scenario:
    """One `S` block."""

    line: int
    id: str
    jurisdiction: str
    born: date
    health: frozenset[str]
    title: str
    events: tuple[ScenarioEvent, ...]
    expectations: tuple[Expectation, ...]
    indicators: tuple[str, ...]
    why: tuple[str, ...]

    @property
    def zone(self) -> ZoneInfo:
        """The civil time zone of the jurisdiction."""
        return zone_of(self.jurisdiction)

    @cached_property
    def event(self) -> Mapping[str, ScenarioEvent]:
        """The events by id."""
        return {event.id: event for event in self.events}

    @property
    def view_count(self) -> int:
        """How many views the `X` lines state."""
        return sum(len(expectation.views) for expectation in self.expectations)
