"""Small case histories as stored records: facts, corrections, retractions, in any order of arrival."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from contracts.catalogue import catalogue
from contracts.codec import codec
from contracts.parties import Party, PartyRegistry
from contracts.schema_ids import schema_ids
from hub.case_timeline.timeline import CaseTimeline, Reader, timeline_of
from hub.consent.policy import load_policy
from hub.store.records import CaseRecord, CitizenEnrolled, FactRecorded, case_stream

CASE = "5f0c7d1e-0000-4000-8000-000000000001"
ENROLLED = CitizenEnrolled(case_stream(CASE), 1, 1_000, 7_000, "DK")
PARTIES = ("PRI", "A.SOC", "A.JOB")
NOW = 1_736_150_400_000


@cache
def reader(code: str = "this code") -> Reader:
    """How the tests read cases: under the Danish rules."""
    policy = load_policy("DK", PartyRegistry.of(Party(party) for party in PARTIES))
    return Reader(catalogue(), codec(), policy.gate_types, code)


def ce_id(number: int) -> str:
    """The `ce_id` of the fact of that number."""
    return str(uuid.UUID(int=number))


def event_id(party: str, number: int) -> str:
    """The event id of the fact of that number."""
    return f"{party}/{ce_id(number)}"


_SCOPE = {
    "consentId": CASE, "version": 1, "at": NOW, "collectedBy": "A.SOC", "collector": "s", "givenBy": "SUBJECT",
    "form": "WRITTEN", "evidenceRef": "x", "noticeVersion": "1", "language": "da", "withdrawalExplained": True,
    "capacityConfirmed": True, "categories": ["CU"], "sources": ["PRI"], "recipients": ["A.JOB"],
    "purposes": ["TREATMENT"], "validFrom": NOW,
}  # fmt: skip
PAYLOADS = {
    "ConsentGiven": _SCOPE,
    "ConsentAmended": _SCOPE | {"recipients": ["PRI"]},
    "CaseOpened": {"caseNo": "1", "at": NOW},
    "HousingApplied": {"housingId": CASE, "kind": "SHELTER_110", "at": NOW},
    "ConsentWithdrawn": {"consentId": CASE, "at": NOW, "by": "SUBJECT"},
    "RemovalReceipted": {"targetEventId": CASE, "at": NOW, "outcome": "PURGED"},
    "ReleaseDateSet": {"custodyId": CASE, "releaseDate": 20_000, "kind": "PAROLE"},
}


def fact(
    number: int,
    party: str = "A.SOC",
    event_type: str = "CaseOpened",
    *,
    recorded_at: int = NOW,
    corrects: int | None = None,
    retracts: int | None = None,
) -> FactRecorded:
    """A stored fact of version 0; `corrects` and `retracts` are numbers of facts of the same party."""
    name = "EventRetracted" if retracts is not None else event_type
    payload: dict[str, object] = {"occurredAt": NOW - number, **PAYLOADS.get(name, {})}
    if retracts is not None:
        payload |= {"targetEventId": ce_id(retracts), "at": NOW, "reason": "DUPLICATE"}
    schema_id = schema_ids().published(name)
    return FactRecorded(
        case_stream(CASE),
        0,
        event_id(party, number),
        name,
        party,
        f"urn:party:{party}:test",
        schema_id,
        NOW - number,
        NOW,
        recorded_at,
        event_id(party, corrects) if corrects is not None else None,
        None,
        None,
        codec().encode(schema_id, payload)[5:],
    )


def changed(record: FactRecorded, **changes: Any) -> FactRecorded:
    """The record with some of its fields changed."""
    return FactRecorded(**{name: getattr(record, name) for name in FactRecorded.__annotations__} | changes)


def folded(facts: Sequence[FactRecorded]) -> CaseTimeline:
    """The case that these facts make, stored in this order."""
    return timeline_of(CASE, stored(facts), reader())


def stored(facts: Sequence[FactRecorded]) -> list[CaseRecord]:
    """The records of the case, with dense versions."""
    return [ENROLLED, *(changed(each, originator_version=2 + place) for place, each in enumerate(facts))]


@st.composite
def histories(draw: st.DrawFn) -> list[FactRecorded]:
    """Facts of few parties that correct and retract each other densely; recorded times in no order."""
    facts: list[FactRecorded] = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        party = draw(st.sampled_from(PARTIES))
        earlier = draw(st.none() | st.integers(1, number))
        kind = draw(st.sampled_from(("state", "correct", "retract")))
        facts.append(
            fact(
                number,
                party,
                draw(st.sampled_from(sorted(PAYLOADS))),
                recorded_at=NOW + draw(st.integers(0, 5)),
                corrects=earlier if kind == "correct" else None,
                retracts=earlier if kind == "retract" else None,
            )
        )
    return facts
