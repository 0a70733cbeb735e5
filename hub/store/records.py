"""What the store holds: the closed list of event classes, each on its stream.

    case:<id>       CitizenEnrolled or GovernanceOpened (version 1), FactRecorded, DecisionsRecorded, MergeStepped,
                    ToldElsewhere
    sent:<party>    NumbersAssigned: runs of the party's dense numbers in this shard, version = the last of a run;
                    NumbersSkipped: numbers that were told by a later state of this store, which is lost
    parked:<party>  RecordParked, ParkedResolved; NumbersSkipped: numbers that a later state had used up
    keys:<party>    SigningKeyChanged
    resync:<party>  ResyncStepped: the last one says how far it has come
    batches         BatchCommitted, version n+1 is the fence
    rules           RulesAdopted

Rules:
- Only these classes are ever read back (an allow-list, checked before anything is decoded).
- Rows of a case are encrypted under the case's key; a parked record under a key of its own. The others hold no
  content and no personal data.
- Times are milliseconds; a mask is a set of categories (`contracts.categories`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

BATCHES = "batches"
RULES = "rules"

Shown = tuple[tuple[str, int], ...]
"""What a party may see of one fact: (basis, category mask), sorted by basis; empty = nothing."""


def case_stream(case_id: str) -> str:
    """The stream of one case."""
    return f"case:{case_id}"


def sent_stream(party: str) -> str:
    """The stream of numbers given out to one party."""
    return f"sent:{party}"


def parked_stream(party: str) -> str:
    """The stream of what was refused of one party's topic."""
    return f"parked:{party}"


def keys_stream(party: str) -> str:
    """The stream of what became of one party's signing keys."""
    return f"keys:{party}"


def resync_stream(party: str) -> str:
    """The stream of one party's resyncs."""
    return f"resync:{party}"


class CitizenEnrolled(NamedTuple):
    """The first record of a case. `birth_date` is a day number."""

    originator_id: str
    originator_version: int
    recorded_at: int
    birth_date: int
    jurisdiction: str


class GovernanceOpened(NamedTuple):
    """The first record of a timeline that is about no citizen: how the hub itself is governed in a jurisdiction."""

    originator_id: str
    originator_version: int
    recorded_at: int
    jurisdiction: str


class Origin(NamedTuple):
    """The case from which a fact was forwarded in a merge, and when the hub first recorded it.

    `is_judged`: what it refers to was looked for; in a closed case that is left to the one into which it was merged.
    """

    case_id: str
    recorded_at: int
    is_judged: bool = True


class FactRecorded(NamedTuple):
    """A fact as published: `value` is the Avro body (without frame) under schema `schema_id`.

    `recorded_at` is when this case got it; where it came from another case, `origin` has the original time beside it.
    `signing_key` is the id of the key that signed it, empty where nothing did: for auditors, shown to no receiver.
    """

    originator_id: str
    originator_version: int
    event_id: str
    event_type: str
    party: str
    source: str
    schema_id: int
    occurred_at: int
    published_at: int
    recorded_at: int
    corrects: str | None
    correlation: str | None
    causation: str | None
    value: bytes
    origin: Origin | None = None
    signing_key: str = ""


class MergeStepped(NamedTuple):
    """One step of a merge of this case and `other`, which lies on `other_shard`.

    Of the losing case: `merged` (closed from now on), `leaving` (the merge is taken back), `reopened`. Of the winning
    one: `joining` (facts come), `joined` (all are here), `left` with the `event_ids` that went with it. Of either:
    `removed` (what it took back for `other` is confirmed on every receiver's topic), `confirmed` (`other` said so of
    itself). `change` counts the merges and leavings of the losing case; each step belongs to one of them. A step that
    follows from a word of `other` has the version of its record from which that word follows; others have 0.
    """

    originator_id: str
    originator_version: int
    recorded_at: int
    step: str
    other: str
    other_shard: int
    event_ids: tuple[str, ...] = ()
    change: int = 0
    told_version: int = 0


class ToldElsewhere(NamedTuple):
    """What a case hands over in a merge with the fact `event_id`: whom `other` told of it before.

    `told`: each such party, and what it was shown on bases that rest on consents of whose ending it had not been told.
    """

    originator_id: str
    originator_version: int
    recorded_at: int
    event_id: str
    other: str
    told: tuple[tuple[str, Shown], ...]


class Decision(NamedTuple):
    """What `party` may see of the fact at `fact_version` of the case's stream.

    `number` is the number under which it was told; 0 where nothing was sent (only the basis changed).
    """

    fact_version: int
    party: str
    shown: Shown
    number: int


class DecisionsRecorded(NamedTuple):
    """One settlement of a case: every decision that differs from the one before. `clock` is the time decided for.

    `rule_set`, `registry` and `agreements` are digests of what was decided by; the last is empty where no agreement
    was in force.
    """

    originator_id: str
    originator_version: int
    clock: int
    rule_set: str
    registry: str
    decisions: tuple[Decision, ...]
    agreements: str = ""


class NumberAssigned(NamedTuple):
    """Number `originator_version` of a party: decision `decision_index` in version `decided_version` of a case."""

    originator_id: str
    originator_version: int
    case_id: str
    decided_version: int
    decision_index: int


class NumbersAssigned(NamedTuple):
    """A run of numbers as the store keeps it: one row. `originator_version` is its last number."""

    originator_id: str
    originator_version: int
    numbers: tuple[NumberAssigned, ...]

    @property
    def first(self) -> int:
        """The first number of the run."""
        return self.originator_version - len(self.numbers) + 1


class NumbersSkipped(NamedTuple):
    """The numbers from `first` to `originator_version` of a party stand for nothing that this store knows of.

    The store went back: they were told by what it had been, and that is lost. The last of them was told to nobody, so
    that every receiver meets a gap here and begins anew at the resync that is asked for with it. Among parked records:
    what was parked and resolved under them is lost with their keys.
    """

    originator_id: str
    originator_version: int
    recorded_at: int
    first: int

    @property
    def numbers(self) -> tuple[NumberAssigned, ...]:
        """None: they are given to nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class RecordParked:
    """A refused record: why (`reason`, `field`, `fix`), where it came from, and its raw bytes, encrypted."""

    originator_id: str
    originator_version: int
    reason: str
    field: str
    fix: str
    topic: str
    partition: int
    offset: int
    recorded_at: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class ParkedResolved:
    """The parked record of version `parked_version` was admitted, given up or parked anew. Its key is destroyed."""

    originator_id: str
    originator_version: int
    parked_version: int
    outcome: str
    recorded_at: int


@dataclass(frozen=True, slots=True)
class BatchCommitted:
    """One batch: the shard clock and the next offset to read of each topic. Its version is the fence.

    `owner` is drawn when a worker takes the shard: it tells our own stored batch from another owner's. `seal` is over
    all rows of the batch (`hub.store.batch_seal`): the store makes it, and a batch without one was stored before there
    were any.
    """

    originator_id: str
    originator_version: int
    owner: str
    clock: int
    positions: Mapping[str, int]
    seal: bytes = field(default=b"", compare=False)


class RulesAdopted(NamedTuple):
    """From this batch on, cases are settled under these rules and parties (`Policies.digest`); all of them were due.

    Decisions cite rule sets and registry by their digests: the texts are here, so that what is cited can be read again.
    """

    originator_id: str
    originator_version: int
    recorded_at: int
    digest: str
    rule_sets: tuple[bytes, ...] = ()
    registry: bytes = b""


def cited_digest(text: bytes) -> str:
    """Return what decisions cite a text by that was adopted: its SHA-256, in hex."""
    return hashlib.sha256(text).hexdigest()


class SigningKeyChanged(NamedTuple):
    """What became of a signing key of a party: `change` is `registered`, `rotated` (in) or `revoked`.

    `key_id` is the key that it is about, `public_key` its 32 bytes; none where it was revoked before it was known. Of a
    rotation, `old_key_id` is the key that is superseded by it and `proof` that key's signature; else they are empty. It
    counts from `recorded_at` on.
    """

    originator_id: str
    originator_version: int
    recorded_at: int
    change: str
    key_id: str
    public_key: bytes
    old_key_id: str = ""
    proof: bytes = b""


class ResyncStepped(NamedTuple):
    """One step of a resync of a party, with all that going on from there needs; `step` is one of `hub.shard.resyncing`.

    `request` and `asked_at` (milliseconds) are those of the request, `number` that of the mark with which it begins (0
    before it is given). Of the party's cases, in the order of its own keys, all up to `reached` are told anew, but for
    those in `left`, which could not be decided.
    """

    originator_id: str
    originator_version: int
    recorded_at: int
    step: str
    request: str
    asked_at: int
    number: int = 0
    reached: str = ""
    left: tuple[str, ...] = ()


CaseRecord = CitizenEnrolled | GovernanceOpened | FactRecorded | DecisionsRecorded | MergeStepped | ToldElsewhere
Record = (
    CaseRecord
    | NumberAssigned
    | NumbersSkipped
    | RecordParked
    | ParkedResolved
    | BatchCommitted
    | RulesAdopted
    | SigningKeyChanged
    | ResyncStepped
)
"""What a batch gives to the store and gets back from it."""

StoredRecord = Record | NumbersAssigned
"""What lies in one row: a number lies in the row of its run."""

Run = NumbersAssigned | NumbersSkipped
"""The rows that stand for more than one version of their stream, from `first` on."""
