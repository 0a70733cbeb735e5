"""Looks a shard's store over, row by row as it is stored: is it whole, and does it lie where it is safe?

Rules:
- Nothing is written, no key is needed: what stands here is told by streams, versions and places alone.
- Every stream is dense from its first version. A row between two others that is missing was removed by hand.
- Every position is that of the last batch, whose versions are dense too: nothing was rolled back in part.

The rows are read in the order in which they were stored, in portions. Used by `hub store check`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from hub.store.reader import ShardReader
from hub.store.records import BATCHES, NumbersAssigned

_ROWS_PER_READ: Final = 2_000


@dataclass(slots=True)
class StoreReport:
    """What one store holds, and what is wrong with it."""

    shard: int
    batches: int = 0
    rows: int = 0
    streams: int = 0
    faults: list[str] = field(default_factory=list)


def check_store(shard: int, store: ShardReader) -> StoreReport:
    """Read every row of `store` once and say what is wrong with it."""
    report = StoreReport(shard)
    heads: dict[str, int] = {}
    for stream, version, first in _rows(store, report):
        head = heads.get(stream, 0)
        if first != head + 1:
            report.faults.append(f"stream `{stream}` goes on with `{first}` after `{head}`: restore the store")
        heads[stream] = version
    report.streams = len(heads)
    report.batches = heads.get(BATCHES, 0)
    if report.batches:
        committed = store.batch(report.batches)
        for topic, position in store.head().positions.items():
            if committed.positions.get(topic, position) != position:
                report.faults.append(
                    f"topic `{topic}` stands at `{position}`, the last batch says "
                    f"`{committed.positions[topic]}`: restore the store"
                )
    return report


def _rows(store: ShardReader, report: StoreReport) -> Iterator[tuple[str, int, int]]:
    """Stream, last and first version of each row, in the order of storing."""
    after = 0
    while rows := store.notifications(after, _ROWS_PER_READ):
        for row in rows:
            report.rows += 1
            version = row.originator_version
            first = version
            if row.topic == NumbersAssigned.__name__:
                run = store.record_of(row)
                first = run.first if isinstance(run, NumbersAssigned) else version
            yield str(row.originator_id), version, first
        after = rows[-1].id
