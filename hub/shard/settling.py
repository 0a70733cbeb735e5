"""Settles the cases that a batch touched, and those that are due: decisions and numbers into the batch.

Rules:
- Each case once, at the end of the batch, for the batch's clock; in order of case ids. In the order of touching, a
  fact of one citizen that a party may not see would move that citizen's records before another's.
- A shard that is far behind its ticks does not settle: the cases are made due, and settled once it has caught up.
  So an outage never sends what was withdrawn meanwhile.
- An error while deciding one case, cutting what it tells or promising what follows: nothing of that case leaves, it
  is counted and tried again, the others go on.
- A case that was merged into another has nothing to be told and no clocks; while facts come in, clocks wait.
- What the hub itself states at a settlement, notices and reminders, is decided in the same one.
- A case that was erased is due no more: it stops neither a batch nor anybody else's case.
- What is about no citizen is told by one shard only (`hub.shard.governance`).
- A resync tells its cases again at their turn, after its first mark and before its last (`hub.shard.resyncing`).
- What is told is recorded before it is sent; the records to send are built from what was recorded.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from contracts.failures import StoreFailure
from hub.broker.ports import OutputRecord
from hub.case_timeline.consent_ids import ids_of_consents
from hub.consent.agreements import digest_of
from hub.consent.decision import Decider
from hub.disclosure.envelope import Envelopes
from hub.disclosure.settlement import Change, Rights, differences, mask_of_shown, renewed
from hub.identity.pseudonyms import TELLING_SHARD
from hub.shard.batch import Batch
from hub.shard.cases import Cases, HeldCase
from hub.shard.notices import notices_of_endings
from hub.shard.promises import Promises
from hub.shard.receipts import Receipts
from hub.shard.reminders import Reminders, ends_another, next_minute, reminders_stated
from hub.shard.resyncing import BEGUN_MARK, COMPLETED, COMPLETED_MARK, GIVEN_UP, Portion, Resyncs, end
from hub.shard.stating import put_on_timeline
from hub.shard.withdrawals import (
    WITHDRAWAL,
    begins_now,
    counts_already,
    fences_of,
    newest,
    promise,
    removals,
    taken_back,
    told_before,
    unacknowledged,
)
from hub.store.ports import Erased, OpenReview, Promise, Removal, ShardStore, removal_step
from hub.store.records import Decision, DecisionsRecorded, ResyncStepped, case_stream

log = logging.getLogger(__name__)

UNDECIDED_RETRY_MS: Final = 60_000
"""When a case that could not be decided is tried again, if nothing else touches it before."""
DUE_CASES_MAX: Final = 500
"""How many due cases one batch settles: a mass change goes through so many per turn."""


class Told(NamedTuple):
    """One number given out: enough to build its record without reading the store."""

    held: HeldCase
    change: Change
    number: int
    form: bytes | None


class Promised(NamedTuple):
    """What one settlement promises: see `BatchWrites`."""

    removals: Mapping[str, tuple[Removal, ...]]
    promises: Mapping[str, tuple[Promise, ...]]


_NO_PROMISES: Final = Promised({}, {})


@dataclass(slots=True)
class Settling:
    """Settles the cases of one shard."""

    store: ShardStore
    cases: Cases
    envelopes: Envelopes
    reminders: Reminders
    resyncs: Resyncs
    registry_digest: str
    open_reviews: dict[str, tuple[OpenReview, ...]]
    """What is owed about emergency access, by case, as stored."""
    promises: Promises
    receipts: Receipts
    _tried_again_at: dict[str, int] = field(default_factory=dict)
    """The cases that could not be decided: they stay due, and are left alone until then."""

    def is_anything_due(self, clock: int, resyncs: Mapping[str, ResyncStepped]) -> bool:
        """Whether a case is due at `clock` that may be tried, or a resync can go on."""
        if resyncs and self.resyncs.can_go_on(resyncs, self._resting(clock)):
            return True
        due = self.store.next_due()
        if due is None or due > clock:
            return False
        return not self._tried_again_at or bool(self._due(clock, 1))

    def _due(self, clock: int, limit: int) -> list[tuple[int, str]]:
        resting = self._resting(clock)
        found = self.store.due(clock, limit + len(resting))
        return [(instant, case_id) for instant, case_id in found if case_id not in resting][:limit]

    def _resting(self, clock: int) -> set[str]:
        return {case_id for case_id, instant in self._tried_again_at.items() if instant > clock}

    def settle(self, batch: Batch) -> list[Told]:
        """Settle what the batch touched, what is due and whose turn in a resync it is; return the numbers, in order."""
        due_now = self._due(batch.after.clock, DUE_CASES_MAX)
        for due, case_id in due_now:
            if held := self._loaded(case_id, batch):
                held.due = due
                batch.touch(held)
        told = self._mark_resyncs(BEGUN_MARK, batch)
        portions: list[Portion] = []
        if batch.after.resyncs and len(due_now) < DUE_CASES_MAX:
            portions = self.resyncs.portions(batch, self._resting(batch.after.clock))
        again: dict[str, set[str]] = {}
        for portion in portions:
            for case_id in portion.cases:
                if held := self._loaded(case_id, batch):
                    again.setdefault(case_id, set()).add(portion.party)
                    batch.touch(held)
        for case_id, held in sorted(batch.touched.items()):
            told.extend(self._settle_case(held, batch, again.get(case_id, ())))
        for portion in portions:
            self.resyncs.went_on(portion, self._tried_again_at.keys(), batch)
        return told + self._mark_resyncs(COMPLETED_MARK, batch)

    def _loaded(self, case_id: str, batch: Batch) -> HeldCase | None:
        """A case to settle; `None` for one that was erased: there is nothing to decide, and it is due no more."""
        try:
            return self.cases.get(case_id)
        except Erased:
            batch.writes.due[case_id] = None
            return None

    def _mark_resyncs(self, state: str, batch: Batch) -> list[Told]:
        """Tell every resync that has come so far its first or last mark."""
        told: list[Told] = []
        for last in self.resyncs.wanting(state, batch, self._resting(batch.after.clock)):
            held, mark = self.resyncs.mark(last, state, batch)
            batch.touched.pop(held.timeline.case_id, None)
            said = self._settle_case(held, batch)
            told += said
            number = next((one.number for one in said if one.change.event_id == mark), 0)
            if not number:
                if held.timeline.case_id not in self._tried_again_at:
                    end(last, GIVEN_UP, batch)
            elif state == BEGUN_MARK:
                self.resyncs.begin(last, number, batch)
            else:
                end(last, COMPLETED, batch)
        return told

    def _settle_case(self, held: HeldCase, batch: Batch, again: Container[str] = ()) -> list[Told]:
        """Settle one case; the parties in `again` are told all that they may see in it."""
        try:
            rights, changed, changes = self._decide(held, batch.after.clock, again)
            takes_in = changed or self._concerns_withdrawals(held, batch)
            if takes_in:
                # Before anything is recorded: the history comes from the store, which has nothing of this batch.
                self.cases.hold_history(held)
            changes += self._noticed(held, rights, changed, changes, batch)
            self.receipts.told(held.timeline, changes, self.cases.reader, batch)
            look_at, changes = self._reminded(held, rights, changed, changes, batch)
            forms = [self._form(held, change, batch) for change in changes]
            promised = self._promised(held, rights.decider, changes, batch) if takes_in else _NO_PROMISES
            self.receipts.settled(held.timeline, rights.decider, batch, rights_changed=changed)
        except (StoreFailure, Erased):  # of one that was erased meanwhile nothing is tried again
            raise
        except Exception as error:  # whatever went wrong while deciding: nothing of this case leaves, others go on
            log.error("a case could not be settled (%s): nothing of it leaves until it can", type(error).__name__)
            self._put_off(held, batch)
            return []
        told = self._record(held, changes, forms, rights, batch) if changes else []
        batch.writes.removals.update(promised.removals)
        batch.writes.promises.update(promised.promises)
        held.rights = rights
        held.look_at = look_at
        until = rights.until if held.timeline.merged_into is None else None
        due = min((each for each in (until, look_at) if each is not None), default=None)
        if held.due != due or held.timeline.case_id in batch.writes.due:
            held.due = batch.writes.due[held.timeline.case_id] = due
        self._tried_again_at.pop(held.timeline.case_id, None)
        self.cases.settled(held)
        return told

    def _put_off(self, held: HeldCase, batch: Batch) -> None:
        """Have a case that could not be decided tried again as a whole, with its next event or a little later.

        It stays due meanwhile, so that what is left over of it is not sent either.
        """
        batch.undecided += 1
        held.rights = None
        case_id, clock = held.timeline.case_id, batch.after.clock
        held.due = batch.writes.due[case_id] = clock if held.due is None else min(held.due, clock)
        self._tried_again_at[case_id] = clock + UNDECIDED_RETRY_MS

    def postpone(self, batch: Batch) -> None:
        """Make the touched cases due at once, for the time when the shard has caught up."""
        for case_id, held in batch.touched.items():
            held.due = batch.writes.due[case_id] = batch.after.clock
            self.cases.weigh(held)

    def _decide(self, held: HeldCase, clock: int, again: Container[str]) -> tuple[Rights, bool, list[Change]]:
        case = held.timeline
        rights, changed = renewed(case, held.rights, clock, *self.cases.grounds_at(case, clock))
        if case.case_id in self.cases.about_nobody and self.cases.shard != TELLING_SHARD:
            return rights, False, []
        as_a_whole = changed or bool(again)
        if as_a_whole:
            self.cases.hold_history(held)
        return rights, changed, differences(case, rights.decider, self._to_decide(held, as_a_whole=as_a_whole), again)

    def _to_decide(self, held: HeldCase, *, as_a_whole: bool) -> list[str]:
        case = held.timeline
        if as_a_whole:
            return list(case.facts)
        touched = dict(held.touched)
        for event_id in held.touched:
            victim = case.victim_of(event_id)
            if victim in case.facts:
                touched[victim] = None
        return list(touched)

    def _noticed(
        self, held: HeldCase, rights: Rights, changed: bool, changes: list[Change], batch: Batch
    ) -> list[Change]:
        """What parties are told of consents that have ended for them with `changes`, or with the rights as such."""
        if held.timeline.merged_into is not None or not (changed or any(change.before for change in changes)):
            return []
        case, stated = held.timeline, []
        reader, policy_at = self.cases.reader, self.cases.policy_in(case)
        for record, fact in notices_of_endings(
            case,
            rights.decider,
            changes,
            batch.after.clock,
            policy_at,
            reader,
            self.cases.secret,
            rights_changed=changed,
        ):
            put_on_timeline(held, record, fact, batch, reader)
            stated.append(fact.event_id)
        return differences(case, rights.decider, stated)

    def _concerns_withdrawals(self, held: HeldCase, batch: Batch) -> bool:
        """Whether the batch brought or ended a withdrawal, also one that changes nothing, or one begins to count."""
        case = held.timeline
        facts = (case.facts[each] for each in self._to_decide(held, as_a_whole=False))
        promised = self.promises.of_case(case.case_id, batch)
        return any(fact.outline.event_type == WITHDRAWAL for fact in facts) or any(
            begins_now(case, rows, batch.after.clock) for rows in promised.values()
        )

    def _promised(self, held: HeldCase, decider: Decider, changes: list[Change], batch: Batch) -> Promised:
        """What must be confirmed before a merge goes on, and before a withdrawal is acknowledged, after `changes`."""
        case = held.timeline
        steps = {other: removal_step(case.case_id, other, change) for other, (_, change) in case.removing.items()}
        removing = {other: step for other, step in steps.items() if step not in self.promises.removing}
        is_open = case.merged_into is None and not case.joining
        standing = sorted(unacknowledged(case, self.cases.secret)) if is_open else []
        waiting = {event_id: self.promises.waiting.get(event_id, ()) for event_id in standing}
        begins = [event_id for event_id in standing if not waiting[event_id] or not counts_already(waiting[event_id])]
        ids = ids_of_consents(case) if standing else {}
        ids_of = {each: ids.get(case.gate_facts[each].payload["consentId"], frozenset[str]()) for each in begins}
        consents = frozenset[str]().union(*ids_of.values())
        records = self.store.case_records(case.case_id) if removing or consents else ()
        before = told_before(
            records, consents, lambda basis, event_id: decider.consent_behind(basis, case.facts[event_id].outline)
        )
        now = _last_numbers(changes, batch)
        taken_back_now = taken_back(changes, now, batch.writes.obligations)
        promised: dict[str, tuple[Promise, ...]] = {}
        if is_open:
            promised |= dict.fromkeys(self.promises.of_case(case.case_id, batch).keys() - set(standing), ())
        for event_id in standing:
            rows = waiting[event_id]
            if rows and rows[0].case_id != case.case_id:
                continue  # the other case of a merge that was taken back has promised it
            fences = fences_of(rows)
            if event_id in ids_of:
                fences |= newest(before.fences[consent_id] for consent_id in ids_of[event_id]) | taken_back_now
            if (now_promised := promise(case, event_id, fences, ids, batch.after.clock)) != rows:
                promised[event_id] = now_promised
        last = {**before.last, **now}
        return Promised({step: removals(case, other, last) for other, step in removing.items()}, promised)

    def _reminded(
        self, held: HeldCase, rights: Rights, changed: bool, changes: list[Change], batch: Batch
    ) -> tuple[int | None, list[Change]]:
        """When to look at the clocks of the case next, and `changes` with what parties are told of them now.

        Nothing is looked at, and no history asked for, unless rights changed, a fact was ended, or it is time to look.
        """
        case, clock, look_at = held.timeline, batch.after.clock, held.look_at
        if case.merged_into is not None:
            if self.open_reviews.get(case.case_id):
                batch.writes.open_reviews[case.case_id] = ()
            return None, changes
        if case.joining:
            return next_minute(clock), changes
        touched = [case.facts[event_id] for event_id in held.touched]
        must_look = changed or (look_at is not None and look_at <= clock) or any(map(ends_another, touched))
        if not must_look:
            if any(map(self.reminders.concern, touched)):
                soon = next_minute(clock)
                look_at = soon if look_at is None else min(look_at, soon)
            return look_at, changes
        self.cases.hold_history(held)
        look = self.reminders.look(case, rights.decider, clock, batch.after.heard)
        if look.open_reviews != self.open_reviews.get(case.case_id, ()):
            batch.writes.open_reviews[case.case_id] = look.open_reviews
        stated: list[str] = []
        for record, fact in reminders_stated(case, look, clock, self.cases.reader, self.cases.secret):
            put_on_timeline(held, record, fact, batch, self.cases.reader)
            stated.append(fact.event_id)
        later = look.next
        if len(stated) < len(look.raised) + len(look.taken_back):
            later = next_minute(clock)  # one was taken back in this very minute
        # A reminder that is taken back now must not be told now, whoever has just become entitled to it.
        still = [change for change in changes if not (change.shown and change.event_id in look.taken_back)]
        return later, still + differences(case, rights.decider, [*look.taken_back, *stated])

    def _form(self, held: HeldCase, change: Change, batch: Batch) -> bytes | None:
        """What the receiver will be told; `None` where that is nothing, or nothing new."""
        if not change.is_sent:
            return None
        mask, payload = mask_of_shown(change.shown), batch.payloads.get(change.event_id)
        return self.envelopes.form(held.timeline, change.event_id, change.party, mask, batch.after.clock, payload)

    def _record(
        self, held: HeldCase, changes: list[Change], forms: list[bytes | None], rights: Rights, batch: Batch
    ) -> list[Told]:
        case = held.timeline
        told: list[Told] = []
        version = case.version + 1
        decisions: list[Decision] = []
        for index, (change, form) in enumerate(zip(changes, forms, strict=True)):
            number = batch.next_number(change.party, case.case_id, version, index) if change.is_sent else 0
            decisions.append(Decision(case.facts[change.event_id].version, change.party, change.shown, number))
            if number:
                told.append(Told(held, change, number, form))
        record = DecisionsRecorded(
            case_stream(case.case_id),
            version,
            batch.after.clock,
            rights.decider.policy.digest,
            self.registry_digest,
            tuple(decisions),
            digest_of(rights.standing.agreements),
        )
        batch.writes.records.append(record)
        batch.decisions += len(decisions)
        case.decided(record)
        return told

    def records(self, told: list[Told], batch: Batch) -> list[OutputRecord]:
        """Build the records to send. A key used for the first time goes into the batch, so its party may use it."""
        return [self._output(one, batch) for one in told]

    def _output(self, one: Told, batch: Batch) -> OutputRecord:
        case, party = one.held.timeline, one.change.party
        key, is_new = self.cases.key_for(one.held, party)
        if is_new and self.cases.may_be_stated_of(case):
            batch.writes.keys[party, key] = case.case_id
        return self.envelopes.record(case, one.change.event_id, party, one.number, key, one.form)


def _last_numbers(changes: list[Change], batch: Batch) -> dict[str, int]:
    """The last number that each party will be given for `changes`: numbers are dense."""
    sent = Counter(change.party for change in changes if change.is_sent)
    return {party: batch.after.numbers.get(party, 0) + count for party, count in sent.items()}
