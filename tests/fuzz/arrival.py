"""Mutants against the gate, beside an oracle: each admitted or refused rightly, and nothing dies of it.

Rules:
- Whatever the gate raises but `Refused` is a fault. So is what it admits against the oracle, and a reason that the
  oracle does not find in the record.
- The reasons have an order, that of the gate: what is refused for its values is sound in frame, Avro and headers.
- A fault is told without content: seed and number play it again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from contracts.codec import codec
from contracts.failures import Refused
from contracts.limits import VALUE_BYTES_MAX
from contracts.parties import Party, role_of_id
from contracts.reasons import Reason
from hub.arrival.gate import key_of, read
from hub.broker.ports import InputRecord
from tests.fuzz.mutations import mutant
from tests.fuzz.oracle import headers_are_sound, key_is_sound, stated_in
from tests.fuzz.records import Mutant
from tests.fuzz.value_oracle import values_are_sound

FAULTS_MAX: Final = 20
ADMITTED: Final = "admitted"
CLOCK_SKEW_MS: Final = 60_000


@dataclass(slots=True)
class Found:
    """What became of the mutants, by outcome, and the faults: without any content."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def at_the_gate(count: int, seed: int = 0, first: int = 0) -> Found:
    """Judge `count` mutants of `seed` at the gate alone, from number `first` on, beside the oracle."""
    found = Found()
    for number in range(first, first + count):
        one = mutant(seed, number)
        try:
            outcome = outcome_of(one)
        except Exception as error:  # the fault that is looked for
            found.faults.append(f"mutant {seed}/{number}: {type(error).__name__}")
        else:
            found.outcomes[outcome] += 1
            if fault := wrong(one, outcome):
                found.faults.append(f"mutant {seed}/{number}: {outcome}, {fault}")
        if len(found.faults) >= FAULTS_MAX:
            break
    return found


def outcome_of(one: Mutant) -> str:
    """What the gate makes of a mutant: `admitted`, or the reason code."""
    record = InputRecord("in", 0, 0, one.recorded_at, one.key, one.value, one.headers)
    try:
        statement = read(record, Party(one.party), one.recorded_at, codec())
        if not statement.event_type.control:
            key_of(record)
    except Refused as refused:
        return refused.reason
    return ADMITTED


def wrong(one: Mutant, outcome: str) -> str:
    """Why the outcome is wrong by the oracle; empty where it is not."""
    if outcome == Reason.EMPTY_VALUE:
        return "there is a value" if one.value else ""
    if not one.value:
        return "there is no value"
    if (outcome == Reason.TOO_LARGE) != (len(one.value) > VALUE_BYTES_MAX):
        return "the size is on the other side of the limit"
    stated = stated_in(one.value)
    if outcome in (Reason.TOO_LARGE, Reason.BAD_FRAME, Reason.BAD_AVRO, Reason.UNKNOWN_SCHEMA):
        return "the value is one exact record" if stated else ""
    if stated is None:
        return "the value is not one exact record"
    event_type, values = stated
    sound_headers = headers_are_sound(one, event_type)
    if outcome in (Reason.BAD_HEADER, Reason.SOURCE_NOT_TOPICS_PARTY, Reason.TYPE_NOT_SCHEMAS):
        return "the headers are those of the event" if sound_headers else ""
    if not sound_headers:
        return "the headers are not those of the event"
    may_state = "any" in event_type.stated_by or role_of_id(one.party) in event_type.stated_by
    if (outcome == Reason.MAY_NOT_STATE) == may_state:
        return "the party may state it" if may_state else "the party may not state it"
    if outcome == Reason.MAY_NOT_STATE:
        return ""
    sound_values = values_are_sound(event_type.fields, values)
    if (outcome == Reason.VALUE_OUTSIDE_MODEL) == sound_values:
        return "the values are those of the model" if sound_values else "a value is outside the model"
    if outcome == Reason.VALUE_OUTSIDE_MODEL:
        return ""
    in_the_future = values["occurredAt"] > one.recorded_at + CLOCK_SKEW_MS
    if (outcome == Reason.IN_THE_FUTURE) != in_the_future:
        return "it lies on the other side of now"
    if in_the_future or event_type.control:
        return "" if outcome in (Reason.IN_THE_FUTURE, ADMITTED) else "nothing is wrong with it"
    if (outcome == Reason.UNKNOWN_KEY) == key_is_sound(one.key):
        return "the key is judged wrongly"
    return "" if outcome in (Reason.UNKNOWN_KEY, ADMITTED) else "nothing is wrong with it"
