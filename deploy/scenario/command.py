"""`hub scenario play FILE`: plays each scenario of a file and prints what differs from its `X` and `I` lines.

Rules:
- Exit 0 where every view and every indicator value is as expected, 1 where one differs or a scenario is refused.
  Where none can be played, the first refusal is a `Failure`, reported by `deploy.command_line`.
- Each scenario is played in a world of its own: on a real Kafka, or with `--core` in this process.
- A progress bar is shown on a terminal only, on standard error.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from contracts.failures import BadScenario
from deploy.cluster import opened_cluster
from deploy.scenario.core_world import CoreWorld
from deploy.scenario.expansion import Playbook, expand
from deploy.scenario.grammar import RefusedScenario, parse_each, read_text
from deploy.scenario.indicators import stated_indicators
from deploy.scenario.kafka_world import KafkaWorld
from deploy.scenario.player import Progress, play, terms_in
from deploy.scenario.report import Played, all_equal, document, indicator_summary, lines, refusal, summary
from deploy.scenario.shuffles import Deck, play_shuffled


@click.group("scenario")
def scenario() -> None:
    """Vignettes with the exact view that each party must have."""


@scenario.command("play")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--core", is_flag=True, help="In this process, on a broker in memory, instead of a real Kafka.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.option("--only", multiple=True, metavar="ID", help="Only this scenario; may be repeated.")
@click.option("--shuffles", type=click.IntRange(0, 100_000), default=0, help="With --core: orders of arrival to try.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which orders --shuffles draws.")
def play_file(file: Path, core: bool, as_json: bool, only: Sequence[str], shuffles: int, seed: int) -> None:
    """Play every scenario of FILE and compare every X view and every I value."""
    if shuffles and not core:
        raise click.UsageError("--shuffles needs --core: on Kafka the broker gives the order")
    playbooks, refused = _chosen(file, only)
    played = [_in_core(each, shuffles, seed) for each in playbooks] if core else _on_kafka(playbooks)
    if as_json:
        click.echo(json.dumps(document(played, refused), indent=2, ensure_ascii=False))
    else:
        for one in played:
            click.echo("\n".join(lines(one)))
        for each in refused:
            click.echo(refusal(each))
        if counted := indicator_summary(played):
            click.echo(counted)
        click.echo(summary(played, refused))
    sys.exit(0 if all_equal(played) and not refused else 1)


def _chosen(file: Path, only: Sequence[str]) -> tuple[list[Playbook], list[RefusedScenario]]:
    """Return what can be played, and what cannot; raise `BadScenario` where nothing can."""
    scenarios, refused = parse_each(read_text(file))
    known = [each.id for each in scenarios] + [each.id for each in refused]
    for wanted in only:
        if wanted not in known:
            raise BadScenario(f"no scenario `{wanted}` in `{file}`: expected one of {', '.join(known)}")
    refused = [each for each in refused if not only or each.id in only]
    playbooks: list[Playbook] = []
    for one in scenarios:
        if only and one.id not in only:
            continue
        try:
            stated_indicators(one.indicators, one.id)
            playbooks.append(expand(one))
        except BadScenario as fault:
            refused.append(RefusedScenario(one.id, fault))
    if refused and not playbooks:
        raise refused[0].fault
    return playbooks, refused


def _in_core(playbook: Playbook, shuffles: int, seed: int) -> Played:
    world = CoreWorld(playbook.registry)
    try:
        with _progress(playbook.scenario.id) as progress:
            outcome = play(playbook, world, progress)
        terms = terms_in(world, playbook)
        deck = Deck.of(world.case_records(), playbook.registry) if shuffles else None
    finally:
        world.close()
    if deck is None:
        return Played(playbook.scenario, outcome)
    with _progress(f"{playbook.scenario.id} shuffled") as progress:
        shuffled = []
        for number in range(1, shuffles + 1):
            shuffled += [(number, view) for view in play_shuffled(deck, terms, number, seed)]
            progress(number, shuffles)
    return Played(playbook.scenario, outcome, shuffled)


def _on_kafka(playbooks: Sequence[Playbook]) -> list[Played]:
    played: list[Played] = []
    with opened_cluster() as (admin, directory):
        for playbook in playbooks:
            name = f"{playbook.scenario.id.lower().replace('_', '-')}-{secrets.token_hex(4)}"
            world = KafkaWorld(admin, playbook.registry, directory / name, name)
            try:
                with _progress(playbook.scenario.id) as progress:
                    played.append(Played(playbook.scenario, play(playbook, world, progress)))
            finally:
                world.close()
    return played


@contextmanager
def _progress(label: str) -> Iterator[Progress]:
    """Yield a function that moves a progress bar, drawn on a terminal only."""
    shown = sys.stderr.isatty()
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=not shown) as bar:

        def move(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield move
