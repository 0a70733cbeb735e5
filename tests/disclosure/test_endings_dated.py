"""Since when something is lost: the same among few moments, where each is looked at, and among many, by halving."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.disclosure import endings

CLOCK = 1_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.integers(1, CLOCK), max_size=40, unique=True).map(sorted),
    st.lists(st.integers(1, CLOCK), max_size=6).map(sorted),
    st.integers(0, CLOCK + 1),
)
def test_a_loss_is_dated_by_the_same_moment_among_few_and_among_many(
    monkeypatch: pytest.MonkeyPatch, moments: list[int], turns: list[int], lost: int
) -> None:
    """`turns` change what the case means by time alone; it is lost at the first instant from `lost` on."""

    def look(at: int) -> Any:
        return at, next((turn for turn in turns if turn > at), None)

    def dated(moments_max: int) -> int:
        monkeypatch.setattr(endings, "MOMENTS_MAX", moments_max)
        return endings._ended(lambda at: cast(int, at) < lost, look(0), moments, CLOCK, look)

    expected = next((at for at in sorted({*moments, *turns}) if at >= lost), CLOCK) if lost else CLOCK
    assert (dated(64), dated(0)) == (expected, expected)
