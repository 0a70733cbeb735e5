"""A shard's outputs, each record signed by the hub before it is handed on, beside the batch.

Rules:
- What is signed is what that receiver gets, and nothing else; so a signature tells nothing that its records do not.
- Records leave in the order in which they were handed over; one is handed on when all before it are.
- A party counts as stalled only when nothing of it waits for a signature: what it handed over again may end the stall.

From the shard, through `signature_pool`, to `hub.broker.kafka_outputs`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from contracts.signatures import SigningKey
from contracts.signed_together import Proof, proof_headers
from contracts.topics import Names
from hub.broker.ports import OutputRecord, Outputs
from hub.broker.signature_pool import Answers, SignaturePool

PORTION_RECORDS: Final = 1_000
"""How many records are signed together: the first of a batch need not wait for its last."""


class _Portion(NamedTuple):
    """Records in order, how many are for which party, its last number, and the proofs that they are the hub's."""

    records: Sequence[OutputRecord]
    counts: Mapping[str, int]
    last: Mapping[str, int]
    proofs: Answers[Proof]


class SignedOutputs:
    """Implements `hub.broker.ports.Outputs` on other outputs."""

    def __init__(self, outputs: Outputs, names: Names, pool: SignaturePool, signing_key: SigningKey) -> None:
        self.outputs = outputs
        self._names = names
        self._pool = pool
        self._key = signing_key
        self._waiting: deque[_Portion] = deque()
        self._unsigned: Counter[str] = Counter()

    def last_numbers(self, parties: Iterable[str]) -> Mapping[str, int]:
        """Return the highest number at the end of each party's topic; see `Outputs`."""
        return self.outputs.last_numbers(parties)

    def send(self, records: Sequence[OutputRecord]) -> None:
        """Hand over `records`, in number order per party; returns before they are signed."""
        topics = {party: self._names.output(party) for party in {record.party for record in records}}
        for start in range(0, len(records), PORTION_RECORDS):
            portion = records[start : start + PORTION_RECORDS]
            said = [(topics[party], key, headers, value) for party, _, key, value, headers in portion]
            counts = Counter([party for party, *_ in portion])
            last = {party: number for party, number, *_ in portion}
            self._waiting.append(_Portion(portion, counts, last, self._pool.sign(self._key.private, said)))
            self._unsigned.update(counts)
        self._hand_on(wait=False)

    def taken(self) -> Mapping[str, int]:
        """Return, per party, the highest number that may have left, or will once it is signed; see `Outputs`."""
        taken = dict(self.outputs.taken())
        for portion in self._waiting:
            for party, number in portion.last.items():
                taken[party] = max(number, taken.get(party, 0))
        return taken

    def confirmed(self, wait_seconds: float = 0.0) -> Mapping[str, int]:
        """Return, per party, the highest number up to which all is confirmed since the last call; see `Outputs`."""
        self._hand_on(wait=wait_seconds > 0)
        return self.outputs.confirmed(wait_seconds)

    def stalled(self) -> Sequence[str]:
        """Parties whose sending failed; the shard hands over again from their send position."""
        return [party for party in self.outputs.stalled() if not self._unsigned[party]]

    def pausing(self) -> Sequence[str]:
        """Those of the stalled parties that are left alone for now; see `Outputs`."""
        return self.outputs.pausing()

    def close(self) -> None:
        """Sign and flush what can be, and release the connection, whatever fails on the way."""
        try:
            self._hand_on(wait=True)
        finally:
            self.outputs.close()

    def _hand_on(self, *, wait: bool) -> None:
        """Hand on what is signed, in order; with `wait`, all of it."""
        while self._waiting and (wait or self._waiting[0].proofs.are_there):
            # It stays the first until it is signed: where that fails, nothing behind it may leave before it.
            portion = self._waiting[0]
            key_id = self._key.id
            proved = zip(portion.records, portion.proofs.all(), strict=True)
            signed = [
                OutputRecord(party, number, key, value, [*headers, *proof_headers(key_id, proof)])
                for (party, number, key, value, headers), proof in proved
            ]
            self._waiting.popleft()
            self._unsigned.subtract(portion.counts)
            self.outputs.send(signed)
