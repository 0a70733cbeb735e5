"""The id of a fact: derived, so that stating a fact twice is one fact.

Rules:
- The id depends on the publisher's secret, its system, its source reference, the event type and the revision;
  never on content: a changed content under an old id is found out by the hub and parked.
- The type's version is not part of it: a fact stated again under a newer contract is still that fact.
- Revision 0 is the first statement, each correction the next one, so the id of what is corrected is computed
  and need not be kept.

The id becomes the record's `ce_id`. Pure.
"""

from __future__ import annotations

from contracts.derived_ids import derived_id


def event_id(secret: bytes, system: str, source_ref: str, event_type: str, revision: int) -> str:
    """Return the `ce_id` of revision `revision` of the fact that `system` keeps under `source_ref`."""
    return derived_id(secret, "event", system, source_ref, event_type, str(revision))
