"""What one release says: every indicator that has a value for a release, ready to be counted over many.

Rules:
- A release is counted under the municipality responsible at r, its kind and its local month.
- A banded measure puts the release into one of its bands: `yes` or `no`, the first period within which something
  happened, or the last step that was reached. `None` = the indicator does not apply, or its answer is still open; the
  release is then left out of it.
- A spread measure is a number; `None` = censored or not applicable.
- `KIND_BOUND` measures apply to some kinds of release only.
- Some measures are also asked by group (`GROUPINGS`): every release to which one applies is in exactly one group of it,
  in `NOT_STATED` where nothing names another; of several that are named (two trials, two areas) they are one group.

From one case to `hub.continuity.table`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from contracts.civil_time import local_of
from hub.continuity.activities import continuation
from hub.continuity.case import KnownCase
from hub.continuity.children import Visits, child_hours, placed_without_visit, visits
from hub.continuity.consent_health import ConsentHealth, consent_health
from hub.continuity.contact import first_contact_days
from hub.continuity.coordinators import caseloads, coordination, without_coordinator_before_release
from hub.continuity.deadlines import contact_deadline, decision_deadline, meeting_deadline, plan_deadline
from hub.continuity.efforts import open_efforts, overlaps
from hub.continuity.emergency import requests, reviewed_on_time
from hub.continuity.episodes import Episode, episodes_of
from hub.continuity.organisation import municipal_gap_days, vacancies
from hub.continuity.outreach import STEPS, funnel
from hub.continuity.plans import goal_mismatch, mismatch, mismatch_days
from hub.continuity.readiness import (
    housing_gap_nights,
    kept_open,
    notice_lag_hours,
    without_housing,
    without_income,
    without_notice,
)
from hub.continuity.returning import returned_within
from hub.continuity.terms import Terms
from hub.continuity.treatment import (
    guarantees,
    handed_over_before_release,
    handover_days,
    host_cost_events,
    was_open,
)
from hub.continuity.trials import LAPSED, PRESUMED_LAPSED, trials

UNKNOWN_MUNICIPALITY: Final = "?"
NOT_STATED: Final = "-"
GROUPINGS: Final[Mapping[str, str]] = {
    "I8_area": "I8_overlap",
    "I9_funding": "I9_lapsed",
    "I10_project": "I10_outreach",
    "I10_target_group": "I10_outreach",
    "I10_age_band": "I10_outreach",
}
YES: Final = 0
NO: Final = 1


@dataclass(frozen=True)
class Release:
    """One release. `person` only tells releases of one citizen apart; it is never shown."""

    person: str
    municipality: str
    kind: str
    month: str
    at: int
    bands: Mapping[str, int | None]
    spreads: Mapping[str, Fraction | None]
    groups: Mapping[str, str] = field(default_factory=dict)
    """Name of a grouping -> the group that the release is in."""


def band_labels(terms: Terms) -> Mapping[str, tuple[str, ...]]:
    """The banded measures, each with the names of its bands but the last (which is all the rest)."""
    yes_or_no = dict.fromkeys((*_QUESTIONS, *_CONSENT_QUESTIONS, *_DEADLINES), ("yes",))
    periods = {
        "I1_person": tuple(f"{period.days}d" for period in terms.continued_within),
        "I2_contact": tuple(f"{days}d" for days in terms.contact_within_days),
        "I10_outreach": tuple(reversed(STEPS)),
        "I18_returned": tuple(f"{period.days}d" for period in terms.returned_within),
    }
    return {**periods, **yes_or_no}


def grouping_labels() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """The groupings: of which measure, and the names of its bands but the last within one group."""
    within = {"I10_outreach": tuple(reversed(STEPS[1:]))}  # in a group everybody has had a talk
    return {name: (measure, within.get(measure, ("yes",))) for name, measure in GROUPINGS.items()}


def releases_of(case: KnownCase, person: str) -> Iterator[Release]:
    """Every release of one case."""
    for episode in episodes_of(case):
        if episode.end is not None and episode.kind is not None:
            yield Release(
                person=person,
                municipality=case.responsible_at(episode.end) or UNKNOWN_MUNICIPALITY,
                kind=episode.kind,
                month=local_of(episode.end, case.zone).strftime("%Y-%m"),
                at=episode.end,
                bands=dict(_bands(case, episode, episode.end)),
                spreads={name: _number(formula(case, episode)) for name, formula in _NUMBERS.items()},
                groups=dict(_groups(case)),
            )


def _groups(case: KnownCase) -> Iterator[tuple[str, str]]:
    yield "I8_area", _joined(effort.area for effort in open_efforts(case))
    if found := trials(case):
        yield "I9_funding", _joined(trial.funding for trial in found)
    if (outreach := funnel(case)) is not None:
        yield "I10_project", outreach.project or NOT_STATED
        yield "I10_target_group", outreach.target_group or NOT_STATED
        yield "I10_age_band", outreach.age_band


def _joined(named: Iterable[str | None]) -> str:
    return " + ".join(sorted({each for each in named if each})) or NOT_STATED


def _bands(case: KnownCase, episode: Episode, released_at: int) -> Iterator[tuple[str, int | None]]:
    terms = case.terms
    found = continuation(case, episode.start, released_at)
    went_on = [found.within(case, period).part > 0 for period in terms.continued_within]
    yield "I1_person", _first(went_on) if found.first_continued else None
    days = first_contact_days(case, released_at)
    yield "I2_contact", _first([days is not None and days <= limit for limit in terms.contact_within_days])
    yield "I18_returned", _first([returned_within(case, released_at, period) for period in terms.returned_within])
    outreach = funnel(case)
    yield "I10_outreach", len(STEPS) - (outreach.steps if outreach else 0)
    for name, question in _QUESTIONS.items():
        yield name, _yes(question(case, episode))
    health = consent_health(case)
    for name, asked in _CONSENT_QUESTIONS.items():
        yield name, _yes(asked(health))
    for name, deadline in _DEADLINES.items():
        judged = deadline(case, episode)
        yield name, None if judged is None else _yes(judged.met)


def _first(met: list[bool]) -> int:
    return met.index(True) if True in met else len(met)


def _yes(answer: bool | None) -> int | None:
    return None if answer is None else YES if answer else NO


def _number(value: int | Fraction | None) -> Fraction | None:
    return None if value is None else Fraction(value)


def _released_at(episode: Episode) -> int:
    if episode.end is None:
        raise ValueError("an episode without release has no measures")
    return episode.end


def _no_coordinator(case: KnownCase, episode: Episode) -> bool | None:
    return without_coordinator_before_release(case, episode) if episode.convicted else None


def _no_coordinator_remand(case: KnownCase, episode: Episode) -> bool | None:
    return None if episode.convicted else without_coordinator_before_release(case, episode)


def _no_notice(case: KnownCase, episode: Episode) -> bool | None:
    return without_notice(case, episode.release) if episode.release else None


def _referred(case: KnownCase, episode: Episode) -> bool | None:
    at = _released_at(episode)
    return handed_over_before_release(case, at) if was_open(case, at) else None


def _joint_handover(case: KnownCase, episode: Episode) -> bool | None:
    share = coordination(case, episode).joint_handovers
    return share.part == share.whole if share.whole else None


def _caseload(case: KnownCase, _: Episode) -> int | None:
    """What the newest statement of a caseload says, whoever coordinates."""
    stated = list(caseloads(case).values())
    return stated[-1] if stated else None


def _goals_differing(case: KnownCase, episode: Episode) -> Fraction | None:
    share = goal_mismatch(case, _released_at(episode))
    return Fraction(share.part, share.whole) if share.whole else None


def _visits(case: KnownCase, episode: Episode) -> Visits | None:
    found = visits(case, episode)
    return found if found and (found.held or found.arranged) else None


def _visits_held(case: KnownCase, episode: Episode) -> Fraction | None:
    found = _visits(case, episode)
    return found.held_per_period if found else None


def _visits_arranged(case: KnownCase, episode: Episode) -> Fraction | None:
    found = _visits(case, episode)
    return found.arranged_per_period if found else None


def _trial_lapsed(case: KnownCase, _: Episode) -> bool | None:
    found = trials(case)
    return any(trial.outcome in (LAPSED, PRESUMED_LAPSED) for trial in found) if found else None


def _no_visit(case: KnownCase, _: Episode) -> bool | None:
    share = placed_without_visit(case)
    return share.part > 0 if share.whole else None


def _guarantee_breached(case: KnownCase, _: Episode) -> bool | None:
    found = guarantees(case)
    return any(each.breached for each in found) if found else None


def _reviewed_on_time(case: KnownCase, _: Episode) -> bool | None:
    share = reviewed_on_time(case, requests(case))
    return share.part == share.whole if share.whole else None


def _longest_open(case: KnownCase, episode: Episode) -> Fraction | None:
    return max(kept_open(case, episode).values(), default=None)


def _trial_hours(case: KnownCase, _: Episode) -> Fraction | None:
    return min((trial.hours for trial in trials(case)), default=None)


_QUESTIONS: Final[Mapping[str, Callable[[KnownCase, Episode], bool | None]]] = {
    "I3_mismatch_at_release": lambda case, episode: mismatch(case, _released_at(episode)) > 0,
    "I4_before_release": _referred,
    "I4_host_cost": lambda case, episode: host_cost_events(case, _released_at(episode)) > 0,
    "I6_no_coordinator": _no_coordinator,
    "I6_no_coordinator_remand": _no_coordinator_remand,
    "I5_joint_handover": _joint_handover,
    "I8_overlap": lambda case, _: bool(overlaps(case)),
    "I9_lapsed": _trial_lapsed,
    "I11_without_notice": _no_notice,
    "I11_without_housing": lambda case, episode: without_housing(case, _released_at(episode)),
    "I11_without_income": lambda case, episode: without_income(case, _released_at(episode)),
    "I13_vacancy": lambda case, _: vacancies(case) > 0,
    "I14_no_visit": _no_visit,
    "I16_requested": lambda case, _: bool(requests(case)),
    "I16_reviewed_on_time": _reviewed_on_time,
    "I17_breached": _guarantee_breached,
}
_CONSENT_QUESTIONS: Final[Mapping[str, Callable[[ConsentHealth], bool]]] = {
    "I15_active_consent": lambda health: health.active > 0,
    "I15_lapsing": lambda health: health.lapsing > 0,
    "I15_refused": lambda health: health.refused > 0,
    "I15_withdrawn": lambda health: health.withdrawn > 0,
    "I15_lapsed": lambda health: health.lapsed > 0,
    "I15_void": lambda health: health.void > 0,
}
_DEADLINES: Final = {
    "I7_plan": plan_deadline,
    "I7_contact": contact_deadline,
    "I7_meeting": meeting_deadline,
    "I7_decision": decision_deadline,
}
KIND_BOUND: Final = frozenset(
    {"I6_no_coordinator", "I6_no_coordinator_remand", "I7_contact", "I7_decision", "I11_without_notice"}
)
_NUMBERS: Final[Mapping[str, Callable[[KnownCase, Episode], int | Fraction | None]]] = {
    "I2_days": lambda case, episode: first_contact_days(case, _released_at(episode)),
    "I3_mismatch_days": lambda case, episode: mismatch_days(case, episode.start, _released_at(episode)),
    "I3_goals_differing": _goals_differing,
    "I4_handover_days": lambda case, episode: handover_days(case, _released_at(episode)),
    "I5_changes": lambda case, episode: coordination(case, episode).changes,
    "I5_gap_days": lambda case, episode: coordination(case, episode).gap_days,
    "I5_caseload": _caseload,
    "I9_hours": _trial_hours,
    "I11_notice_lag_hours": lambda _, episode: notice_lag_hours(episode.release) if episode.release else None,
    "I11_housing_gap_nights": housing_gap_nights,
    "I12_open_share": _longest_open,
    "I13_gap_days": lambda case, _: municipal_gap_days(case),
    "I14_child_hours": child_hours,
    "I14_visits_held": _visits_held,
    "I14_visits_arranged": _visits_arranged,
    "I15_exposure_hours": lambda case, _: consent_health(case).exposure_hours or None,
}
SPREADS: Final = tuple(_NUMBERS)
