"""I14: the children of the imprisoned: how soon they were seen, and whether visits took place.

Rules (domain specification, 6, I14):
- Only where a start of the episode states `caresForChild`. Hours from s to the first perspective or concern.
- Visits held of visits arranged during the episode, and both for each 30 days.
- A placed child without a visit arranged within 30 days counts once its days are over.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from hub.continuity.case import DAY_MS, HOUR_MS, KnownCase, Share
from hub.continuity.episodes import Episode


@dataclass(frozen=True, slots=True)
class Visits:
    """Visits of one episode: counts, and how many for each period of `visit_days`."""

    held: int
    arranged: int
    held_per_period: Fraction
    arranged_per_period: Fraction


def child_hours(case: KnownCase, episode: Episode) -> Fraction | None:
    """I14 childHours; `None` where no child is cared for, or nothing was recorded yet."""
    if episode.stated("caresForChild") is not True:
        return None
    seen = case.between(episode.start, case.at + 1, "ChildPerspectiveRecorded", "ChildConcernNotified")
    return Fraction(case.happened(seen[0]) - episode.start, HOUR_MS) if seen else None


def visits(case: KnownCase, episode: Episode) -> Visits | None:
    """I14 visits; `None` for an episode of no length."""
    end = case.at if episode.end is None else episode.end
    if end <= episode.start:
        return None
    periods = Fraction(end - episode.start, case.terms.visit_days * DAY_MS)
    held = len(case.between(episode.start, end, "VisitHeld"))
    arranged = len(case.between(episode.start, end, "VisitArranged"))
    return Visits(held, arranged, held / periods, arranged / periods)


def placed_without_visit(case: KnownCase) -> Share:
    """I14: placed children without a visit arranged in time, of those placed; a time still running is left out."""
    without = judged = 0
    for placed in case.of_types("ChildPlaced"):
        at = case.happened(placed)
        arranged = any(
            visit.payload["childRef"] == placed.payload["childRef"]
            and case.happened(visit) >= at
            and case.days(at, case.happened(visit)) <= case.terms.visit_days
            for visit in case.of_types("VisitArranged")
        )
        if arranged or case.days(at, case.at) > case.terms.visit_days:
            judged += 1
            without += not arranged
    return Share(without, judged)
