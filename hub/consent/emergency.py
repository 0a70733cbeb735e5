"""Emergency: break-glass requests, their grants and their end.

Rules (domain specification, 4.6, 4.9.21):
- A request counts only if stated by the requester itself (or the hub for it), with a justification long enough and
  an `expiresAt`; it ends at `expiresAt`, capped by the policy's limit, which is longer while the requester has the
  citizen admitted. BreakGlassEnded ends the whole request.
- Roles of `granted_at_once` open every source at once, and a denial does not touch them. For all others each
  holder's latest Granted or Denied counts for that holder's own facts; a grant's `expiresAt` may only shorten.
- Only the categories that were asked for and that the requester's role may open are opened.
- A request id belongs to whoever's request was recorded first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.categories import BIT, Category
from contracts.event_types import HUB
from contracts.fact import Fact
from contracts.parties import Party
from hub.consent.health import episodes
from hub.consent.moment import Moment

ANSWERS: Final = frozenset({"BreakGlassGranted", "BreakGlassDenied"})
READS: Final = ANSWERS | {"BreakGlassRequested", "BreakGlassEnded"}
_HOUR_MS: Final = 3_600_000
_CATEGORY_NAMES: Final = frozenset(category.value for category in Category)


@dataclass(frozen=True, slots=True)
class OpenGlass:
    """What a request opens now: `categories` (mask) to `requester`, of `sources` (`None`: of every party)."""

    request_id: str
    requester: str
    categories: int
    sources: frozenset[str] | None


def requests_of(facts: Sequence[Fact]) -> dict[str, Fact]:
    """Return the requests by id; one that a party states in another's name does not count."""
    requests: dict[str, Fact] = {}
    for fact in sorted(facts, key=lambda fact: (fact.recorded_at, fact.event_id)):
        if fact.event_type == "BreakGlassRequested" and fact.party in (fact.payload.get("party"), HUB):
            requests.setdefault(fact.payload["requestId"], fact)
    return requests


def open_glass(facts: Sequence[Fact], moment: Moment) -> tuple[OpenGlass, ...]:
    """Return what break-glass opens now."""
    opened = []
    for request_id, request in requests_of(facts).items():
        limit = _limit(request, facts, moment)
        if limit is None or moment.has_come(limit) or _ended(request_id, facts):
            continue
        requester = Party(request.payload["party"])
        role = moment.policy.rules.roles.get(requester.role)
        categories = _asked(request) & role.break_glass if role else 0
        sources = None
        if requester.role not in moment.policy.rules.break_glass.granted_at_once:
            sources = _granting(request_id, facts, moment)
        if categories and (sources is None or sources):
            moment.note(f"BG:{request_id}", request)
            opened.append(OpenGlass(request_id, requester.id, categories, sources))
    return tuple(sorted(opened, key=lambda glass: glass.request_id))


def deciders_of(facts: Sequence[Fact]) -> frozenset[tuple[str, str]]:
    """Return (request id, party) of every party that requested, granted or denied."""
    asked = {(request_id, request.payload["party"]) for request_id, request in requests_of(facts).items()}
    answered = {(fact.payload["requestId"], fact.party) for fact in facts if fact.event_type in ANSWERS}
    return frozenset(asked | answered)


def _asked(request: Fact) -> int:
    mask = 0
    for name in frozenset(request.payload.get("categories") or ()) & _CATEGORY_NAMES:
        mask |= BIT[Category(name)]
    return mask


def _limit(request: Fact, facts: Sequence[Fact], moment: Moment) -> int | None:
    """The end of a request, or `None` for one that is not complete."""
    terms, payload = moment.policy.rules.break_glass, request.payload
    expires = payload.get("expiresAt")
    if expires is None or len(payload.get("justification") or "") < terms.justification_length_min:
        return None
    hours = terms.limit_hours
    if _admitted(payload["party"], request.occurred_at, facts, moment):
        hours = terms.limit_hours_during_admission
    return min(int(expires), request.occurred_at + hours * _HOUR_MS)


def _admitted(party: str, instant: int, facts: Sequence[Fact], moment: Moment) -> bool:
    """Whether `party` had the citizen admitted at `instant`."""
    earlier = [fact for fact in facts if fact.occurred_at <= instant]
    return any(
        holder == party and kind == "admission" and episode.closed_by is None
        for (holder, kind, _), episode in episodes(earlier, moment.policy).items()
    )


def _ended(request_id: str, facts: Sequence[Fact]) -> bool:
    return any(fact.event_type == "BreakGlassEnded" and fact.payload["requestId"] == request_id for fact in facts)


def _granting(request_id: str, facts: Sequence[Fact], moment: Moment) -> frozenset[str]:
    latest = {
        fact.party: fact for fact in facts if fact.event_type in ANSWERS and fact.payload["requestId"] == request_id
    }
    return frozenset(
        holder
        for holder, answer in latest.items()
        if answer.event_type == "BreakGlassGranted"
        and (answer.payload.get("expiresAt") is None or not moment.has_come(answer.payload["expiresAt"]))
    )
