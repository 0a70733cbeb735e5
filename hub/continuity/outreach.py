"""I10: how far outreach leads: talk, offer, referral, treatment inside, treatment after release.

Rules (domain specification, 6, I10):
- Each step counts only after the one before it. The last step is I1 of that treatment.
- By project of the first talk, target group of the treatment, and age band on the day of that talk.
- Anonymous contacts have no citizen: they are counted from facts that belong to no case.

Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from contracts.civil_time import birthday
from contracts.fact import Fact
from hub.continuity.activities import activity_of, continuation
from hub.continuity.case import KnownCase
from hub.continuity.episodes import episodes_of

STEPS: Final = ("talk", "offered", "referred", "started inside", "continued")


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many of `STEPS` one person reached, and the groups that the person counts in."""

    steps: int
    project: str | None
    target_group: str | None
    age_band: str


def funnel(case: KnownCase) -> Funnel | None:
    """I10 of one person; `None` where there was no talk."""
    talks = case.of_types("MotivationTalkHeld")
    if not talks:
        return None
    offers = [fact for fact in talks if fact.payload.get("nextStep") == case.terms.offered_step]
    referrals = _after(case, offers, case.of_types("TreatmentReferred"))
    inside = [
        fact for fact in case.of_types("TreatmentStarted") if fact.payload.get("setting") in case.terms.inside_settings
    ]
    started = _after(case, referrals, inside)
    reached = (talks, offers, referrals, started, [fact for fact in started if _went_on(case, fact)])
    groups = [str(fact.payload["targetGroup"]) for fact in (*started, *referrals)]
    return Funnel(
        steps=next((step for step, facts in enumerate(reached) if not facts), len(STEPS)),
        project=talks[0].payload.get("project"),
        target_group=groups[0] if groups else None,
        age_band=_age_band(case, case.happened(talks[0])),
    )


def anonymous_contacts(facts: Iterable[Fact], at: int) -> int:
    """The outreach contacts counted without a name, as known at `at`."""
    counted = [fact for fact in facts if fact.event_type == "AnonymousOutreachCounted" and fact.recorded_at <= at]
    return sum(int(fact.payload["contacts"]) for fact in counted)


def _after(case: KnownCase, earlier: list[Fact], later: list[Fact]) -> list[Fact]:
    return [fact for fact in later if earlier and case.happened(fact) >= case.happened(earlier[0])]


def _went_on(case: KnownCase, started: Fact) -> bool:
    activity = activity_of(started)
    for episode in episodes_of(case):
        if episode.end is not None:
            found = continuation(case, episode.start, episode.end).first_continued
            if activity is not None and found.get(activity) is not None:
                return True
    return False


def _age_band(case: KnownCase, instant: int) -> str:
    bands = case.terms.age_bands
    age = sum(birthday(case.person.birth_date, years, case.zone) <= instant for years in range(1, 130))
    place = bisect_right(bands, age)
    if place == 0:
        return f"0–{bands[0] - 1}"
    return f"{bands[place - 1]}–{bands[place] - 1}" if place < len(bands) else f"{bands[-1]}+"
