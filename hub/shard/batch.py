"""One batch in the making: what will be stored in one transaction, and the shard's state as it would be after it.

Rules:
- The state that a batch starts from is never changed by it: if the commit fails, nothing has happened.
- Versions and numbers are dense: each is one more than the last of its stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.failures import Refused
from hub.arrival.keyring import Keyring
from hub.broker.ports import InputRecord
from hub.consent.policies import Policies
from hub.shard.cases import HeldCase
from hub.store.ports import BatchWrites, Head
from hub.store.records import (
    BATCHES,
    RULES,
    BatchCommitted,
    NumberAssigned,
    ParkedResolved,
    RecordParked,
    ResyncStepped,
    RulesAdopted,
    parked_stream,
    sent_stream,
)


@dataclass(slots=True)
class ShardState:
    """Where a shard stands after its last batch, in memory."""

    batch: int
    clock: int
    positions: dict[str, int]
    numbers: dict[str, int]
    parked: dict[str, int]
    rules_version: int = 0
    rules: str = ""
    heard: dict[str, int] = field(default_factory=dict)
    """When each party gave its last sign of life on this shard."""
    keyring: Keyring = field(default_factory=Keyring)
    """The parties' signing keys."""
    resyncs: dict[str, ResyncStepped] = field(default_factory=dict)
    """How far the last resync of each party has come."""

    @classmethod
    def at(cls, head: Head, keyring: Keyring, resyncs: Mapping[str, ResyncStepped]) -> ShardState:
        """The state that the store holds."""
        return cls(
            head.batch,
            head.clock,
            dict(head.positions),
            dict(head.numbers),
            dict(head.parked),
            head.rules_version,
            head.rules,
            dict(head.heard),
            keyring,
            dict(resyncs),
        )

    def copy(self) -> ShardState:
        """A state to work on while this one stays as it is."""
        return replace(
            self,
            positions=dict(self.positions),
            numbers=dict(self.numbers),
            parked=dict(self.parked),
            heard=dict(self.heard),
            resyncs=dict(self.resyncs),
        )


@dataclass(slots=True)
class Batch:
    """What one batch will store. `after` becomes the shard's state once it is committed."""

    after: ShardState
    writes: BatchWrites
    touched: dict[str, HeldCase] = field(default_factory=dict)
    """The cases to settle at the end, by case id."""
    payloads: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The payloads of the facts that this batch admitted, by event id: decoded once."""
    decisions: int = 0
    duplicates: int = 0
    """Facts that were stated again."""
    passed_over: int = 0
    """Records that are no party's fact and change nothing: they are counted nowhere, and not read again."""
    undecided: int = 0
    """Cases that could not be decided."""
    admitted: dict[str, int] = field(default_factory=dict)
    """Admitted facts per publishing party, for the metrics."""
    parked: dict[tuple[str, str], int] = field(default_factory=dict)
    """Parked records per (party, reason), for the metrics."""
    fresh_parked: dict[tuple[str, int], RecordParked] = field(default_factory=dict)
    """The records that this batch parks, by (party, number): the store does not have them yet."""
    resolved: dict[tuple[str, str], int] = field(default_factory=dict)
    """Parked records that this batch resolves, per (party, outcome), for the metrics."""

    @classmethod
    def after_state(cls, state: ShardState, owner: str) -> Batch:
        """Begin a batch on top of `state`."""
        after = state.copy()
        after.batch += 1
        return cls(after, BatchWrites(BatchCommitted(BATCHES, after.batch, owner, after.clock, after.positions)))

    @property
    def is_empty(self) -> bool:
        """Whether nothing but positions and clock would move."""
        writes = self.writes
        owed = writes.promises or writes.removals or writes.obligations or writes.open_reviews or writes.open_parked
        known = writes.records or writes.keys or writes.due or writes.digests or writes.heard
        told = writes.forwarding or writes.sent
        return not (known or owed or told or self.duplicates or self.passed_over)

    def touch(self, held: HeldCase) -> None:
        """Settle this case at the end of the batch."""
        self.touched[held.timeline.case_id] = held

    def clock_moves_to(self, timestamp: int) -> int:
        """Move the clock forward to `timestamp`, never back; return the recorded time."""
        self.after.clock = max(self.after.clock, timestamp)
        return self.after.clock

    def read_past(self, record: InputRecord) -> None:
        """Note that `record` is dealt with."""
        self.after.positions[record.topic] = record.offset + 1

    def close(self) -> BatchWrites:
        """Return everything to store, the fence with the final clock and positions."""
        fence = self.writes.committed
        self.writes.committed = BatchCommitted(
            BATCHES, self.after.batch, fence.owner, self.after.clock, dict(self.after.positions)
        )
        return self.writes

    def count_admitted(self, party: str) -> None:
        """Count one admitted fact of a party."""
        self.admitted[party] = self.admitted.get(party, 0) + 1

    def hear(self, party: str, came_at: int) -> None:
        """Note a party's sign of life, unless a later one came."""
        if came_at > self.after.heard.get(party, -1):
            self.after.heard[party] = self.writes.heard[party] = came_at

    def adopt(self, rules: str, policies: Policies, at: int, case_ids: Iterable[str]) -> None:
        """Record that cases are settled under `rules` from `at` on, in their words, and make every one of them due."""
        self.after.rules_version += 1
        self.after.rules = rules
        rule_sets, registry = tuple(policy.rules.text for policy in policies), policies.registry.cited_text
        self.writes.records.append(RulesAdopted(RULES, self.after.rules_version, at, rules, rule_sets, registry))
        self.make_due(case_ids)

    def make_due(self, case_ids: Iterable[str]) -> None:
        """Make every one of these cases due now: what they were settled by is not what it was."""
        self.writes.due.update(dict.fromkeys(case_ids, self.after.clock))

    def next_number(self, party: str, case_id: str, decided_version: int, index: int) -> int:
        """Give out the next number of `party` for decision `index` of that version of the case."""
        number = self.after.numbers.get(party, 0) + 1
        self.after.numbers[party] = number
        self.writes.records.append(NumberAssigned(sent_stream(party), number, case_id, decided_version, index))
        return number

    def park(self, party: str, record: InputRecord, refused: Refused, recorded_at: int) -> int:
        """Put a refused record on its publisher's list, with its reason code; return its number there."""
        number = self._next_parked(party)
        parked = RecordParked(
            parked_stream(party),
            number,
            refused.reason,
            refused.field,
            refused.fix,
            record.topic,
            record.partition,
            record.offset,
            recorded_at,
            record.key,
            record.value,
            tuple((name, value) for name, value in record.headers),
        )
        self.writes.records.append(parked)
        self.fresh_parked[party, number] = parked
        self.parked[party, refused.reason] = self.parked.get((party, refused.reason), 0) + 1
        return number

    def resolve(self, party: str, parked_version: int, outcome: str, at: int) -> None:
        """Record what became of a parked record."""
        version = self._next_parked(party)
        self.writes.records.append(ParkedResolved(parked_stream(party), version, parked_version, outcome, at))
        self.resolved[party, outcome] = self.resolved.get((party, outcome), 0) + 1

    def _next_parked(self, party: str) -> int:
        version = self.after.parked.get(party, 0) + 1
        self.after.parked[party] = version
        return version
