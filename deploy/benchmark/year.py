"""A year of releases, replayed: every municipality, every release, through the real publishers, shards and stores.

Rules:
- Only Kafka is replaced, by the broker in memory. Each day the agencies' records of that day arrive, then the clock
  ticks: what a shard does is what it does when it catches up with a day.
- Everything that was sent is accounted for: admitted, a repeat, or parked. What each party is told is counted and must
  be numbered without a hole; it is not kept, as a broker would not keep it.
- Indicators are worked out over all of it, from the stores, as `hub continuity indicators` does.

From `deploy.benchmark.lives`; `hub bench --year` prints what came out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from contracts.civil_time import day_number
from contracts.parties import Party, PartyRegistry
from contracts.topics import Names
from deploy.benchmark.life_facts import (
    DAYS_OF_RELEASES,
    FIRST_RELEASE,
    LONGEST_AFTER,
    LONGEST_BEFORE,
    MUNICIPAL_ROLES,
    STATE_PARTIES,
    Life,
    LifeFact,
    Outcome,
    municipality_code,
)
from deploy.benchmark.lives import life
from deploy.known_cases import read_case
from deploy.scenario.simulated_broker import SimulatedBroker, SimulatedControl, SimulatedInputs, SimulatedTransport
from deploy.stores import citizens_of
from hub.broker.ports import OutputRecord
from hub.consent.policies import Policies
from hub.continuity.measures import Release, releases_of
from hub.identity.pseudonyms import pseudonym
from hub.metrics import BatchCounts, Metrics
from hub.shard.reading import reader_for
from hub.shard.worker import Shard
from hub.store.keys import KeyStore
from hub.store.places import keys_path, store_path
from hub.store.ports import StoreIdentity
from hub.store.sqlite import create_store, open_for_reading, open_store
from hub.wiring import build_shard
from producers.publisher import Publisher

SECRET: Final = b"secret of a year, thirty-two byt"
DAY_MS: Final = 86_400_000
IDLE_WRITE_MS: Final = 60 * DAY_MS
"""Days on which nothing falls due are not worth a transaction each."""
HOLES: Final = "a party was told a number out of turn"
NAMES: Final = Names("year")

Progress = Callable[[int], object]
"""Told of days gone by, or of cases read."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a year is."""

    municipalities: int = 98
    releases: int = 80
    partitions: int = 8
    seed: int = 1

    @property
    def cases(self) -> int:
        """Citizens, one release each."""
        return self.municipalities * self.releases

    @property
    def days(self) -> int:
        """The days that are played."""
        return LONGEST_BEFORE + DAYS_OF_RELEASES + LONGEST_AFTER


@dataclass(slots=True)
class Counted:
    """What became of what was sent, and how long it took (seconds). `told`: effect -> records."""

    sent: int = 0
    admitted: int = 0
    repeats: int = 0
    parked: int = 0
    undecided: int = 0
    told: Counter[str] = field(default_factory=Counter)
    seconds_played: float = 0.0
    seconds_read: float = 0.0


class CountingOutputs:
    """Takes what one shard sends (`hub.broker.ports.Outputs`): checks the numbers, counts, and keeps nothing."""

    def __init__(self, told: Counter[str]) -> None:
        self._told = told
        self._last: dict[str, int] = {}
        self._confirmed: dict[str, int] = {}

    def send(self, records: Sequence[OutputRecord]) -> None:
        """Count `records`; raise `AssertionError` where a party's numbers have a hole."""
        for record in records:
            if record.number != self._last.get(record.party, 0) + 1:
                raise AssertionError(HOLES)
            self._last[record.party] = self._confirmed[record.party] = record.number
            self._told["retracted" if record.value is None else "disclosed"] += 1

    def taken(self) -> Mapping[str, int]:
        """Return the highest number taken per party."""
        return self._last

    def confirmed(self, wait_seconds: float = 0.0) -> Mapping[str, int]:
        """Return the highest number taken per party since the last call."""
        del wait_seconds
        confirmed, self._confirmed = self._confirmed, {}
        return confirmed

    def last_numbers(self, parties: Iterable[str]) -> Mapping[str, int]:
        """Nothing is kept, so nothing is known of what was told."""
        del parties
        return {}

    def stalled(self) -> Sequence[str]:
        """Nobody is ever out of reach."""
        return ()

    def pausing(self) -> Sequence[str]:
        """Nobody is."""
        return ()

    def close(self) -> None:
        """Nothing is held."""


class _Tally(Metrics):
    """Adds up what the shards say of their batches."""

    def __init__(self, counted: Counted) -> None:
        super().__init__()
        self._counted = counted

    def count(self, counts: BatchCounts) -> None:
        """Add what one batch did."""
        self._counted.admitted += sum(counts.admitted.values())
        self._counted.parked += sum(counts.parked.values())
        self._counted.repeats += counts.repeats
        self._counted.undecided += counts.undecided

    def observe(self, shard: int, clock: int, newest_tick: int, lag_records: int) -> None:
        """Nobody watches a replay: what is told of 600 parties at every step would be most of its time."""

    def observe_unsent(self, shard: int, unsent: Mapping[str, tuple[int, float]]) -> None:
        """As with `observe`."""


def registry_of(size: Size) -> PartyRegistry:
    """The state's parties, and those of every municipality."""
    municipal = (f"{municipality_code(n)}.{role}" for n in range(size.municipalities) for role in MUNICIPAL_ROLES)
    providers = (".ADD", "PHE", "PSY")
    return PartyRegistry.of(Party(party, party.endswith(providers)) for party in (*STATE_PARTIES, *municipal))


def lives_of(size: Size) -> Iterator[Life]:
    """Every life of the year."""
    for number in range(size.municipalities):
        for release in range(size.releases):
            yield life(size.seed, municipality_code(number), release)


class Year:
    """One year in the directory that is given; played once, then read as often as wanted."""

    def __init__(self, size: Size, directory: Path) -> None:
        self.size, self.counted = size, Counted()
        self._directory, self._registry = directory, registry_of(size)
        self._broker = SimulatedBroker(size.partitions)
        self._broker.create_topics(NAMES, self._registry)
        self._control = SimulatedControl(self._broker, NAMES, "year")
        self._publishers: dict[str, Publisher] = {}

    def play(self, progress: Progress) -> None:
        """Send every day's records and let the shards work them off, day by day."""
        by_day: dict[int, list[tuple[Life, LifeFact]]] = {}
        for one in lives_of(self.size):
            for fact in one.facts:
                by_day.setdefault(fact.recorded_at // DAY_MS, []).append((one, fact))
        first = day_number(FIRST_RELEASE - timedelta(days=LONGEST_BEFORE))
        if by_day and not first <= min(by_day) <= max(by_day) < first + self.size.days:
            raise AssertionError("a life reaches beyond the days that are played")
        enrolled: set[str] = set()
        keys = self._new_stores()
        shards = [self._shard(number, keys) for number in range(self.size.partitions)]
        began = time.perf_counter()
        for day in range(first, first + self.size.days):
            self._send(day, by_day.get(day, ()), enrolled)
            for shard in shards:
                while shard.step(0.0):
                    pass
            progress(1)
        self.counted.seconds_played = time.perf_counter() - began
        for shard in shards:
            shard.close()
        keys.close()

    def releases(self, progress: Progress) -> list[Release]:
        """Read every case and return what its releases say."""
        policies = Policies.load(self._registry)
        reader, found = reader_for(policies), list[Release]()
        keys = KeyStore.in_file(keys_path(self._directory), SECRET, read_only=True)
        began = time.perf_counter()
        stores = [open_for_reading(store_path(self._directory, number), keys) for number in range(self.size.partitions)]
        for store, case_id in citizens_of(SECRET, stores):
            read = read_case(store, case_id, policies, reader, lambda _, clock: clock, store.head().clock)
            found += releases_of(read.known, case_id)
            progress(1)
        for store in stores:
            store.close()
        self.counted.seconds_read = time.perf_counter() - began
        keys.close()
        return found

    def differing(self, releases: Iterable[Release]) -> list[str]:
        """Return the cases of which the indicators say otherwise than what their life was drawn to come to."""
        said = {release.person: _outcome_said(release) for release in releases}
        drawn = {one.case_id: (one.municipality, one.outcome) for one in lives_of(self.size)}
        return sorted(case for case in said.keys() | drawn.keys() if said.get(case) != drawn.get(case))

    def _new_stores(self) -> KeyStore:
        keys_file = keys_path(self._directory)
        keys_file.parent.mkdir(parents=True, exist_ok=True)
        keys = KeyStore.create(keys_file, SECRET)
        for number in range(self.size.partitions):
            path = store_path(self._directory, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            create_store(path, self._identity(number), keys).close()
        return keys

    def _identity(self, number: int) -> StoreIdentity:
        return StoreIdentity("simulated", NAMES.world, number, self.size.partitions)

    def _shard(self, number: int, keys: KeyStore) -> Shard:
        shard = build_shard(
            shard=number,
            partitions=self.size.partitions,
            registry=self._registry,
            names=NAMES,
            secret=SECRET,
            store=open_store(store_path(self._directory, number), self._identity(number), keys),
            inputs=SimulatedInputs(self._broker, NAMES, self._registry, number),
            outputs=CountingOutputs(self.counted.told),
            channel=SimulatedControl(self._broker, NAMES, "merges"),
            metrics=_Tally(self.counted),
            idle_write_ms=IDLE_WRITE_MS,
        )
        shard.start()
        return shard

    def _send(self, day: int, due: Iterable[tuple[Life, LifeFact]], enrolled: set[str]) -> None:
        self._broker.clock = day * DAY_MS
        ordered = sorted(due, key=lambda pair: pair[1].recorded_at)
        for one, _ in ordered:
            if one.case_id not in enrolled:
                enrolled.add(one.case_id)
                self._enrol(one)
        for one, fact in ordered:
            self._state(one, fact)
        self._broker.clock = (day + 1) * DAY_MS - 1
        for number in range(self.size.partitions):
            self._control.publish(number, "ShardTicked", {})

    def _enrol(self, one: Life) -> None:
        shard = self._shard_of(one.case_id)
        born = {"caseId": one.case_id, "birthDate": day_number(one.born), "jurisdiction": "DK"}
        self._control.publish(shard, "CitizenEnrolled", born)
        for party in sorted(one.publishers):
            issued = {"caseId": one.case_id, "party": party, "key": self._key(one.case_id, party)}
            self._control.publish(shard, "KeyIssued", issued)

    def _state(self, one: Life, fact: LifeFact) -> None:
        publisher = self._publishers.get(fact.party)
        if publisher is None:
            secret = fact.party.encode().ljust(32, b"\x01")
            transport = SimulatedTransport(self._broker)
            publisher = self._publishers[fact.party] = Publisher(fact.party, transport, secret, "year", NAMES)
        about = f"{one.case_id}-of-nobody" if fact.key_of_nobody else one.case_id
        key = self._key(about, fact.party, self._shard_of(one.case_id))
        reference = f"{one.case_id}/{fact.reference}"
        self.counted.sent += 1
        if fact.retracts:
            publisher.retract(
                fact.retracts,
                reference,
                key=key,
                reason="NOT_OCCURRED",
                at=fact.occurred_at,
                published_at=fact.recorded_at,
                timestamp_ms=fact.recorded_at,
            )
            return
        publisher.publish_values(
            fact.event_type,
            fact.values,
            occurred_at=fact.occurred_at,
            key=key,
            source_ref=reference,
            revision=fact.revision,
            published_at=fact.recorded_at,
            timestamp_ms=fact.recorded_at,
        )

    def _shard_of(self, case_id: str) -> int:
        return int(case_id[:8], 16) % self.size.partitions

    def _key(self, case_id: str, party: str, shard: int | None = None) -> str:
        place = self._shard_of(case_id) if shard is None else shard
        return pseudonym(SECRET, case_id, party, place, self.size.partitions)


def _outcome_said(release: Release) -> tuple[str, Outcome]:
    """What the indicators say of a release, in the words of the lives."""
    days, yes = release.spreads["I2_days"], 0
    return release.municipality, Outcome(
        release.kind,
        release.month,
        None if days is None else int(days),
        release.bands["I1_person"],
        release.bands["I18_returned"] or 0,
        release.bands["I11_without_housing"] == yes,
        release.bands["I11_without_income"] == yes,
    )
