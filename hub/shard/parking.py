"""The parked records of a shard that are not resolved: which line each stands in, how old it is, when it ends.

Rules:
- A line is what one publisher has parked under one key, in the order in which it was first parked. One line waits for
  nobody's other line, and no record that the gate admits waits for a parked one.
- Only an amendment of a consent that is itself parked in the line waits for another record: it says nothing without it.
  While one waits, that consent comes in with it, by a retry: stated anew by itself it would open what was narrowed.
  What ends a parked record (its correction, its retraction) is admitted at once, and ends it whenever it comes.
- A record is kept for a period that is data, counted from when it was first parked. Then it is resolved as expired, its
  bytes end, and a retry of it does nothing more. Time comes with the records.
- What is kept beside the sealed bytes are digests under the hub's secret: nothing that a record states can be read.

Written by `hub.shard.admission`; the rows go to the batch, and are read again from the store after a failure.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final

from contracts.cloudevents import claimed_event
from contracts.codec import Codec
from contracts.failures import NotFound, Refused
from contracts.reasons import Reason
from contracts.topics import HUB_PARTY
from hub.arrival.gate import key_of
from hub.arrival.keyring import SIGNATURE_REASONS
from hub.broker.ports import InputRecord
from hub.case_timeline.known_consents import AMENDED, GIVEN
from hub.shard import parking_notices
from hub.shard.batch import Batch
from hub.shard.parking_notices import ParkingNotices
from hub.store.ports import OpenParked, ShardStore
from hub.store.records import RecordParked

ADMITTED: Final = "admitted"
PARKED_AGAIN: Final = "parked_again"
EXPIRED: Final = "expired"
OUTCOMES: Final = (ADMITTED, PARKED_AGAIN, EXPIRED)
"""What may become of a parked record."""
EXPIRED_MAX: Final = 500
"""How many records one batch lets expire: more than that go with the next ones."""
_NEVER: Final = 2**63 - 1
_ABOUT: Final = ("event", "typed", "gives", "waits_for")


@dataclass(slots=True)
class Parking:
    """The open parked records of one shard. `period_ms`: how long one is kept; `secret`: the hub's, 32 bytes."""

    store: ShardStore
    codec: Codec
    secret: bytes
    period_ms: int
    notices: ParkingNotices
    _open: dict[tuple[str, int], OpenParked] = field(default_factory=dict)
    _lines: dict[str, dict[int, OpenParked]] = field(default_factory=dict)
    """Line -> number -> record."""
    _ages: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Party -> heap of (since, number); what is resolved leaves it when it comes to the top."""
    _counts: Counter[str] = field(default_factory=Counter)
    _said: Counter[str] = field(default_factory=Counter)
    """How often each event, and each statement that gives a consent, is parked: by digest."""
    _awaited: Counter[str] = field(default_factory=Counter)
    """How many amendments wait for each consent: by digest."""
    _next_over: int = 0
    """Nothing is over before."""
    _is_read: bool = False

    def look_again(self) -> None:
        """Read what is stored before anything else is asked, after a batch that could not be stored."""
        self._is_read = False

    def park(self, party: str, record: InputRecord, refused: Refused, recorded_at: int, batch: Batch) -> None:
        """Keep a refused record, with its reason code, until somebody has dealt with it or its time is over."""
        self._read()
        number = batch.park(party, record, refused, recorded_at)
        self._add(self._described(party, number, number, recorded_at, record, refused), recorded_at, batch)

    def park_again(
        self, before: OpenParked, record: InputRecord, refused: Refused, recorded_at: int, batch: Batch
    ) -> None:
        """Keep what was refused again: it keeps its age and its place in the line."""
        self._resolve(before, PARKED_AGAIN, recorded_at, batch)
        number = batch.park(before.party, record, refused, recorded_at)
        again = self._described(before.party, number, before.first, before.since, record, refused)
        # What it is about was read before, and it waits as it did, whatever the reason is now: nothing opens by that.
        kept = {name: getattr(before, name) for name in _ABOUT if getattr(before, name)}
        self._add(again._replace(**kept), recorded_at, batch)

    def admitted(self, parked: OpenParked, stored: RecordParked, at: int, batch: Batch) -> None:
        """Record that a retry has brought a record in; its bytes end with the batch."""
        self._resolve(parked, ADMITTED, at, batch)
        self.notices.tell(stored, parking_notices.ADMITTED, at, batch)

    def _expired(self, parked: OpenParked, at: int, batch: Batch) -> None:
        stored = self.bytes_of(parked, batch)
        self._resolve(parked, EXPIRED, at, batch)
        if stored is not None:
            self.notices.tell(stored, parking_notices.EXPIRED, at, batch)

    def _resolve(self, parked: OpenParked, outcome: str, at: int, batch: Batch) -> None:
        batch.resolve(parked.party, parked.number, outcome, at)
        batch.writes.open_parked[parked.place] = None
        del self._open[parked.party, parked.number]
        self._counts[parked.party] -= 1
        _count_down(self._said, _said_by(parked))
        _count_down(self._awaited, _awaited_by(parked))
        if parked.line:
            line = self._lines[parked.line]
            del line[parked.number]
            if not line:
                del self._lines[parked.line]

    def expire(self, at: int, batch: Batch) -> None:
        """Resolve what has been kept long enough at `at`: before anything that is recorded then, so many per batch."""
        self._read()
        if at < self._next_over:
            return
        left = EXPIRED_MAX - sum(count for (_, outcome), count in batch.resolved.items() if outcome == EXPIRED)
        for party in sorted(self._ages):
            while left > 0 and (oldest := self._oldest(party)) and self._is_over(oldest, at):
                self._expired(oldest, at, batch)
                left -= 1
        oldest_ones = map(self._oldest, self._ages)
        self._next_over = min((one.since + self.period_ms for one in oldest_ones if one), default=_NEVER)

    def find(self, party: str, number: int, at: int) -> OpenParked | None:
        """The parked record, where it may still be retried at `at`."""
        self._read()
        found = self._open.get((party, number))
        return None if found is None or self._is_over(found, at) else found

    def line_from(self, asked: OpenParked, at: int) -> list[OpenParked]:
        """What is retried with `asked`, in order: it and what stands behind it in its line and may still be retried.

        It begins further in front where a record that it takes was parked there before, or where what amends a consent
        of it waits there: between two copies of a record stands what ended or narrowed it.
        """
        if not asked.line:
            return [asked]
        in_time = (one for one in self._lines[asked.line].values() if not self._is_over(one, at))
        line = sorted(in_time, key=lambda one: (one.first, one.number))
        earliest: dict[str, int] = {}
        for place, one in enumerate(line):
            for said in (one.event, one.gives, one.waits_for):
                earliest.setdefault(said, place)
        begin, place = line.index(asked), len(line)
        while place > begin:
            place -= 1
            begin = min((begin, *(earliest[said] for said in (line[place].event, line[place].gives) if said)))
        return line[begin:]

    def bytes_of(self, parked: OpenParked, batch: Batch) -> RecordParked | None:
        """The record itself, key and bytes included; this very batch may have parked it.

        `None` where its bytes are gone: another owner has resolved it, and the batch of this one will be refused.
        """
        fresh = batch.fresh_parked.get((parked.party, parked.number))
        if fresh is not None:
            return fresh
        try:
            return self.store.parked_record(parked.party, parked.number)
        except NotFound:
            return None

    def line_of(self, party: str, key: str) -> str:
        """The line of what `party` states under `key`."""
        return self._digest("line", party, key)

    def holds(self, line: str, ce_id: str, event_type: str | None) -> bool:
        """Whether an event (of that type, if given) is parked in the line."""
        self._read()
        return self._said[self._digest("event", line, ce_id, event_type or "")] > 0

    def holds_consent(self, line: str, consent_id: str) -> bool:
        """Whether the statement that gives a consent is parked in the line."""
        self._read()
        return self._said[self._digest("consent", line, consent_id)] > 0

    def is_awaited(self, line: str, consent_id: str) -> bool:
        """Whether an amendment in the line waits for the consent."""
        self._read()
        return self._awaited[self._digest("consent", line, consent_id)] > 0

    def ages(self, at: int) -> Mapping[str, tuple[int, int]]:
        """By party with anything open: how many records, and the age of the oldest at `at` (milliseconds)."""
        self._read()
        oldest = {party: self._oldest(party) for party in self._ages}
        return {party: (self._counts[party], max(0, at - one.since)) for party, one in oldest.items() if one}

    # --- what a record says of itself

    def _described(
        self, party: str, number: int, first: int, since: int, record: InputRecord, refused: Refused
    ) -> OpenParked:
        parked = OpenParked(party, number, first, since)
        try:
            line = self.line_of(party, key_of(record)) if party != HUB_PARTY else ""
        except Refused:
            line = ""
        claimed = claimed_event(record.headers)
        if not line or claimed is None:
            return parked._replace(line=line)
        ce_id, event_type = claimed
        consent = self._consent_in(line, event_type, record, refused)
        return parked._replace(
            line=line,
            event=self._digest("event", line, ce_id, ""),
            typed=self._digest("event", line, ce_id, event_type),
            gives=consent if event_type == GIVEN else "",
            waits_for=consent if event_type == AMENDED and refused.reason == Reason.WAITS_FOR_PARKED else "",
        )

    def _consent_in(self, line: str, event_type: str, record: InputRecord, refused: Refused) -> str:
        """The consent that a record speaks of. Nothing is decoded of what may not be its publisher's."""
        if event_type not in (GIVEN, AMENDED) or refused.reason in SIGNATURE_REASONS or not record.value:
            return ""
        try:
            payload = self.codec.decode(record.value).payload
        except Refused:
            return ""
        consent_id = payload.get("consentId")
        return self._digest("consent", line, consent_id) if isinstance(consent_id, str) else ""

    def _digest(self, *parts: str) -> str:
        digest = hashlib.blake2b(key=self.secret, digest_size=16)
        for part in parts:
            digest.update(b"%d:" % len(part) + part.encode())
        return digest.hexdigest()

    # --- what is held in memory

    def _read(self) -> None:
        if self._is_read:
            return
        self._open, self._lines, self._ages = {}, {}, {}
        self._counts, self._said, self._awaited = Counter(), Counter(), Counter()
        for parked in self.store.open_parked():
            self._hold(parked)
            self._ages.setdefault(parked.party, []).append((parked.since, parked.number))
        for ages in self._ages.values():
            heapify(ages)
        self._next_over = 0
        self._is_read = True

    def _add(self, parked: OpenParked, at: int, batch: Batch) -> None:
        self._hold(parked)
        self.notices.tell(batch.fresh_parked[parked.party, parked.number], parking_notices.PARKED, at, batch)
        heappush(self._ages.setdefault(parked.party, []), (parked.since, parked.number))
        batch.writes.open_parked[parked.place] = parked
        self._next_over = min(self._next_over, parked.since + self.period_ms)

    def _hold(self, parked: OpenParked) -> None:
        self._open[parked.party, parked.number] = parked
        self._counts[parked.party] += 1
        self._said.update(_said_by(parked))
        self._awaited.update(_awaited_by(parked))
        if parked.line:
            self._lines.setdefault(parked.line, {})[parked.number] = parked

    def _oldest(self, party: str) -> OpenParked | None:
        ages = self._ages[party]
        while ages:
            found = self._open.get((party, ages[0][1]))
            if found is not None:
                return found
            heappop(ages)
        return None

    def _is_over(self, parked: OpenParked, at: int) -> bool:
        return at - parked.since >= self.period_ms


def _said_by(parked: OpenParked) -> list[str]:
    return [said for said in (parked.event, parked.typed, parked.gives) if said]


def _awaited_by(parked: OpenParked) -> list[str]:
    return [parked.waits_for] if parked.waits_for else []


def _count_down(counts: Counter[str], names: Iterable[str]) -> None:
    for name in names:
        counts[name] -= 1
        if not counts[name]:
            del counts[name]
