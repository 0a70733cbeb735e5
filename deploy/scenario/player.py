"""Plays a scenario in a world and compares each `X` view and each `I` value.

Rules:
- In order of recorded time: tick to an instant, wait, publish that instant's records, wait, compare its `X` lines.
- `steps` yields after each instant, so that whoever plays can look at the world there; `play` runs through.
- The citizen is enrolled a day before the first instant.
- Events are recorded at `rec=` or, without it, when they occurred: the record's own timestamp says so.
- A consent that its contract refuses is not published, as with any publisher; it is reported with what arrival parked.
- An event about no citizen (`AnonymousOutreachCounted`) is published under its party's key of the governance timeline.
- `I` values are worked out at the end, from the records that the hub has stored (`indicators`).

From `expansion`, through a `World`, to `comparison` and `indicators`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.catalogue import catalogue
from contracts.fact import ce_id_of, event_id_of
from deploy.scenario.comparison import Terms, ViewComparison, compared
from deploy.scenario.expansion import Playbook, Statement
from deploy.scenario.indicators import IndicatorComparison, compared_indicators, recorded_of, stated_indicators
from deploy.scenario.world import World

DAY_MS: Final = 86_400_000

Progress = Callable[[int, int], None]
"""Called with (instants played, instants in all)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scenario played: a comparison per `X` view and per `I` value, and what contract or arrival refused.

    What was refused reads `<event>: <reason>`.
    """

    scenario_id: str
    views: tuple[ViewComparison, ...]
    parked: tuple[str, ...]
    indicators: tuple[IndicatorComparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """The world has reached `at`: all that was stated then is published and settled, and `views` are compared.

    `done` of `total` instants are played.
    """

    at: int
    views: tuple[ViewComparison, ...]
    done: int
    total: int


def play(playbook: Playbook, world: World, progress: Progress | None = None) -> Outcome:
    """Play `playbook` in `world`, which must be new, and return what came of it."""
    views: list[ViewComparison] = []
    for step in steps(playbook, world):
        views += step.views
        if progress:
            progress(step.done, step.total)
    return outcome_of(playbook, world, views)


def steps(playbook: Playbook, world: World, stops: Iterable[int] = ()) -> Iterator[Step]:
    """Play `playbook` in `world`, which must be new, instant by instant; `stops` are instants to look around at."""
    stated_indicators(playbook.scenario.indicators, playbook.scenario.id)  # refused before anything is played
    published = _published(playbook)
    instants = sorted(
        {statement.event.recorded_at for statement in published}
        | {each.at for each in playbook.scenario.expectations}
        | set(stops)
    )
    terms = terms_in(world, playbook)
    if instants:
        world.tick(instants[0] - DAY_MS)
        world.settle()
        world.enrol(playbook.scenario, instants[0] - DAY_MS)
        world.settle()
    for done, instant in enumerate(instants, start=1):
        world.tick(instant)
        world.settle()
        due = [statement for statement in published if statement.event.recorded_at == instant]
        for statement in due:
            _publish(world, playbook, statement)
        if due:
            world.settle()
        yield Step(instant, tuple(_compare_at(world, terms, instant)), done, len(instants))


def outcome_of(playbook: Playbook, world: World, views: Iterable[ViewComparison]) -> Outcome:
    """Return what came of a play that has reached its end, given the views compared on the way."""
    ordered = sorted(views, key=lambda view: view.line)
    parked = tuple(_parked(world, terms_in(world, playbook)))
    indicators: tuple[IndicatorComparison, ...] = ()
    if playbook.scenario.indicators:
        indicators = compared_indicators(playbook, recorded_of(playbook, world.case_records()))
    return Outcome(playbook.scenario.id, tuple(ordered), parked, indicators)


def terms_in(world: World, playbook: Playbook) -> Terms:
    """Return which scenario event `world` knows under which id."""
    return Terms(playbook, {hub_event_id(world, statement): statement.event.id for statement in _published(playbook)})


def _published(playbook: Playbook) -> list[Statement]:
    """The statements that no contract refuses."""
    return [statement for statement in playbook.statements if not statement.refused]


def hub_event_id(world: World, statement: Statement) -> str:
    """Return the id under which the hub knows `statement` (`<party>/<ce_id>`), published or not."""
    party = statement.event.party
    ce_id = world.publisher(party).event_id(statement.event.type, statement.source_ref, statement.revision)
    return event_id_of(party, ce_id)


def _publish(world: World, playbook: Playbook, statement: Statement) -> None:
    event = statement.event
    targets = {
        name: ce_id_of(hub_event_id(world, playbook.statement[target])) for name, target in statement.targets.items()
    }
    about_nobody = catalogue().event_types[event.type].without_subject
    jurisdiction = playbook.scenario.jurisdiction
    world.publisher(event.party).publish_values(
        event.type,
        {**statement.values, **targets},
        occurred_at=event.occurred_at,
        key=world.governance_key(event.party, jurisdiction) if about_nobody else world.key(event.party),
        source_ref=statement.source_ref,
        revision=statement.revision,
        published_at=event.recorded_at,
        timestamp_ms=event.recorded_at,
    )


def _compare_at(world: World, terms: Terms, instant: int) -> list[ViewComparison]:
    views: list[ViewComparison] = []
    for expectation in terms.playbook.scenario.expectations:
        if expectation.at != instant:
            continue
        for party, expected in expectation.views.items():
            decided = terms.decided(world.decisions(party), party)
            seen = terms.seen(world.view(party), party)
            got, differences = compared(expected, decided, seen)
            views.append(ViewComparison(expectation.line, instant, party, expected, got, tuple(differences)))
    return views


def _parked(world: World, terms: Terms) -> Sequence[str]:
    lines = [f"{each.event.id}: refused: {each.refused}" for each in terms.playbook.statements if each.refused]
    for record in world.parked():
        party = record.originator_id.partition(":")[2]
        ce_id = next((value.decode("ascii", "replace") for name, value in record.headers if name == "ce_id"), "")
        hub_id = event_id_of(party, ce_id)
        lines.append(f"{terms.event_ids.get(hub_id, hub_id)}: {record.reason}, field {record.field}: {record.fix}")
    return lines
