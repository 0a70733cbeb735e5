"""Which ids are of one consent: a form can be corrected, and what it showed under one id rests on it under each.

Pure. From the facts of a case; `hub.disclosure.endings` and `hub.shard.withdrawals` ask.
"""

from __future__ import annotations

from collections.abc import Mapping

from hub.case_timeline.known_consents import GIVEN
from hub.case_timeline.timeline import CaseTimeline


def ids_of_consents(case: CaseTimeline) -> Mapping[str, frozenset[str]]:
    """Every id of a consent that was given on the case -> all ids that this consent ever had.

    Not those of a consent that left the case with another one. What is said under one id of a consent holds for it
    under each (`hub.consent.consents`).
    """
    given = {
        event_id: fact
        for event_id, fact in case.gate_facts.items()
        if fact.event_type == GIVEN and not case.is_unlinked(event_id)
    }
    first: dict[str, str] = {}
    for fact in given.values():
        mine = _first_of(first, fact.payload["consentId"])
        if fact.corrects in given:
            first[mine] = _first_of(first, given[fact.corrects].payload["consentId"])
    same: dict[str, set[str]] = {}
    for consent_id in first:
        same.setdefault(_first_of(first, consent_id), set()).add(consent_id)
    return {consent_id: ids for ids in map(frozenset, same.values()) for consent_id in ids}


def _first_of(first: dict[str, str], consent_id: str) -> str:
    """The id by which those that are known to be of the same consent are found (union-find, paths halved)."""
    while (before := first.setdefault(consent_id, consent_id)) != consent_id:
        first[consent_id] = consent_id = first.get(before, before)
    return consent_id
