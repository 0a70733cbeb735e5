"""An event as its receiver holds it: the disclosed form, decoded.

Rules:
- What is closed to this party looks exactly like what was never stated: neither is in `payload`.
- Values are wire values: times are milliseconds, dates day numbers, a decimal the bytes of Avro's decimal(10,2).
- Events of one citizen are read in the order of `VisibleEvent.order`, whatever order they came in.

From `consumers.store`, to the views and to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class VisibleEvent:
    """One event that this party may see now.

    `key` is the receiver's own pseudonym of the citizen, `party` who stated the event, `event_id` that party's
    `ce_id`, `event_type` the contract's name. `ce_time` and `occurred_at` are milliseconds.
    """

    key: str
    event_id: str
    party: str
    event_type: str
    ce_time: int
    occurred_at: int
    payload: Mapping[str, Any]
    corrects: str | None = None

    @property
    def order(self) -> tuple[int, int, str, str]:
        """When it happened, then when it was published, then whose and which it is."""
        return (self.occurred_at, self.ce_time, self.party, self.event_id)
