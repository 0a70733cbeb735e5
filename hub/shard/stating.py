"""What the hub itself states on a case's timeline: notices and reminders.

Rules:
- A fact of the hub's own is stored, decided and sent like any governance record: to the recipient that it names
  (`contracts/rules`).
- Its id is derived under the hub's secret from what it is about, so it is stated once.
- The times that its recipient can read come from whoever states it; `recorded_at` is the shard clock and goes nowhere.

From `notices` and `reminders`; onto the timeline, into the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.derived_ids import derived_id
from contracts.fact import Fact, event_id_of
from contracts.schema_ids import schema_ids
from contracts.topics import HUB_PARTY
from hub.case_timeline.timeline import CaseTimeline, Reader
from hub.shard.batch import Batch
from hub.shard.cases import Cases, HeldCase
from hub.store.records import FactRecorded, GovernanceOpened, case_stream

SOURCE = f"urn:party:{HUB_PARTY}:hub"


def hub_event_id(secret: bytes, case: CaseTimeline, *parts: str) -> str:
    """Return the id of the hub's own fact about `parts` of a case; the first part says what it is."""
    what, *rest = parts
    return event_id_of(HUB_PARTY, derived_id(secret, what, case.case_id, *rest))


def hub_fact(
    case: CaseTimeline, event_type: str, event_id: str, payload: Mapping[str, Any], recorded_at: int, reader: Reader
) -> tuple[FactRecorded, Fact]:
    """Return the hub's next fact on `case`. It happened at `occurredAt` and is published at `at` of its payload."""
    schema_id = schema_ids().published(event_type)
    decoded = reader.codec.decode(reader.codec.encode(schema_id, payload))
    record = FactRecorded(
        case_stream(case.case_id),
        case.version + 1,
        event_id,
        event_type,
        HUB_PARTY,
        SOURCE,
        schema_id,
        payload["occurredAt"],
        payload["at"],
        recorded_at,
        None,
        None,
        None,
        decoded.body,
    )
    return record, Fact(event_id, event_type, HUB_PARTY, payload["occurredAt"], recorded_at, decoded.payload, None)


def put_on_timeline(held: HeldCase, record: FactRecorded, fact: Fact, batch: Batch, reader: Reader) -> None:
    """Put the hub's own fact on its timeline and into the batch, while its case is being settled."""
    held.timeline.admit(record, fact, reader)
    held.touched[fact.event_id] = None
    batch.writes.records.append(record)
    batch.payloads[fact.event_id] = fact.payload


def open_about_nobody(held: HeldCase, at: int, cases: Cases, batch: Batch) -> None:
    """Begin a timeline that is about nobody but the party that it tells, if it is not there yet."""
    if held.timeline.enrolled is None:
        # Any law has the rule that it needs: who is named as recipient is told.
        jurisdiction = min(cases.policies.jurisdictions)
        opened = GovernanceOpened(case_stream(held.timeline.case_id), 1, at, jurisdiction)
        held.timeline.fold(opened, cases.reader)
        batch.writes.records.append(opened)
