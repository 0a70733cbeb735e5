"""Mutated records against arrival: none kills it, each is admitted or refused rightly, by an oracle of its own."""

from __future__ import annotations

from pathlib import Path

from contracts.reasons import Reason
from tests.fuzz.arrival import ADMITTED, at_the_gate, in_a_shard

MUTANTS_AT_THE_GATE = 20_000
MUTANTS_IN_A_SHARD = 2_000


def test_each_mutant_is_judged_at_the_gate_as_the_oracle_judges_it() -> None:
    found = at_the_gate(MUTANTS_AT_THE_GATE, seed=1)
    assert found.faults == []
    assert found.outcomes[ADMITTED] > 100
    of_the_record = set(Reason) - {
        *(Reason.WRONG_PARTITION, Reason.SAME_ID_OTHER_BYTES, Reason.CORRECTS_NOTHING, Reason.UNKNOWN_CONSENT),
    }
    assert of_the_record <= found.outcomes.keys()


def test_a_shard_parks_or_admits_every_mutant_and_goes_on(tmp_path: Path) -> None:
    found = in_a_shard(tmp_path, MUTANTS_IN_A_SHARD, seed=2)
    assert found.faults == []
    assert len(found.outcomes) > 8
