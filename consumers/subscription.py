"""One party's subscription: reads its `out` topic into its own store and views, batch by batch.

Rules:
- Rows, views and positions of a batch are one transaction; Kafka may repeat, the store drops repeats.
- With the hub's public key, a record whose signature does not hold is not applied.
- A record that cannot be applied stops its partition just before it. What came before it is applied, and the other
  partitions go on: a retraction never waits for somebody's mistake.
- Behind such a record, and behind a gap, it looks for the beginning of a resync, up to the end of what lay there. With
  it, all that is held of the partition is dropped and reading goes on from there. Without it, it refuses, with a
  failure that says what to do, but only once the other partitions too have reached what lay there for them: whoever
  ends at that failure and starts again comes to every retraction.
- After any failure reading starts afresh at the stored positions: nothing that was read but not stored is lost. Only
  what was looked through behind a refused record is not read again: it would be, for ever, from the party's share.
- What was removed is erased, and what is stored is confirmed, when nothing comes, and at the latest after a while.

From `consumers.source`, judged by `consumers.examine`, to `consumers.store`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from consumers.examine import ASK, COMPLETED, Anew, Mark, Step, beginning, examine
from consumers.hub_signatures import HubSignatures
from consumers.source import LogSpan, ReceivedRecord, Source
from consumers.store import Move, PartyStore, Position
from contracts.failures import CallerFailure, MissingNumber, ReceiverFailure

BATCH_RECORDS_MAX: Final = 500
QUIET_AWAITED_SECONDS: Final = 300.0
"""So long, at most, erasing and confirming wait for a moment in which nothing comes."""


class Subscription:
    """What an agency runs to receive. `repeats` counts records dropped because their number was known."""

    def __init__(
        self,
        party_id: str,
        source: Source,
        store: PartyStore,
        signatures: HubSignatures | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if store.party_id != party_id:
            raise CallerFailure(f"store of party `{store.party_id}` given to the subscription of `{party_id}`")
        self.party_id = party_id
        self.repeats = 0
        self._source = source
        self._store = store
        self._signatures = signatures
        self._spans: Mapping[int, LogSpan] = {}
        self._stopped: dict[int, ReceiverFailure] = {}
        """Why a partition cannot go on, while the beginning of a resync is looked for."""
        self._looked_to: dict[int, int] = {}
        self._clock = clock
        self._quiet_awaited_to = clock() + QUIET_AWAITED_SECONDS

    def advance(self, wait_seconds: float) -> int:
        """Handle one batch; return how many records it held, 0 where none came within `wait_seconds`.

        Raises a `ReceiverFailure` where a partition cannot go on, every time, after what it is to do for the others;
        `TransportFailure` where the broker cannot be read, `StoreUnavailable` where the store cannot be used now (both:
        try again), and other `StoreFailure`s.
        """
        try:
            if not self._spans:
                self._spans = self._start()
            records = self._source.poll(BATCH_RECORDS_MAX, wait_seconds)
            self._handle(records)
            refusal = self._refusal()
            if not records or refusal or self._clock() >= self._quiet_awaited_to:
                self._erase_and_confirm()
            if refusal:
                raise refusal
            return len(records)
        except ReceiverFailure:
            self._spans = {}  # how far the others have come is seen anew; what was looked through is not read again
            raise
        except BaseException:
            self._spans, self._stopped, self._looked_to = {}, {}, {}
            raise

    def stopped(self) -> Mapping[int, ReceiverFailure]:
        """The partitions that cannot go on, and why; known as soon as such a record is met."""
        return dict(self._stopped)

    def numbers(self) -> Mapping[int, int]:
        """The last number applied, by partition; a partition of which nothing came yet is not named."""
        return {partition: position.last_number for partition, position in self._store.positions().items()}

    def close(self) -> None:
        """Release the source; the store belongs to the caller."""
        self._spans = {}
        self._source.close()

    def _erase_and_confirm(self) -> None:
        self._store.finish_erasure()
        self._source.confirm({partition: at.next_offset for partition, at in self._store.positions().items()})
        self._quiet_awaited_to = self._clock() + QUIET_AWAITED_SECONDS

    def _start(self) -> Mapping[int, LogSpan]:
        positions = self._store.positions()
        read_from = {partition: at.next_offset for partition, at in positions.items()}
        spans = self._source.start(read_from | {partition: self._looked_to[partition] for partition in self._stopped})
        self._store.bind_partitions(len(spans))
        for partition, span in spans.items():
            at = positions.get(partition)
            is_gone = at.next_offset < span.first if at else span.first == span.end > 0
            if partition in self._stopped:
                self._looked_to[partition] = max(self._looked_to[partition], span.first)
            elif is_gone:
                self._stopped[partition] = _deleted(partition, at.next_offset if at else 0, span.first)
                self._looked_to[partition] = span.first
        return spans

    def _handle(self, records: Sequence[ReceivedRecord]) -> None:
        before = self._store.positions()
        reached: dict[int, Position] = {}
        steps: list[Step] = []
        repeats = 0
        for record in records:
            at = reached.get(record.partition) or before.get(record.partition) or Position(0, 0)
            step = self._examined(record, at.last_number)
            if record.partition in self._stopped:
                continue
            if step is None:
                repeats += 1
            else:
                steps.append(step)
            reached[record.partition] = _after(at, record.offset, step)
        moves = [Move(partition, before.get(partition), after) for partition, after in sorted(reached.items())]
        if moves:
            self._store.apply(steps, moves)
        self.repeats += repeats

    def _examined(self, record: ReceivedRecord, last_number: int) -> Step | None:
        """What a record means. On a partition that cannot go on: where it begins anew, if it does so here."""
        if record.partition not in self._stopped:
            try:
                if self._signatures is not None:
                    self._signatures.check(record)
                return examine(record, last_number, len(self._spans))
            except ReceiverFailure as failure:
                self._stopped[record.partition] = failure
        self._looked_to[record.partition] = record.offset + 1
        step = beginning(record, last_number, len(self._spans))
        if step is not None and self._is_of_the_hub(record):
            del self._stopped[record.partition]
            return step
        return None

    def _is_of_the_hub(self, record: ReceivedRecord) -> bool:
        try:
            if self._signatures is not None:
                self._signatures.check(record)
        except ReceiverFailure:
            return False
        return True

    def _refusal(self) -> ReceiverFailure | None:
        """Why a partition cannot go on, once it is looked through and the others have read what lay there."""
        if not self._stopped:
            return None
        read_to = {partition: at.next_offset for partition, at in self._store.positions().items()}
        read_to |= {partition: self._looked_to[partition] for partition in self._stopped}
        if all(read_to.get(partition, 0) >= span.end for partition, span in self._spans.items()):
            return self._stopped[min(self._stopped)]
        return None


def _after(at: Position, offset: int, step: Step | None) -> Position:
    number = at.last_number if step is None else step.attributes.number
    is_filling = isinstance(step, Anew) or (at.is_filling and not (isinstance(step, Mark) and step.state == COMPLETED))
    return Position(max(at.next_offset, offset + 1), number, is_filling)


def _deleted(partition: int, position: int, first: int) -> MissingNumber:
    return MissingNumber(
        f"partition {partition}: offset `{position}` is next to read, the log begins at `{first}`; "
        f"records were deleted unread: {ASK}"
    )
