"""The custody episodes of a case: start `s`, release `r`, kind of release.

Rules (domain specification, 4.9.3, 4.9.16, 6):
- Which starts chain into one episode, and whether it is open, is `hub.consent.custody`'s answer, asked at every start
  and release: what it calls the start of the window is the episode.
- Start and release instants are `occurredAt`. Of several releases after the latest start the last one counts.
- An episode is a remand episode while it is not convicted.

Read by every indicator that knows `s` or `r`. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from contracts.fact import Fact
from hub.consent.custody import READS, RELEASED, STARTED, custody_of
from hub.consent.moment import Moment
from hub.continuity.case import KnownCase

KIND_OF_RELEASE: Final = {
    "ReleasedOnParole": "PAROLE",
    "ReleasedAtEndOfSentence": "END_OF_SENTENCE",
    "ReleasedFromRemand": "REMAND",
    "ReleasedOnOtherGround": "OTHER",
}
"""Event type -> code of the list ReleaseKind."""
RELEASE_DATED: Final = frozenset({"ReleaseDateSet", "ReleaseDateChanged"})
"""The event types that plan a release; the last of them stands."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One custody episode; `release` is `None` while it is open or was overtaken by another."""

    start: int
    starts: tuple[Fact, ...]
    release: Fact | None
    convicted: bool

    @property
    def end(self) -> int | None:
        """The release instant."""
        return self.release.occurred_at if self.release else None

    @property
    def kind(self) -> str | None:
        """The kind of release."""
        return KIND_OF_RELEASE[self.release.event_type] if self.release else None

    def stated(self, field: str) -> object:
        """What the latest start that states `field` says of it; `None` where none does."""
        values = [fact.payload[field] for fact in self.starts if fact.payload.get(field) is not None]
        return values[-1] if values else None


def episodes_of(case: KnownCase) -> tuple[Episode, ...]:
    """The custody episodes of a case, the latest one last."""
    # Several clocks and figures ask for them, one after the other.
    return case.once(_episodes_of)


def _episodes_of(case: KnownCase) -> tuple[Episode, ...]:
    facts = [fact for fact in case.by_occurrence() if fact.event_type in READS]
    found: dict[int, Episode] = {}
    for count, fact in enumerate(facts, start=1):
        if fact.event_type not in STARTED | RELEASED:
            continue
        known = facts[:count]
        custody = custody_of(known, Moment(fact.occurred_at, case.policy))
        if custody.window_start is None:
            continue  # a release without any start
        release = None if custody.open else [each for each in known if each.event_type in RELEASED][-1]
        begun = found.get(custody.window_start) or Episode(custody.window_start, (), None, convicted=False)
        starts = (*begun.starts, fact) if fact.event_type in STARTED else begun.starts
        found[custody.window_start] = replace(begun, starts=starts, release=release, convicted=custody.convicted)
    return tuple(found.values())


def latest_episode(case: KnownCase) -> Episode | None:
    """The current or most recent episode."""
    episodes = episodes_of(case)
    return episodes[-1] if episodes else None


def planned_release(case: KnownCase, episode: Episode, then: int) -> int | None:
    """The release date (a day number) that was planned for the episode, as known at `then`."""
    planned_by = release_planned_by(case, episode, then)
    return int(planned_by.payload["releaseDate"]) if planned_by else None


def release_planned_by(case: KnownCase, episode: Episode, then: int) -> Fact | None:
    """The fact that planned the release of the episode, as known at `then`."""
    dated = [fact for fact in case.known_then(then, *RELEASE_DATED) if episode.start <= fact.occurred_at <= then]
    return max(dated, key=lambda fact: fact.order, default=None)
