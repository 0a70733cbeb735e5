"""Mutated records against arrival: none kills it, each is admitted or refused rightly, by an oracle of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.reasons import Reason
from tests.fuzz.arrival import ADMITTED, at_the_gate, outcome_of, wrong
from tests.fuzz.mutations import mutant
from tests.fuzz.shards import of_parties, of_the_hub

MUTANTS_AT_THE_GATE = 4_000
MUTANTS_IN_A_SHARD = 1_000
OF_SIGNATURES = {Reason.UNSIGNED, Reason.UNKNOWN_SIGNING_KEY, Reason.BAD_SIGNATURE}
OF_THE_CASE = {
    Reason.WRONG_PARTITION, Reason.SAME_ID_OTHER_BYTES, Reason.CORRECTS_NOTHING, Reason.UNKNOWN_CONSENT,
    Reason.WAITS_FOR_PARKED, Reason.ANSWERS_NOTHING, *OF_SIGNATURES
}  # fmt: skip
RARE = {Reason.TYPE_NOT_SCHEMAS, Reason.TOO_LARGE}
"""So few in a short run that a new event type, which changes all mutants, could leave one out."""


def test_each_mutant_is_judged_at_the_gate_as_the_oracle_judges_it() -> None:
    found = at_the_gate(MUTANTS_AT_THE_GATE, seed=1)
    assert found.faults == []
    assert found.outcomes[ADMITTED] > 100
    assert set(Reason) - OF_THE_CASE - RARE <= found.outcomes.keys()


def test_a_mutant_is_played_again_by_its_number() -> None:
    assert [mutant(1, number) for number in range(200)] == [mutant(1, number) for number in range(200)]
    assert mutant(1, 0) != mutant(2, 0)


@pytest.mark.parametrize("claimed", [ADMITTED, *(reason for reason in Reason if reason not in OF_THE_CASE)])
def test_the_oracle_notices_every_wrong_outcome(claimed: str) -> None:
    """Whatever the gate really says of a mutant, the oracle has a word against most that it did not say."""
    others = [one for one in (mutant(1, number) for number in range(400)) if outcome_of(one) != claimed]
    noticed = sum(bool(wrong(one, claimed)) for one in others)
    assert noticed > len(others) * 0.3
    if claimed == ADMITTED:
        assert noticed == len(others)


def test_a_shard_parks_or_admits_every_mutant_of_a_party_and_goes_on(tmp_path: Path) -> None:
    found = of_parties(tmp_path, MUTANTS_IN_A_SHARD, seed=2)
    assert found.faults == []
    assert len(found.outcomes) > 8


def test_nothing_on_the_hubs_own_input_stops_a_shard(tmp_path: Path) -> None:
    found = of_the_hub(tmp_path, MUTANTS_IN_A_SHARD, seed=3)
    assert found.faults == []
    assert len(found.outcomes) > 5
