"""I11 and I12: was everything ready at release, and was the case kept open all through custody?

Rules (domain specification, 6, I11, I12):
- Notice lag: hours from a release to its recording. Without notice: a release from remand with less than 24 hours'
  notice, or none stated.
- Housing: secured at or before r and not lost by r. Gap nights: from r (the planned date while r is not known) to the
  earliest start of what is secured and was not lost before it, or r, came; none secured: censored.
- Income: a benefit that has begun, or employment, not ended since at r.
- A department's case is open from its opening or reopening until its closing. One of which only the keeping open is
  known is open until its closing or the day until which it is kept (at 00:00), whichever comes first. The share is of
  [s, r) in exact time, to the cut-off while r is not known.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from contracts.civil_time import start_of_day
from contracts.fact import Fact
from hub.continuity.activities import activity_of
from hub.continuity.case import HOUR_MS, KnownCase
from hub.continuity.episodes import Episode, planned_release


def notice_lag_hours(release: Fact) -> Fraction:
    """I11 noticeLagHours."""
    return Fraction(release.recorded_at - release.occurred_at, HOUR_MS)


def without_notice(case: KnownCase, release: Fact) -> bool | None:
    """I11 withoutNotice; `None` for a release that is not from remand."""
    if release.event_type != "ReleasedFromRemand":
        return None
    hours = release.payload.get("noticeHours")
    return hours is None or int(hours) < case.terms.notice_hours


def without_housing(case: KnownCase, released_at: int) -> bool:
    """I11 releasedWithoutHousing."""
    return not secured_housing(case, released_at)


def housing_gap_nights(case: KnownCase, episode: Episode) -> int | None:
    """I11 housingGapNights; `None` = censored."""
    if episode.end is None:
        planned = planned_release(case, episode, case.at)
        secured, release_day = secured_housing(case, case.at), planned
    else:
        secured, release_day = _secured_after(case, episode.end), case.day(episode.end)
    if release_day is None or not secured:
        return None
    first = min(_first_day(case, fact) for fact in secured)
    return max(0, first - release_day)


def _secured_after(case: KnownCase, released_at: int) -> list[Fact]:
    """The housing that stood at the release, or later when it began: a home that is lost after that was one."""
    found = []
    for fact in case.of_types("HousingSecured"):
        begins = max(released_at, case.happened(fact), start_of_day(_first_day(case, fact), case.zone))
        if fact in secured_housing(case, min(begins, case.at)):
            found.append(fact)
    return found


def without_income(case: KnownCase, released_at: int) -> bool:
    """I11 releasedWithoutIncome."""
    return not any(begun <= released_at for begun in income_begins(case, released_at))


def income_begins(case: KnownCase, at: int) -> list[int]:
    """When each source of income begins, or began, that had not ended at `at`."""
    begins: dict[str, list[int]] = {}
    for fact in case.of_types(*case.terms.income_by, *case.terms.income_ended_by):
        source = _source_of_income(fact)
        if fact.event_type in case.terms.income_by:
            begins.setdefault(source, []).append(_begun(case, fact))
        elif case.happened(fact) <= at:
            begins.pop(source, None)
    return [begun for of_source in begins.values() for begun in of_source]


def kept_open(case: KnownCase, episode: Episode) -> Mapping[str, Fraction]:
    """I12: for each department that had a case, the share of custody during which it was open."""
    end = case.at if episode.end is None else episode.end
    if end <= episode.start:
        return {}
    return {party: Fraction(_open_ms(case, party, episode.start, end), end - episode.start) for party in _parties(case)}


def secured_housing(case: KnownCase, at: int) -> list[Fact]:
    """The housing that is secured at `at` and not lost."""
    last: dict[str, Fact] = {}
    for fact in case.of_types("HousingSecured", "HousingLost"):
        if case.happened(fact) <= at:
            last[str(fact.payload["housingId"])] = fact
    return [fact for fact in last.values() if fact.event_type == "HousingSecured"]


def _first_day(case: KnownCase, secured: Fact) -> int:
    starts_on = secured.payload.get("startsOn")
    return case.day(case.happened(secured)) if starts_on is None else int(starts_on)


def _source_of_income(fact: Fact) -> str:
    return str(fact.payload.get("benefitId") or activity_of(fact))


def _begun(case: KnownCase, fact: Fact) -> int:
    starts_on = fact.payload.get("startsOn")
    happened = case.happened(fact)
    return happened if starts_on is None else max(happened, start_of_day(starts_on, case.zone))


_OPENED = ("CaseOpened", "CaseReopened")
_KEPT = "CaseKeptOpen"
_CASE = (*_OPENED, _KEPT, "CaseClosed")


def _parties(case: KnownCase) -> list[str]:
    return sorted({fact.party for fact in case.of_types(*_CASE)})


def _open_ms(case: KnownCase, party: str, since: int, before: int) -> int:
    """How long, in [since, before), `party` had any case open (milliseconds)."""
    numbers: dict[str, list[Fact]] = {}
    for fact in case.of_types(*_CASE):
        if fact.party == party:
            numbers.setdefault(str(fact.payload["caseNo"]), []).append(fact)
    spans = sorted(span for facts in numbers.values() for span in _open_spans(case, facts, before))
    total, reached = 0, since
    for begin, end in spans:
        begin, end = max(begin, reached), min(end, before)
        if begin < end:
            total, reached = total + end - begin, end
    return total


def _open_spans(case: KnownCase, facts: list[Fact], before: int) -> Iterator[tuple[int, int]]:
    """When one case was open, from and until. Spans may overlap."""
    opened: int | None = None
    kept: tuple[int, int] | None = None
    for fact in facts:
        at = case.happened(fact)
        if fact.event_type in _OPENED:
            opened = at if opened is None else opened
        elif fact.event_type == _KEPT:
            until = start_of_day(fact.payload["keepOpenUntil"], case.zone)
            if kept is not None:
                yield kept[0], min(kept[1], at)
            kept = at, until
        else:
            if opened is not None:
                yield opened, at
            if kept is not None:
                yield kept[0], min(kept[1], at)
            opened = kept = None
    if opened is not None:
        yield opened, before
    if kept is not None:
        yield kept
