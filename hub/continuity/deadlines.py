"""I7: the deadlines of the Køreplan for a good release.

Rules (domain specification, 6, I7):
- Plan: the first version of the sentence plan within 28 days of s.
- Contact: the first coordinator assigned by a municipality, joint plan, contact in custody or release meeting by one
  year before the earliest parole, or within 28 days of s where less than a year remains at s.
- Meeting: a release meeting at least 90 days before release. Decision: a parole date set at least 28 days before.
- Before the release, the planned date stands for it. Days are differences of local civil dates.
- A deadline that is still to come, or of which the date is not known, is neither met nor missed.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.civil_time import Period, add_to_date, day_date, day_number
from contracts.fact import Fact
from contracts.parties import Party
from hub.continuity.case import KnownCase
from hub.continuity.episodes import Episode, planned_release


@dataclass(frozen=True, slots=True)
class Deadline:
    """`met` is `None` while open. `days` is what was reached, counted from s or back from the release; `limit` what
    was asked, in the same days."""

    met: bool | None
    days: int | None
    limit: int

    def __str__(self) -> str:
        """`met(24d)`, `missed(35d>28d)`, `missed`, `open`"""
        if self.met is None:
            return "open"
        if self.days is None:
            return "missed"
        if self.met:
            return f"met({self.days}d)"
        return f"missed({self.days}d{'>' if self.days > self.limit else '<'}{self.limit}d)"


def plan_deadline(case: KnownCase, episode: Episode) -> Deadline:
    """I7 plan."""
    agreed = [fact for fact in _in(case, episode, "SentencePlanAgreed") if fact.payload["version"] == 1]
    return _since_start(case, episode, agreed, case.terms.plan_within_days)


def contact_deadline(case: KnownCase, episode: Episode) -> Deadline:
    """I7 contact; open where the earliest parole is not known."""
    limit = contact_limit_days(case, episode)
    if limit is None:
        return Deadline(None, None, case.terms.contact_within_days_of_start)
    return _since_start(case, episode, contacts_in(case, episode), limit)


def contacts_in(case: KnownCase, episode: Episode) -> list[Fact]:
    """What counts as contact before parole, in the order in which it happened."""
    types = ("CoordinatorAssigned", "MunicipalContactHeld", *sorted(case.terms.contact_deadline_by))
    return [fact for fact in _in(case, episode, *types) if _is_contact(fact)]


def contact_limit_days(case: KnownCase, episode: Episode) -> int | None:
    """Within how many days of s there must be contact; `None` where the earliest parole is not known."""
    parole = episode.stated("earliestParole")
    if not isinstance(parole, int):
        return None
    back = case.terms.contact_before_parole
    year_before = add_to_date(day_date(parole), Period(-back.years, -back.months, -back.days))
    limit = day_number(year_before) - case.day(episode.start)
    return limit if limit >= 0 else case.terms.contact_within_days_of_start


def meeting_deadline(case: KnownCase, episode: Episode) -> Deadline:
    """I7 meeting."""
    return _before_release(case, episode, "ReleaseMeetingHeld", case.terms.meeting_before_release_days)


def decision_deadline(case: KnownCase, episode: Episode) -> Deadline | None:
    """I7 decision; `None` where the release is of another kind than parole."""
    decided_kind = case.terms.decided_kind
    dated = [fact for fact in _in(case, episode, "ReleaseDateSet") if fact.payload["kind"] == decided_kind]
    if episode.kind not in (None, decided_kind) or (episode.kind is None and not dated):
        return None
    return _before_release(case, episode, "ReleaseDateSet", case.terms.decision_before_release_days, decided_kind)


def _in(case: KnownCase, episode: Episode, *types: str) -> list[Fact]:
    end = case.at if episode.end is None else episode.end
    return case.between(episode.start, end + 1, *types)


def _is_contact(fact: Fact) -> bool:
    if fact.event_type == "CoordinatorAssigned":
        return Party(fact.party).municipality is not None
    if fact.event_type == "MunicipalContactHeld":
        return fact.payload.get("inCustody") is True
    return True


def _since_start(case: KnownCase, episode: Episode, reached: list[Fact], limit: int) -> Deadline:
    if reached:
        days = case.days(episode.start, case.happened(reached[0]))
        return Deadline(days <= limit, days, limit)
    # Nothing has happened: missed once the last day is over, or the release has come without it.
    over = case.days(episode.start, case.at) > limit or episode.end is not None
    return Deadline(False if over else None, None, limit)


def _before_release(case: KnownCase, episode: Episode, event: str, limit: int, kind: str | None = None) -> Deadline:
    planned = planned_release(case, episode, case.at)
    release_day = case.day(episode.end) if episode.end is not None else planned
    if release_day is None:
        return Deadline(None, None, limit)
    facts = [fact for fact in _in(case, episode, event) if kind is None or fact.payload["kind"] == kind]
    if facts:
        days = release_day - case.day(case.happened(facts[0]))
        return Deadline(days >= limit, days, limit)
    over = case.day(case.at) > release_day - limit
    return Deadline(False if over else None, None, limit)
