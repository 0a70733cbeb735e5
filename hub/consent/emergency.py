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

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.categories import BIT, Category
from contracts.event_types import HUB
from contracts.fact import Fact
from contracts.parties import Party
from hub.consent.moment import Moment

ANSWERS: Final = frozenset({"BreakGlassGranted", "BreakGlassDenied"})
READS: Final = ANSWERS | {"BreakGlassRequested", "BreakGlassEnded"}
_HOUR_MS: Final = 3_600_000
_CATEGORY_NAMES: Final = frozenset(category.value for category in Category)


Admitted = Sequence[tuple[int, bool]]
"""The instants at which a party's admissions changed, in order, each with whether one was open from then on."""


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
    admitted, answers = _admitted(facts, moment), _answers(facts)
    ended = {fact.payload["requestId"] for fact in facts if fact.event_type == "BreakGlassEnded"}
    for request_id, request in requests_of(facts).items():
        limit = _limit(request, admitted, moment)
        if limit is None or moment.has_come(limit) or request_id in ended:
            continue
        requester = Party(request.payload["party"])
        role = moment.policy.rules.roles.get(requester.role)
        categories = _asked(request) & role.break_glass if role else 0
        sources = None
        if requester.role not in moment.policy.rules.break_glass.granted_at_once:
            sources = _granting(answers.get(request_id, {}), moment)
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


def _limit(request: Fact, admitted: Mapping[str, Admitted], moment: Moment) -> int | None:
    """The end of a request, or `None` for one that is not complete."""
    terms, payload = moment.policy.rules.break_glass, request.payload
    expires = payload.get("expiresAt")
    if expires is None or len(payload.get("justification") or "") < terms.justification_length_min:
        return None
    hours = terms.limit_hours
    changes = admitted.get(payload["party"], ())
    before = bisect_right(changes, request.occurred_at, key=lambda change: change[0])
    if before and changes[before - 1][1]:
        hours = terms.limit_hours_during_admission
    return min(int(expires), request.occurred_at + hours * _HOUR_MS)


def _admitted(facts: Sequence[Fact], moment: Moment) -> Mapping[str, Admitted]:
    """When each health party had the citizen admitted, in one pass for all requests; `facts` are ordered."""
    kinds = [kind for kind in moment.policy.rules.health.episodes if kind.kind == "admission"]
    running: dict[str, set[str]] = {}
    found: dict[str, list[tuple[int, bool]]] = {}
    for fact in facts:
        if fact.party not in moment.policy.health_parties:
            continue
        for kind in kinds:
            admission_id = fact.payload.get(kind.id)
            if admission_id is None or fact.event_type not in kind.opened_by | kind.closed_by:
                continue
            open_ones = running.setdefault(fact.party, set())
            if fact.event_type in kind.opened_by:
                open_ones.add(admission_id)
            else:
                open_ones.discard(admission_id)
            found.setdefault(fact.party, []).append((fact.occurred_at, bool(open_ones)))
    return found


def _answers(facts: Sequence[Fact]) -> dict[str, dict[str, Fact]]:
    """The latest answer of each holder, by request id."""
    latest: dict[str, dict[str, Fact]] = {}
    for fact in facts:
        if fact.event_type in ANSWERS:
            latest.setdefault(fact.payload["requestId"], {})[fact.party] = fact
    return latest


def _granting(latest: Mapping[str, Fact], moment: Moment) -> frozenset[str]:
    """The holders of which the latest answer grants a request."""
    return frozenset(
        holder
        for holder, answer in latest.items()
        if answer.event_type == "BreakGlassGranted"
        and (answer.payload.get("expiresAt") is None or not moment.has_come(answer.payload["expiresAt"]))
    )
