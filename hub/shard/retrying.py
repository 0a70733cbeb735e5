"""Sends a parked record through the gate again, and with it what its publisher has parked behind it under the same key.

Rules:
- The same judgement as for a new arrival, at the time of the retry and by the keys as they stood when it was recorded:
  source, contract, key, id, time, references. What else came into the same batch has no part in it. Where its signature
  was not why a record was refused, it held when the record came; a key that was revoked since refuses it.
- The line goes in its order, from the record that was asked for on, each on its own merits and one at a time, in one
  batch; from the first copy on where a record stands in it twice. So what ends or narrows a record is never left behind
  by its retry: nobody is shown the one without the other. What is refused is judged once more at the end of the line.
- A record behind that cannot enter yet stays as it is. The one that was asked for is parked again, with its new reason.
- A consent stays out while an amendment that waits for it can no longer be taken: it would open too much.
- A retry of what is resolved, or whose time is over, does nothing. What was never parked is refused.

From `hub.shard.admission`, which hands in how a record is examined and handled.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Protocol

from contracts.failures import Refused
from contracts.parties import Party
from contracts.reasons import Reason
from hub.arrival.keyring import SIGNATURE_REASONS, Keyring
from hub.broker.ports import InputRecord
from hub.shard.arrived import Arrived, Lookups
from hub.shard.batch import Batch
from hub.shard.parking import Parking
from hub.shard.signing_keys import KEY_CHANGES
from hub.store.ports import OpenParked
from hub.store.records import RecordParked

RETRY: Final = "ParkedRetried"
LINE_MAX: Final = 2_000
"""How many records one retry may take with it: they are judged in one batch."""
_LOST: Final = "an amendment that waits for this consent is refused: have it sent again, signed with the present key"
_NEVER_RETRIED: Final = frozenset({RETRY, *KEY_CHANGES})


class Gate(Protocol):
    """How admission judges a record."""

    def examine(
        self, record: InputRecord, party: Party, recorded_at: int, keyring: Keyring, *, was_authentic: bool = False
    ) -> Arrived:
        """Read a record, or say why it is refused."""

    def look_up(self, arrived: Sequence[Arrived], lookups: Lookups) -> None:
        """Ask the store for keys and event ids."""

    def handle(self, one: Arrived, lookups: Lookups, batch: Batch) -> None:
        """Admit a record or count it as a repeat; raise `Refused`."""


@dataclass(slots=True)
class Retrying:
    """Retries parked records of one shard. `keyring`: the keys as they stood when the retry was recorded."""

    parking: Parking
    gate: Gate
    keyring: Keyring

    def retry(self, party: Party, number: int, at: int, lookups: Lookups, batch: Batch) -> None:
        """Retry record `number` of `party` and what stands behind it; raise `Refused` where there is no such record."""
        asked = self.parking.find(party.id, number, at)
        if asked is None:
            if number > batch.after.parked.get(party.id, 0):
                fix = f"`{party.id}` has no parked record `{number}`: list the open ones"
                raise Refused(Reason.VALUE_OUTSIDE_MODEL, "parkedNumber", fix)
            batch.passed_over += 1
            return
        line = self.parking.line_from(asked, at)
        if len(line) > LINE_MAX:
            fix = f"more than {LINE_MAX} records would go with it: retry a later one first, or have them stated again"
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "parkedNumber", fix)
        first = self._examined(asked, party, at, batch)
        if first is None:
            batch.passed_over += 1
            return
        if first.statement and first.statement.event_type.name in _NEVER_RETRIED:
            fix = "a parked retry or change of keys is not retried: send a new one"
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "parkedNumber", fix)
        lost = self._lost_amendments(line, party, at, batch)
        # Again what is refused: the consent that an amendment waits for may stand behind it.
        left = [parked for parked in line if not self._judge(parked, None, lost, party, at, lookups, batch)]
        for parked in left:
            self._judge(parked, asked, lost, party, at, lookups, batch)

    def _judge(
        self,
        parked: OpenParked,
        asked: OpenParked | None,
        lost: AbstractSet[str],
        party: Party,
        at: int,
        lookups: Lookups,
        batch: Batch,
    ) -> bool:
        """Judge one record of the line, and park it again if it is refused and `asked`; return whether it is done with.

        Of all the others no bytes are held meanwhile.
        """
        stored = self.parking.bytes_of(parked, batch)
        if stored is None:
            return True
        one = self._read(stored, party, at)._replace(parked_at=parked.since)
        refused = Refused(Reason.WAITS_FOR_PARKED, "consentId", _LOST) if parked.gives in lost else one.refused
        if refused is None:
            refused = self._refusal(one, lookups, batch)
        if refused is None:
            self.parking.admitted(parked, stored, at, batch)
        elif parked is asked:
            self.parking.park_again(parked, one.record, refused, at, batch)
        return refused is None

    def _refusal(self, one: Arrived, lookups: Lookups, batch: Batch) -> Refused | None:
        """Let a record in that could be read, or say why not."""
        self.gate.look_up([one], lookups)
        try:
            self.gate.handle(one, lookups, batch)
        except Refused as refused:
            return refused.with_traceback(None)  # whose frames would hold the record until memory is tidied up
        return None

    def _lost_amendments(self, line: Sequence[OpenParked], party: Party, at: int, batch: Batch) -> AbstractSet[str]:
        """The consents for which an amendment in the line waits that can no longer be read, in none of its copies."""
        waiting = [parked for parked in line if parked.waits_for]
        events = {parked.event for parked in waiting if parked.event}
        # Only these and their copies are read ahead: they are few, whatever the length of the line.
        copies = [parked for parked in line if parked.waits_for or parked.event in events]
        taken = {parked.number for parked in copies if self._is_taken(parked, party, at, batch)}
        events_taken = {parked.event for parked in copies if parked.event and parked.number in taken}
        return {
            parked.waits_for for parked in waiting if parked.number not in taken and parked.event not in events_taken
        }

    def _is_taken(self, parked: OpenParked, party: Party, at: int, batch: Batch) -> bool:
        one = self._examined(parked, party, at, batch)
        return one is None or one.statement is not None

    def _examined(self, parked: OpenParked, party: Party, at: int, batch: Batch) -> Arrived | None:
        """What the gate reads from a parked record; `None` where its bytes are gone."""
        stored = self.parking.bytes_of(parked, batch)
        return None if stored is None else self._read(stored, party, at)

    def _read(self, stored: RecordParked, party: Party, at: int) -> Arrived:
        record = InputRecord(
            stored.topic, stored.partition, stored.offset, at, stored.key, stored.value, stored.headers
        )
        was_authentic = stored.reason not in SIGNATURE_REASONS
        return self.gate.examine(record, party, at, self.keyring, was_authentic=was_authentic)
