"""A statement: what an agency says happened, before it is checked and given an id.

Rules:
- Values carry the contract's own field names and plain Python types: `UUID`, `datetime`, `date`, `Decimal`, `bool`,
  `int`, `str`, lists of them, and records such as `PlanItem`.
- An absent value is `None`; it is left out.

Made by the functions of `producers.agencies`, taken by `producers.publisher`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Statement:
    """One fact to be published. `occurred_at` is when it happened; it needs a time zone."""

    event_type: str
    values: Mapping[str, Any] = field(repr=False)
    occurred_at: datetime


class HasValues(Protocol):
    """A record of a contract: gives its values under the contract's own names."""

    def values(self) -> dict[str, Any]:
        """The values by field name."""


def record_values(records: Sequence[HasValues] | None) -> list[dict[str, Any]] | None:
    """Return the records of a list field as a statement carries them; none stay none."""
    return None if records is None else [record.values() for record in records]
