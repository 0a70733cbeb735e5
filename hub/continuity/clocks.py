"""The clocks over one case: what should have been stated by now, and has not been.

Rules (domain specification, 4.6, 6):
- A clock is due at the first instant at which it has run out. One that was stopped is not there; one that was stopped
  late is there until then.
- `since`: from then on, what would have stopped it counts. `until`: when it ends by itself. `rests_on`: the facts
  without which there would be no clock, the first of them the one that began it.
- Formulas and periods are those of the indicators; what is asked of the open case differs in this only: custody clocks
  end with the release, and the clocks of a release end with a new time in custody.
- A fact may be cut: what is closed in it is as if it had not been stated.

Pure. `hub.shard.reminders` hands in the facts that one party is shown, and tells that party.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from contracts.civil_time import start_of_day
from contracts.fact import Fact
from hub.consent import coordination, custody, responsibility
from hub.continuity.case import DAY_MS, KnownCase
from hub.continuity.contact import first_contact_days
from hub.continuity.coordinators import coordinator_at
from hub.continuity.deadlines import contact_limit_days, contacts_in
from hub.continuity.efforts import first_overlaps
from hub.continuity.emergency import Request, requests
from hub.continuity.episodes import RELEASE_DATED, Episode, latest_episode, release_planned_by
from hub.continuity.granted_access import granted_requests
from hub.continuity.readiness import income_begins, secured_housing
from hub.continuity.terms import Terms
from hub.continuity.trials import OUTCOMES


class Clock(NamedTuple):
    """One running clock. Times in milliseconds; `until` is `None` where nothing but a fact ends it.

    Of the clocks of one `group` a party is reminded once: of the first that it may be reminded of. Empty: of each.
    """

    kind: str
    due: int
    since: int
    rests_on: tuple[Fact, ...]
    until: int | None = None
    group: str = ""


def clocks_of(case: KnownCase) -> list[Clock]:
    """Every clock that runs or has run out in a case as known at its cut-off, in order of kind and due date."""
    found = [clock for run in CLOCKS.values() for clock in run(case)]
    return sorted(
        found, key=lambda clock: (clock.kind, clock.due, clock.since, [fact.event_id for fact in clock.rests_on])
    )


def reads(terms: Terms) -> frozenset[str]:
    """The event types that clocks are counted from."""
    return (
        custody.READS
        | coordination.READS
        | responsibility.READS
        | RELEASE_DATED
        | frozenset(OUTCOMES)
        | terms.contact_by
        | terms.contact_deadline_by
        | terms.income_by
        | terms.income_ended_by
        | {"SentencePlanAgreed", "TreatmentRequested", "TreatmentStarted", "TreatmentTrialStarted"}
        | {"HousingSecured", "HousingLost", "OverlapResolved"}
        | EMERGENCY
        | frozenset[str]().union(*(effort.begun_by | effort.ended_by for effort in terms.effort))
    )


EMERGENCY: Final = frozenset(
    {"BreakGlassRequested", "BreakGlassGranted", "BreakGlassDenied", "BreakGlassEnded", "BreakGlassReviewed"}
)


# --- treatment


def trial_presumed_lapsed(case: KnownCase) -> Iterator[Clock]:
    """I9: a trial is presumed lapsed once its last day is over."""
    ended = {fact.payload.get("trialId") for fact in case.of_types(*OUTCOMES)}
    started: dict[str, Fact] = {}
    for fact in case.of_types("TreatmentTrialStarted"):
        started.setdefault(str(fact.payload["trialId"]), fact)
    for trial_id, fact in started.items():
        if trial_id not in ended:
            due = start_of_day(fact.payload["plannedEnd"] + 1, case.zone)
            yield Clock("TRIAL_PRESUMED_LAPSED", due, case.happened(fact), (fact,))


def treatment_not_begun(case: KnownCase) -> Iterator[Clock]:
    """I17: a requested treatment must begin within the guarantee; the first request of a treatment counts."""
    requested: dict[str, Fact] = {}
    for fact in case.of_types("TreatmentRequested"):
        requested.setdefault(str(fact.payload["treatmentId"]), fact)
    last_begun = {
        start.payload.get(name): case.happened(start)
        for start in case.of_types("TreatmentStarted")
        for name in ("treatmentId", "continuesId")
    }
    for treatment_id, fact in requested.items():
        since = case.happened(fact)
        if last_begun.get(treatment_id, since - 1) < since:
            yield Clock("TREATMENT_NOT_BEGUN", _after_days(case, since, case.terms.guarantee_days), since, (fact,))


# --- custody


def sentence_plan_missing(case: KnownCase) -> Iterator[Clock]:
    """I7 plan, from the first start of the open episode that states the duty to plan, if the latest one states it."""
    episode = _open_conviction(case)
    if episode is None:
        return
    sentences = [fact for fact in episode.starts if fact.event_type in ("ImprisonmentStarted", "RecalledToPrison")]
    with_duty = [
        fact for fact in sentences if fact.payload.get("planDuty") is True or fact.event_type == "RecalledToPrison"
    ]
    if not with_duty or with_duty[-1] is not sentences[-1]:
        return  # the duty is that of the latest start (4.9.3)
    if not case.between(episode.start, case.at + 1, "SentencePlanAgreed"):
        since = with_duty[0].occurred_at
        due = _after_days(case, since, case.terms.plan_within_days)
        yield Clock("SENTENCE_PLAN_MISSING", due, episode.start, (with_duty[0],))


def contact_before_parole_missing(case: KnownCase) -> Iterator[Clock]:
    """I7 contact, while the episode is open and the earliest parole is known."""
    episode = _open_conviction(case)
    if episode is None or contacts_in(case, episode):
        return
    limit = contact_limit_days(case, episode)
    if limit is not None:
        stated_by = [fact for fact in episode.starts if fact.payload.get("earliestParole") is not None][-1]
        due = _after_days(case, episode.start, limit)
        yield Clock("CONTACT_BEFORE_PAROLE_MISSING", due, episode.start, (stated_by,))


def coordinator_missing(case: KnownCase) -> Iterator[Clock]:
    """I6: nobody coordinates from 12:00 on the day 90 days before the planned release; not for remand."""
    episode = _open_conviction(case)
    if episode is None or coordinator_at(case, case.at) is not None:
        return
    planned_by = release_planned_by(case, episode, case.at)
    if planned_by is not None:
        day = int(planned_by.payload["releaseDate"]) - case.terms.coordinator_before_release_days
        yield Clock("COORDINATOR_MISSING", case.noon(day), episode.start, (planned_by,))


# --- release


def released_without_housing(case: KnownCase) -> Iterator[Clock]:
    """I11: no housing is secured and not lost, at release or since."""
    for episode, release in _released(case):
        if not secured_housing(case, case.at):
            yield _of_release(case, "RELEASED_WITHOUT_HOUSING", episode, release, release.occurred_at)


def released_without_income(case: KnownCase) -> Iterator[Clock]:
    """I11: no benefit and no employment has begun and not ended, at release or since."""
    for episode, release in _released(case):
        begins = income_begins(case, case.at)
        if not any(begun <= case.at for begun in begins):
            clock = _of_release(case, "RELEASED_WITHOUT_INCOME", episode, release, release.occurred_at)
            yield clock._replace(until=min([clock.until or 0, *begins]))


def released_without_contact(case: KnownCase) -> Iterator[Clock]:
    """I2: no attended contact with the responsible municipality within its days after release."""
    for episode, release in _released(case):
        if first_contact_days(case, release.occurred_at) is None:
            due = _after_days(case, release.occurred_at, case.terms.contact_after_release_days)
            yield _of_release(case, "RELEASED_WITHOUT_CONTACT", episode, release, due)


# --- efforts, emergency access


def efforts_overlap(case: KnownCase) -> Iterator[Clock]:
    """I8: two open efforts in one domain by different providers, once they have overlapped for long enough.

    Each provider that came into a domain beside another is told of once, however many its efforts are: it is asked of
    people whether both are wanted. When that pair is resolved, the next one is told of.
    """
    for one, other in first_overlaps(case):
        due = start_of_day(case.day(other.since) + case.terms.overlap_days, case.zone)
        group = f"{other.domain} {other.provider}"
        yield Clock("EFFORTS_OVERLAP", due, other.since, (one.begun_by, other.begun_by), group=group)


def review_overdue(case: KnownCase) -> Iterator[Clock]:
    """4.6: granted emergency access is reviewed within its days; a review at the very end is in time."""
    return _unreviewed(case, requests(case))


def citizen_notice_overdue(case: KnownCase) -> Iterator[Clock]:
    """4.6: the citizen is told of granted emergency access within its days."""
    return _untold(case, requests(case))


def owed_for_emergencies(case: KnownCase) -> Iterator[Clock]:
    """Both of the above, of every access that was ever granted: who takes it back, or its grant, owes them still."""
    found = granted_requests(case)
    yield from _unreviewed(case, found)
    yield from _untold(case, found)


def _unreviewed(case: KnownCase, found: Iterable[Request]) -> Iterator[Clock]:
    for request in found:
        if request.reviewed_at is None and (
            clock := _of_grant(request, "REVIEW_OVERDUE", case.terms.review_within_days)
        ):
            yield clock


def _untold(case: KnownCase, found: Iterable[Request]) -> Iterator[Clock]:
    for request in found:
        days = case.terms.citizen_told_within_days
        if request.notified_at is None and (clock := _of_grant(request, "CITIZEN_NOTICE_OVERDUE", days)):
            yield clock


def _of_grant(request: Request, kind: str, days: int) -> Clock | None:
    if request.granted_at is None or request.grant is None:
        return None
    rests_on = (request.request,) if request.grant is request.request else (request.request, request.grant)
    return Clock(kind, request.granted_at + days * DAY_MS + 1, request.granted_at, rests_on)


def _after_days(case: KnownCase, since: int, days: int) -> int:
    """The beginning of the day after the last one of `days` days counted from the day of `since`."""
    return start_of_day(case.day(since) + days + 1, case.zone)


def _open_conviction(case: KnownCase) -> Episode | None:
    episode = latest_episode(case)
    return episode if episode is not None and episode.release is None and episode.convicted else None


def _released(case: KnownCase) -> Iterator[tuple[Episode, Fact]]:
    episode = latest_episode(case)
    if episode is not None and episode.release is not None:
        yield episode, episode.release


def _of_release(case: KnownCase, kind: str, episode: Episode, release: Fact, due: int) -> Clock:
    until = case.after(release.occurred_at, case.terms.reminded_after_release)
    return Clock(kind, due, episode.start, (release,), until)


CLOCKS: Final[Mapping[str, Callable[[KnownCase], Iterator[Clock]]]] = {
    run.__name__.upper(): run
    for run in (
        trial_presumed_lapsed,
        sentence_plan_missing,
        contact_before_parole_missing,
        treatment_not_begun,
        coordinator_missing,
        released_without_housing,
        released_without_income,
        released_without_contact,
        efforts_overlap,
        review_overdue,
        citizen_notice_overdue,
    )
}
"""The kinds, each with the function that counts it."""
