"""Emergency access that was granted at some time, whatever has been taken back since.

Rules (domain specification, 4.6):
- Granted access is reviewed and the citizen is told of it. Whoever used it may retract its request, or correct it to an
  incomplete one, a holder its grant, and anybody may end it as of a time before it was granted: none of that undoes
  what was seen. So the first time in which the request was granted, as known then, counts.
- A review, and that the citizen was told, counts as known now: one that is retracted was none.
- I16 counts what is live (domain specification, 4.9.4): see `hub.continuity.emergency`.

Pure. From here to the operator's count: parties are reminded of what they are shown, and of this they see nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from contracts.fact import Fact
from contracts.parties import role_of_id
from hub.consent.corrections import superseded_by_id
from hub.consent.emergency import READS, Admitted, Asked, admissions, first_requests, limit_of, openable, owned
from hub.continuity.case import Known, KnownCase
from hub.continuity.emergency import Request, request_of, with_review


def granted_requests(case: KnownCase) -> list[Request]:
    """Every request that was ever granted, as it stood before it first ceased to be so; its review as known now.

    `case` has the facts about emergency access and the admissions, those that were superseded too.
    """
    known: dict[str, list[Known]] = {}
    for each in (*map(Known, case.facts), *(Known(superseded.fact, superseded.until) for superseded in case.gone)):
        if (request_id := each.fact.payload.get("requestId")) is not None:
            known.setdefault(request_id, []).append(each)
    admitted, gone = admissions(case.by_occurrence(), case.policy), superseded_by_id(case.gone, READS)
    first = first_requests([*case.facts, *gone.values()])
    found = (_first_granted(case, known[request_id], first[request_id], admitted, gone) for request_id in first)
    return [request for request in found if request is not None]


def _first_granted(
    case: KnownCase, known: Sequence[Known], first: Fact, admitted: Mapping[str, Admitted], gone: Mapping[str, Fact]
) -> Request | None:
    """The request as it stood before it first ceased to be granted, if it ever was; `known` is what names it."""
    for instant in _ceasing(case, known, first, admitted):
        then = [each.fact for each in known if _was_live(case, each, instant)]
        then.sort(key=lambda fact: (case.happened(fact), *fact.order))
        for asked in owned(then, gone, {first.payload["requestId"]: first}).values():
            request = request_of(case, asked, then, admitted, gone)
            if request.granted_at is not None:
                return with_review(case, request, [each.fact for each in known if each.until is None])
    return None


def _ceasing(case: KnownCase, known: Sequence[Known], first: Fact, admitted: Mapping[str, Admitted]) -> Iterator[int]:
    """The instants before which a request may have been granted that was not at the next one; the last one is now.

    None lies before something was asked that may be granted, and, unless that is so at once, before somebody granted:
    whoever corrects a request a thousand times makes no work by that.
    """
    at_once = case.policy.rules.break_glass.granted_at_once
    since = [each.fact.recorded_at for each in known if _may_open(case, each.fact, first, admitted)]
    grants = [each.fact.recorded_at for each in known if each.fact.event_type == "BreakGlassGranted"]
    is_at_once = role_of_id(first.payload["party"]) in at_once
    if not since or not (grants or is_at_once):
        return
    earliest = min(since) if is_at_once else max(min(since), min(grants))
    ends = {each.until for each in known if each.until is not None}
    ends |= {each.fact.recorded_at for each in known if each.fact.event_type == "BreakGlassEnded"}
    yield from sorted(instant for instant in ends if instant > earliest)
    yield case.at + 1


def _may_open(case: KnownCase, fact: Fact, first: Fact, admitted: Mapping[str, Admitted]) -> bool:
    if fact.event_type != "BreakGlassRequested" or not openable(fact, case.policy):
        return False
    limit = limit_of(Asked((fact, first)), admitted, case.policy)
    return limit is not None and case.happened(fact) < limit


def _was_live(case: KnownCase, each: Known, before: int) -> bool:
    fact = each.fact
    has_come = max(fact.recorded_at, fact.occurred_at, case.happened(fact)) < before
    return has_come and (each.until is None or each.until >= before)
