"""I18: return to custody after a release. Not "recidivism": no conviction is carried.

Rules (domain specification, 6, I18): the first recall, imprisonment or remand after r, by r plus the period. Pure.
"""

from __future__ import annotations

from contracts.civil_time import Period
from hub.consent.custody import STARTED
from hub.continuity.case import KnownCase


def returned_at(case: KnownCase, released_at: int) -> int | None:
    """When the citizen came back into custody after a release, if that has happened."""
    later = [fact.occurred_at for fact in case.of_types(*STARTED) if fact.occurred_at > released_at]
    return min(later, default=None)


def returned_within(case: KnownCase, released_at: int, period: Period) -> bool:
    """I18 for one release and period."""
    at = returned_at(case, released_at)
    return at is not None and at <= case.after(released_at, period)
