"""How an admitted record is stored: the head that the hub notes, and the body as its agency published it.

From `hub.arrival.gate`; the record goes to the case's stream (`hub.store`).
"""

from __future__ import annotations

from hub.arrival.gate import Statement
from hub.store.records import FactRecorded, Origin, case_stream


def record_of(
    statement: Statement, case_id: str, version: int, recorded_at: int, origin: Origin | None = None
) -> FactRecorded:
    """Return how an admitted record is stored, as the record at `version` of its case's stream."""
    attributes = statement.attributes
    return FactRecorded(
        case_stream(case_id),
        version,
        statement.event_id,
        statement.event_type.name,
        statement.party,
        attributes.source,
        statement.schema_id,
        statement.occurred_at,
        attributes.time,
        recorded_at,
        statement.corrects,
        attributes.correlation,
        attributes.causation,
        statement.body,
        origin,
        statement.signing_key,
    )
