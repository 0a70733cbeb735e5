"""Mutants against the gate, and against a whole shard: each admitted or refused, rightly, and nothing dies of it.

Rules:
- Whatever the gate raises but `Refused` is a fault. So is what it admits against the oracle, or refuses as no Avro, no
  frame or no header where the oracle finds none of that.
- In the shard every mutant is admitted, parked under one reason, or a repeat; the next good record is admitted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from contracts.codec import codec
from contracts.failures import Refused
from contracts.parties import Party
from contracts.reasons import Reason
from hub.arrival.gate import key_of, read
from hub.broker.ports import InputRecord
from tests.fuzz.mutations import Mutant, mutant
from tests.fuzz.oracle import event_type_of, headers_are_sound, key_is_sound
from tests.safety.stories import PARTIES
from tests.shard.harness import CASE, ShardUnderTest

FAULTS_MAX: Final = 20
ADMITTED: Final = "admitted"


@dataclass(slots=True)
class Found:
    """What became of the mutants, by outcome, and the faults: without any content."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def at_the_gate(count: int, seed: int = 0) -> Found:
    """Judge `count` mutants at the gate alone, beside the oracle."""
    found, rng = Found(), Random(seed)
    for number in range(count):
        one = mutant(rng)
        try:
            outcome = _outcome(one)
        except Exception as error:  # the fault that is looked for
            found.faults.append(f"mutant {seed}/{number}: {type(error).__name__}")
        else:
            found.outcomes[outcome] += 1
            if fault := _wrong(one, outcome):
                found.faults.append(f"mutant {seed}/{number}: {outcome}, {fault}")
        if len(found.faults) >= FAULTS_MAX:
            break
    return found


def _outcome(one: Mutant) -> str:
    record = InputRecord("in", 0, 0, one.recorded_at, one.key, one.value, one.headers)
    try:
        read(record, Party(one.party), one.recorded_at, codec())
        key_of(record)
    except Refused as refused:
        return refused.reason
    return ADMITTED


def _wrong(one: Mutant, outcome: str) -> str:
    """Why the outcome is wrong by the oracle; empty where it is not."""
    match outcome:
        case "admitted":
            event_type = event_type_of(one.value)
            if event_type is None:
                return "the value is not one exact record"
            if not headers_are_sound(one, event_type):
                return "the headers are not those of the event"
            return "" if key_is_sound(one.key) else "the key is none"
        case Reason.EMPTY_VALUE:
            return "there is a value" if one.value else ""
        case Reason.BAD_FRAME | Reason.BAD_AVRO | Reason.UNKNOWN_SCHEMA:
            return "the value is one exact record" if event_type_of(one.value) else ""
        case Reason.BAD_HEADER | Reason.SOURCE_NOT_TOPICS_PARTY | Reason.TYPE_NOT_SCHEMAS:
            event_type = event_type_of(one.value)
            is_sound = event_type is not None and headers_are_sound(one, event_type)
            return "the headers are those of the event" if is_sound else ""
        case Reason.UNKNOWN_KEY:
            return "the key could be a pseudonym" if key_is_sound(one.key) else ""
    return ""


def in_a_shard(directory: Path, count: int, seed: int = 0) -> Found:
    """Put `count` mutants on the topics of a shard, good records among them, and see what became of each."""
    found, rng = Found(), Random(seed)
    hub = ShardUnderTest(directory, PARTIES)
    hub.enrol()
    hub.settle()
    for number in range(count):
        one = mutant(rng)
        key = hub.key(one.party).encode() if one.key and rng.random() < 0.8 else one.key
        hub.broker.append(hub.names.input(one.party), 0, key, one.value, list(one.headers), hub.now)
        if number % 100 == 99:
            hub.tick(1_000)
            good = hub.state("A.SOC", "CaseOpened", {"caseNo": str(number), "at": hub.now}, f"good {number}")
            hub.settle()
            if good not in hub.shard.cases.get(CASE).timeline.facts:
                found.faults.append(f"after mutant {seed}/{number}: a good record was not admitted")
    hub.settle()
    counted = hub.shard.metrics
    admitted = sum(counted.ingested.labels(party)._value.get() for party in PARTIES)
    found.outcomes["admitted or repeated"] = int(admitted + counted.repeats._value.get()) - count // 100
    found.outcomes.update(record.reason for record in hub.parked())
    if found.outcomes.total() != count:
        found.faults.append(f"{count} mutants, {found.outcomes.total()} outcomes")
    hub.shard.close()
    return found
