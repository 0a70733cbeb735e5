"""Mutants on the topics of a whole shard: each is dealt with, once, and the next good record is admitted.

Rules:
- What parties send is admitted, parked under one reason, or a counted repeat: the sums agree.
- What stands on the hub's own input may change cases by its right; it never stops the shard, and nothing of it is
  skipped. The case of the good records is none that it names.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from contracts.topics import HUB_PARTY
from tests.fuzz.arrival import Found
from tests.fuzz.mutations import changed
from tests.fuzz.records import Mutant, control_records, good_records
from tests.safety.stories import DIARY, PARTIES
from tests.shard.harness import CASE, DAY_MS, OTHER_CASE, ShardUnderTest

GOOD_AFTER: Final = 100
_LONG_AGO: Final = (-1, 0, 1_000_000)


def of_parties(directory: Path, count: int, seed: int = 0) -> Found:
    """Put `count` mutants on the topics of the parties, good records among them, and see what became of each."""
    found, rng = Found(), Random(seed)
    hub = _hub(directory)
    for number in range(count):
        one = changed(good_records(), rng)
        key = hub.key(one.party).encode() if one.key and rng.random() < 0.8 else one.key
        _append(hub, one, key, rng)
        _good_one_now_and_then(hub, number, f"{seed}/{number}", found)
    hub.settle()
    counted = hub.shard.metrics
    admitted = sum(counted.ingested.labels(party)._value.get() for party in (*PARTIES, HUB_PARTY))
    found.outcomes["admitted or repeated"] = int(admitted + counted.repeats._value.get()) - count // GOOD_AFTER
    found.outcomes.update(record.reason for record in hub.parked())
    if found.outcomes.total() != count:
        found.faults.append(f"{count} mutants, {found.outcomes.total()} outcomes")
    _see_that_all_is_read(hub, found)
    return found


def of_the_hub(directory: Path, count: int, seed: int = 0) -> Found:
    """Put `count` mutants of control records and forwarded facts on the hub's own input, as a hostile user would."""
    found, rng = Found(), Random(seed)
    hub = _hub(directory)
    for number in range(count):
        _append(hub, changed(control_records(), rng), None, rng)
        _good_one_now_and_then(hub, number, f"{seed}/{number}", found)
    hub.settle()
    found.outcomes.update(record.reason for record in hub.parked())
    places = Counter((record.topic, record.offset) for record, resolved in hub.store.parked() if resolved is None)
    if twice := sum(times > 1 for times in places.values()):
        found.faults.append(f"{twice} records are parked twice")
    _see_that_all_is_read(hub, found)
    return found


def _hub(directory: Path) -> ShardUnderTest:
    hub = ShardUnderTest(directory, PARTIES, DIARY[-1])
    for case_id in (CASE, OTHER_CASE):
        hub.enrol(case_id)
    hub.settle()
    hub.tick(DAY_MS)
    return hub


def _append(hub: ShardUnderTest, one: Mutant, key: bytes | None, rng: Random) -> None:
    at = rng.choice(_LONG_AGO) if rng.random() < 0.02 else hub.now
    hub.broker.append(hub.names.input(one.party), 0, key, one.value, list(one.headers), at)


def _good_one_now_and_then(hub: ShardUnderTest, number: int, where: str, found: Found) -> None:
    if number % GOOD_AFTER == GOOD_AFTER - 1:
        hub.tick(1_000)
        good = hub.state("A.SOC", "CaseOpened", {"caseNo": str(number), "at": hub.now}, f"good {number}")
        hub.settle()
        if good not in hub.shard.cases.get(CASE).timeline.facts:
            found.faults.append(f"after mutant {where}: a good record was not admitted")


def _see_that_all_is_read(hub: ShardUnderTest, found: Found) -> None:
    positions = hub.shard.state.positions
    for party in (*PARTIES, HUB_PARTY):
        topic = hub.names.input(party)
        end = len(hub.broker.log(topic, 0))
        if end and positions.get(topic) != end:
            found.faults.append(f"{party}: {positions.get(topic)} of {end} records were dealt with")
    hub.shard.close()
