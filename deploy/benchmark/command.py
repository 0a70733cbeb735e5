"""`hub bench`: the hub against the raw limit of its own parts, in one run, and what else is worth measuring.

Rules:
- Each measurement is a process of its own, in turn, on the same broker and the same events.
- Rates vary with the machine; the ratios within one run are what counts. Each figure comes with its spread.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import click

from deploy.benchmark.comparisons import compare_signatures, compare_with_raw
from deploy.benchmark.ground import Databases
from deploy.benchmark.many_workers import compare_workers
from deploy.benchmark.rule_cost import rule_costs
from deploy.benchmark.spread import Spread
from deploy.benchmark.timeline_cost import timeline_costs
from deploy.benchmark.year import Size
from deploy.benchmark.year_report import report_year
from deploy.local_kafka import LocalKafka
from deploy.local_postgres import LocalPostgres

EVENTS: Final = 40_000
ROUNDS: Final = 3
SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"


@click.command("bench")
@click.option(
    "--events",
    type=click.IntRange(min=1),
    default=EVENTS,
    show_default=True,
    help="How many events each measurement handles.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=ROUNDS,
    show_default=True,
    help="How often each is measured; the median counts.",
)
@click.option(
    "--store",
    type=click.Choice([SQLITE, POSTGRESQL]),
    default=SQLITE,
    show_default=True,
    help="Where the hub and the raw limit store; a PostgreSQL is started for it.",
)
@click.option("--signatures", is_flag=True, help="Measure a hub that checks and signs against one that does neither.")
@click.option("--workers", type=click.IntRange(min=2), help="Measure one worker against so many on one backlog.")
@click.option("--rules", "of_rules", is_flag=True, help="Measure decisions and a change of rules instead.")
@click.option("--year", is_flag=True, help="Replay a year of releases instead, and work out the indicators over it.")
@click.option(
    "--municipalities",
    type=click.IntRange(min=1),
    default=Size().municipalities,
    show_default=True,
    help="Of the year: how many.",
)
@click.option(
    "--releases",
    type=click.IntRange(min=1),
    default=Size().releases,
    show_default=True,
    help="Of the year: how many in each.",
)
@click.option("--seed", default=Size().seed, show_default=True, help="Of the year: from which its lives are drawn.")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
def bench(
    events: int,
    rounds: int,
    store: str,
    signatures: bool,
    workers: int | None,
    of_rules: bool,
    year: bool,
    municipalities: int,
    releases: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure the hub against the raw limit of its own parts."""
    if year:
        report_year(Size(municipalities, releases, seed=seed), as_json=as_json)
        return
    if of_rules:
        _report_rules(rule_costs(), as_json)
        return
    with _broker() as (kafka, directory):
        if workers:
            figures = compare_workers(kafka, directory, workers, events, rounds, _say)
        elif signatures:
            figures = compare_signatures(kafka, directory, events, rounds, _say)
        else:
            with ExitStack() as started:
                databases = Databases(started.enter_context(LocalPostgres())) if store == POSTGRESQL else None
                figures = compare_with_raw(kafka, directory, databases, events, rounds, _say)
    if not workers and not signatures and store == SQLITE:
        figures |= timeline_costs()
    _report(figures, as_json)


@contextmanager
def _broker() -> Iterator[tuple[LocalKafka, Path]]:
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as name:
        directory = Path(name)
        with LocalKafka(directory / "kafka", tuned_for="benchmark") as kafka:
            _say("setting up: broker, citizens, events")
            yield kafka, directory


def _say(line: str) -> None:
    click.echo(line, err=True)


def _report(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(figures))
        return
    if "plain_ratio" in figures:
        click.echo(
            f"event that leaves the standing as it was: {figures['plain_us_at_10']:.0f} us at timeline length 10, "
            f"{figures['plain_us_at_10000']:.0f} us at 10,000, ratio {figures['plain_ratio']:.2f}"
        )
        click.echo(f"changed standing: {figures['changed_us_per_event_held']:.1f} us per event held, at 10,000 events")
    for name, rate in figures["rates"].items():
        click.echo(f"{name}: {Spread(**rate).told()} events/s")
        if name in figures:
            click.echo(f"  {_told_of_time(figures[name], figures['cores'])}")
    for name, ratio in figures["ratios"].items():
        click.echo(f"{name}: {Spread(**ratio).told(2)}")


def _told_of_time(where: dict[str, Any], cores: int) -> str:
    spent = (f"{who} {where[f'{who}_cpu_seconds']}" for who in ("sender", "worker", "broker"))
    return (
        f"processor seconds in {where['seconds']} s: {', '.join(spent)}; "
        f"{where['cores_used']} of {cores} cores, {where['cpu_us_per_event']} us for each event"
    )


def _report_rules(costs: dict[str, float], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(costs))
        return
    click.echo(f"decisions on a warm case: {costs['decisions_per_second']:.0f} (event, receiver) per second")
    click.echo(f"changed standing, 1,000 events and 12 parties: {costs['changed_standing_ms']:.0f} ms")
    click.echo(
        f"new rules, ingest going on: {costs['cases_per_second_under_new_rules']:.0f} cases per second, "
        f"{costs['minutes_for_40000_cases']:.1f} minutes for 40,000 cases"
    )
