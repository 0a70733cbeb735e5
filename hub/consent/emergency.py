"""Emergency: break-glass requests, their grants and their end.

Rules (domain specification, 4.6, 4.9.21):
- A request counts only if stated by the requester itself (or the hub for it), with a reason, a justification long
  enough and an `expiresAt`; it ends at `expiresAt`, capped by the policy's limit, which is longer while the requester
  has the citizen admitted. BreakGlassEnded ends the whole request, whomever it names.
- The limit runs from when the request was made: as it says, but never after it was first recorded. No correction
  carries one request beyond that: whoever needs longer asks anew, and is reviewed anew.
- Roles of `granted_at_once` open every source at once, and a denial does not touch them. For all others each
  holder's latest Granted or Denied counts for that holder's own facts; a grant's `expiresAt` may only shorten.
- Only the categories that were asked for and that the requester's role may open are opened.
- A holder grants what was asked when it first answered, and of that the categories that its answer lists, if it lists
  any: no correction of the request widens or prolongs that.
- A request id belongs to the request that was recorded first under it, corrected since or not; also once that is
  retracted. So nobody inherits what was granted to another. An answer counts for the party that it names.
- A request is read by who made it, who answered it, and who holds something of what it asks for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from contracts.categories import ALL_CATEGORIES, known_mask_of
from contracts.event_types import HUB
from contracts.fact import Fact
from contracts.parties import Party
from hub.consent.corrections import Superseded, first_recorded, revisions, superseded_by_id
from hub.consent.moment import Moment

if TYPE_CHECKING:  # the policy knows which events each fold reads, so it stands above this module
    from hub.consent.policy import Policy
    from hub.consent.rule_set import EpisodeKind

ANSWERS: Final = frozenset({"BreakGlassGranted", "BreakGlassDenied"})
READS: Final = ANSWERS | {"BreakGlassRequested", "BreakGlassEnded"}
_HOUR_MS: Final = 3_600_000


Admitted = Sequence[tuple[int, bool]]
"""The instants at which a party's admissions changed, in order, each with whether one was open from then on."""


@dataclass(frozen=True, slots=True)
class OpenGlass:
    """What a request opens now: `categories` (mask) to `requester`, of `sources` (`None`: of every party)."""

    request_id: str
    requester: str
    categories: int
    sources: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with all that it corrects, the newest revision first."""

    revisions: Sequence[Fact]

    @property
    def request(self) -> Fact:
        """The request as it stands."""
        return self.revisions[0]

    @property
    def made_at(self) -> int:
        """When it was made: what it says, but never after the hub first had it."""
        return min(self.request.occurred_at, first_recorded(self.revisions))

    def as_known_before(self, instant: int) -> Asked:
        """The request as it stood before `instant`; as first recorded where that was later."""
        known = (place for place, each in enumerate(self.revisions) if each.recorded_at < instant)
        return Asked(self.revisions[next(known, len(self.revisions) - 1) :])


def requests_of(facts: Iterable[Fact], gone: Mapping[str, Fact]) -> dict[str, Asked]:
    """Return the live requests by id; one that a party states in another's name does not count.

    `gone`: what was corrected or retracted of the facts that this module `READS`, by event id.
    """
    live = [fact for fact in facts if _is_request(fact)]
    return owned(live, gone, first_requests([*live, *gone.values()]))


def owned(facts: Iterable[Fact], gone: Mapping[str, Fact], first: Mapping[str, Fact]) -> dict[str, Asked]:
    """Return those of the requests among `facts` to which their id belongs; `first` as of `first_requests`."""
    requests = {}
    for fact in filter(_is_request, facts):
        request_id, asked = fact.payload["requestId"], Asked(revisions(fact, gone))
        if first[request_id].event_id in {each.event_id for each in asked.revisions}:
            requests[request_id] = asked
    return requests


def first_requests(facts: Iterable[Fact]) -> dict[str, Fact]:
    """Return the request that was recorded first under each id; `facts` are the live and the superseded ones."""
    first: dict[str, Fact] = {}
    for fact in sorted(filter(_is_request, facts), key=lambda fact: (fact.recorded_at, fact.event_id)):
        first.setdefault(fact.payload["requestId"], fact)
    return first


def open_glass(facts: Sequence[Fact], superseded: Iterable[Superseded], moment: Moment) -> tuple[OpenGlass, ...]:
    """Return what break-glass opens now, by request; of one request apart what different holders granted of it."""
    opened: list[OpenGlass] = []
    policy, gone = moment.policy, superseded_by_id(superseded, READS)
    admitted, answers = admissions(facts, policy), _answers(facts)
    ended = {fact.payload["requestId"] for fact in facts if fact.event_type == "BreakGlassEnded"}
    for request_id, asked in requests_of(facts, gone).items():
        request, limit = asked.request, limit_of(asked, admitted, policy)
        if limit is None or moment.has_come(limit) or request_id in ended:
            continue
        requester = Party(request.payload["party"])
        by_mask: Mapping[int, frozenset[str] | None] = {openable(request, policy): None}
        if requester.role not in policy.rules.break_glass.granted_at_once:
            granting = _granting(answers.get((request_id, requester.id), {}), moment)
            by_mask = _granted(asked, granting, gone, admitted, moment)
        for mask, sources in sorted(by_mask.items()):
            if mask:
                moment.note(f"BG:{request_id}", request)
                opened.append(OpenGlass(request_id, requester.id, mask, sources))
    return tuple(sorted(opened, key=lambda glass: glass.request_id))


def deciders_of(facts: Iterable[Fact], superseded: Iterable[Superseded]) -> frozenset[tuple[str, str]]:
    """Return (request id, party) of the party that requested, also once it took that back, and of all that answered it.

    An answer to somebody else under the same id makes nobody a decider.
    """
    known = list(facts)
    first = first_requests([*known, *superseded_by_id(superseded, READS).values()])
    asked = {(request_id, request.payload["party"]) for request_id, request in first.items()}
    answers = [fact for fact in known if fact.event_type in ANSWERS]
    answered = {(fact.payload["requestId"], fact.party) for fact in answers if _asked_by(fact) in asked}
    return frozenset(asked | answered)


def holders_of(
    facts: Iterable[Fact], superseded: Iterable[Superseded], held: Mapping[str, int], policy: Policy
) -> frozenset[tuple[str, str]]:
    """Return (request id, party) of everybody who holds something of what was ever asked for under that id.

    `held`: what categories (mask) each party has live facts of. Why somebody is in danger is for nobody else to read.
    """
    known = [*facts, *superseded_by_id(superseded, READS).values()]
    first = first_requests(known)
    asked: dict[str, int] = {}
    for request in filter(_is_request, known):
        request_id = request.payload["requestId"]
        if request.payload["party"] == first[request_id].payload["party"]:
            asked[request_id] = asked.get(request_id, 0) | openable(request, policy)
    return frozenset(
        (request_id, party) for request_id, mask in asked.items() for party, of_it in held.items() if mask & of_it
    )


def openable(request: Fact, policy: Policy) -> int:
    """Return the categories (mask) that were asked for and that the requester's role may open."""
    role = policy.rules.roles.get(Party(request.payload["party"]).role)
    return _listed(request) & role.break_glass if role else 0


def granted_by(answer: Fact, asked: Asked, gone: Mapping[str, Fact], policy: Policy) -> int:
    """Return the categories (mask) that an answer which grants opens; `gone` as of `requests_of`."""
    as_answered = asked.as_known_before(first_recorded(revisions(answer, gone))).request
    listed = ALL_CATEGORIES if answer.payload.get("categories") is None else _listed(answer)
    return openable(asked.request, policy) & openable(as_answered, policy) & listed


def limit_of(asked: Asked, admitted: Mapping[str, Admitted], policy: Policy) -> int | None:
    """Return the end of a request, or `None` for one that is not complete; `admitted` as of `admissions`."""
    terms, payload = policy.rules.break_glass, asked.request.payload
    expires, justification = payload.get("expiresAt"), payload.get("justification") or ""
    if expires is None or payload.get("reason") is None or len(justification) < terms.justification_length_min:
        return None
    hours = terms.limit_hours
    changes = admitted.get(payload["party"], ())
    before = bisect_right(changes, asked.made_at, key=lambda change: change[0])
    if before and changes[before - 1][1]:
        hours = terms.limit_hours_during_admission
    return min(int(expires), asked.made_at + hours * _HOUR_MS)


def admissions(facts: Iterable[Fact], policy: Policy) -> Mapping[str, Admitted]:
    """Return when each health party had the citizen admitted, in one pass for all requests; `facts` are ordered."""
    kinds = _admission_kinds(policy)
    running: dict[str, set[str]] = {}
    found: dict[str, list[tuple[int, bool]]] = {}
    for fact in facts:
        if fact.party not in policy.health_parties:
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


def admission_types(policy: Policy) -> frozenset[str]:
    """Return the event types that `admissions` reads."""
    return frozenset[str]().union(*(kind.opened_by | kind.closed_by for kind in _admission_kinds(policy)))


def _admission_kinds(policy: Policy) -> list[EpisodeKind]:
    return [kind for kind in policy.rules.health.episodes if kind.kind == "admission"]


def _is_request(fact: Fact) -> bool:
    return fact.event_type == "BreakGlassRequested" and fact.party in (fact.payload.get("party"), HUB)


def _listed(fact: Fact) -> int:
    return known_mask_of(fact.payload.get("categories") or ())


def _asked_by(answer: Fact) -> tuple[str, str | None]:
    """The request that an answer means: its id, and who asked."""
    return answer.payload["requestId"], answer.payload.get("party")


def _answers(facts: Iterable[Fact]) -> dict[tuple[str, str | None], dict[str, Fact]]:
    """The latest answer of each holder, by the request that it means."""
    latest: dict[tuple[str, str | None], dict[str, Fact]] = {}
    for fact in facts:
        if fact.event_type in ANSWERS:
            latest.setdefault(_asked_by(fact), {})[fact.party] = fact
    return latest


def _granting(latest: Mapping[str, Fact], moment: Moment) -> list[Fact]:
    """The answers that grant a request: of each holder the latest one, if that grants it."""
    return [
        answer
        for answer in latest.values()
        if answer.event_type == "BreakGlassGranted"
        and (answer.payload.get("expiresAt") is None or not moment.has_come(answer.payload["expiresAt"]))
    ]


def _granted(
    asked: Asked,
    granting: Iterable[Fact],
    gone: Mapping[str, Fact],
    admitted: Mapping[str, Admitted],
    moment: Moment,
) -> Mapping[int, frozenset[str]]:
    """The holders who grant a request, by the categories (mask) that they open."""
    holders: dict[int, set[str]] = {}
    for answer in granting:
        limit = limit_of(asked.as_known_before(first_recorded(revisions(answer, gone))), admitted, moment.policy)
        if limit is None or not moment.has_come(limit):
            holders.setdefault(granted_by(answer, asked, gone, moment.policy), set()).add(answer.party)
    return {mask: frozenset(parties) for mask, parties in holders.items()}
