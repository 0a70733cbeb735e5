"""Writes what came of played scenarios, as text for people and as one JSON document for programs.

Rules:
- Per `X` view: expected, got, and every difference. A shuffled order is printed only where it differs.
- Per `I` value: what the scenario states and what the facts give; a line before the last counts them.
- A scenario that could not be played is named with the reason, and is a difference.
- The last line counts all views, those of shuffled orders included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.categories import categories_of
from contracts.civil_time import format_local
from deploy.scenario.comparison import ViewComparison, text_of_view
from deploy.scenario.grammar import RefusedScenario
from deploy.scenario.indicators import IndicatorComparison
from deploy.scenario.player import Outcome
from deploy.scenario.scenario import ExpectedView, Scenario


@dataclass(frozen=True, slots=True)
class Played:
    """One scenario with its outcome and, by number of the order, the views of shuffled arrival."""

    scenario: Scenario
    outcome: Outcome
    shuffled: Sequence[tuple[int, ViewComparison]] = ()

    @property
    def views(self) -> list[ViewComparison]:
        """All views compared."""
        return [*self.outcome.views, *(view for _, view in self.shuffled)]


def counts(played: Sequence[Played]) -> tuple[int, int, int]:
    """Return (views equal, views, differences)."""
    views = [view for one in played for view in one.views]
    return sum(view.is_equal for view in views), len(views), sum(len(view.differences) for view in views)


def summary(played: Sequence[Played], refused: Sequence[RefusedScenario] = ()) -> str:
    """Return the last line. A scenario that was refused is a difference, however many views it states."""
    equal, views, differences = counts(played)
    return f"{equal} of {views} views equal, {differences + len(refused)} differences"


def refusal(refused: RefusedScenario) -> str:
    """Return one scenario that could not be played as text."""
    return f"{refused.id or '?'}  REFUSED  {refused.fault}"


def indicator_summary(played: Sequence[Played]) -> str | None:
    """Return the line that counts indicator values; `None` where no scenario states any."""
    equal, values = indicator_counts(played)
    return f"{equal} of {values} indicator values equal" if values else None


def indicator_counts(played: Sequence[Played]) -> tuple[int, int]:
    """Return (indicator values equal, indicator values)."""
    values = [value for one in played for value in one.outcome.indicators]
    return sum(value.is_equal for value in values), len(values)


def all_equal(played: Sequence[Played]) -> bool:
    """Return whether every view and every indicator value is as the scenarios state it."""
    equal, values = indicator_counts(played)
    return equal == values and all(view.is_equal for one in played for view in one.views)


def lines(played: Played) -> Iterator[str]:
    """Return one scenario as text."""
    scenario = played.scenario
    yield f"{scenario.id} {scenario.title}"
    for view in played.outcome.views:
        yield from _view_lines(scenario, view, "")
    yield from (_indicator_line(value) for value in played.outcome.indicators)
    yield from (f"  parked  {refused}" for refused in played.outcome.parked)
    if played.shuffled:
        orders = len({number for number, _ in played.shuffled})
        equal = sum(view.is_equal for _, view in played.shuffled)
        yield f"  {orders} shuffled orders of arrival: {equal} of {len(played.shuffled)} views equal"
        for number, view in played.shuffled:
            if not view.is_equal:
                yield from _view_lines(scenario, view, f"  order {number}")


def document(played: Sequence[Played], refused: Sequence[RefusedScenario] = ()) -> dict[str, Any]:
    """Return everything as plain values."""
    equal, views, differences = counts(played)
    return {
        "scenarios": [
            {
                "id": one.scenario.id,
                "title": one.scenario.title,
                "views": [_view_values(one.scenario, view) for view in one.outcome.views],
                "indicators": [_indicator_values(value) for value in one.outcome.indicators],
                "parked": list(one.outcome.parked),
                "shuffled": [{"order": n} | _view_values(one.scenario, view) for n, view in one.shuffled],
            }
            for one in played
        ],
        "refused": [{"id": each.id, "why": str(each.fault)} for each in refused],
        "equal": equal,
        "views": views,
        "differences": differences + len(refused),
        "indicators_equal": indicator_counts(played)[0],
        "indicators": indicator_counts(played)[1],
    }


def _indicator_line(value: IndicatorComparison) -> str:
    stated = value.stated
    if value.is_equal:
        return f"  {stated.label}={stated.expected}  equal"
    return f"  {stated.label}  DIFFERENT  expected {stated.expected}, got {value.got}"


def _indicator_values(value: IndicatorComparison) -> dict[str, Any]:
    stated = value.stated
    return {"name": stated.label, "expected": stated.expected, "got": value.got, "equal": value.is_equal}


def _view_lines(scenario: Scenario, view: ViewComparison, note: str) -> Iterator[str]:
    verdict = "equal" if view.is_equal else "DIFFERENT"
    yield f"  {format_local(view.at, scenario.zone)}  {view.party}  {verdict}{note}"
    yield f"    expected  {text_of_view(view.expected, scenario.event)}"
    yield f"    got       {text_of_view(view.got, scenario.event)}"
    yield from (f"    differs   {difference}" for difference in view.differences)


def _view_values(scenario: Scenario, view: ViewComparison) -> dict[str, Any]:
    return {
        "line": view.line,
        "at": format_local(view.at, scenario.zone),
        "party": view.party,
        "equal": view.is_equal,
        "expected": _categories(view.expected),
        "got": _categories(view.got),
        "differences": list(view.differences),
    }


def _categories(view: ExpectedView) -> dict[str, dict[str, list[str]]]:
    return {
        event_id: {basis: [str(category) for category in categories_of(mask)] for basis, mask in shown.items()}
        for event_id, shown in view.items()
    }
