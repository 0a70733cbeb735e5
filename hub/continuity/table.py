"""The table over many releases: per municipality, kind and month, and per municipality, small cells kept back.

Rules (domain specification, 4.3 N2, 6):
- A line counts a citizen once. A line of fewer than `small_cell` persons is not there at all, so that few looks like
  none. Where a line is missing, so are the smallest ones that would have been shown: what is left of the
  municipality's total is then never one line's number.
- A share is shown where those inside, those outside and (if there are any) those to whom it does not apply are no
  small cell. A spread likewise, by those who have a number.
- A measure is shown in all lines of a municipality or in none of them: where one line must hide it, only the total
  has it. A measure of some kinds only is not in a total of which lines are missing: it would count those lines.
- A total also needs `small_cell` different citizens.
- By group a measure is shown for all groups of a municipality or for none, and only where the total shows it: so the
  groups add up to what the total says, and nothing is left over that they could tell.

Two tables of different cut-offs can still be compared by whoever may ask for both. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from hub.continuity.measures import Release


@dataclass(frozen=True, slots=True)
class Shares:
    """How many of `whole` are in each band or an earlier one; the last band is left out."""

    parts: tuple[int, ...]
    whole: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and ninth decile of `count` numbers."""

    count: int
    median: Fraction
    p90: Fraction


@dataclass(frozen=True)
class Line:
    """One line; `kind` and `month` are `None` in a municipality's total. What is kept back is not in the mappings."""

    municipality: str
    kind: str | None
    month: str | None
    persons: int
    shares: Mapping[str, Shares]
    spreads: Mapping[str, Spread]


@dataclass(frozen=True, slots=True)
class Barrier:
    """How many citizens had something of a category that a party in a role took part without being shown."""

    category: str
    role: str
    persons: int


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One group of one grouping in a municipality, with the one measure that is asked by it."""

    municipality: str
    grouping: str
    group: str
    measure: str
    labels: tuple[str, ...]
    shares: Shares


@dataclass(frozen=True)
class Rulebook:
    """What is counted: bands of each banded measure, names of spreads, which are of some kinds only, and `k`.

    `groupings`: name -> (measure, names of its bands but the last within one group).
    """

    bands: Mapping[str, Sequence[str]]
    spreads: Collection[str]
    kind_bound: Collection[str]
    small_cell: int
    groupings: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


def table_of(releases: Iterable[Release], rulebook: Rulebook) -> list[Line]:
    """Return every line that may be shown: of each municipality its lines, then its total."""
    lines: list[Line] = []
    for municipality, groups in _counted(releases):
        lines += _municipality(municipality, groups, rulebook)
    return lines


def groups_of(releases: Iterable[Release], rulebook: Rulebook) -> list[GroupLine]:
    """Return every group that may be shown, of each municipality by grouping."""
    lines: list[GroupLine] = []
    for municipality, groups in _counted(releases):
        total = next((line for line in _municipality(municipality, groups, rulebook) if line.kind is None), None)
        everyone = [release for group in groups.values() for release in group]
        for grouping, (measure, labels) in rulebook.groupings.items():
            if total is not None and measure in total.shares:
                lines += _grouped(municipality, grouping, measure, labels, everyone, rulebook.small_cell)
    return lines


def _grouped(
    municipality: str, grouping: str, measure: str, labels: tuple[str, ...], everyone: list[Release], small_cell: int
) -> Iterator[GroupLine]:
    by_group: dict[str, list[Release]] = {}
    for release in everyone:
        if grouping in release.groups:
            by_group.setdefault(release.groups[grouping], []).append(release)
    within = Rulebook({measure: labels}, (), (), small_cell)
    if measure in _passed_by_all(list(by_group.values()), within):
        for group, members in sorted(by_group.items()):
            shares = _line(municipality, None, None, members, {measure}, within).shares
            if measure in shares:
                yield GroupLine(municipality, grouping, group, measure, labels, shares[measure])


def _counted(releases: Iterable[Release]) -> Iterator[tuple[str, dict[tuple[str, str], list[Release]]]]:
    """Each municipality with its lines: by month and kind, the releases that count in it."""
    municipalities: dict[str, dict[tuple[str, str], dict[str, Release]]] = {}
    for release in sorted(releases, key=lambda each: (each.at, each.person)):
        groups = municipalities.setdefault(release.municipality, {})
        # Of several releases of one citizen in one line the last one counts.
        groups.setdefault((release.month, release.kind), {})[release.person] = release
    for municipality, groups in sorted(municipalities.items()):
        yield municipality, {key: list(people.values()) for key, people in sorted(groups.items())}


def barriers_of(cases: Iterable[Collection[tuple[str, str]]], small_cell: int) -> list[Barrier]:
    """Return the barriers of many cases, each given as the (category, role) pairs that were not shown in it.

    No total is given, and no base: what is kept back has nothing that it could be taken from.
    """
    counted = Counter(pair for pairs in cases for pair in set(pairs))
    return [Barrier(*pair, persons) for pair, persons in sorted(counted.items()) if persons >= small_cell]


def _municipality(
    municipality: str, groups: Mapping[tuple[str, str], list[Release]], rulebook: Rulebook
) -> Iterable[Line]:
    hidden = _hidden(groups, rulebook.small_cell)
    in_lines = set() if hidden else _passed_by_all(list(groups.values()), rulebook)
    for (month, kind), group in groups.items():
        if (month, kind) not in hidden:
            yield _line(municipality, kind, month, group, in_lines, rulebook)
    everyone = [release for group in groups.values() for release in group]
    if len({release.person for release in everyone}) >= rulebook.small_cell:
        in_total = _passed_by_all([everyone], rulebook)
        if hidden:
            in_total -= set(rulebook.kind_bound)
        yield _line(municipality, None, None, everyone, in_total, rulebook)


def _hidden(groups: Mapping[tuple[str, str], list[Release]], small_cell: int) -> set[tuple[str, str]]:
    """The lines that are kept back: small ones, and then all that are as small as the smallest other."""
    small = {key for key, group in groups.items() if len(group) < small_cell}
    others = [len(group) for key, group in groups.items() if key not in small]
    if not small or not others:
        return small
    return small | {key for key, group in groups.items() if len(group) == min(others)}


def _passed_by_all(groups: list[list[Release]], rulebook: Rulebook) -> set[str]:
    """The measures that no group has to hide."""
    banded = {name for name in rulebook.bands if all(_may_show_bands(name, group, rulebook) for group in groups)}
    spread = {
        name for name in rulebook.spreads if all(_may_show_spread(name, group, rulebook.small_cell) for group in groups)
    }
    return banded | spread


def _may_show_bands(name: str, group: list[Release], rulebook: Rulebook) -> bool:
    counts = Counter(release.bands.get(name) for release in group)
    people = {band: {release.person for release in group if release.bands.get(name) == band} for band in counts}
    last = len(rulebook.bands[name])
    if set(counts) == {None}:
        return True  # it applies to nobody here: there is nothing to show
    return all(
        len(people.get(band, ())) >= rulebook.small_cell or (band not in (0, last) and not counts[band])
        for band in (*range(last + 1), None)
    )


def _may_show_spread(name: str, group: list[Release], small_cell: int) -> bool:
    having = {release.person for release in group if release.spreads.get(name) is not None}
    lacking = {release.person for release in group if release.spreads.get(name) is None}
    return not having or (len(having) >= small_cell and (not lacking or len(lacking) >= small_cell))


def _line(
    municipality: str, kind: str | None, month: str | None, group: list[Release], shown: set[str], rulebook: Rulebook
) -> Line:
    shares: dict[str, Shares] = {}
    spreads: dict[str, Spread] = {}
    for name, labels in rulebook.bands.items():
        bands = [band for release in group if (band := release.bands.get(name)) is not None]
        if name in shown and bands:
            parts = tuple(sum(band <= place for band in bands) for place in range(len(labels)))
            shares[name] = Shares(parts, len(bands))
    for name in rulebook.spreads:
        numbers = sorted(number for release in group if (number := release.spreads.get(name)) is not None)
        if name in shown and numbers:
            spreads[name] = Spread(len(numbers), _median(numbers), numbers[-(-9 * len(numbers) // 10) - 1])
    return Line(municipality, kind, month, len(group), shares, spreads)


def _median(numbers: Sequence[Fraction]) -> Fraction:
    middle = len(numbers) // 2
    return numbers[middle] if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2
