"""I16: break-glass: asked for, granted, denied, ended, reviewed, told to the citizen.

Rules (domain specification, 6, I16; 4.6, 4.9.21):
- A request is what `hub.consent.emergency` counts as one. Roles with a standing authorisation are granted at once by a
  complete request; for others the first grant counts, to the party that asked. What opened nothing was not granted:
  incomplete, run out or ended by then, or for categories that the role may not open. Denied: denied by somebody,
  granted by nobody.
- Reviewed on time: the first review since the grant within 7 days of it, of all granted. "By a second person" (4.6):
  whoever reviews need not be of another party, which shows no person; only a review of the asking party under the
  pseudonym of who asked is none. Notified: days from the grant to the time at which the citizen was told, as stated.
- An alert is a user with more than 3 requests within 30 days, over all cases.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from contracts.fact import Fact
from contracts.parties import role_of_id
from hub.consent.corrections import superseded_by_id
from hub.consent.emergency import (
    READS,
    Admitted,
    Asked,
    admissions,
    granted_by,
    limit_of,
    openable,
    requests_of,
)
from hub.continuity.case import DAY_MS, KnownCase, Share


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `party` and pseudonymous `user` asked at `asked_at`. Times in milliseconds, `None` = not so far.

    `request` asked, and `grant` opened it: the request itself where it was granted at once.
    """

    party: str
    user: str
    asked_at: int
    granted_at: int | None
    denied: bool
    ended: bool
    request: Fact
    grant: Fact | None
    reviewed_at: int | None = None
    notified_at: int | None = None

    @property
    def review_days(self) -> Fraction | None:
        """Days from grant to review, exact."""
        return _days(self.granted_at, self.reviewed_at)

    @property
    def notified_days(self) -> Fraction | None:
        """Days from grant to the citizen's being told, exact."""
        return _days(self.granted_at, self.notified_at)


def requests(case: KnownCase) -> list[Request]:
    """I16: the requests on one citizen."""
    about: dict[str, list[Fact]] = {}
    for fact in case.facts:
        if (request_id := fact.payload.get("requestId")) is not None:
            about.setdefault(request_id, []).append(fact)
    admitted, gone = admissions(case.by_occurrence(), case.policy), superseded_by_id(case.gone, READS)
    live = requests_of(case.facts, gone)
    found = [request_of(case, asked, about[request_id], admitted, gone) for request_id, asked in live.items()]
    return sorted(found, key=lambda request: (request.asked_at, request.party, request.user))


def reviewed_on_time(case: KnownCase, found: Iterable[Request]) -> Share:
    """I16 reviewedOnTime."""
    granted = [request for request in found if request.granted_at is not None]
    in_time = [each for each in granted if each.review_days is not None]
    limit = case.terms.review_within_days
    return Share(sum((each.review_days or 0) <= limit for each in in_time), len(granted))


def alerts(found: Iterable[Request], most: int, within_days: int) -> int:
    """How many users asked more than `most` times within `within_days` days."""
    asked: dict[tuple[str, str], list[int]] = {}
    for request in found:
        asked.setdefault((request.party, request.user), []).append(request.asked_at)
    return sum(_crowded(sorted(times), most, within_days * DAY_MS) for times in asked.values())


def _crowded(times: list[int], most: int, span: int) -> bool:
    return any(last - first <= span for first, last in zip(times, times[most:], strict=False))


def request_of(
    case: KnownCase, asked: Asked, about: list[Fact], admitted: Mapping[str, Admitted], gone: Mapping[str, Fact]
) -> Request:
    """What became of one request; `about`: every fact that names it, in the order in which they happened."""
    request = asked.request
    party, user = str(request.payload["party"]), str(request.payload["user"])
    # Whoever ends a request ends it for all (4.9.21); everything else is said to the party that it names.
    ended = next((fact for fact in about if fact.event_type == "BreakGlassEnded"), None)
    said = [fact for fact in about if fact.payload.get("party") == party]
    limit = limit_of(asked, admitted, case.policy) if openable(request, case.policy) else None
    if limit is not None and ended is not None:
        limit = min(limit, case.happened(ended))
    grant = _grant(case, asked, said, limit, gone)
    granted_at = case.happened(grant) if grant else None
    found = Request(
        party=party,
        user=user,
        asked_at=case.happened(request),
        granted_at=granted_at,
        denied=granted_at is None and any(fact.event_type == "BreakGlassDenied" for fact in said),
        ended=ended is not None,
        request=request,
        grant=grant,
    )
    return with_review(case, found, about)


def with_review(case: KnownCase, request: Request, about: Iterable[Fact]) -> Request:
    """Return the request with what is said of its review, and of whether the citizen was told."""
    said = [fact for fact in about if fact.payload.get("party") == request.party]
    reviews = [
        case.happened(fact)
        for fact in said
        if fact.event_type == "BreakGlassReviewed"
        and (fact.party, fact.payload.get("user")) != (request.party, request.user)
    ]
    granted_at = request.granted_at
    told = [fact.payload["subjectNotifiedAt"] for fact in said if fact.payload.get("subjectNotifiedAt") is not None]
    return replace(
        request,
        reviewed_at=next((at for at in reviews if granted_at is not None and at >= granted_at), None),
        notified_at=min((at for at in told if at <= case.at), default=None),
    )


def _grant(
    case: KnownCase, asked: Asked, said: Iterable[Fact], limit: int | None, gone: Mapping[str, Fact]
) -> Fact | None:
    """What opened the request before its `limit`: itself, where it is granted at once."""
    if role_of_id(asked.request.payload["party"]) in case.policy.rules.break_glass.granted_at_once:
        grants = [asked.request]
    else:
        answers = (fact for fact in said if fact.event_type == "BreakGlassGranted")
        grants = [fact for fact in answers if granted_by(fact, asked, gone, case.policy)]
    for fact in grants:
        shortened = [end for end in (limit, fact.payload.get("expiresAt")) if end is not None]
        if limit is not None and case.happened(fact) < min(shortened):
            return fact
    return None


def _days(since: int | None, until: int | None) -> Fraction | None:
    return None if since is None or until is None else Fraction(until - since, DAY_MS)
