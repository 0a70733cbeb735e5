"""Pairwise pseudonyms: derived, on the case's partition, and nothing in common between two parties."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.partitioning import partition_of
from hub.identity.pseudonyms import pseudonym

SECRET = bytes(range(32))
cases = st.uuids(version=4).map(str)
parties = st.from_regex(r"[A-Z]{1,3}\.[A-Z]{3}", fullmatch=True)
shards = st.integers(1, 64).flatmap(lambda total: st.tuples(st.integers(0, total - 1), st.just(total)))


@given(cases, parties, shards)
def test_a_key_is_the_same_each_time_and_lies_on_its_cases_partition(
    case_id: str, party: str, shard: tuple[int, int]
) -> None:
    partition, partitions = shard
    key = pseudonym(SECRET, case_id, party, partition, partitions)
    assert key == pseudonym(SECRET, case_id, party, partition, partitions)
    assert partition_of(key.encode(), partitions) == partition
    assert uuid.UUID(key).version == 8
    assert str(uuid.UUID(key)) == key


@given(cases, cases, parties, parties, shards)
def test_keys_differ_between_parties_and_between_cases(
    case_id: str, other_case: str, party: str, other_party: str, shard: tuple[int, int]
) -> None:
    one = pseudonym(SECRET, case_id, party, *shard)
    other = pseudonym(SECRET, other_case, other_party, *shard)
    assert (one == other) == ((case_id, party) == (other_case, other_party))


def test_keys_under_another_secret_are_other_keys() -> None:
    case_id = str(uuid.UUID(int=1, version=4))
    assert pseudonym(SECRET, case_id, "PRI", 0, 8) != pseudonym(bytes(32), case_id, "PRI", 0, 8)


def test_bits_of_two_parties_keys_agree_no_more_often_than_chance() -> None:
    """Over 400 citizens of one partition, the 122 free bits of two parties' keys agree in about half of the places."""
    agreeing = 0
    for number in range(400):
        case_id = str(uuid.UUID(int=number, version=4))
        prison = uuid.UUID(pseudonym(SECRET, case_id, "PRI", 3, 8)).int
        social = uuid.UUID(pseudonym(SECRET, case_id, "A.SOC", 3, 8)).int
        agreeing += 128 - (prison ^ social).bit_count() - 6
    share = agreeing / (400 * 122)
    # standard deviation 0.0023; ten of them
    assert 0.477 < share < 0.523


def test_a_key_contains_neither_case_nor_party() -> None:
    case_id = str(uuid.UUID(int=2**100, version=4))
    key = pseudonym(SECRET, case_id, "PRI", 0, 1)
    assert not set(case_id.split("-")) & set(key.split("-"))


@pytest.mark.parametrize(("partition", "partitions"), [(8, 8), (-1, 8), (0, 0)])
def test_a_partition_that_is_not_there_is_refused_instead_of_sought_for_ever(partition: int, partitions: int) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        pseudonym(SECRET, "case", "PRI", partition, partitions)


def test_known_value_does_not_change_between_versions() -> None:
    assert (
        pseudonym(SECRET, "3f2b8c1e-0000-4000-8000-000000000001", "A.SOC", 5, 8)
        == "3fa6ba19-66cd-81ea-9f62-93c5f030ca27"
    )
