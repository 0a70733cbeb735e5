"""Sends a parked record through the gate again, and with it what its publisher has parked behind it under the same key.

Rules:
- The same judgement as for a new arrival, at the time of the retry: source, contract, key, id, time, references. Where
  its signature was not why a record was refused, it held when the record came; a key that was revoked since refuses it.
- The line goes in its order, from the record that was asked for on, each on its own merits, in one batch. So what ends
  or narrows a record is never left behind by its retry: nobody is shown the one without the other.
- A record behind that cannot enter yet stays as it is. The one that was asked for is parked again, with its new reason.
- A consent stays out while an amendment that waits for it can no longer be taken: it would open too much.
- A retry of what is resolved, or whose time is over, does nothing. What was never parked is refused.

From `hub.shard.admission`, which hands in how a record is examined and handled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """Retries parked records of one shard."""

    parking: Parking
    gate: Gate

    def retry(self, party: Party, number: int, at: int, lookups: Lookups, batch: Batch) -> None:
        """Retry record `number` of `party` and what stands behind it; raise `Refused` where there is no such record."""
        asked = self.parking.find(party.id, number, at)
        if asked is None:
            if number > batch.after.parked.get(party.id, 0):
                fix = f"`{party.id}` has no parked record `{number}`: list the open ones"
                raise Refused(Reason.VALUE_OUTSIDE_MODEL, "parkedNumber", fix)
            batch.duplicates += 1
            return
        line = self.parking.line_from(asked, at)
        if len(line) > LINE_MAX:
            fix = f"more than {LINE_MAX} records stand in this line: retry a later one of them first"
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "parkedNumber", fix)
        stored = {parked.number: record for parked in line if (record := self.parking.bytes_of(parked, batch))}
        examined = [
            (parked, self._examined(stored[parked.number], party, at, batch))
            for parked in line
            if parked.number in stored
        ]
        if not examined or examined[0][0] is not asked:
            batch.duplicates += 1
            return
        first = examined[0][1]
        if first.statement and first.statement.event_type.name in _NEVER_RETRIED:
            fix = "a parked retry or change of keys is not retried: send a new one"
            raise Refused(Reason.VALUE_OUTSIDE_MODEL, "parkedNumber", fix)
        self.gate.look_up([one for _, one in examined], lookups)
        for parked, one in _held_by_amendments(examined):
            try:
                self.gate.handle(one, lookups, batch)
            except Refused as refused:
                if parked is asked:
                    self.parking.park_again(parked, one.record, refused, at, batch)
            else:
                self.parking.admitted(parked, stored[parked.number], at, batch)

    def _examined(self, stored: RecordParked, party: Party, at: int, batch: Batch) -> Arrived:
        record = InputRecord(
            stored.topic, stored.partition, stored.offset, at, stored.key, stored.value, stored.headers
        )
        was_authentic = stored.reason not in SIGNATURE_REASONS
        return self.gate.examine(record, party, at, batch.after.keyring, was_authentic=was_authentic)


def _held_by_amendments(examined: Iterable[tuple[OpenParked, Arrived]]) -> list[tuple[OpenParked, Arrived]]:
    """The same line; a consent in it is refused where an amendment that waits for it is."""
    line = list(examined)
    taken = {parked.event for parked, one in line if parked.event and one.statement is not None}
    lost = {parked.waits_for for parked, one in line if one.statement is None and parked.event not in taken}
    fix = "an amendment that waits for this consent is refused: have it sent again, signed with the present key"
    return [
        (parked, one._replace(statement=None, refused=Refused(Reason.WAITS_FOR_PARKED, "consentId", fix)))
        if parked.gives and parked.gives in lost
        else (parked, one)
        for parked, one in line
    ]
