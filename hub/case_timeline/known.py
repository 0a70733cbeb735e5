"""What the hub knew of a case at some time, read from the case's records.

Pure. For whoever replays a case: `hub.evidence` and the commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile

from hub.store.records import CaseRecord, DecisionsRecorded


def known_at(records: Iterable[CaseRecord], instant: int) -> Iterator[CaseRecord]:
    """The records that the hub held at `instant` (replay as known at T): recorded times never go back."""

    def held(record: CaseRecord) -> bool:
        when = record.clock if isinstance(record, DecisionsRecorded) else record.recorded_at
        return when <= instant

    return takewhile(held, records)
