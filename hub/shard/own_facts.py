"""A fact that the hub states itself, on the timeline that it concerns: as it is stored, and as it is decided.

Rules:
- It has an id that is derived, so that stating it twice is one fact; it occurs when it is recorded.
- It is decided and sent like any other fact.

For notices and governance; the caller admits what comes out before it makes the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contracts.fact import Fact
from contracts.schema_ids import schema_ids
from contracts.topics import HUB_PARTY
from hub.case_timeline.timeline import CaseTimeline, Reader
from hub.store.records import FactRecorded, case_stream

SOURCE: Final = f"urn:party:{HUB_PARTY}:hub"


def own_fact(
    case: CaseTimeline, event_type: str, event_id: str, payload: Mapping[str, Any], at: int, reader: Reader
) -> tuple[FactRecorded, Fact]:
    """Return the next fact of `case`, which the hub states at `at` (milliseconds) with the wire values `payload`."""
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
        at,
        at,
        at,
        None,
        None,
        None,
        decoded.body,
    )
    return record, Fact(event_id, event_type, HUB_PARTY, at, at, decoded.payload, None)
