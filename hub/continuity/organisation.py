"""I13: continuity of the organisations: a move between municipalities, vacant roles, evaluation all through.

Rules (domain specification, 6, I13):
- Gap of a move: days from the effective date to the first case of the new municipality, 0 where it came earlier; while
  there is none, censored.
- A coordinator's place is vacant if no successor was assigned within 14 days; so is a role of a party's staff, from a
  change that names nobody for it to one that names somebody.
- Coverage: months with an evaluation snapshot, of the months of an agreement (to the cut-off while it has no end).
  Snapshots and agreements may lie outside any case: they are handed in.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from contracts.civil_time import day_date, day_of
from contracts.fact import Fact
from contracts.parties import Party
from hub.continuity.case import KnownCase, Share, happened_at


def municipal_gap_days(case: KnownCase) -> int | None:
    """I13 municipalGapDays of the transfer in force; `None` where there is none, or the gap is still open."""
    today = case.day(case.at)
    begun = [fact for fact in case.of_types("ResponsibilityTransferred") if fact.payload["effectiveDate"] <= today]
    if not begun:
        return None
    transfer = max(begun, key=lambda fact: (fact.payload["effectiveDate"], fact.order))
    opened = [
        case.day(case.happened(fact))
        for fact in case.of_types("CaseOpened")
        if Party(fact.party).municipality == transfer.payload["toMunicipality"]
    ]
    return max(0, min(opened) - int(transfer.payload["effectiveDate"])) if opened else None


def vacancies(case: KnownCase) -> int:
    """I13 role vacancies: people who left, with nobody in their place within the days allowed."""
    assigned = [case.happened(fact) for fact in case.of_types("CoordinatorAssigned", "CoordinatorHandedOver")]
    left = [(case.happened(fact), assigned) for fact in case.of_types("CoordinatorVacated")]
    changes = case.of_types("StaffRoleChanged")
    for change in changes:
        if change.payload.get("role") is not None:
            # One that names somebody fills the role at once, itself.
            filled = [case.happened(other) for other in changes if _fills(other, change)]
            left.append((case.happened(change), filled))
    return sum(_stayed_empty(case, at, successors) for at, successors in left)


def _fills(change: Fact, vacated: Fact) -> bool:
    same_role = all(change.payload.get(name) == vacated.payload.get(name) for name in ("party", "role"))
    return same_role and change.payload.get("staff") is not None


def _stayed_empty(case: KnownCase, left: int, successors: Iterable[int]) -> bool:
    filled = min((at for at in successors if at >= left), default=case.at)
    return case.days(left, filled) > case.terms.vacancy_days


def evaluation_coverage(case: KnownCase, governance: Iterable[Fact]) -> Share:
    """I13 evaluationCoverage, of all agreements together."""
    months: set[int] = set()
    seen: set[int] = set()
    for fact in governance:
        if fact.recorded_at > case.at:
            continue
        if fact.event_type == "AgreementRegistered":
            ends_on = fact.payload.get("endsOn")
            last = case.day(case.at) if ends_on is None else min(ends_on - 1, case.day(case.at))
            months.update(range(_month(fact.payload["startsOn"]), _month(last) + 1))
        elif fact.event_type == "EvaluationSnapshotTaken":
            seen.add(_month(day_of(happened_at(fact, case.terms), case.zone)))
    return Share(len(months & seen), len(months))


def _month(day: int) -> int:
    date = day_date(day)
    return date.year * 12 + date.month - 1
