"""A shard's inputs whose signatures are checked ahead: while one batch is handled, those of the next are worked out.

Rules:
- Whether a signature holds depends on the record and the key that it names alone. Whether that key counts is the
  shard's to judge, in the order of the records: nothing here refuses a record.
- A record whose key is not known yet is given out unchecked; so is one without a signature.
- The order is that of the inputs behind. What was taken ahead counts as not taken until it is given out.
- Where more lies there than one batch, as much again is taken ahead, in whatever portions it comes; of large records
  no more than is handled at a time.

From `hub.broker.kafka_inputs`, through `signature_pool`, to the shard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from contracts.signatures import is_signed
from hub.broker.ports import TAKEN_BYTES_MAX, InputRecord, Inputs, Positions
from hub.broker.signature_pool import CHUNK_RECORDS, Answers, SignaturePool
from hub.broker.signature_process import Said


class _Portion(NamedTuple):
    """Records in order, which of them are being checked, and the verdicts as they come."""

    records: Sequence[InputRecord]
    size_bytes: int
    checked: Sequence[int]
    verdicts: Answers[bool | None]

    def judged(self) -> Sequence[InputRecord]:
        """Wait for the verdicts and return the records with them."""
        if not self.checked:
            return self.records
        records = list(self.records)
        for index, verdict in zip(self.checked, self.verdicts.all(), strict=True):
            records[index] = records[index].judged(verdict)
        return records


class VerifiedInputs:
    """Implements `hub.broker.ports.Inputs` on other inputs. `public_keys` gives those that are known by now, by id."""

    def __init__(
        self, inputs: Inputs, hub_input: str, pool: SignaturePool, public_keys: Callable[[], Mapping[str, bytes]]
    ) -> None:
        self.inputs = inputs
        self._hub_input = hub_input
        self._pool = pool
        self._public_keys = public_keys
        self._ahead: deque[_Portion] = deque()
        self._bytes_ahead = 0

    def start(self, positions: Positions) -> int:
        """Read from `positions`; see `Inputs`."""
        self._drop_ahead()
        return self.inputs.start(positions)

    def take(self, limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        """Return up to `limit` records in order; see `Inputs`."""
        if not self._ahead:
            self._take_ahead(limit, wait_seconds)
        while self._ahead and self.inputs.lag_records() and self._has_room_ahead(limit):
            if not self._take_ahead(limit, 0.0):
                break
        given: list[InputRecord] = []
        left = TAKEN_BYTES_MAX
        while self._ahead:
            portion = self._ahead[0]
            if given and (len(given) + len(portion.records) > limit or portion.size_bytes > left):
                break
            self._ahead.popleft()
            left -= portion.size_bytes
            self._bytes_ahead -= portion.size_bytes
            given += portion.judged()
        return given

    def _has_room_ahead(self, limit: int) -> bool:
        return self._records_ahead() < 2 * limit and self._bytes_ahead < TAKEN_BYTES_MAX

    def _take_ahead(self, limit: int, wait_seconds: float) -> bool:
        """Take what is there and have its signatures checked; whether anything was there."""
        records = self.inputs.take(limit, wait_seconds)
        for start in range(0, len(records), CHUNK_RECORDS):
            portion = records[start : start + CHUNK_RECORDS]
            checked = [index for index, record in enumerate(portion) if is_signed(record.headers)]
            said = [_said(portion[index]) for index in checked]
            verdicts = self._pool.check(self._public_keys(), self._hub_input, said)
            size_bytes = sum([record.size_bytes for record in portion])
            self._ahead.append(_Portion(portion, size_bytes, checked, verdicts))
            self._bytes_ahead += size_bytes
        return bool(records)

    def _records_ahead(self) -> int:
        return sum(len(portion.records) for portion in self._ahead)

    def newest_tick(self) -> int:
        """The newest timestamp on the hub's own input, as last seen."""
        return self.inputs.newest_tick()

    def lag_records(self) -> int:
        """How many records lie between what was given out and the ends of the logs, as last seen."""
        return self.inputs.lag_records() + self._records_ahead()

    def seconds_since_look(self) -> float:
        """How long ago the ends of the logs were last seen."""
        return self.inputs.seconds_since_look()

    def close(self) -> None:
        """Release the connection; what was taken ahead is dropped and will be read again."""
        self._drop_ahead()
        self.inputs.close()

    def _drop_ahead(self) -> None:
        self._ahead.clear()
        self._bytes_ahead = 0


def _said(record: InputRecord) -> Said:
    return record.topic, record.key, record.headers, record.value
