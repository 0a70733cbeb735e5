"""Defects to plant: slips in taking, admitting, settling, committing, sending and receiving that lose, double or leak.

Rules:
- A defect changes one function's text while it is planted (`tests.safety.defects`); where the code has moved on,
  planting fails loudly and the defect is written anew.
- Each is found by playing histories from the first seed on, as they are, until one of them breaks a promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Final, NamedTuple

from consumers import examine, subscription
from consumers.store import PartyStore
from hub import wiring
from hub.arrival import gate
from hub.disclosure import settlement
from hub.disclosure.settlement import Rights
from hub.shard import promises
from hub.shard.admission import Admission
from hub.shard.batch import Batch
from hub.shard.cases import Cases
from hub.shard.parking import Parking
from hub.shard.resyncing import Resyncs
from hub.shard.retrying import Retrying
from hub.shard.sending import Sending
from hub.shard.settling import Settling
from hub.shard.worker import Shard
from tests.safety.defects import Defect, planted
from tests.simulator.history import Outcome, enrolled
from tests.simulator.running import play

SEEDS_MAX: Final = 2_000

DEFECTS: Final = (
    # the batch
    Defect(
        "positions committed first", Shard._run_batch, "self.store.commit(batch.close())",
        "self.store.commit(type(batch.writes)(batch.close().committed)); batch.after.batch += 1\n"
        "    self.store.commit(batch.close())",
    ),
    Defect("sent before it is committed", Shard._run_batch, "batch.writes.cache_rows = self.cases.make_room()",
           "batch.writes.cache_rows = self.cases.make_room(); self.sending.offer(outputs, batch.after.numbers)"),
    Defect("failed commits caught, and gone on", Shard._run, "raise", "return False"),
    Defect("all owners have one name", wiring.build_shard, "owner=secrets.token_hex(8)", 'owner="hub"'),
    Defect(
        "the fence taken from the store", Shard._run_batch, "batch = Batch.after_state(self.state, self.owner)",
        "batch = Batch.after_state(self.state, self.owner); batch.after.batch = self.store.head().batch + 1",
    ),
    Defect("settled while behind", Shard._run_batch, "if waits or self._is_behind(batch.after.clock):", "if False:"),
    Defect(
        "caught up after one batch", Shard._note_whether_caught_up,
        "elif not (self.inputs.lag_records() or self._held_back):", "else:",
    ),
    Defect(
        "caught up when nothing has come yet", Shard._step, "records = self._take(wait_seconds)",
        "records = self._take(wait_seconds)\n"
        "        self._caught_up = self._caught_up or len(records) + len(self._held_back) < BATCH_RECORDS_MAX",
    ),
    Defect(
        "left-over numbers sent before it has caught up", Shard._step,
        "if self._caught_up and self.sending.in_flight()", "if self.sending.in_flight()",
    ),
    Defect(
        "fresh numbers sent before it has caught up", Shard._run_batch,
        "outputs if self._is_current else ()", "outputs",
    ),
    Defect("an old look at the inputs trusted", Shard._knows_the_ends, "<= LOOK_SECONDS_MAX", "< 1e9"),
    Defect("held-back records dropped", Shard._take, "self._held_back.append(record)", "pass"),
    Defect("unwritten ticks use up a batch", Shard._run_batch, "batch.after.batch -= 1", "pass"),
    Defect("a number given twice", Batch.next_number, "self.after.numbers[party] = number", "pass"),
    Defect("the clock goes back", Batch.clock_moves_to, "max(self.after.clock, timestamp)", "timestamp"),
    Defect("positions one record behind", Batch.read_past, "record.offset + 1", "record.offset"),
    # admission
    Defect("repeats applied", Admission._handle, "if self._is_repeat(", "if False and self._is_repeat("),
    Defect("repeats known by id only", gate.is_repeat, "if known != digest:", "if False:"),
    Defect("refused records dropped", Admission.admit,
           "self.parking.park(one.party.id, one.record, refused.with_traceback(None), one.recorded_at, batch)",
           "pass"),
    Defect("repeats not counted", Admission._handle, "batch.duplicates += 1", "pass"),
    Defect("a retry leaves its record parked", Retrying._judge,
           "self.parking.admitted(parked, stored, at, batch)", "pass"),
    Defect("two retries in one batch", Parking._resolve, "del self._open[parked.party, parked.number]", "pass"),
    Defect(
        "digests not stored", Admission._handle,
        "lookups.digests[statement.event_id] = batch.writes.digests[statement.event_id] = digest",
        "lookups.digests[statement.event_id] = digest",
    ),
    Defect(
        "repeats in one batch not seen", Admission._handle,
        "lookups.digests[statement.event_id] = batch.writes.digests[statement.event_id] = digest",
        "batch.writes.digests[statement.event_id] = digest",
    ),
    # settling
    Defect("due dates forgotten", Settling._settle_case,
           "held.due = batch.writes.due[held.timeline.case_id] = due", "held.due = due"),
    Defect("postponed cases not due", Settling.postpone,
           "held.due = batch.writes.due[case_id] = batch.after.clock", "held.due = batch.after.clock"),
    Defect("retractions dropped", settlement._differences_of, "if before and party not in fresh:", "if False:"),
    Defect("what is corrected not decided again", Settling._to_decide, "if victim in case.facts:", "if False:"),
    Defect(
        "a change of basis not recorded", settlement._differences_of, "if shown != told.get(party, NOTHING)",
        "if mask_of_shown(shown) != mask_of_shown(told.get(party, NOTHING))",
    ),
    Defect("an earlier end of the consent not waited for", Settling._promised,
           "newest(before.fences[consent_id] for consent_id in ids_of[event_id]) | taken_back_now", "taken_back_now"),
    Defect("a withdrawal acknowledged at once", promises._first_missing,
           "if one.number > confirmed.get(one.party, 0)", "if False"),
    Defect("a change of standing not seen", Rights.hold, "self.standing_inputs == case.standing_inputs", "True"),
    Defect("what lapses by time not seen", Rights.hold, "(self.until is None or at < self.until)", "True"),
    # what is held in memory
    Defect("what follows a cache row not read", Cases._load,
           "tail = list(self.store.case_records(case_id, after_version=case.version))", "tail = []"),
    Defect("a cache row for a case that waits", Cases.make_room, "held.touched or held.rights is None", "False"),
    Defect("decided anew without its history", Settling._decide, "self.cases.hold_history(held)", "pass"),
    # sending
    Defect("confirmed when handed over", Sending.collect, "self.outputs.confirmed(wait_seconds).items()",
           "{**self.outputs.confirmed(wait_seconds), **self.handed}.items()"),
    Defect("overtaken numbers sent whole", Sending._rebuilt_as_decided, "newest[event_id] != number", "False"),
    Defect("what may have left not taken back by name", Sending._may_be_told,
           "not left < one.number", "not 0 < one.number"),
    Defect("left-over numbers of a due case sent", Sending._settled_ones,
           "if waiting else numbers", "if False else numbers"),
    Defect("stalled parties not served again", Sending.collect,
           "self.handed[party] = self.confirmed.get(party, 0)", "pass"),
    Defect("fresh numbers overtake left-over ones", Sending.offer,
           "self.handed.get(record.party, 0) == record.number - 1", "True"),
    Defect("a portion taken for all that is left over", Sending.send_left_over,
           "self.handed[party] = numbers[-1].originator_version", "self.handed[party] = last"),
    # receiving
    Defect("the last number applied again", examine.examine, "if attributes.number <= last_number:",
           "if attributes.number < last_number:"),
    Defect("the receiver's position stored first", subscription.Subscription._handle,
           "self._store.apply(steps, moves)", "self._store.apply([], moves); self._store.apply(steps, [])"),
    Defect("a receiver keeps what is retracted", PartyStore.apply, "in self._remove(step):",
           "in self._remove(step) if isinstance(step, Disclosed) else []:"),
    # resyncs
    Defect("a turn in a resync is not decided afresh", Settling._decide,
           "renewed(case, held.rights, clock, *self.cases.grounds_at(case, clock))",
           "(held.rights, False) if again and held.rights else "
           "renewed(case, held.rights, clock, *self.cases.grounds_at(case, clock))"),
    Defect("a resync tells what was told, not what may be seen", settlement._differences_of,
           "fresh = shown_now(case, decider, event_id)",
           "fresh = {party: (('S1', 0x3FFFF),) for party in case.told.get(event_id, ()) if party in again} | "
           "dict(shown_now(case, decider, event_id))"),
    Defect("completed before the last case", Resyncs._next_cases, "if len(rows) < limit:", "if True:"),
    Defect("a resync forgotten with its worker", wiring.build_shard, "store.resyncs()", "{}"),
    Defect("a case that has left the memory has no turn", Settling.settle,
           "again.get(case_id, ())", "again.get(case_id, ()) if held.rights else ()"),
    Defect("a beginning that drops nothing", PartyStore._remove, "if isinstance(step, Mark):",
           "if isinstance(step, Mark | Anew):"),
    Defect("any record leads past a gap", examine.beginning,
           "return Anew(step.partition, step.attributes) if isinstance(step, Mark) and step.state == BEGUN else None",
           "return step"),
)  # fmt: skip

QUICKLY_FOUND: Final = (
    "positions committed first", "settled while behind", "overtaken numbers sent whole", "refused records dropped",
    "digests not stored", "a receiver keeps what is retracted", "completed before the last case",
    "a beginning that drops nothing",
)  # fmt: skip
"""What is planted in every run of the tests; all of them in the long run."""


class Finding(NamedTuple):
    """Which seed found a defect, and by which broken promise; both say nothing where none did."""

    defect: str
    seed: int
    invariant: str


def find(defect: Defect, seeds_max: int = SEEDS_MAX) -> Outcome | None:
    """Plant the defect and play histories until one breaks a promise; `None` where none does."""
    enrolled()  # the common beginning is played by sound code
    with planted(defect):
        for seed in range(seeds_max):
            outcome = play(seed)
            if outcome.invariant:
                return outcome
    return None


def find_all(seeds_max: int, processes: int) -> Iterator[Finding]:
    """Search for all of them, in so many processes, and tell of each as it is found or given up."""
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for done in as_completed(pool.submit(_finding, place, seeds_max) for place in range(len(DEFECTS))):
            yield done.result()


def _finding(place: int, seeds_max: int) -> Finding:
    outcome = find(DEFECTS[place], seeds_max)
    return Finding(DEFECTS[place].name, outcome.seed if outcome else -1, outcome.invariant if outcome else "")
