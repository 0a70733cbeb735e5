"""A fact: an event as its agency stated it, the one shape in which rooms of the hub hand it to each other.

Rules:
- `event_id` is `<party>/<ce_id>`: two parties can never collide, nor one of them name an event of another.
- Values are wire values (see `contracts.values`): text, int, bool, bytes, list, dict; times as milliseconds,
  dates as day numbers, uuids as lower-case text, enum symbols as text. `None` is an absent field.
- A fact is never changed. A correction is another fact whose `corrects` names the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from contracts.event_types import EventType


class Fact(NamedTuple):
    """One stated event with its two hub-relevant clocks (`occurred_at`, `recorded_at`, both milliseconds)."""

    event_id: str
    event_type: str
    party: str
    occurred_at: int
    recorded_at: int
    payload: Mapping[str, Any]
    corrects: str | None = None

    @property
    def order(self) -> tuple[int, int, str]:
        """The order in which every fold reads facts: occurred, recorded, id."""
        return (self.occurred_at, self.recorded_at, self.event_id)


class Outline(NamedTuple):
    """All that a decision asks of one fact; kept for every fact of a case while its payload stays encrypted.

    `anchor` and `categories` are category masks. `references` holds the few payload fields that rules read
    (who is addressed, named or taking part; which consent or placement is meant).
    """

    event_id: str
    event_type: str
    party: str
    occurred_at: int
    anchor: int
    categories: int
    references: Mapping[str, Any]


def outline_of(fact: Fact, event_type: EventType) -> Outline:
    """Return the outline of `fact`, whose contract is `event_type`."""
    payload = fact.payload
    return Outline(
        fact.event_id,
        fact.event_type,
        fact.party,
        fact.occurred_at,
        event_type.anchor_bit(payload),
        event_type.categories_in(payload),
        {name: value for name in event_type.references if (value := payload.get(name)) is not None},
    )


def event_id_of(party: str, ce_id: str) -> str:
    """Return the hub's id of the event that `party` published as `ce_id`."""
    return f"{party}/{ce_id}"


def ce_id_of(event_id: str) -> str:
    """Return the `ce_id` part of an event id."""
    return event_id.rpartition("/")[2]


def party_of(event_id: str) -> str:
    """Return the publishing party of an event id."""
    return event_id.rpartition("/")[0]
