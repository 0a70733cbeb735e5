"""Tables of figures: no small cell is shown, and none can be worked out from what is, by whoever knows the rule."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.continuity.suppression import TOTAL, Cell, Count, shown_cells

SMALLEST = 5
COLUMNS = ("a", "b", "c", "d", "e")


def table(row: Mapping[str, int]) -> dict[tuple[str, str], Count]:
    """A row in which every thing is of another citizen."""
    return {
        ("r", column): Count(number, frozenset(f"{column}{n}" for n in range(number))) for column, number in row.items()
    }


def published(row: Mapping[str, int], *, with_sums: bool = True) -> list[Cell]:
    return shown_cells(table(row), SMALLEST, with_sums=with_sums)


rows = st.dictionaries(st.sampled_from(COLUMNS), st.integers(0, 12), max_size=len(COLUMNS))


@settings(max_examples=500, deadline=None)
@given(rows)
@example({"a": 4, "b": 5, "c": 5})
@example({"a": 12, "b": 1})
@example({"a": 4})
def test_no_cell_of_a_published_row_is_small_or_can_be_told_by_subtraction(row: dict[str, int]) -> None:
    shown = {cell.column: cell.count for cell in published(row)}
    total = shown.pop(TOTAL, None)
    assert all(count >= SMALLEST and row[column] == count for column, count in shown.items())
    assert shown.keys() == {column for column, number in row.items() if number >= SMALLEST}
    assert total in (None, sum(shown.values())), "a sum leaves nothing over"
    assert (total is None) == (not shown or any(0 < number < SMALLEST for number in row.values()))


@settings(max_examples=300, deadline=None)
@given(rows)
@example({"a": 5, "b": 4, "c": 4})
def test_another_number_in_a_cell_that_is_left_out_gives_the_very_same_publication(row: dict[str, int]) -> None:
    """Whoever knows the rule by which cells are left out still cannot tell the number in any of them."""
    for column, number in row.items():
        if 0 < number < SMALLEST:
            for other in range(1, SMALLEST):
                assert published({**row, column: other}) == published(row)


@given(rows)
def test_without_sums_nothing_is_left_out_but_what_is_small(row: dict[str, int]) -> None:
    shown = {cell.column: cell.count for cell in published(row, with_sums=False)}
    assert shown == {column: number for column, number in row.items() if number >= SMALLEST}


def test_things_of_few_citizens_are_small_however_many_they_are() -> None:
    busy = {("r", "a"): Count(40, frozenset("1234")), ("r", "b"): Count(9, frozenset("abcdefghi"))}
    assert shown_cells(busy, SMALLEST, with_sums=True) == [Cell("r", "b", 9)]
    assert shown_cells({("r", "a"): Count(40, frozenset("1234"))}, SMALLEST, with_sums=True) == []
    several = {("r", "a"): Count(12, frozenset("12345")), ("q", "a"): Count(3, frozenset("123"))}
    assert shown_cells(several, SMALLEST, with_sums=True) == [Cell("r", "a", 12), Cell("r", TOTAL, 12)]


@pytest.mark.parametrize("row", [{}, {"a": 0}])
def test_nothing_gives_nothing(row: dict[str, int]) -> None:
    assert published(row) == []
