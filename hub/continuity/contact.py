"""I2: days from release to the first contact with the responsible municipality.

Rules (domain specification, 6, I2): an attended contact or job centre meeting at or after r, stated by a party of the
municipality that was responsible when it took place. None by the cut-off: censored. Pure.
"""

from __future__ import annotations

from hub.continuity.case import KnownCase


def first_contact_days(case: KnownCase, released_at: int) -> int | None:
    """I2 for one release; `None` = censored."""
    for fact in case.of_types(*case.terms.contact_by):
        attended = fact.payload.get("attendance") == case.terms.attended
        if case.happened(fact) >= released_at and attended and case.is_of_responsible(fact):
            return case.days(released_at, case.happened(fact))
    return None
