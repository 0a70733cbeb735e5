"""One party's subscription: reads its `out` topic into its own store and views, batch by batch.

Rules:
- Rows, views and positions of a batch are one transaction; Kafka may repeat, the store drops repeats.
- With the hub's public key, a record whose signature does not hold is not applied.
- A record that cannot be applied stops its partition just before it, with a failure that says what to do. What
  came before it, and the other partitions, are applied first: a retraction never waits for somebody's mistake.
- After any failure reading starts afresh at the stored positions: nothing that was read but not stored is lost.

From `consumers.source`, judged by `consumers.examine`, to `consumers.store`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from consumers.examine import Step, examine
from consumers.hub_signatures import HubSignatures
from consumers.source import ReceivedRecord, Source
from consumers.store import Move, PartyStore, Position
from contracts.failures import CallerFailure, ReceiverFailure

BATCH_RECORDS_MAX: Final = 500


class Subscription:
    """What an agency runs to receive. `repeats` counts records dropped because their number was known."""

    def __init__(
        self, party_id: str, source: Source, store: PartyStore, signatures: HubSignatures | None = None
    ) -> None:
        if store.party_id != party_id:
            raise CallerFailure(f"store of party `{store.party_id}` given to the subscription of `{party_id}`")
        self.party_id = party_id
        self.repeats = 0
        self._source = source
        self._store = store
        self._signatures = signatures
        self._partitions: int | None = None
        self._confirmed: Mapping[int, int] = {}

    def advance(self, wait_seconds: float) -> int:
        """Handle one batch; return how many records it held, 0 where none came within `wait_seconds`.

        Raises `MissingNumber` or `UnreadableRecord` where a partition cannot go on, `TransportFailure` where the
        broker cannot be read (try again), and `StoreFailure`.
        """
        try:
            if self._partitions is None:
                self._partitions = self._start()
            records = self._source.poll(BATCH_RECORDS_MAX, wait_seconds)
            if not records:
                self._store.finish_erasure()
                self._confirm()
            return self._handle(records, self._partitions)
        except BaseException:
            self._partitions = None
            raise

    def numbers(self) -> Mapping[int, int]:
        """The last number applied, by partition; a partition of which nothing came yet is not named."""
        return {partition: position.last_number for partition, position in self._store.positions().items()}

    def close(self) -> None:
        """Release the source; the store belongs to the caller."""
        self._partitions = None
        self._source.close()

    def _confirm(self) -> None:
        """Say, when there is nothing else to do, how far the store has come since it was last said."""
        reached = {partition: at.next_offset for partition, at in self._store.positions().items()}
        if reached != self._confirmed:
            self._source.confirm(reached)
            self._confirmed = reached

    def _start(self) -> int:
        positions = self._store.positions()
        partitions = self._source.start({partition: at.next_offset for partition, at in positions.items()})
        self._store.bind_partitions(partitions)
        return partitions

    def _handle(self, records: Sequence[ReceivedRecord], partitions: int) -> int:
        before = self._store.positions()
        reached: dict[int, Position] = {}
        stopped: dict[int, ReceiverFailure] = {}
        steps: list[Step] = []
        repeats = 0
        for record in records:
            if record.partition in stopped:
                continue
            at = reached.get(record.partition) or before.get(record.partition) or Position(0, 0)
            try:
                if self._signatures is not None:
                    self._signatures.check(record)
                step = examine(record, at.last_number, partitions)
            except ReceiverFailure as failure:
                stopped[record.partition] = failure
                continue
            if step is None:
                repeats += 1
            else:
                steps.append(step)
            number = at.last_number if step is None else step.attributes.number
            reached[record.partition] = Position(max(at.next_offset, record.offset + 1), number)
        moves = [Move(partition, before.get(partition), after) for partition, after in sorted(reached.items())]
        if moves:
            self._store.apply(steps, moves)
        self.repeats += repeats
        if stopped:
            raise stopped[min(stopped)]
        return len(records)
