"""Looks a shard's store over: do its rows, and the tables beside them, say the same?

Rules:
- Nothing is written, and little is held at a time, however large the store. A worker may be at work meanwhile: what it
  adds is no fault, and what is true at rest alone is compared where no batch came in between.
- Every stream is dense from its first version, numbers that were skipped among them, and the last row of all is that of
  a batch: a row that is missing was removed by hand. Of a stream's last rows that is told where others speak of them:
  numbers that settlements gave out.
- Every position is that of the last batch. What is sent was given out, and nobody was heard after the shard's clock.
- Every fact that a party stated has its digest, and the parties of a case their keys; what is parked and not resolved
  is open. What follows from the rules as well (due dates, reviews, promises) cannot be told from the rows.
- What was erased cannot be read, and is no fault.

Used by `hub store check`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.failures import DamagedStore, NotFound
from contracts.topics import HUB_PARTY
from hub.store.identity import SIMULATED
from hub.store.ports import RESTORE, Head
from hub.store.reader import CheckedRow, ShardReader
from hub.store.records import (
    BATCHES,
    CitizenEnrolled,
    DecisionsRecorded,
    FactRecorded,
    NumbersSkipped,
    Run,
    StoredRecord,
    case_stream,
    sent_stream,
)

_ROWS_PER_READ: Final = 200
_LOOKED_UP_PER_READ: Final = 500

KeyOf = Callable[[str, str], str]
"""A party's own key of a case, by party and case id."""


@dataclass(slots=True)
class StoreReport:
    """What one store holds, and what is wrong with it. `erased`: how many cases can no longer be read."""

    shard: int
    batches: int = 0
    rows: int = 0
    streams: int = 0
    erased: int = 0
    faults: list[str] = field(default_factory=list)


def check_store(shard: int, store: ShardReader, key_of: KeyOf | None = None) -> StoreReport:
    """Read every row of `store` once and say what is wrong with it; without `key_of` no keys are compared."""
    return _Check(store, StoreReport(shard), key_of).made()


@dataclass(slots=True)
class _Check:
    """One look over one store."""

    store: ShardReader
    report: StoreReport
    key_of: KeyOf | None
    heads: dict[str, int] = field(default_factory=dict)
    """The last version of every stream but those of cases."""
    given: dict[str, int] = field(default_factory=dict)
    """The highest number that a settlement gave out to each party."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many numbers settlements gave out to each party, with those that were skipped."""
    undigested: list[str] = field(default_factory=list)
    """Event ids whose digests are looked up next."""
    unkeyed: dict[tuple[str, str], str] = field(default_factory=dict)
    """Keys that are looked up next, and the cases to which they have to lead."""
    lacking: Counter[str] = field(default_factory=Counter)
    """How many rows each table lacks."""

    def made(self) -> StoreReport:
        before = self.store.head()
        sent = self.store.send_positions()
        self._read_rows()
        self._look_up(at_least=1)
        after = self.store.head()
        is_at_rest = before.batch == after.batch
        self._compare_numbers(sent, is_at_rest)
        self._compare_positions(before, after, is_at_rest)
        self._compare_parked()
        self.report.batches = self.heads.get(BATCHES, 0)
        if last := self.store.row_after_the_last_batch():
            self._tell(f"a row of `{last}` stands after the last batch: its batch was removed")
        for table, count in sorted((+self.lacking).items()):
            self._tell(f"table `{table}` lacks `{count}` rows, or has others, than the streams say")
        return self.report

    def _tell(self, fault: str) -> None:
        self.report.faults.append(f"{fault}: {RESTORE}")

    # --- the rows

    def _read_rows(self) -> None:
        stream, head, parties = "", 0, set[str]()
        for row in self._rows():
            if row.stream != stream:
                self._end_of_case(stream, parties)
                stream, head, parties = row.stream, 0, set()
                self.report.streams += 1
            self.report.rows += 1
            record = self._opened(row)
            first = record.first if isinstance(record, Run) else row.version
            if first != head + 1:
                self._tell(f"stream `{stream}` goes on with `{first}` after `{head}`")
            head = row.version
            if isinstance(record, NumbersSkipped) and stream.startswith(sent_stream("")):
                self.counts[stream.removeprefix(sent_stream(""))] += head - first + 1
            if not stream.startswith(case_stream("")):
                self.heads[stream] = head
            elif record is not None:
                self._note(record, parties)
        self._end_of_case(stream, parties)

    def _rows(self) -> Iterator[CheckedRow]:
        rows = self.store.rows_by_stream("", 0, _ROWS_PER_READ)
        yield from rows
        # A portion that is not full is the last one: whoever waits for an empty one runs after a busy worker.
        while len(rows) == _ROWS_PER_READ:
            rows = self.store.rows_by_stream(rows[-1].stream, rows[-1].version, _ROWS_PER_READ)
            yield from rows

    def _opened(self, row: CheckedRow) -> StoredRecord | None:
        """The record of a row whose content is looked at; `None` for any other, and where it cannot be read."""
        if row.stored is None:
            return None
        try:
            return self.store.record_of(row.stored)
        except NotFound:
            self.report.erased += row.version == 1
        except DamagedStore as damage:
            self.report.faults.append(str(damage))
        return None

    def _note(self, record: StoredRecord, parties: set[str]) -> None:
        if isinstance(record, CitizenEnrolled):
            parties.add(HUB_PARTY)
        elif isinstance(record, FactRecorded) and record.party != HUB_PARTY and record.origin is None:
            parties.add(record.party)
            self.undigested.append(record.event_id)
        elif isinstance(record, DecisionsRecorded):
            for decision in record.decisions:
                if decision.number:
                    self.counts[decision.party] += 1
                    self.given[decision.party] = max(decision.number, self.given.get(decision.party, 0))
        self._look_up(_LOOKED_UP_PER_READ)

    def _end_of_case(self, stream: str, parties: set[str]) -> None:
        if self.key_of is not None:
            case_id = stream.removeprefix(case_stream(""))
            self.unkeyed |= {(party, self.key_of(party, case_id)): case_id for party in parties}

    def _look_up(self, at_least: int) -> None:
        if len(self.undigested) >= at_least:
            found = self.store.digests(self.undigested)
            self.lacking["event_digests"] += sum(event_id not in found for event_id in self.undigested)
            self.undigested.clear()
        if len(self.unkeyed) >= at_least:
            led = self.store.cases_of(self.unkeyed)
            self.lacking["case_keys"] += sum(led.get(pair) != case_id for pair, case_id in self.unkeyed.items())
            self.unkeyed.clear()

    # --- the tables beside them

    def _compare_numbers(self, sent: Mapping[str, int], is_at_rest: bool) -> None:
        prefix = sent_stream("")
        numbers = {
            stream.removeprefix(prefix): head for stream, head in self.heads.items() if stream.startswith(prefix)
        }
        for party in sorted({*numbers, *self.given, *sent}):
            head, given = numbers.get(party, 0), self.given.get(party, 0)
            if given > head and is_at_rest:
                self._tell(f"stream `{prefix}{party}` ends with `{head}`, settlements gave out numbers up to `{given}`")
            if is_at_rest and not self.report.erased and given <= head != self.counts[party]:
                told = self.counts[party]
                self._tell(f"stream `{prefix}{party}` has `{head}` numbers, settlements gave out `{told}`")
            if sent.get(party, 0) > max(head, given):
                self._tell(f"table `send_positions` has `{party}` at `{sent[party]}`, of `{head}` numbers given out")

    def _compare_positions(self, before: Head, after: Head, is_at_rest: bool) -> None:
        if not before.batch:
            return
        committed = self.store.batch(before.batch).positions
        identity = self.store.identity()
        for topic, position in after.positions.items():
            said = committed.get(topic, position)
            if position < said or (is_at_rest and position != said):
                self._tell(f"topic `{topic}` stands at `{position}`, the last batch says `{said}`")
            if topic not in identity.topic_ids and identity.cluster_id != SIMULATED:
                self._tell(f"table `topic_ids` lacks topic `{topic}`, of which the store has read")
        for party, instant in before.heard.items():
            if instant > after.clock:
                self._tell(f"table `heard` has `{party}` at `{instant}`, after the shard's clock `{after.clock}`")

    def _compare_parked(self) -> None:
        """Compare what is open by the streams and by the table, if no batch comes between the two."""
        batch = self.store.head().batch
        by_table = {one.place for one in self.store.open_parked()}
        by_streams = set(self.store.unresolved_places())
        if self.store.head().batch == batch and by_table != by_streams:
            self.lacking["open_parked"] += len(by_table ^ by_streams)
