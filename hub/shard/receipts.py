"""The receipts that are owed in one shard, by case, and when one is owed no more though none has come.

Rules:
- Owed is what `hub.shard.withdrawals` finds: whoever was told that a consent has ended says what it did about it.
- Where the consent opens again all that it ever showed the party, there is nothing to remove, and nothing is owed: the
  withdrawal was taken back, or an amendment undone. When it ends again, that is told anew.
- Of a citizen who was erased nobody can state anything any more. What is owed then, and promised of withdrawals, goes
  when the shard begins, and once a day: the key is destroyed by another process, which says nothing to the shard.

From `hub.shard.settling` and `hub.shard.worker`, into the batch; the operator counts what is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.fact import ce_id_of
from hub.case_timeline.timeline import CaseTimeline, Reader
from hub.consent.consents import SCOPED
from hub.consent.decision import Decider
from hub.disclosure.endings import open_again
from hub.disclosure.settlement import Change
from hub.shard.batch import Batch
from hub.shard.promises import Promises
from hub.shard.withdrawals import owed_first
from hub.store.ports import BatchWrites, Obligation, ShardStore

LOOK_AGAIN_MS: Final = 86_400_000


@dataclass(slots=True)
class Receipts:
    """The receipts that are owed in one shard; `owed` by the event id of the notice, as stored."""

    store: ShardStore
    promises: Promises
    within_ms: int
    owed: dict[str, Obligation] = field(init=False)
    _by_case: dict[str, set[str]] = field(default_factory=dict)
    _looked_at: int | None = None

    def __post_init__(self) -> None:
        self.owed = dict(self.store.obligations())
        for event_id, one in self.owed.items():
            self._by_case.setdefault(one.case_id, set()).add(event_id)

    def stored(self, writes: BatchWrites) -> None:
        """Take in what a stored batch noted."""
        for event_id, one in writes.obligations.items():
            if before := self.owed.pop(event_id, None):
                of_case = self._by_case[before.case_id]
                of_case.remove(event_id)
                if not of_case:
                    del self._by_case[before.case_id]
            if one is not None:
                self.owed[event_id] = one
                self._by_case.setdefault(one.case_id, set()).add(event_id)

    def of_case(self, case_id: str, batch: Batch) -> Mapping[str, Obligation]:
        """What is owed about a case, as `batch` leaves it."""
        before = {event_id: self.owed[event_id] for event_id in self._by_case.get(case_id, ())}
        current = {**before, **batch.writes.obligations}
        return {event_id: one for event_id, one in current.items() if one is not None and one.case_id == case_id}

    def told(self, case: CaseTimeline, changes: Iterable[Change], reader: Reader, batch: Batch) -> None:
        """Note what those owe whom `changes` tell for the first time that a consent has ended."""
        for one in owed_first(case, changes, batch.after.clock + self.within_ms, reader):
            batch.writes.obligations[one.event_id] = one

    def settled(self, case: CaseTimeline, decider: Decider, batch: Batch, *, rights_changed: bool) -> None:
        """Let go of what is owed for consents that open again what they had.

        Looked at, with the whole history, where rights changed or something came to be owed.
        """
        noted = (one.case_id for one in batch.writes.obligations.values() if one is not None)
        if not rights_changed and case.case_id not in noted:
            return
        if not (owed := self.of_case(case.case_id, batch)):
            return
        again, named = open_again(case, decider), _consents_by_record(case)
        for event_id, one in owed.items():
            consents = named.get(case.facts[event_id].outline.references["targetEventId"], set())
            if consents and all((consent_id, one.party) in again for consent_id in consents):
                batch.writes.obligations[event_id] = None

    def let_go_of_erased(self, batch: Batch) -> None:
        """Let go of what is owed and promised about citizens who were erased, when it is time to look."""
        clock = batch.after.clock
        if self._looked_at is not None and clock < self._looked_at + LOOK_AGAIN_MS:
            return
        self._looked_at = clock
        promised = {event_id: rows[0].case_id for event_id, rows in self.promises.waiting.items()}
        cases = {*self._by_case, *promised.values()}
        if not cases:
            return
        erased = cases.intersection(self.store.erased_cases())
        # What another case takes over in this very batch stays with that one.
        for event_id, one in self.owed.items():
            if one.case_id in erased:
                batch.writes.obligations.setdefault(event_id, None)
        for event_id, case_id in promised.items():
            if case_id in erased:
                batch.writes.promises.setdefault(event_id, ())

    def look_again(self) -> None:
        """Look for erased citizens with the next batch."""
        self._looked_at = None


def _consents_by_record(case: CaseTimeline) -> Mapping[str, set[str]]:
    """The `ce_id` that a notice may name -> the consents of the records that bear it: it is unique within a party."""
    found: dict[str, set[str]] = {}
    for event_id, entry in case.facts.items():
        if entry.outline.event_type in SCOPED:
            found.setdefault(ce_id_of(event_id), set()).add(entry.outline.references["consentId"])
    return found
