"""I4 and I17: treatment handed over at release, and begun within its guarantee.

Rules (domain specification, 6, I4, I17):
- A treatment is open at r if the last of its starts, resumptions and ends before r is not an end.
- Handed over: days from r to the first start or resumption outside prison that continues such a treatment.
- Before release: something was referred, transferred or handed over to somebody before r.
- Host cost: treatment events after r by a municipality that is not responsible, on partnership or ordinary funding.
- Guarantee: days from the request to the start; a request without start breaches once its days are over.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.fact import Fact
from contracts.parties import Party
from hub.continuity.case import KnownCase


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One request for treatment: where it was made, days to the start (`None`: not begun), whether it was breached."""

    treatment_id: str
    setting: str
    days: int | None
    breached: bool


def handover_days(case: KnownCase, released_at: int) -> int | None:
    """I4 handoverDays; `None` where no treatment was open at release or none has gone on."""
    open_ids = _open_ids(case, released_at)
    for fact in case.of_types(*case.terms.treatment_opened_by):
        outside = fact.payload.get("setting") not in case.terms.prison_settings
        if case.happened(fact) >= released_at and outside and open_ids & _ids(fact):
            return case.days(released_at, case.happened(fact))
    return None


def was_open(case: KnownCase, released_at: int) -> bool:
    """Whether a treatment was open at release, so that there was something to hand over."""
    return bool(_open_ids(case, released_at))


def handed_over_before_release(case: KnownCase, released_at: int) -> bool:
    """I4 beforeRelease."""
    return any(
        fact.payload.get("to") is not None and case.happened(fact) < released_at
        for fact in case.of_types(*case.terms.handed_over_by)
    )


def host_cost_events(case: KnownCase, released_at: int) -> int:
    """I4 hostCostEventsAfterRelease."""
    return sum(
        fact.event_type.startswith("Treatment")
        and case.happened(fact) > released_at
        and Party(fact.party).municipality is not None
        and not case.is_of_responsible(fact)
        and fact.payload.get("funding") in case.terms.host_funding
        for fact in case.facts
    )


def guarantees(case: KnownCase) -> list[Guarantee]:
    """I17, one for each treatment that was requested; its first request counts."""
    first_request: dict[str, Fact] = {}
    for fact in case.of_types("TreatmentRequested"):
        first_request.setdefault(str(fact.payload["treatmentId"]), fact)
    return [_guarantee(case, treatment_id, request) for treatment_id, request in first_request.items()]


def _guarantee(case: KnownCase, treatment_id: str, request: Fact) -> Guarantee:
    requested_at = case.happened(request)
    started = [
        case.happened(fact)
        for fact in case.of_types("TreatmentStarted")
        if treatment_id in (fact.payload.get("treatmentId"), fact.payload.get("continuesId"))
        and case.happened(fact) >= requested_at
    ]
    days = case.days(requested_at, started[0]) if started else None
    waited = days if days is not None else case.days(requested_at, case.at)
    return Guarantee(treatment_id, str(request.payload["setting"]), days, waited > case.terms.guarantee_days)


def _ids(fact: Fact) -> set[str]:
    values = (fact.payload.get(name) for name in ("treatmentId", "activityId", "continuesId"))
    return {str(value) for value in values if value is not None}


def _open_ids(case: KnownCase, before: int) -> set[str]:
    """Every id by which a treatment that was open before an instant may be continued."""
    names: dict[str, set[str]] = {}
    is_open: dict[str, bool] = {}
    for fact in case.of_types(*case.terms.treatment_opened_by, *case.terms.treatment_closed_by):
        if case.happened(fact) >= before:
            break
        treatment_id = str(fact.payload["treatmentId"])
        own = {treatment_id} | ({str(fact.payload["activityId"])} if fact.payload.get("activityId") else set())
        names.setdefault(treatment_id, set()).update(own)
        # An end without any start leaves nothing open; a start or resumption opens.
        is_open[treatment_id] = fact.event_type in case.terms.treatment_opened_by
    return {name for treatment_id, opened in is_open.items() if opened for name in names[treatment_id]}
