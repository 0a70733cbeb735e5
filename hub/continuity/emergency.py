"""I16: break-glass: asked for, granted, denied, ended, reviewed, told to the citizen.

Rules (domain specification, 6, I16; 4.6, 4.9.21):
- A request is what `hub.consent.emergency` counts as one. Roles with a standing authorisation are granted at once by a
  complete request; for others the first grant counts. Denied: denied by somebody, granted by nobody.
- Reviewed on time: the first review within 7 days of the grant, of all granted. Notified: days from the grant to the
  time at which the citizen was told, as stated.
- An alert is a user with more than 3 requests within 30 days, over all cases.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from contracts.fact import Fact
from contracts.parties import role_of_id
from hub.consent.emergency import requests_of
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
    reviewed_at: int | None
    notified_at: int | None
    request: Fact
    grant: Fact | None

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
    found = [_request(case, fact, about[request_id]) for request_id, fact in requests_of(case.facts).items()]
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


def _request(case: KnownCase, request: Fact, about: list[Fact]) -> Request:
    """`about`: every fact that names the request, in the order in which they happened."""

    def first(event_type: str) -> Fact | None:
        return next((fact for fact in about if fact.event_type == event_type), None)

    granted, review = first("BreakGlassGranted"), first("BreakGlassReviewed")
    if _is_granted_at_once(case, request):
        granted = request
    granted_at = case.happened(granted) if granted else None
    told = [fact.payload["subjectNotifiedAt"] for fact in about if fact.payload.get("subjectNotifiedAt") is not None]
    return Request(
        party=str(request.payload["party"]),
        user=str(request.payload["user"]),
        asked_at=case.happened(request),
        granted_at=granted_at,
        denied=granted_at is None and first("BreakGlassDenied") is not None,
        ended=first("BreakGlassEnded") is not None,
        reviewed_at=case.happened(review) if review else None,
        notified_at=min((at for at in told if at <= case.at), default=None),
        request=request,
        grant=granted,
    )


def _is_granted_at_once(case: KnownCase, request: Fact) -> bool:
    rules, payload = case.policy.rules.break_glass, request.payload
    return (
        role_of_id(payload["party"]) in rules.granted_at_once
        and payload.get("expiresAt") is not None
        and len(payload.get("justification") or "") >= rules.justification_length_min
    )


def _days(since: int | None, until: int | None) -> Fraction | None:
    return None if since is None or until is None else Fraction(until - since, DAY_MS)
