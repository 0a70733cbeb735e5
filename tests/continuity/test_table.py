"""The table over many releases: what is counted, and that nothing kept back can be worked out from what is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.continuity.measures import Release
from hub.continuity.table import (
    Barrier,
    GroupLine,
    Line,
    Rulebook,
    Shares,
    Spread,
    barriers_of,
    groups_of,
    table_of,
)

LABELS = (("2025-01", "PAROLE"), ("2025-01", "REMAND"), ("2025-02", "PAROLE"), ("2025-03", "OTHER"))
COUNTS_ONLY = Rulebook({}, (), (), small_cell=3)
ONE_MEASURE = Rulebook({"m": ("yes",)}, (), (), small_cell=2)


def release(
    person: object,
    label: tuple[str, str] = LABELS[0],
    bands: Mapping[str, int | None] | None = None,
    spreads: Mapping[str, Fraction | None] | None = None,
    municipality: str = "A",
) -> Release:
    return Release(str(person), municipality, label[1], label[0], 0, bands or {}, spreads or {})


def people(count: int, label: tuple[str, str], bands: Mapping[str, int | None] | None = None) -> list[Release]:
    return [release(f"{label}/{bands}/{number}", label, bands) for number in range(count)]


def where(lines: Iterable[Line]) -> list[tuple[str | None, str | None, int]]:
    return [(line.month, line.kind, line.persons) for line in lines]


def sums(places: int, most: int) -> Iterator[tuple[int, ...]]:
    """Every way to put at most `most` into `places`."""
    return (each for each in product(range(most + 1), repeat=places) if sum(each) <= most)


def test_a_citizen_counts_once_in_a_line_and_lines_add_up_to_the_total() -> None:
    releases = [release(1), release(1), release(2), release(3), *people(3, LABELS[2])]
    assert where(table_of(releases, COUNTS_ONLY)) == [
        ("2025-01", "PAROLE", 3),
        ("2025-02", "PAROLE", 3),
        (None, None, 6),
    ]


def test_a_small_line_takes_the_smallest_others_with_it() -> None:
    releases = [*people(2, LABELS[0]), *people(4, LABELS[1]), *people(4, LABELS[2]), *people(9, LABELS[3])]
    assert where(table_of(releases, COUNTS_ONLY)) == [("2025-03", "OTHER", 9), (None, None, 19)]


def test_a_municipality_of_few_citizens_is_not_there_however_often_they_were_released() -> None:
    releases = [release(person, label) for person in (1, 2) for label in LABELS]
    assert table_of(releases, COUNTS_ONLY) == []


def test_municipalities_are_counted_apart() -> None:
    releases = [*people(3, LABELS[0]), *(release(f"b{number}", municipality="B") for number in range(2))]
    assert [line.municipality for line in table_of(releases, COUNTS_ONLY)] == ["A", "A"]


def test_no_count_that_is_kept_back_can_be_worked_out() -> None:
    shown: dict[tuple[tuple[str | None, str | None, int], ...], list[tuple[int, ...]]] = {}
    for world in sums(len(LABELS), 14):
        releases = [each for count, label in zip(world, LABELS, strict=True) for each in people(count, label)]
        shown.setdefault(tuple(where(table_of(releases, COUNTS_ONLY))), []).append(world)
    assert len(shown) > 100
    for output, worlds in shown.items():
        for place, (month, kind) in enumerate(LABELS):
            values = {world[place] for world in worlds}
            listed = any(line[:2] == (month, kind) for line in output)
            assert listed == (len(values) == 1 and values != {0}), (output, worlds)


def test_no_share_that_is_kept_back_can_be_worked_out() -> None:
    places = 2
    secret: dict[tuple[tuple[object, ...], ...], list[tuple[tuple[int, int, int], ...]]] = {}
    for flat in sums(3 * places, 8):
        world = tuple((flat[place], flat[place + 1], flat[place + 2]) for place in range(0, 3 * places, 3))
        releases = [
            each
            for counts, label in zip(world, LABELS[:places], strict=True)
            for count, band in zip(counts, (0, 1, None), strict=True)
            for each in people(count, label, bands={"m": band})
        ]
        lines = table_of(releases, ONE_MEASURE)
        printed = tuple((line.month, line.kind, line.persons, line.shares.get("m")) for line in lines)
        secret.setdefault(printed, []).append(world)
    kept_back = 0
    for output, worlds in secret.items():
        for place, label in enumerate(LABELS[:places]):
            shown = any(line[:2] == label and line[3] is not None for line in output)
            applies = any(world[place][0] + world[place][1] for world in worlds)
            if applies and not shown:
                kept_back += 1
                assert len({world[place][0] for world in worlds}) > 1, (output, worlds)
    assert kept_back > 100


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 30), st.sampled_from(LABELS), st.sampled_from((0, 1, 2, None)), st.none() | st.integers(0, 9)
        ),
        max_size=60,
    )
)
def test_nothing_shown_is_about_few(drawn: list[tuple[int, tuple[str, str], int | None, int | None]]) -> None:
    rulebook = Rulebook({"m": ("30d", "90d")}, ("s",), (), small_cell=5)
    releases = [
        release(person, label, {"m": band}, {"s": None if number is None else Fraction(number)})
        for person, label, band, number in drawn
    ]
    for line in table_of(releases, rulebook):
        assert line.persons >= 5
        if (shares := line.shares.get("m")) is not None:
            first, second = shares.parts
            assert first >= 5
            assert second == first or second - first >= 5
            assert shares.whole - second >= 5
            assert line.persons == shares.whole or line.persons - shares.whole >= 5
        if (spread := line.spreads.get("s")) is not None:
            assert spread.count >= 5
            assert line.persons == spread.count or line.persons - spread.count >= 5
    assert table_of(reversed(releases), rulebook) is not None


@pytest.mark.parametrize(("inside", "shown"), [(4, False), (5, True), (7, True), (8, False)])
def test_a_share_needs_both_sides(inside: int, shown: bool) -> None:
    rulebook = Rulebook({"m": ("yes",)}, (), (), small_cell=5)
    releases = [release(number, bands={"m": int(number >= inside)}) for number in range(12)]
    line, total = table_of(releases, rulebook)
    assert line.shares == total.shares == ({"m": Shares((inside,), 12)} if shown else {})


def test_a_measure_that_one_line_must_hide_is_in_the_total_only() -> None:
    fine = people(4, LABELS[0], bands={"m": 0}) + people(4, LABELS[0], bands={"m": 1})
    hiding = people(4, LABELS[2], bands={"m": 0}) + people(1, LABELS[2], bands={"m": 1})
    first, second, total = table_of(fine + hiding, ONE_MEASURE)
    assert first.shares == second.shares == {}
    assert total.shares == {"m": Shares((8,), 13)}


def test_where_a_line_is_missing_the_others_only_count() -> None:
    fine = [each for band in (0, 1) for each in people(4, LABELS[3], bands={"m": band})]
    next_smallest = [each for band in (0, 1) for each in people(2, LABELS[1], bands={"m": band})]
    line, total = table_of([*people(1, LABELS[0], bands={"m": 0}), *next_smallest, *fine], ONE_MEASURE)
    assert (line.persons, line.shares) == (8, {})
    assert (total.persons, total.shares) == (13, {"m": Shares((7,), 13)})
    # Also where it does not apply to those of the missing line, and so would be no reason to hide it.
    line, total = table_of([*people(1, LABELS[0], bands={"m": None}), *next_smallest, *fine], ONE_MEASURE)
    assert (line.persons, line.shares, total.shares) == (8, {}, {})


def test_a_measure_of_some_kinds_is_in_no_total_of_which_lines_are_missing() -> None:
    remand = people(5, LABELS[1], bands={"m": 0}) + people(5, LABELS[1], bands={"m": 1})
    later = people(1, ("2025-02", "REMAND"), bands={"m": 0})
    others = people(6, LABELS[0], bands={"m": None})
    bound = Rulebook(ONE_MEASURE.bands, (), ("m",), ONE_MEASURE.small_cell)
    assert table_of(remand + later + others, ONE_MEASURE)[-1].shares == {"m": Shares((6,), 11)}
    assert table_of(remand + later + others, bound)[-1].shares == {}
    assert table_of(remand + others, bound)[-1].shares == {"m": Shares((5,), 10)}


IN_GROUPS = Rulebook({"m": ("yes",)}, (), (), 2, {"colour": ("m", ("yes",))})
COLOURS = ("blue", "green", "red")


def coloured(world: tuple[int, ...]) -> list[Release]:
    """Releases by colour and answer: for each colour so many `yes`, so many `no`; the last number has neither."""
    cells = list(product(COLOURS, (0, 1)))
    found = [
        dataclasses.replace(each, groups={"colour": colour})
        for count, (colour, band) in zip(world, cells, strict=False)
        for each in people(count, (LABELS[0][0], LABELS[0][1]), bands={"m": band})
    ]
    found = [dataclasses.replace(each, person=f"{each.groups}/{each.person}") for each in found]
    return found + people(world[len(cells)], LABELS[0], bands={"m": None})


def test_groups_are_all_shown_and_add_up_to_the_total_or_none_is() -> None:
    assert groups_of(coloured((2, 3, 4, 2, 0, 0, 2)), IN_GROUPS) == [
        GroupLine("A", "colour", "blue", "m", ("yes",), Shares((2,), 5)),
        GroupLine("A", "colour", "green", "m", ("yes",), Shares((4,), 6)),
    ]
    for hidden in ((2, 1, 4, 2, 0, 0, 2), (2, 3, 4, 2, 1, 0, 2), (2, 3, 4, 2, 0, 0, 1), (2, 0, 4, 2, 0, 0, 2)):
        assert groups_of(coloured(hidden), IN_GROUPS) == [], hidden


def test_no_group_that_is_kept_back_can_be_worked_out() -> None:
    shown: dict[str, list[tuple[int, ...]]] = {}
    worlds = [world for world in sums(7, 9) if world[6] in (0, 2)]
    for world in worlds:
        releases = coloured(world)
        lines = [(line.persons, line.shares) for line in table_of(releases, IN_GROUPS)]
        shown.setdefault(repr((lines, groups_of(releases, IN_GROUPS))), []).append(world)
    told = [alike for output, alike in shown.items() if "GroupLine" in output]
    assert len(told) > 5
    assert all(len(alike) == 1 for alike in told), "what is shown is the whole of it"
    for alike in (each for output, each in shown.items() if "GroupLine" not in output and "'m'" in output):
        assert len({world[:6] for world in alike}) > 1


def test_barriers_of_few_are_kept_back() -> None:
    cases = [[("SU", "SOC"), ("SU", "SOC"), ("OF", "SOC")], [("SU", "SOC")], [("SU", "SOC"), ("SU", "JOB")]]
    assert barriers_of(cases, 3) == [Barrier("SU", "SOC", 3)]
    assert barriers_of(cases, 4) == []


def test_median_and_ninth_decile() -> None:
    rulebook = Rulebook({}, ("s",), (), small_cell=5)
    releases = [release(number, spreads={"s": Fraction(number)}) for number in range(1, 11)]
    assert table_of(releases, rulebook)[0].spreads == {"s": Spread(10, Fraction(11, 2), Fraction(9))}
