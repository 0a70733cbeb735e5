"""Looks a shard's store over: do its rows, and the tables beside them, say the same?

Rules:
- Nothing is written, and little is held at a time, however large the store. A worker may be at work meanwhile: what it
  adds is no fault, and what is true at rest alone is compared where no batch came in between.
- Every row is opened. Every stream is dense from its first version, numbers that were skipped among them, and the last
  row of all is that of a batch: a row that is missing was removed by hand. Of a stream's last rows that is told where
  others speak of them: numbers, digests, the keys that facts were signed with.
- Every number leads to the decision that gave it out, and every decision has its number.
- Every position is that of the last batch. What is sent was given out, and nobody was heard after the shard's clock.
- Every fact that a party stated, or that came from another case, has its digest, and no digest is without one. Every
  key of a party is the one derived for its case, and parties that stated or were told something of a citizen have
  theirs. What is parked and not resolved is open. What follows from the rules as well (due dates, reviews, promises)
  cannot be told from the rows.
- Every text by which a case was decided is there with the digest that its decisions cite; a public key is that of its
  id.
- What was erased cannot be read, and is no fault; where a key was never made, the key store is older than the rows.

Used by `hub store check`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

from eventsourcing.persistence import StoredEvent

from contracts.failures import DamagedStore, NotFound
from contracts.signatures import key_id_of
from contracts.topics import HUB_PARTY
from hub.store.batch_seal import BatchSeal
from hub.store.checked_numbers import CheckedNumbers, Tally, given_in
from hub.store.identity import SIMULATED
from hub.store.ports import RESTORE, Erased, Head
from hub.store.reader import ShardReader
from hub.store.records import (
    BATCHES,
    RULES,
    BatchCommitted,
    CitizenEnrolled,
    DecisionsRecorded,
    FactRecorded,
    MergeStepped,
    RulesAdopted,
    Run,
    SigningKeyChanged,
    StoredRecord,
    case_stream,
    cited_digest,
    keys_stream,
    sent_stream,
)
from hub.store.stored_rows import StoredRows

RESTORE_KEYS: Final = "restore the key store from its newest copy"
_LOOKED_UP_PER_READ: Final = 500

KeyOf = Callable[[str, str], str]
"""A party's own key of a case, by party and case id."""


class MadeFor(NamedTuple):
    """The hub whose stores are looked over."""

    world: str
    partitions: int


@dataclass(slots=True)
class StoreReport:
    """What one store holds, and what is wrong with it. `erased`: how many cases can no longer be read."""

    shard: int
    batches: int = 0
    rows: int = 0
    streams: int = 0
    erased: int = 0
    faults: list[str] = field(default_factory=list)


def check_store(
    shard: int, store: ShardReader, key_of: KeyOf | None = None, made_for: MadeFor | None = None
) -> StoreReport:
    """Read every row of `store`, which is to be that of `shard`, once and say what is wrong with it.

    Without `key_of` no keys of parties are compared, and without `made_for` neither world nor partitions.
    """
    return _Check(store, store.rows(), StoreReport(shard), key_of, made_for).made()


@dataclass(slots=True)
class _Stream:
    """The stream whose rows are being read; of a case, what is compared once all of it is."""

    name: str
    head: int = 0
    is_citizen: bool = False
    is_merged: bool = False
    unread: NotFound | None = None
    facts: int = 0
    parties: set[str] = field(default_factory=set)
    """Who stated something."""
    event_ids: dict[str, bool] = field(default_factory=dict)
    """The events of its facts, and whether each must have a digest."""
    told: dict[str, Tally] = field(default_factory=dict)


@dataclass(slots=True)
class _Check:
    """One look over one store."""

    store: ShardReader
    rows: StoredRows
    report: StoreReport
    key_of: KeyOf | None
    made_for: MadeFor | None
    numbers: CheckedNumbers = field(default_factory=CheckedNumbers)
    undigested: list[tuple[str, bool, bool]] = field(default_factory=list)
    """Events whose digests are looked up next: whether each must have one, and whether its case was merged."""
    digested: int = 0
    """How many digests are those of facts in cases that were never merged."""
    digested_in_merges: set[str] = field(default_factory=set)
    """The events of merged cases with a digest: one fact may lie in several cases."""
    unread_facts: int = 0
    unkeyed: dict[tuple[str, str], str] = field(default_factory=dict)
    """Keys that are looked up next, and the cases to which they have to lead."""
    signed_with: set[tuple[str, str]] = field(default_factory=set)
    """The keys that facts were signed with: party and id of the key."""
    cited: set[str] = field(default_factory=set)
    """The digests of rule sets and registries by which was decided."""
    adopted: set[str] = field(default_factory=set)
    """The digests of the texts that were adopted."""
    is_every_text_kept: bool = True
    lacking: Counter[str] = field(default_factory=Counter)
    """How many rows each table lacks."""

    def made(self) -> StoreReport:
        self._compare_identity()
        before = self.store.head()
        sent = self.store.send_positions()
        self._read_rows()
        self._look_up(at_least=1)
        digests = self.rows.digests()
        after = self.store.head()
        is_at_rest = before.batch == after.batch
        for fault in [*(self.numbers.faults_at_rest() if is_at_rest else ()), *self.numbers.faults_of_sent(sent)]:
            self._tell(fault)
        for party, key_id in sorted(self.signed_with):
            self._tell(f"stream `{keys_stream(party)}` lacks key `{key_id}`, with which facts were signed")
        if self.adopted and self.is_every_text_kept:
            for digest in sorted(self.cited - self.adopted):
                self._tell(f"stream `{RULES}` lacks the text of digest `{digest}`, by which cases were decided")
        spare = digests - self.digested - len(self.digested_in_merges)
        if is_at_rest and spare > self.unread_facts:
            self._tell(f"table `event_digests` has `{spare - self.unread_facts}` rows too many, of no stored fact")
        self._compare_positions(before, after, is_at_rest)
        self._compare_keys()
        self._compare_parked()
        self._compare_seals()
        for table, count in sorted((+self.lacking).items()):
            self._tell(f"table `{table}` lacks `{count}` rows, or has others, than the streams say")
        return self.report

    def _tell(self, fault: str, fix: str = RESTORE) -> None:
        self.report.faults.append(f"{fault}: {fix}")

    # --- the rows

    def _read_rows(self) -> None:
        stream = _Stream("")
        for row in self.rows:
            name = str(row.originator_id)
            if name != stream.name:
                self._end(stream)
                stream = _Stream(name)
                self.report.streams += 1
            self.report.rows += 1
            record = self._opened(row, stream)
            first = record.first if isinstance(record, Run) else row.originator_version
            if first != stream.head + 1:
                self._tell(f"stream `{name}` goes on with `{first}` after `{stream.head}`")
            stream.head = row.originator_version
            stream.facts += row.topic == FactRecorded.__name__
            if record is not None:
                self._note(record, stream)
        self._end(stream)

    def _opened(self, row: StoredEvent, stream: _Stream) -> StoredRecord | None:
        """The record of a row; `None` where it cannot be read."""
        try:
            return self.rows.record_of(row)
        except NotFound as gone:
            if stream.unread is None and not isinstance(gone, Erased):
                self._tell(f"row `{stream.name}` `{row.originator_version}`: {gone}", RESTORE_KEYS)
            if stream.name.startswith(case_stream("")):
                stream.unread = gone
        except DamagedStore as damage:
            self.report.faults.append(str(damage))
        return None

    def _note(self, record: StoredRecord, stream: _Stream) -> None:
        match record:
            case CitizenEnrolled():
                stream.is_citizen = True
            case FactRecorded():
                self._note_fact(record, stream)
            case DecisionsRecorded():
                given_in(stream.name.removeprefix(case_stream("")), record, stream.told)
                self.cited |= {record.rule_set, record.registry}
            case MergeStepped():
                stream.is_merged = True
            case RulesAdopted():
                self._note_adoption(record)
            case SigningKeyChanged():
                self._note_key(record, stream)
            case _ if isinstance(record, Run) and stream.name.startswith(sent_stream("")):
                self.numbers.given(stream.name.removeprefix(sent_stream("")), record)

    def _note_fact(self, fact: FactRecorded, stream: _Stream) -> None:
        # Of what is of the hub itself, that alone has a digest which came in as a record.
        must_have = fact.party != HUB_PARTY or fact.origin is not None
        stream.event_ids[fact.event_id] = must_have or stream.event_ids.get(fact.event_id, False)
        if must_have and fact.origin is None:
            stream.parties.add(fact.party)
            if fact.signing_key:
                self.signed_with.add((fact.party, fact.signing_key))

    def _note_adoption(self, adoption: RulesAdopted) -> None:
        texts = [*adoption.rule_sets, adoption.registry]
        self.adopted.update(cited_digest(text) for text in texts)
        self.is_every_text_kept &= bool(adoption.rule_sets)  # adoptions were stored without texts once

    def _note_key(self, change: SigningKeyChanged, stream: _Stream) -> None:
        if change.public_key and key_id_of(change.public_key) != change.key_id:
            version = change.originator_version
            self._tell(f"row `{stream.name}` `{version}` has another public key than that of its id")
        # Streams of keys come after those of cases.
        self.signed_with.discard((stream.name.removeprefix(keys_stream("")), change.key_id))

    def _end(self, stream: _Stream) -> None:
        if stream.name == BATCHES:
            self.report.batches = stream.head
        if stream.name.startswith(sent_stream("")):
            self.numbers.heads[stream.name.removeprefix(sent_stream(""))] = stream.head
        if not stream.name.startswith(case_stream("")):
            return
        case_id = stream.name.removeprefix(case_stream(""))
        if stream.unread is not None:
            self.report.erased += isinstance(stream.unread, Erased)
            self.unread_facts += stream.facts
            self.numbers.unread[case_id] = stream.head
            return
        self.numbers.decided(stream.told)
        self.undigested += [(event_id, must, stream.is_merged) for event_id, must in stream.event_ids.items()]
        if self.key_of is not None:
            # Who is told something of a citizen may state something of it too.
            parties = stream.parties | ({HUB_PARTY} | stream.told.keys() if stream.is_citizen else set())
            self.unkeyed |= {(party, self.key_of(party, case_id)): case_id for party in parties}
        self._look_up(_LOOKED_UP_PER_READ)

    def _look_up(self, at_least: int) -> None:
        if len(self.undigested) >= at_least:
            found = self.store.digests({event_id for event_id, *_ in self.undigested})
            for event_id, must_have, is_merged in self.undigested:
                if event_id not in found:
                    self.lacking["event_digests"] += must_have
                elif is_merged:
                    self.digested_in_merges.add(event_id)
                else:
                    self.digested += 1
            self.undigested.clear()
        if len(self.unkeyed) >= at_least:
            led = self.store.cases_of(self.unkeyed)
            self.lacking["case_keys"] += sum(led.get(pair) != case_id for pair, case_id in self.unkeyed.items())
            self.unkeyed.clear()

    def _compare_seals(self) -> None:
        """Compare every batch with the rows that are stored with it; batches from before there were seals have none."""
        before: bytes | None = b""
        rows, outside = self.rows.begun_seal(b""), ""
        for row in self.rows.in_order():
            if row.topic == BatchCommitted.__name__:
                before = self._compare_seal(row, rows, before)
                rows, outside = self.rows.begun_seal(before or b""), ""
            else:
                rows.add(row)
                outside = str(row.originator_id)
        if outside:
            self._tell(f"a row of `{outside}` stands after the last batch: its batch was removed")

    def _compare_seal(self, row: StoredEvent, rows: BatchSeal, before: bytes | None) -> bytes | None:
        """Compare a batch with its `rows`, behind the seal `before`; return its own, `None` where it cannot be read."""
        try:
            seal = cast(BatchCommitted, self.rows.record_of(row)).seal
        except DamagedStore:
            return None  # told already
        batch, fault = f"batch `{row.originator_version}`", ""
        if before is None:
            # Its seal is over that of a batch that cannot be read: it may be whole.
            fault = f"{batch} cannot be compared with the rows that were stored with it: the batch before is damaged"
        elif (before or seal) and not self.rows.holds(row, rows):
            fault = f"{batch} does not hold the rows that were stored with it: removed or changed"
        if fault:
            self._tell(fault)
        return seal

    # --- the tables beside them

    def _compare_identity(self) -> None:
        stored = self.store.identity()
        expected = {"shard": self.report.shard} | (self.made_for._asdict() if self.made_for else {})
        for name, value in expected.items():
            if getattr(stored, name) != value:
                self._tell(f"the store is for {name} `{getattr(stored, name)}`, expected `{value}`")

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

    def _compare_keys(self) -> None:
        """Derive every key anew: a party that has stated nothing yet would state it of another citizen."""
        if self.key_of is None:
            return
        misled = sum(key != self.key_of(party, case_id) for party, key, case_id in self.rows.party_keys())
        if misled:
            self._tell(f"table `case_keys` leads `{misled}` keys to other cases than those for which they are derived")

    def _compare_parked(self) -> None:
        """Compare what is open by the streams and by the table, if no batch comes between the two."""
        batch = self.store.head().batch
        by_table = {one.place for one in self.store.open_parked()}
        by_streams = set(self.store.unresolved_places())
        if self.store.head().batch == batch and by_table != by_streams:
            self.lacking["open_parked"] += len(by_table ^ by_streams)
