"""A shard's inputs whose signatures are checked ahead: while one batch is handled, those of the next are worked out.

Rules:
- Whether a signature holds depends on the record and the key that it names alone. Whether that key counts is the
  shard's to judge, in the order of the records: nothing here refuses a record.
- A record whose key is not known yet is given out unchecked; so is one without a signature.
- The order is that of the inputs behind. What was taken ahead counts as not taken until it is given out.

From `hub.broker.kafka_inputs`, through `signature_pool`, to the shard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from contracts.failures import Refused
from contracts.signatures import signature_of, stated_message
from hub.broker.control_records import hub_message
from hub.broker.ports import InputRecord, Inputs, Positions
from hub.broker.signature_pool import Answers, SignaturePool


class _Portion(NamedTuple):
    """Records in order, which of them are being checked, and the verdicts as they come."""

    records: Sequence[InputRecord]
    checked: Sequence[int]
    verdicts: Answers


class VerifiedInputs:
    """Implements `hub.broker.ports.Inputs` on other inputs. `public_key` gives the key of an id, where it is known."""

    def __init__(
        self, inputs: Inputs, hub_input: str, pool: SignaturePool, public_key: Callable[[str], bytes | None]
    ) -> None:
        self.inputs = inputs
        self._hub_input = hub_input
        self._pool = pool
        self._public_key = public_key
        self._ahead: _Portion | None = None

    def start(self, positions: Positions) -> None:
        """Read from `positions`; see `Inputs`."""
        self._ahead = None
        self.inputs.start(positions)

    def take(self, limit: int, wait_seconds: float) -> Sequence[InputRecord]:
        """Return up to `limit` records in order; wait at most `wait_seconds` for the first."""
        portion, self._ahead = self._ahead or self._begin(self.inputs.take(limit, wait_seconds)), None
        if len(portion.records) >= limit:
            # There is more than one batch: the next one is checked while this one is handled.
            following = self.inputs.take(limit, 0.0)
            self._ahead = self._begin(following) if following else None
        if not portion.checked:
            return portion.records
        records = list(portion.records)
        for index, verdict in zip(portion.checked, portion.verdicts.all(), strict=True):
            records[index] = records[index]._replace(signature_holds=bool(verdict))
        return records

    def _begin(self, records: Sequence[InputRecord]) -> _Portion:
        checked: list[int] = []
        questions: list[tuple[bytes, ...]] = []
        for index, record in enumerate(records):
            try:
                signature = signature_of(record.headers)
            except Refused:
                continue
            public = self._public_key(signature.key_id) if signature else None
            if signature and public:
                message = hub_message if record.topic == self._hub_input else stated_message
                said = message(record.topic, record.key, record.headers, record.value)
                checked.append(index)
                questions.append((public, said, signature.value))
        return _Portion(records, checked, self._pool.ask(b"", questions))

    def newest_tick(self) -> int:
        """The newest timestamp on the hub's own input, as last seen."""
        return self.inputs.newest_tick()

    def lag_records(self) -> int:
        """How many records lie between what was given out and the ends of the logs, as last seen."""
        return self.inputs.lag_records() + (len(self._ahead.records) if self._ahead else 0)

    def close(self) -> None:
        """Release the connection; what was taken ahead is dropped and will be read again."""
        self._ahead = None
        self.inputs.close()
