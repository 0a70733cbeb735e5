"""Tells those who received a fact that it was corrected or retracted (GDPR 19; domain specification, 2.1).

Rules:
- Whoever was ever told of the fact gets a notice, also who may no longer see it: the notice names the event and has
  no content. Its publisher needs none.
- A notice is a fact of the hub's own on the same timeline, stated once, in the batch that admits the correction.
- Its id is derived from what was corrected by what, and for whom; its time is the recorded time.

The notice is decided and sent like any governance record: to the recipient that it names (`contracts/rules`).
"""

from __future__ import annotations

from collections.abc import Iterator

from contracts.derived_ids import derived_id
from contracts.fact import Fact, ce_id_of, event_id_of
from contracts.topics import HUB_PARTY
from hub.case_timeline.timeline import RETRACTION, CaseTimeline, Reader
from hub.shard.own_facts import own_fact
from hub.store.records import FactRecorded

NOTICE = "RecipientNotified"


def notices_of(
    case: CaseTimeline, event_id: str, recorded_at: int, reader: Reader, secret: bytes
) -> Iterator[tuple[FactRecorded, Fact]]:
    """Yield what to admit after `event_id` took another fact's place, or took it back; versions follow the case's.

    The caller admits each before it asks for the next. Nothing is yielded where nobody was told.
    """
    target = case.victim_of(event_id)
    victim = case.facts.get(target) if target else None
    if target is None or victim is None:
        return
    kind = "RETRACTED" if case.facts[event_id].outline.event_type == RETRACTION else "CORRECTED"
    for recipient in sorted(case.told.get(target, ())):
        if recipient != victim.outline.party:
            payload = {
                "occurredAt": recorded_at,
                "targetEventId": ce_id_of(target),
                "recipient": recipient,
                "at": recorded_at,
                "kind": kind,
            }
            notice = event_id_of(HUB_PARTY, derived_id(secret, "notice", case.case_id, event_id, recipient))
            yield own_fact(case, NOTICE, notice, payload, recorded_at, reader)
