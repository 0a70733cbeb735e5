"""Where every record went: the accounts of one shard, kept beside it from what lies on the topics and in the store.

Rules:
- Whenever a batch moves a position, each record that it moved past is found again at once: as the one fact of its
  event id, parked under its place, as the exact repeat of one found before, or as a control record.
- A record that is parked again stands in the place of the one before it; once admitted it is no longer parked.
- A parked record expires when it has been kept for the whole period, and not before.
- What the metrics counted is compared with what was found, batch by batch.

Plain code over headers, bytes and stored records; it asks nothing of the rooms that it checks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hub.broker.ports import InputRecord
from hub.continuity.clock_terms import clock_terms
from hub.metrics import BatchCounts
from hub.store.records import (
    BatchCommitted,
    FactRecorded,
    ParkedResolved,
    RecordParked,
    StoredRecord,
)
from tests.simulator.invariants import ACCOUNTED, COUNTED, DENSE, ONCE, ONWARD
from tests.simulator.machine import require, violate

FRAME_BYTES: Final = 5
HUB: Final = "HUB"
ADMITTED: Final = "admitted"
PARKED_AGAIN: Final = "parked_again"
EXPIRED: Final = "expired"
TICK: Final = "ShardTicked"
SIGN_OF_LIFE: Final = "PublisherAlive"
KEPT_MS: Final = clock_terms().parked_for_seconds * 1_000
Place = tuple[str, int]
"""Topic and offset."""
Log = Sequence[InputRecord]


@dataclass(slots=True)
class Found:
    """What one batch did with the records that it moved past."""

    accepted: int = 0
    repeats: int = 0
    parked: int = 0
    controls: int = 0
    resolved: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Parked records that were resolved, by (party, outcome)."""
    of_the_hub: int = 0
    """Records of the hub's own input that ask for something: anything but a tick."""


@dataclass(slots=True)
class Accounts:
    """The accounts of one shard. `parties`: topic -> the party whose it is; the hub's own topic is the hub's."""

    parties: Mapping[str, str]
    facts: dict[str, FactRecorded] = field(default_factory=dict)
    """Every fact of this shard's timelines, by event id."""
    claimed: dict[str, InputRecord] = field(default_factory=dict)
    """Event id -> the record that is its fact."""
    parked: dict[tuple[str, int], RecordParked] = field(default_factory=dict)
    """(Stream, version) -> a parked record."""
    resolved: dict[tuple[str, int], str] = field(default_factory=dict)
    """(Stream, version) of a parked record -> what became of it."""
    places: Counter[Place] = field(default_factory=Counter)
    """How often the record of a place was parked."""
    positions: dict[str, int] = field(default_factory=dict)
    heads: Counter[str] = field(default_factory=Counter)
    clock: int = 0
    since: dict[Place, int] = field(default_factory=dict)
    """When the record of a place was first parked."""

    def copy(self) -> Accounts:
        """The same accounts, to go on from separately."""
        return Accounts(
            self.parties, dict(self.facts), dict(self.claimed), dict(self.parked), dict(self.resolved),
            Counter(self.places), dict(self.positions), Counter(self.heads), self.clock,
            dict(self.since),
        )  # fmt: skip

    def stored(self, records: Iterable[StoredRecord], committed: BatchCommitted, logs: Mapping[str, Log]) -> Found:
        """Take in a batch that has just been stored, and account for every record that it moved past."""
        found = Found()
        for record in records:
            self._note(record)
            if isinstance(record, ParkedResolved):
                found.resolved[record.originator_id.removeprefix("parked:"), record.outcome] += 1
                parked = self.parked[record.originator_id, record.parked_version]
                if record.outcome == ADMITTED:
                    self.claimed.setdefault(self._event_id(parked, logs), logs[parked.topic][parked.offset])
                age = record.recorded_at - self.since[parked.topic, parked.offset]
                right = (record.outcome == EXPIRED) == (age >= KEPT_MS)
                require(right, ACCOUNTED, f"a record parked for {age} ms is {record.outcome}")
        require(committed.clock >= self.clock, ONWARD, f"the clock goes from {self.clock} to {committed.clock}")
        self.clock = committed.clock
        for topic, position in committed.positions.items():
            before = self.positions.get(topic, 0)
            require(before <= position, ONWARD, f"position {position} of {topic} after {before}")
            require(position <= len(logs[topic]), ACCOUNTED, f"position {position} of {topic} is beyond its log")
            for one in logs[topic][before:position]:
                self._account(one, found)
            self.positions[topic] = position
        return found

    def _note(self, record: StoredRecord) -> None:
        stream, version = record.originator_id, record.originator_version
        first = getattr(record, "first", version)
        require(first == self.heads[stream] + 1, DENSE, f"{stream} goes from {self.heads[stream]} to {first}")
        self.heads[stream] = version
        if isinstance(record, FactRecorded):
            require(record.event_id not in self.facts, ONCE, f"{record.event_id} in {stream} again")
            self.facts[record.event_id] = record
        elif isinstance(record, RecordParked):
            self.parked[stream, version] = record
            self.places[record.topic, record.offset] += 1
            self.since.setdefault((record.topic, record.offset), record.recorded_at)
        elif isinstance(record, ParkedResolved):
            target = (stream, record.parked_version)
            require(target in self.parked and target not in self.resolved, ACCOUNTED, f"{target} is resolved twice")
            self.resolved[target] = record.outcome

    def _account(self, record: InputRecord, found: Found) -> None:
        place, party = (record.topic, record.offset), self.parties[record.topic]
        name = _kind(record)
        if party == HUB and name != TICK:
            found.of_the_hub += 1
        if self.places[place]:
            found.parked += 1
        elif party == HUB or name == SIGN_OF_LIFE:
            found.controls += 1
        else:
            self._fact(record, f"{party}/{_header(record, 'ce_id')}", found)

    def _fact(self, record: InputRecord, event_id: str, found: Found) -> None:
        fact = self.facts.get(event_id)
        where = f"{record.topic} {record.offset}"
        if fact is None:
            violate(ACCOUNTED, f"{where} was passed over: in no timeline, not parked")
        require((record.value or b"")[FRAME_BYTES:] == fact.value, ACCOUNTED, f"{where} is stored with other content")
        claimed = self.claimed.setdefault(event_id, record)
        if claimed is record:
            found.accepted += 1
        else:
            require((claimed.key, claimed.value) == (record.key, record.value), ACCOUNTED, f"{where} is no repeat")
            found.repeats += 1

    def counted(self, found: Found, counts: BatchCounts) -> None:
        """Compare what the metrics say of a batch with what was found of it."""
        require(counts.resolved == found.resolved, COUNTED, f"resolved: {counts.resolved}, found {found.resolved}")
        if found.of_the_hub:
            return  # retries and enrolments count for records of earlier batches
        said = (sum(counts.admitted.values()), counts.repeats, sum(counts.parked.values()))
        really = (found.accepted, found.repeats, found.parked)
        require(said == really, COUNTED, f"(accepted, repeats, parked) counted {said}, found {really}")

    def left_unread(self, logs: Mapping[str, Log]) -> str:
        """A topic of which something is not read; ticks that change nothing are not worth a batch."""
        for topic, log in logs.items():
            if any(_kind(record) != TICK for record in log[self.positions.get(topic, 0) :]):
                return topic
        return ""

    def close(self, logs: Mapping[str, Log]) -> None:
        """At the end: all is read, each parked record is parked once, and no fact came from nowhere."""
        left = self.left_unread(logs)
        require(not left, ACCOUNTED, f"{left} is not read to its end")
        again = Counter(
            (self.parked[target].topic, self.parked[target].offset)
            for target, outcome in self.resolved.items()
            if outcome == PARKED_AGAIN
        )
        for place, times in self.places.items():
            require(times - again[place] == 1, ACCOUNTED, f"{place} is parked {times - again[place]} times")
        for place in self.open():
            age = self.clock - self.since[place]
            require(age < KEPT_MS, ACCOUNTED, f"{place} has been parked for {age} ms and did not expire")
        lost = sorted(each for each in self.claimed.keys() - self.facts.keys() if not each.startswith(HUB))
        require(not lost, ACCOUNTED, f"{lost[:3]} were parked, are resolved as admitted, and are in no timeline")
        strange = sorted(each for each, fact in self.facts.items() if fact.party != HUB and each not in self.claimed)
        require(not strange, ACCOUNTED, f"{strange[:3]} came from no record")

    def open(self) -> dict[Place, tuple[str, int]]:
        """The records that are parked and not resolved: place -> (stream, version)."""
        left = self.parked.keys() - self.resolved.keys()
        return {(self.parked[target].topic, self.parked[target].offset): target for target in left}

    def _event_id(self, parked: RecordParked, logs: Mapping[str, Log]) -> str:
        record = logs[parked.topic][parked.offset]
        return f"{self.parties[parked.topic]}/{_header(record, 'ce_id')}"


def _header(record: InputRecord, wanted: str) -> str:
    return next((value.decode("ascii", "replace") for name, value in record.headers if name == wanted), "")


def _kind(record: InputRecord) -> str:
    """The event type that a record says it is of."""
    parts = _header(record, "ce_type").split(".")
    return parts[-2] if len(parts) > 1 else ""
