"""A number with its noun, and another's words inside a sentence of ours."""

from __future__ import annotations

import pytest

from contracts.phrases import lower_first, number_of


@pytest.mark.parametrize(("count", "said"), [(0, "0 shards"), (1, "1 shard"), (8, "8 shards")])
def test_one_of_something_is_no_plural(count: int, said: str) -> None:
    assert number_of(count, "shard") == said


def test_only_the_first_letter_becomes_small() -> None:
    assert lower_first("Input should be 'SASL_SSL'") == "input should be 'SASL_SSL'"
    assert lower_first("") == ""
