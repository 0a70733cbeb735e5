"""Break-glass (4.6, 4.9.21).

Rules:
- PSY and PHE: granted at once, all sources. Others: pending until the holder grants; opens only that holder's events.
- Each holder's latest Granted or Denied to the party counts; a grant's expiresAt may only shorten, its categories only
  narrow; Ended ends the whole request.
"""

from __future__ import annotations

from typing import Final

from tests.naive.case import Case, Fact, named, role
from tests.naive.civil import HOUR
from tests.naive.standing import admissions

OPENABLE: Final = {
    "PSY": ("CU", "SU", "MH", "PH", "RI", "NW", "HO"),
    "PHE": ("SU", "MH", "PH", "RI"),
    "PRI": ("MH", "PH", "RI"),
    "KIF": ("MH", "PH", "RI"),
    "ADD": ("MH", "PH", "RI"),
    "SOC": ("CU", "MH", "PH", "RI"),
    "CHI": ("CF", "SU", "MH", "RI"),
}
AT_ONCE: Final = ("PSY", "PHE")


def valid_request(request: Fact) -> bool:
    """BreakGlassRequested(categories, reason, justification >= 30 chars, expiresAt), made by the party itself."""
    complete = request["categories"] and request["reason"] and request["expiresAt"] is not None
    return bool(complete) and len(request["justification"] or "") >= 30 and request.party == request["party"]


def ends(case: Case, request: Fact) -> int:
    """ExpiresAt <= 24 h; admissions <= 72 h. A longer one ends at the limit.

    Whose admission is not written; read narrowly: the citizen is admitted with the party that asks.
    """
    own = [admission for admission in admissions(case, request.occurred) if admission.party == request.party]
    hours = 72 if own else 24
    return min(int(request["expiresAt"]), request.occurred + hours * HOUR)


def granted_of(case: Case, request: Fact, holder: str) -> frozenset[str]:
    """The categories of the request that are open of the events of `holder` now."""
    number = request["requestId"]
    if any(True for _ in named(case.of_kind("BreakGlassEnded"), "requestId", number)):
        return frozenset()
    if case.at >= ends(case, request):
        return frozenset()
    asked = frozenset(request["categories"])
    if role(request.party) in AT_ONCE:
        return asked
    answers = [
        fact
        for fact in named(case.of_kind("BreakGlassGranted", "BreakGlassDenied"), "requestId", number)
        if fact.party == holder and fact["party"] == request.party
    ]
    if not answers or answers[-1].kind == "BreakGlassDenied":
        return frozenset()
    last = answers[-1]
    if last["expiresAt"] is not None and case.at >= last["expiresAt"]:
        return frozenset()
    return asked if last["categories"] is None else asked & frozenset(last["categories"])


def broken_glass(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """What break-glass opens of this fact to this receiver."""
    opened: set[str] = set()
    for request in case.of_kind("BreakGlassRequested"):
        if request.party == receiver and valid_request(request):
            opened |= granted_of(case, request, fact.party) & set(OPENABLE.get(role(receiver), ()))
    return frozenset(opened)
