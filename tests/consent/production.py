"""The production decision behind one plain question, for readers of the rules that share no code with it.

Rules:
- A question is a list of stated events, a birth date, a jurisdiction, the parties, an instant and a receiver.
- Only events recorded by then count; corrections and retractions are resolved by the very timeline of the hub.
- The answer says, for each live event, which categories the receiver sees and on what basis; own events and consent
  and governance records included.

The events go the way of `hub.case_timeline` and `hub.disclosure.settlement`, as in a running shard, without a store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from contracts.catalogue import catalogue
from contracts.categories import categories_of
from contracts.civil_time import day_number
from contracts.codec import codec
from contracts.fact import event_id_of
from contracts.parties import Party, PartyRegistry
from contracts.schema_ids import schema_ids
from hub.case_timeline.timeline import CaseTimeline, Reader, timeline_of
from hub.consent.policy import Policy, load_policy
from hub.disclosure.settlement import decisions_on, rights_in
from hub.store.records import CaseRecord, CitizenEnrolled, FactRecorded, case_stream

CASE = "00000000-0000-8000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class Stated:
    """One event as its party stated it: wire values in `payload` (without `occurredAt`), times in milliseconds.

    `corrects` is the `id` of an earlier event of the same party and type. An `EventRetracted` names its target's `id`
    in `payload["targetEventId"]`. Ids are UUID text.
    """

    id: str
    event_type: str
    party: str
    occurred_at: int
    recorded_at: int
    payload: Mapping[str, Any]
    corrects: str | None = None


@lru_cache(maxsize=256)
def policy_for(jurisdiction: str, parties: frozenset[Party]) -> Policy:
    """Return the policy of `jurisdiction` for these parties."""
    return load_policy(jurisdiction, PartyRegistry.of(parties))


def case_of(
    stated: Iterable[Stated], born: date, jurisdiction: str, parties: frozenset[Party], known_at: int
) -> CaseTimeline:
    """Return the timeline of the events recorded up to `known_at`, in the order in which they were recorded."""
    policy = policy_for(jurisdiction, parties)
    reader = Reader(catalogue(), codec(), policy.gate_types, "questions")
    records: list[CaseRecord] = [CitizenEnrolled(case_stream(CASE), 1, 0, day_number(born), jurisdiction)]
    for event in sorted(stated, key=lambda event: event.recorded_at):
        if event.recorded_at <= known_at:
            schema_id = schema_ids().published(event.event_type)
            body = codec().encode(schema_id, {"occurredAt": event.occurred_at, **event.payload})[5:]
            records.append(
                FactRecorded(
                    case_stream(CASE),
                    len(records) + 1,
                    event_id_of(event.party, event.id),
                    event.event_type,
                    event.party,
                    f"urn:party:{event.party}:question",
                    schema_id,
                    event.occurred_at,
                    event.recorded_at,
                    event.recorded_at,
                    event_id_of(event.party, event.corrects) if event.corrects else None,
                    None,
                    None,
                    body,
                )
            )
    return timeline_of(CASE, records, reader)


def answers(
    stated: Iterable[Stated], born: date, jurisdiction: str, parties: frozenset[Party], at: int
) -> dict[tuple[str, str], dict[str, frozenset[str]]]:
    """Return, for each (event id, receiver) who is shown anything at `at`: the categories by basis.

    An event id is `<party>/<id>`. A dead event (corrected, retracted) has no entry, except the retracted one for its
    publisher.
    """
    case = case_of(stated, born, jurisdiction, parties, at)
    rights = rights_in(case, at, policy_for(jurisdiction, parties))
    found: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
    for event_id, entry in case.facts.items():
        for receiver, shown in decisions_on(entry.outline, case.dead.get(event_id), rights.decider).items():
            found[event_id, receiver] = {basis: frozenset(categories_of(mask)) for basis, mask in shown}
    return found
