"""Who had to be told that a consent has ended, and who was: read from all that the cases of a hub have stored."""

from __future__ import annotations

from collections import Counter

from contracts.codec import codec
from contracts.fact import ce_id_of
from hub.case_timeline.timeline import NOTICE, CaseTimeline
from hub.consent.consents import SCOPED
from hub.shard.notices import CONSENT_ENDED
from hub.store.records import DecisionsRecorded, FactRecorded
from tests.shard.merging import MergingShards

ENDS = frozenset({"ConsentWithdrawn", "ConsentExpired", "ConsentInvalidated"})
Order = tuple[str, str, str]
"""Case, party, consent."""


def due(hub: MergingShards) -> set[Order]:
    """Whom an open case has to have told: it has the fact and the consent, which showed the one, here or elsewhere.

    The consent was ended, and the party is not shown the fact.
    """
    found: set[Order] = set()
    ever = _ever_shown(hub)
    for case in _open_cases(hub):
        live = [fact for event_id, fact in case.gate_facts.items() if event_id not in case.dead]
        ended = {fact.payload["consentId"] for fact in live if fact.event_type in ENDS}
        here = {fact.payload["consentId"] for fact in live if fact.event_type == "ConsentGiven"}
        for event_id, party, consent_id in ever:
            is_shown = bool(case.told.get(event_id, {}).get(party))
            if consent_id in ended & here and case.is_live(event_id, None) and not is_shown:
                found.add((case.case_id, party, consent_id))
    return found


def told(hub: MergingShards) -> Counter[Order]:
    """The orders that open cases tell."""
    found: Counter[Order] = Counter()
    for case in _open_cases(hub):
        consents = {
            ce_id_of(event_id): entry.outline.references["consentId"]
            for event_id, entry in case.facts.items()
            if entry.outline.event_type in SCOPED
        }
        for event_id, entry in case.facts.items():
            if entry.outline.event_type == NOTICE and case.is_live(event_id, NOTICE):
                notice = codec().decode_body(entry.record.schema_id, entry.record.value)
                if notice["kind"] == CONSENT_ENDED and case.told[event_id].get(notice["recipient"]):
                    found[case.case_id, notice["recipient"], consents[notice["targetEventId"]]] += 1
    return found


def _open_cases(hub: MergingShards) -> list[CaseTimeline]:
    cases = []
    for case_id, shard in hub.shards_of.items():
        held = hub.shards[shard].cases.get(case_id)
        hub.shards[shard].cases.hold_history(held)
        if held.timeline.merged_into is None:
            cases.append(held.timeline)
    return cases


def _ever_shown(hub: MergingShards) -> set[tuple[str, str, str]]:
    """Everything that any case ever showed on a consent: event, party, consent."""
    found: set[tuple[str, str, str]] = set()
    for case_id, shard in hub.shards_of.items():
        event_at: dict[int, str] = {}
        for record in hub.stores[shard].case_records(case_id):
            if isinstance(record, FactRecorded):
                event_at[record.originator_version] = record.event_id
            for one in record.decisions if isinstance(record, DecisionsRecorded) else ():
                bases = (basis for basis, _ in one.shown if basis.startswith("C:"))
                found |= {(event_at[one.fact_version], one.party, basis[2:]) for basis in bases}
    return found
