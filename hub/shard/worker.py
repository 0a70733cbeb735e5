"""One shard at work: take, admit, settle, commit, send; the one writer of its store.

Rules:
- One transaction per batch. Nothing of it is sent before it is stored; if it cannot be stored, nothing happened.
- A stale owner is refused by the fence: nothing of its batch is stored or sent, and its cache is dropped.
- An owner hands over nothing of what it found before it has stored a batch itself: the one before, who may not know
  that it was replaced, is refused from then on.
- A case that is erased while it is held in memory stops nobody: the shard begins anew from its store, where every part
  finds it erased and leaves it out.
- A store that is older than what was told from it opens no shard (`hub.shard.older_store`).
- A record whose timestamp is far ahead of the newest tick is held back, and with it what follows on its topic.
- A batch of ticks that changes nothing is not written; its positions move once in a while.
- After a restart the shard catches up first, then sends. So it does when it has not seen for a while what lies on its
  inputs (it was frozen, or cut off from the broker): a withdrawal may lie there. Meanwhile it hands over nothing.
- Where rules or parties are others than before, every case is made due, and so many are settled per batch. A case
  that is not settled under them lets nothing out.
- They are adopted once a tick was read that was stamped after the shard was opened, and the shard is not behind: what
  lies there from before, ticks of days ago among it, would date them by a time at which nobody decided by them. It is
  read without deciding, and nothing is handed over before they are adopted.

Everything that a decision needs comes in the records; the only clock here is the one that measures the work.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from contracts.failures import StoreFailure, TransportFailure
from contracts.parties import PartyRegistry
from contracts.topics import HUB_PARTY
from hub.broker.ports import InputRecord, Inputs, OutputRecord
from hub.metrics import BatchCounts, Metrics
from hub.shard.admission import Admission
from hub.shard.batch import Batch, ShardState
from hub.shard.cases import Cases
from hub.shard.forwarding import MergeForwarding
from hub.shard.governance import Governance
from hub.shard.older_store import refuse_an_older_store
from hub.shard.parking import Parking
from hub.shard.promises import Promises
from hub.shard.receipts import Receipts
from hub.shard.resyncing import open_resyncs
from hub.shard.sending import IN_FLIGHT_MAX, Sending
from hub.shard.settling import Settling
from hub.store.ports import Erased, ErasedMeanwhile, ShardStore

BATCH_RECORDS_MAX: Final = 2_000
AHEAD_OF_TICK_MS_MAX: Final = 60_000
BEHIND_TICK_MS_MAX: Final = 60_000
HELD_BACK_MAX: Final = 20_000
HELD_BACK_BYTES_MAX: Final = 64 * 1024 * 1024
"""How much may wait for a tick before the shard begins again where it is stored, to hold none of it."""
LOOK_SECONDS_MAX: Final = 20.0
"""How old the last look at the ends of the inputs may be for anything to be sent: twice what the inputs let pass."""
CONFIRM_SECONDS_MAX: Final = 5.0
"""How long a shard that is closed waits for what it sent to be confirmed."""
WATCH_AGAIN_MS: Final = 1_000
"""How far the clock moves before what changes by time alone is measured again."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Shard:
    """The running shard. `owner` names this taking of the shard; `idle_write_ms` bounds unwritten tick positions."""

    store: ShardStore
    inputs: Inputs
    cases: Cases
    admission: Admission
    governance: Governance
    parking: Parking
    settling: Settling
    sending: Sending
    forwarding: MergeForwarding
    promises: Promises
    metrics: Metrics
    shard: int
    owner: str
    state: ShardState
    idle_write_ms: int
    receipts: Receipts
    _held_back: list[InputRecord] = field(default_factory=list)
    _ticks_after: int = 0
    """Where the hub's own input ended when this shard began to read: what lies there from here on came later."""
    _written_clock: int = 0
    _watched_clock: int = 0
    _caught_up: bool = False
    _has_stored: bool = False
    """Whether this owner has stored a batch, so that whoever had the shard before it stores none any more."""
    _must_read_again: bool = False

    def start(self) -> None:
        """Begin to read from where the store stands; raise `ForeignStore` where that went back.

        Raises `BadRegistry` where a party is missing that the shard knew.
        """
        for adoption in self.store.adoptions():
            self.admission.registry.require_all_of(PartyRegistry.of_cited_text(adoption.registry))
        self._ticks_after = self.inputs.start(self.state.positions)
        refuse_an_older_store(self.sending.outputs, self.store, {*self.admission.registry.parties, *self.state.numbers})
        self._written_clock = self.state.clock

    def step(self, wait_seconds: float) -> bool:
        """Handle one batch and whatever can be sent; return whether anything was done."""
        try:
            return self._step(wait_seconds)
        except Erased as erased:
            self._forget()
            raise ErasedMeanwhile("a case in memory was erased: the shard begins anew from its store") from erased

    def _step(self, wait_seconds: float) -> bool:
        if self._must_read_again:
            self._ticks_after = self.inputs.start(self.state.positions)
            self._held_back, self._must_read_again = [], False
        self.sending.collect(0.05 if self.sending.in_flight() > IN_FLIGHT_MAX else 0.0)
        worked = False
        self._caught_up = self._is_current
        if self.sending.in_flight() <= IN_FLIGHT_MAX:
            records = self._take(wait_seconds)
            if records or self._must_settle():
                worked = self._run(records)
        self._note_whether_caught_up()
        if self._caught_up and self.sending.in_flight() <= IN_FLIGHT_MAX:
            worked = self._send_left_over() or worked
        if self._caught_up:
            worked = self.forwarding.send() or worked
            worked = self.promises.say_kept(self.sending.confirmed) or worked
        self.sending.collect()
        self.sending.save_positions()
        self._observe()
        return worked

    def _send_left_over(self) -> bool:
        """Hand over a portion of what is left over, once nobody but this owner gives out numbers behind it."""
        if not self._has_stored and self.sending.unsent_total():
            self._run(())
        return self._has_stored and self.sending.send_left_over(self.state.clock)

    def _observe(self) -> None:
        self.metrics.observe(self.shard, self.state.clock, self.inputs.newest_tick(), self.inputs.lag_records())
        self.metrics.observe_unsent(self.shard, self.sending.unsent())
        self.metrics.observe_merges(self.shard, len(self.forwarding.waiting) + len(self.promises.removing))
        if self.state.clock - self._watched_clock >= WATCH_AGAIN_MS:
            self._watched_clock = self.state.clock
            registry = self.admission.registry
            self.metrics.observe_silence(self.shard, self._silent_ms())
            self.metrics.observe_signing(self.shard, self._signs())
            self.metrics.observe_reviews(self.shard, self._owed())
            self.metrics.observe_parked(self.shard, self._parked())
            open_ages = dict(open_resyncs(self.state.resyncs, self.state.clock))
            self.metrics.observe_resyncs(self.shard, {each.id: open_ages.get(each.id) for each in registry})
            due = [owed.due <= self.state.clock for owed in self.receipts.owed.values()]
            self.metrics.observe_withdrawals(self.shard, len(self.promises.waiting), Counter(due))

    def _silent_ms(self) -> dict[str, int | None]:
        heard, clock = self.state.heard, self.state.clock
        return {party.id: clock - heard[party.id] if party.id in heard else None for party in self.admission.registry}

    def _signs(self) -> dict[str, bool]:
        return {party.id: self.state.keyring.signs(party.id) for party in self.admission.registry}

    def _parked(self) -> dict[str, tuple[int, int]]:
        """Of every party: how many of its records are parked, and the age of the oldest (milliseconds)."""
        parties = dict.fromkeys((HUB_PARTY, *self.admission.registry.parties), (0, 0))
        return parties | dict(self.parking.ages(self.state.clock))

    def _owed(self) -> Counter[tuple[str, bool]]:
        """How much is owed about emergency access, by kind of reminder and whether it is overdue."""
        clock = self.state.clock
        owed = [review for reviews in self.settling.open_reviews.values() for review in reviews]
        return Counter((review.kind, review.due <= clock) for review in owed)

    def _take(self, wait_seconds: float) -> Sequence[InputRecord]:
        taken = [*self._held_back, *self.inputs.take(BATCH_RECORDS_MAX, wait_seconds)]
        limit = self.inputs.newest_tick() + AHEAD_OF_TICK_MS_MAX
        if not self._held_back and all(record.timestamp <= limit for record in taken):
            return taken
        held_topics: set[str] = set()
        ready: list[InputRecord] = []
        were_held, self._held_back = bool(self._held_back), []
        for record in taken:
            if record.topic in held_topics or (record.timestamp > limit and not self._is_hub_input(record)):
                held_topics.add(record.topic)
                self._held_back.append(record)
            else:
                ready.append(record)
        held_bytes = sum(record.size_bytes for record in self._held_back)
        if len(self._held_back) > HELD_BACK_MAX or held_bytes > HELD_BACK_BYTES_MAX:
            raise TransportFailure(
                f"`{len(self._held_back)}` records wait for a tick: is the ticker at work, are the clocks right"
            )
        if held_topics and not were_held:
            log.warning("records far ahead of the newest tick are held back on %d topics", len(held_topics))
        return ready

    def _is_hub_input(self, record: InputRecord) -> bool:
        return record.topic == self.admission.names.hub_input

    def _must_adopt(self) -> bool:
        """Whether the rules or parties are others than those under which the store's cases were settled."""
        return self.state.rules != self.cases.settled_under

    def _may_adopt(self, records: Sequence[InputRecord]) -> bool:
        """Whether a batch of `records` begins after the shard was opened, and so late that cases are settled then."""
        if self.state.clock == 0:
            return bool(records)  # an empty store has decided nothing: its first record says when it began
        has_ticked = self.state.positions.get(self.admission.names.hub_input, 0) > self._ticks_after
        return has_ticked and not self._is_behind(self._begins(records))

    def _begins(self, records: Sequence[InputRecord]) -> int:
        """When a batch of `records` begins: the clock of the store is that of the batch before, which may be old."""
        return max(self.state.clock, records[0].timestamp if records else 0)

    def _must_settle(self) -> bool:
        """Whether there is something to do without any record."""
        if self._must_adopt():
            return self._may_adopt(())
        return self.settling.is_anything_due(self.state.clock, self.state.resyncs)

    def _run(self, records: Sequence[InputRecord]) -> bool:
        """Make a batch of `records` and commit it; return whether it was worth writing."""
        try:
            return self._run_batch(records)
        except StoreFailure:
            self._forget()
            raise

    def _forget(self) -> None:
        """Hold nothing any more of what is stored, and read the inputs again from where the store stands."""
        self.cases.drop_all()
        self.governance.look_again()
        self.parking.look_again()
        self.receipts.look_again()
        self._must_read_again = True

    def _run_batch(self, records: Sequence[InputRecord]) -> bool:
        batch = Batch.after_state(self.state, self.owner)
        begins = self._begins(records)
        waits = self._must_adopt() and not self._may_adopt(records)
        if waits:
            self.governance.issue_keys(batch)
        else:
            if self._must_adopt():
                batch.adopt(self.cases.settled_under, self.cases.policies, begins, self.store.cases())
            self.governance.keep(batch, begins)
        self.admission.admit(records, batch)
        self.receipts.let_go_of_erased(batch)
        if waits or self._is_behind(batch.after.clock):
            self.settling.postpone(batch)
            outputs: list[OutputRecord] = []
        else:
            outputs = self.settling.records(self.settling.settle(batch), batch)
        if self._has_stored and batch.is_empty and batch.after.clock - self._written_clock < self.idle_write_ms:
            # Only ticks that change nothing: remember them in memory, the next written batch stores them.
            batch.after.batch -= 1
            self.state = batch.after
            return False
        batch.writes.cache_rows = self.cases.make_room()
        self.store.commit(batch.close())
        self._has_stored = True
        self.state, self._written_clock = batch.after, batch.after.clock
        self.settling.open_reviews.update(batch.writes.open_reviews)
        if batch.writes.forwarding:
            self.forwarding.look_again()
        self.promises.stored(batch.writes)
        self.receipts.stored(batch.writes)
        # Counted first: whoever has seen a record finds it counted.
        self.metrics.count(_counts(batch, outputs))
        self.sending.offer(outputs if self._is_current else (), self.state.numbers)
        return True

    def _is_behind(self, clock: int) -> bool:
        return self.inputs.newest_tick() - clock > BEHIND_TICK_MS_MAX

    def _note_whether_caught_up(self) -> None:
        is_behind = self._is_behind(self.state.clock) or (self.state.clock > 0 and self._must_adopt())
        if is_behind or not self._knows_the_ends():
            self._caught_up = False
        # Only when all that lay there at the last look is taken in: a withdrawal may be the last of it.
        elif not (self.inputs.lag_records() or self._held_back):
            self._caught_up = True

    @property
    def _is_current(self) -> bool:
        """Whether it had caught up, and has looked at its inputs of late."""
        return self._caught_up and self._knows_the_ends()

    def _knows_the_ends(self) -> bool:
        return self.inputs.seconds_since_look() <= LOOK_SECONDS_MAX

    def close(self) -> None:
        """Confirm what can be confirmed, and release everything, whatever fails on the way."""
        with ExitStack() as released:
            for release in (self.store, self.forwarding.channel, self.sending.outputs, self.inputs):
                released.callback(release.close)
            self.sending.collect(CONFIRM_SECONDS_MAX)
            self.sending.save_positions()


def _counts(batch: Batch, outputs: Sequence[OutputRecord]) -> BatchCounts:
    disclosed: Counter[str] = Counter()
    retracted: Counter[str] = Counter()
    for record in outputs:
        (retracted if record.value is None else disclosed)[record.party] += 1
    return BatchCounts(
        batch.admitted,
        batch.parked,
        batch.resolved,
        batch.duplicates,
        batch.undecided,
        batch.decisions,
        disclosed,
        retracted,
    )
