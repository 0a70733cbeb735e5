"""Mutants: records that an agency could have sent, changed as bad software, a bad line or an attacker would.

Rules:
- Seed and number give the same mutant in every run, whatever was made before it. It may be sound by chance: `oracle`
  says.
- What is good comes from `records`, the changes from `value_changes` and `envelope_changes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

from tests.fuzz.envelope_changes import ENVELOPE_CHANGES, Change
from tests.fuzz.records import Mutant, control_records, good_records
from tests.fuzz.value_changes import VALUE_CHANGES, ValueChange


def mutant(seed: int, number: int) -> Mutant:
    """A party's record with up to three changes; seldom one of the hub's own, or with none."""
    rng = Random(f"{seed}/{number}")
    return changed(good_records() if rng.random() < 0.98 else control_records(), rng)


def changed(records: Sequence[Mutant], rng: Random) -> Mutant:
    """One of `records` with up to three changes."""
    record = rng.choice(records)
    for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3))):
        record = rng.choice(CHANGES)(record, rng)
    return record


def _of_the_value(change: ValueChange) -> Change:
    def on_record(record: Mutant, rng: Random) -> Mutant:
        return record if not record.value else replace(record, value=change(bytearray(record.value), rng))

    return on_record


CHANGES: Final[tuple[Change, ...]] = (*map(_of_the_value, VALUE_CHANGES), *ENVELOPE_CHANGES)
