"""What the shard asks of its store; SQLite, PostgreSQL or memory, the same suite for every one.

Rules:
- `commit` is one transaction: all of `BatchWrites` or nothing. The fence is the `BatchCommitted` in it, whose
  version is one more than the last: a stale owner gets `FencedOff` and nothing of its batch is stored.
- A store is made by command, never by opening. Opening one made for another cluster, shard or number of
  partitions raises `ForeignStore`.
- Cache rows are disposable: lost or wrong ones cost time, never truth. They hold facts of a case, so the store
  encrypts each under its case's key like the case's records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from contracts.failures import NotFound, StoreFailure
from hub.store.records import (
    BatchCommitted,
    CaseRecord,
    NumberAssigned,
    ParkedResolved,
    Record,
    RecordParked,
    ResyncStepped,
    RulesAdopted,
    SigningKeyChanged,
)

RESTORE: Final = "restore the store from its newest copy; where a shard then says that it is older, `hub store skip`"
"""What to do about a store that is damaged: a copy is older than what was told from it."""


class Erased(NotFound):
    """The key of what is asked for was destroyed: it is gone for ever."""


class ErasedMeanwhile(StoreFailure):
    """What a shard holds in memory was erased since it was read. Who begins anew from the store learns it there."""

    retriable = True


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """What a store was made for. `topic_ids` are Kafka's own ids of the input topics known at creation."""

    cluster_id: str
    world: str
    shard: int
    partitions: int
    topic_ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Head:
    """Where the store stands: last batch, clock, positions, last version of each `sent:`/`parked:` stream.

    `rules_version` and `rules` are the last adoption of rules, 0 and empty where there is none. `heard`: when each
    party gave its last sign of life, as far as it gave one.
    """

    batch: int
    clock: int
    positions: Mapping[str, int]
    numbers: Mapping[str, int]
    parked: Mapping[str, int]
    rules_version: int = 0
    rules: str = ""
    heard: Mapping[str, int] = field(default_factory=dict)


class OpenReview(NamedTuple):
    """Something owed about an emergency access: `kind` of the reminder and, in milliseconds, when it is overdue."""

    kind: str
    due: int


class Forwarding(NamedTuple):
    """What `case_id` has to tell `other`, a case of `shard`, in a merge: its stream up to version `up_to` says it.

    `sent` messages are confirmed, all of them up to version `done`.
    """

    case_id: str
    other: str
    shard: int
    up_to: int
    sent: int = 0
    done: int = 0


WAITS_FOR_MERGE: Final = 1
WAITS_FOR_CONSENT: Final = 2
WAITS_FOR_ITS_TIME: Final = 3


class Promise(NamedTuple):
    """What must have reached `party` before the withdrawal `event_id` of a case is acknowledged: all up to `number`.

    Where `party` is the hub itself, which is told nothing, `number` says what the case waits for beside: nothing (0),
    what another case takes back in a merge (`WAITS_FOR_MERGE`), a consent of the id that is withdrawn
    (`WAITS_FOR_CONSENT`), the moment from which the withdrawal counts (`WAITS_FOR_ITS_TIME`).
    """

    event_id: str
    party: str
    case_id: str
    number: int


class Removal(NamedTuple):
    """What must have reached `party` before `other` hears that a case has removed all: everything up to `number`.

    `change` is that of the step of the merge in which the case took it back.
    """

    step: str
    party: str
    case_id: str
    other: str
    other_shard: int
    change: int
    number: int


def removal_step(case_id: str, other: str, change: int) -> str:
    """Names the step of a merge in which a case takes something back."""
    return f"{case_id}/{other}/{change}"


class Obligation(NamedTuple):
    """What `party` owes about a case: a receipt for the notice `event_id`; overdue from `due` on (milliseconds)."""

    event_id: str
    case_id: str
    party: str
    due: int


class OpenParked(NamedTuple):
    """A parked record that is not resolved, and what its retry has to know of it. Nothing of it says what it states.

    `first` and `since` are the number and the time (milliseconds) under which it was first parked; it keeps both when
    it is parked again. The others are digests under the hub's secret, empty where the record does not say: its `line`
    (publisher and key), the `event` that it states, the same with its type (`typed`), the consent that it `gives`, and
    the parked consent that it `waits_for`.
    """

    party: str
    number: int
    first: int
    since: int
    line: str = ""
    event: str = ""
    typed: str = ""
    gives: str = ""
    waits_for: str = ""

    @property
    def place(self) -> str:
        """Its name among the open ones."""
        return parked_place(self.party, self.number)


def parked_place(party: str, number: int) -> str:
    """The name of one parked record among those that are not resolved."""
    return f"{party}/{number}"


@dataclass(slots=True)
class BatchWrites:
    """Everything that one batch stores. `due` maps a case to its next due instant, or `None` for none any more."""

    committed: BatchCommitted
    records: list[Record] = field(default_factory=list)
    digests: dict[str, bytes] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    due: dict[str, int | None] = field(default_factory=dict)
    cache_rows: dict[str, bytes] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    """Parties that gave a sign of life, and when it was recorded."""
    open_reviews: dict[str, tuple[OpenReview, ...]] = field(default_factory=dict)
    """Cases whose open reviews are others than before, with what is open now."""
    forwarding: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """(Case, other case) of a merge -> (shard of the other, version up to which the other has to be told)."""
    promises: dict[str, tuple[Promise, ...]] = field(default_factory=dict)
    """Withdrawals by event id, with what must be confirmed of each; nothing where it is known to be kept."""
    removals: dict[str, tuple[Removal, ...]] = field(default_factory=dict)
    """Steps of merges, with what must be confirmed of each; nothing where it is known to be."""
    obligations: dict[str, Obligation | None] = field(default_factory=dict)
    """Notices by event id, with what is owed for each; `None` where it was answered."""
    open_parked: dict[str, OpenParked | None] = field(default_factory=dict)
    """Parked records by their place; `None` where one was resolved."""
    sent: dict[str, int] = field(default_factory=dict)
    """Send positions that move with the batch: where numbers are skipped, there is nothing to send up to there."""


class ShardStore(Protocol):
    """The store of one shard."""

    def head(self) -> Head:
        """Read where the store stands; an empty store has batch 0, clock 0 and no positions."""

    def commit(self, writes: BatchWrites) -> None:
        """Store a batch in one transaction. Raises `FencedOff`; success also where the commit was already stored.

        Raises `Erased`, and stores nothing, where a case of which it holds a record was erased since it was read.
        """

    def case_records(self, case_id: str, after_version: int = 0) -> Iterator[CaseRecord]:
        """The records of a case in version order."""

    def case_record(self, case_id: str, version: int) -> CaseRecord:
        """One record of a case; raises `NotFound`."""

    def case_records_at(self, places: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], CaseRecord]:
        """The records at many (case, version) places in one read; raises `NotFound` where one is not there."""

    def cases(self) -> Iterator[str]:
        """Every case id of the shard."""

    def cases_of(self, keys: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """The case of each (party, key) that is known."""

    def keys_of(self, party: str, after: str, limit: int) -> Sequence[tuple[str, str]]:
        """The (key, case) pairs of one party whose key comes after `after`, in the order of keys."""

    def digests(self, event_ids: Iterable[str]) -> Mapping[str, bytes]:
        """The stored digest of each event id that is known."""

    def due(self, up_to: int, limit: int) -> Sequence[tuple[int, str]]:
        """The (instant, case) pairs due at or before `up_to`, earliest first."""

    def due_of(self, case_ids: Iterable[str]) -> Mapping[str, int]:
        """The due instant of each case that has one."""

    def next_due(self) -> int | None:
        """The earliest due instant of the shard."""

    def cache_rows(self, case_ids: Iterable[str]) -> Mapping[str, bytes]:
        """The cache row of each case that has one."""

    def open_reviews(self) -> Mapping[str, tuple[OpenReview, ...]]:
        """What is owed about emergency access, by case."""

    def forwardings(self) -> Sequence[Forwarding]:
        """What cases have to tell others in merges and is not all confirmed yet."""

    def promises(self) -> Mapping[str, tuple[Promise, ...]]:
        """The withdrawals that were not acknowledged yet, by event id, with what must be confirmed of each."""

    def removals(self) -> Mapping[str, tuple[Removal, ...]]:
        """The steps of merges that took back what is not known to be confirmed yet, with what must be of each."""

    def obligations(self) -> Mapping[str, Obligation]:
        """The receipts that are owed, by the event id of the notice."""

    def erased_cases(self) -> Collection[str]:
        """Every case whose key was destroyed, of any shard."""

    def open_parked(self) -> Sequence[OpenParked]:
        """The parked records that are not resolved, by party and number."""

    def destroyed_parked(self) -> Sequence[tuple[str, int]]:
        """Party and number of every parked record that was ever resolved: its key is destroyed for ever.

        That follows the batch that resolved it. So where this store does not know of it, the store went back.
        """

    def record_forwarded(self, case_id: str, other: str, sent: int, done: int) -> None:
        """Note that `sent` messages of `case_id` to `other` are confirmed, all of them up to version `done`."""

    def numbers(self, party: str, after: int, limit: int) -> Sequence[NumberAssigned]:
        """The numbers of a party after `after`, in order."""

    def was_skipped(self, party: str, number: int) -> bool:
        """Whether a skip ended with this number of a party (`NumbersSkipped`)."""

    def send_positions(self) -> Mapping[str, int]:
        """The last confirmed number per party."""

    def record_send_positions(self, positions: Mapping[str, int]) -> None:
        """Move send positions; one never goes back."""

    def parked(self, party: str | None = None) -> Iterator[tuple[RecordParked, ParkedResolved | None]]:
        """Parked records (of one party), each with its outcome if it has one; read as they are asked for."""

    def parked_record(self, party: str, version: int) -> RecordParked:
        """One parked record that is not resolved yet; raises `NotFound`."""

    def signing_keys(self, party: str | None = None) -> Sequence[SigningKeyChanged]:
        """What became of the signing keys of every party, or of one, in the order in which it was recorded."""

    def resyncs(self) -> Mapping[str, ResyncStepped]:
        """The last step of every party's last resync, by party."""

    def adoptions(self) -> Iterator[RulesAdopted]:
        """Every adoption of rules and parties, in order."""

    def close(self) -> None:
        """Release the connection."""
