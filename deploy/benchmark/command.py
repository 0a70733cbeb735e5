"""`hub bench`: the hub against the raw limit of its own parts, in one run, and the cost of a long timeline.

Rules:
- Each measurement is a process of its own, in turn, on the same broker and the same events; medians of three.
- Rates vary with the machine; the ratio within one run is what counts.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from kafka import KafkaProducer

from deploy.benchmark.many_workers import compare_workers
from deploy.benchmark.raw_limit import run_raw
from deploy.benchmark.rule_cost import rule_costs
from deploy.benchmark.timeline_cost import timeline_costs
from deploy.benchmark.whole_way import open_shard, run_hub, run_until
from deploy.benchmark.workload import PUBLISHER, Workload, registry
from deploy.benchmark.year import Size
from deploy.benchmark.year_report import report_year
from deploy.hub_process import create_hub, hub_directory
from deploy.local_kafka import LocalKafka
from deploy.operator_channel import operator_channel
from deploy.world import World, create_world
from producers.publisher import now_ms

EVENTS = 40_000
ROUNDS = 3
WARM_UP_SHARE = 10
"""One in so many events is handled before the clock starts: connections are made, cases are in memory."""
REMINDERS_MAX = 2_000
"""Ten of each citizen: more of what nobody published than that is a fault of the hub."""
RAW_RECEIVERS = {"raw": ["A.SOC"], "raw_twice": ["A.SOC", PUBLISHER]}
"""The raw limit produces one record per event; beside it, as many as the hub: a disclosure and the own copy."""
RAW_WITH_THE_HUBS_SENDER = "raw_native"
MEASURED = (*RAW_RECEIVERS, RAW_WITH_THE_HUBS_SENDER, "hub")


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
@click.option("--rules", "of_rules", is_flag=True, help="Measure decisions and a change of rules instead.")
@click.option(
    "--workers",
    type=click.IntRange(min=2),
    help="Measure one worker against so many on one backlog instead, with the processor time of each.",
)
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
    of_rules: bool,
    workers: int | None,
    year: bool,
    municipalities: int,
    releases: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure the hub against the raw limit of its own parts."""
    if workers:
        with tempfile.TemporaryDirectory(prefix="hub-bench-") as directory:
            _report_workers(compare_workers(Path(directory), workers, events, rounds), workers, as_json)
        return
    if year:
        report_year(Size(municipalities, releases, seed=seed), as_json=as_json)
        return
    if of_rules:
        _report_rules(rule_costs(), as_json)
        return
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as directory:
        with LocalKafka(Path(directory) / "kafka", tuned_for="benchmark") as kafka:
            click.echo("setting up: broker, 200 citizens, events", err=True)
            world, first_offset = _prepare(kafka, Path(directory) / "world", events)
            rates: dict[str, list[float]] = {name: [] for name in MEASURED}
            for number in range(1, rounds + 1):
                for name in MEASURED:
                    rates[name].append(_measured(world.directory, name, first_offset, events))
                    click.echo(f"round {number}: {name} {rates[name][-1]:.0f} events/s", err=True)
        costs = timeline_costs()
    _report({name: statistics.median(measured) for name, measured in rates.items()}, costs, as_json)


def _report(rates: dict[str, float], costs: dict[str, float], as_json: bool) -> None:
    raw, twice, native, hub = (rates[name] for name in MEASURED)
    ratio = hub / raw
    if as_json:
        figures = {f"{name}_per_second": rate for name, rate in rates.items()}
        click.echo(
            json.dumps(
                {
                    **figures,
                    "ratio": ratio,
                    "ratio_to_raw_twice": hub / twice,
                    "ratio_to_raw_native": hub / native,
                    **costs,
                }
            )
        )
        return
    click.echo(
        f"event that leaves the standing as it was: {costs['plain_us_at_10']:.0f} us at timeline length 10, "
        f"{costs['plain_us_at_10000']:.0f} us at 10,000, ratio {costs['plain_ratio']:.2f}"
    )
    click.echo(f"changed standing: {costs['changed_us_per_event_held']:.1f} us per event held, at 10,000 events")
    click.echo(
        f"with two produced records per event, as the hub has: raw {twice:.0f} events/s, ratio {hub / twice:.2f}"
    )
    click.echo(f"with the hub's own sender, one record per event: raw {native:.0f} events/s, ratio {hub / native:.2f}")
    click.echo(f"raw {raw:.0f} events/s, hub {hub:.0f} events/s, ratio {ratio:.2f}")


def _report_workers(figures: dict[str, Any], workers: int, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, words in (("one_worker", "1 worker"), (f"{workers}_workers", f"{workers} workers")):
        where = figures[name]
        click.echo(
            f"{words}: {figures[f'{name}_per_second']:.0f} events/s in {where['seconds']} s; processor seconds: "
            f"workers {where['worker_cpu_seconds']}, broker {where['broker_cpu_seconds']}; "
            f"{where['cores_used']} of {figures['cores']} cores"
        )
    click.echo(f"ratio {figures['ratio']:.2f}")


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


def _prepare(kafka: LocalKafka, directory: Path, events: int) -> tuple[World, int]:
    """Make the world, enrol everybody, settle that; then put the events on the log. Returns their first offset."""
    world = create_world(directory, kafka.admin, registry(), partitions=1, played=False, world_name="bench")
    create_hub(world)
    workload = Workload(world.names, world.hub_secret, now_ms())
    names = world.names
    control = operator_channel(world)
    for event_type, payload in workload.enrolments():
        control.publish(0, event_type, payload)
    control.close()
    producers = {
        names.input(party.id): KafkaProducer(**world.connection(names.user(party.id)).producer_options(), linger_ms=5)
        for party in world.registry
    }
    counts: dict[str, int] = {}
    for record in workload.setting():
        producers[record.topic].send(record.topic, record.value, record.key, record.headers, partition=0)
        counts[record.topic] = counts.get(record.topic, 0) + 1
    for producer in producers.values():
        producer.flush()
    shard = open_shard(world, hub_directory(world))
    shard.start()
    for topic, count in counts.items():
        run_until(shard, topic, count)
    shard.close()
    topic = names.input(PUBLISHER)
    for record in workload.events(events):
        producers[topic].send(record.topic, record.value, record.key, record.headers, partition=0)
    for producer in producers.values():
        producer.flush()
        producer.close()
    return world, counts[topic]


def _measured(world: Path, name: str, first_offset: int, events: int) -> float:
    """Run one measurement in a process of its own; return its rate per second."""
    words = [sys.executable, "-m", "deploy.benchmark.command", str(world), name, str(first_offset), str(events)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise click.ClickException(f"the measurement of `{name}` failed: what it said stands above")
    return (events - events // WARM_UP_SHARE) / float(done.stdout)


def _measure(world_directory: str, name: str, first_offset: str, events: str) -> None:
    """One measurement, in its own process: print the seconds."""
    world, first, warm_up = World.open(Path(world_directory)), int(first_offset), int(events) // WARM_UP_SHARE
    count = int(events) - warm_up
    with tempfile.TemporaryDirectory(prefix="hub-bench-run-") as directory:
        if name != "hub":
            topics = [world.names.output(party) for party in RAW_RECEIVERS.get(name, RAW_RECEIVERS["raw"])]
            native = name == RAW_WITH_THE_HUBS_SENDER
            seconds = run_raw(world, Path(directory), first, warm_up, count, topics, native=native)
        else:
            seconds, told = run_hub(world, Path(directory), first, warm_up, count)
            # Where a minute begins within the run, the clocks of the cases are looked at, and reminders come beside.
            if not 0 <= told - 2 * count <= REMINDERS_MAX:
                raise SystemExit(f"expected {2 * count} disclosures and few reminders, the hub made {told}")
    sys.stdout.write(f"{seconds}\n")


if __name__ == "__main__":
    _measure(*sys.argv[1:])
