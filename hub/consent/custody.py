"""Custody: the current or most recent episode, its window, conviction, plan duty and remand restrictions.

Rules (domain specification, 4.1, 4.9.3, 4.9.16, 4.3 N7):
- A custody start belongs to the current episode only if its `priorCustodyId` is one of that episode's custody ids;
  else it begins a new one, even while another is open. A recall always begins one, convicted and with plan duty.
- Open = no release with `occurredAt` at or after the latest start; of several such releases the last one counts.
- The window runs from the episode's start to its release plus `post_release_window`; without release it is open.
- Restrictions are those of the latest RemandStarted or RemandExtended, lifted by an imprisonment and by any release;
  they hold outside a window too: an extension may be known before its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts.civil_time import add_period
from contracts.fact import Fact
from hub.consent.moment import Moment

STARTED_WITH_MUNICIPALITY: Final = frozenset({"ImprisonmentStarted", "RemandStarted"})
STARTED: Final = STARTED_WITH_MUNICIPALITY | {"RecalledToPrison"}
RELEASED_ON: Final = frozenset({"ReleasedOnParole", "ReleasedAtEndOfSentence", "ReleasedOnOtherGround"})
RELEASED: Final = RELEASED_ON | {"ReleasedFromRemand"}
READS: Final = STARTED | RELEASED | {"RemandExtended"}


@dataclass(frozen=True, slots=True)
class Custody:
    """What custody means now. `window_start` is the episode's start (milliseconds) while in the window.

    Outside it only `restricted` may hold.
    """

    open: bool = False
    window_start: int | None = None
    convicted: bool = False
    plan_duty: bool = False
    restricted: bool = False


@dataclass(slots=True)
class _Episode:
    start: Fact
    latest: Fact
    custody_ids: set[str] = field(default_factory=set)
    convicted_by: Fact | None = None
    plan_duty: bool = False

    def take(self, fact: Fact) -> None:
        self.latest = fact
        recalled = fact.event_type == "RecalledToPrison"
        custody_id = fact.payload.get("newCustodyId" if recalled else "custodyId")
        if custody_id is not None:
            self.custody_ids.add(custody_id)
        if recalled or (fact.event_type == "ImprisonmentStarted" and fact.payload.get("legalStatus") == "CONVICTED"):
            self.convicted_by = self.convicted_by or fact
        if recalled:
            self.plan_duty = True
        elif fact.event_type == "ImprisonmentStarted":
            self.plan_duty = fact.payload.get("planDuty") is True


def custody_of(facts: Sequence[Fact], moment: Moment) -> Custody:
    """Return what `facts` (ordered, occurred by now) make of custody."""
    restricted = _restricted(facts, moment)
    episode = _last_episode(facts)
    if episode is None:
        return Custody(restricted=restricted)
    release = _last_release(facts, episode.latest.occurred_at)
    in_window = True
    if release is not None:
        window_end = add_period(release.occurred_at, moment.policy.rules.post_release_window, moment.zone)
        in_window = not moment.has_come(window_end)
    moment.note("custody_open", episode.latest, release)
    moment.note("in_custody_window", episode.start, release)
    moment.note("convicted", episode.convicted_by)
    moment.note("plan_duty", episode.latest)
    if not in_window:
        return Custody(restricted=restricted)
    return Custody(
        open=release is None,
        window_start=episode.start.occurred_at,
        convicted=episode.convicted_by is not None,
        plan_duty=episode.plan_duty,
        restricted=restricted,
    )


def _last_episode(facts: Sequence[Fact]) -> _Episode | None:
    episode: _Episode | None = None
    for fact in facts:
        if fact.event_type in STARTED:
            prior = fact.payload.get("priorCustodyId")
            if episode is None or fact.event_type == "RecalledToPrison" or prior not in episode.custody_ids:
                episode = _Episode(fact, fact)
            episode.take(fact)
    return episode


def _last_release(facts: Sequence[Fact], after: int) -> Fact | None:
    releases = [fact for fact in facts if fact.event_type in RELEASED and fact.occurred_at >= after]
    return releases[-1] if releases else None


def _restricted(facts: Sequence[Fact], moment: Moment) -> bool:
    latest: Fact | None = None
    for fact in facts:
        if fact.event_type in ("RemandStarted", "RemandExtended"):
            latest = fact
        elif fact.event_type == "ImprisonmentStarted" or fact.event_type in RELEASED:
            latest = None
    moment.note("remand_restrictions", latest)
    return latest is not None and latest.payload.get("restrictions") is True
