"""`hub demo`: one citizen's case through a real Kafka, told in plain words as it happens.

Rules:
- Nothing is staged: the hub runs as in production, each agency publishes and subscribes under its own credentials,
  and every table is read from the agency's own store.
- The scenario is `deploy/scenario/examples/good-release.md`; its `X` lines say what every agency must see.
- Exit 0 only where every expected view is equal.
- The world stays at `.state/demo/world` for the commands that are suggested at the end; a new demo replaces it.
- The story goes to standard output, what is being waited for to standard error.

The scenario comes from `deploy.scenario`, the words from `deploy.story`.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from consumers.rendering import view_text
from consumers.store import PartyStore, store_path
from consumers.wording import LANGUAGES, wording
from contracts.failures import SetupFailure, TransportRefused
from deploy.case_command import explanation_lines, explanation_of, explanation_values
from deploy.cluster import opened_cluster
from deploy.options import DEFAULT_WORLD
from deploy.scenario.comparison import ViewComparison
from deploy.scenario.examples import GOOD_RELEASE
from deploy.scenario.expansion import Playbook, expand
from deploy.scenario.grammar import read_scenarios
from deploy.scenario.kafka_world import KafkaWorld
from deploy.scenario.player import hub_event_id, outcome_of, steps, terms_in
from deploy.scenario.report import Played, document
from deploy.story import Seen, Story, lost, seen_values
from deploy.world import World
from producers.kafka_transport import KafkaTransport

AGENCIES: Final = ("PRI", "A.SOC", "A.ADD", "A.JOB", "A.BEN")
NARROWED: Final = "k1b"
"""The event by which the citizen takes substance use out of the consent."""
RELEASED: Final = "e13"
EXPLAINED: Final = ("e7", "A.SOC", "setting")
"""Which field is explained: of this event, for this party."""
INTRUDER: Final = ("A.ADD", "A.SOC")
"""Who tries to write to whose topic."""
AFTER_RELEASE: Final = ("PRI", "KIF")
DAY_MS: Final = 86_400_000


@click.command()
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Caseworkers' texts.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of the story.")
def demo(language: str, as_json: bool) -> None:
    """Play one citizen's case through a real Kafka and show what each agency sees of it, and why."""
    (scenario,) = read_scenarios(GOOD_RELEASE)
    playbook = expand(scenario)
    story = Story(playbook, wording(language), _nowhere if as_json else click.echo)
    with emptied(DEFAULT_WORLD) as directory:
        _wait_for("a local Kafka to start")
        with opened_cluster() as (admin, _):
            _wait_for("topics, users and rights to be made, and the hub to start")
            playing = KafkaWorld(admin, playbook.registry, directory, f"demo-{secrets.token_hex(4)}")
            try:
                found, played = Demonstration(playbook, playing, World.open(directory), story).told()
            finally:
                playing.close()
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    sys.exit(0 if all(view.is_equal for view in played.views) else 1)


class Demonstration:
    """One telling of `playbook` in `playing`, whose directory is `world`."""

    def __init__(self, playbook: Playbook, playing: KafkaWorld, world: World, story: Story) -> None:
        self._playbook = playbook
        self._playing = playing
        self._world = world
        self._story = story
        self._terms = terms_in(playing, playbook)
        event = playbook.scenario.event
        self._narrowed_at = event[NARROWED].recorded_at
        self._before = self._narrowed_at - DAY_MS
        later = (each.at for each in playbook.scenario.expectations if each.at > event[RELEASED].recorded_at)
        self._after_release = min(later)
        self._steps = steps(playbook, playing, [self._before])
        self._views: list[ViewComparison] = []

    def told(self) -> tuple[dict[str, object], Played]:
        """Tell it; return the same as plain values, and every expected view beside what was seen."""
        found: dict[str, object] = {"world": str(DEFAULT_WORLD)}
        self._story.begin()
        self._play_until(self._before)
        before = self._seen()
        found["before"] = seen_values(before)
        self._story.before(self._before, AGENCIES, before)
        self._play_until(self._narrowed_at)
        vanished = lost(before, self._seen())
        found["vanished"] = seen_values(vanished)
        self._story.narrowed(self._narrowed_at, vanished)
        found["refused_write"] = self._refused_write()
        found["explained"] = self._explained()
        self._play_until(self._after_release)
        found["after_release"] = seen_values(after := self._seen())
        self._story.after_release(self._after_release, AFTER_RELEASE, after, self._screen(AFTER_RELEASE[1]))
        self._play_until(None)
        played = Played(self._playbook.scenario, outcome_of(self._playbook, self._playing, self._views))
        self._story.compared(played)
        found["case"] = self._playing.case_id
        found["try_next"] = self._suggested()
        return found | document([played]), played

    def _play_until(self, at: int | None) -> None:
        """Play on to the instant `at`, or to the end."""
        _wait_for(f"the case to be played to {self._story.day(at)}" if at else "the rest of the case to be played")
        for step in self._steps:
            self._views += step.views
            if step.at == at:
                return

    def _seen(self) -> Seen:
        """What each party's own store holds, in the scenario's terms."""
        parties = (party.id for party in self._playbook.registry)
        return {party: self._terms.seen(self._playing.view(party), party) for party in parties}

    def _refused_write(self) -> dict[str, str]:
        """Write to another party's topic; return who tried it where, and the broker's answer."""
        party, owner = INTRUDER
        names = self._world.names
        attempt = {"user": names.user(party), "topic": names.input(owner)}
        transport = KafkaTransport(self._world.connection(attempt["user"]))
        try:
            transport.send(attempt["topic"], self._playing.key(party).encode("ascii"), b"", [])
        except TransportRefused as refused:
            self._story.refused(party, owner, str(refused))
            return attempt | {"answer": str(refused)}
        finally:
            transport.close()
        raise SetupFailure(f"the broker let `{party}` write to the topic of `{owner}`: expected it to refuse")

    def _explained(self) -> dict[str, object]:
        event_id, party, name = EXPLAINED
        explained, zone = explanation_of(self._world, self._playing.case_id, self._hub_id(event_id), party)
        field = replace(explained, fields=tuple(each for each in explained.fields if each.field == name))
        self._story.explained(event_id, party, name, explanation_lines(field, zone))
        return explanation_values(field, zone)

    def _hub_id(self, event_id: str) -> str:
        return hub_event_id(self._playing, self._playbook.statement[event_id])

    def _screen(self, party: str) -> str:
        with PartyStore.open_for_reading(store_path(self._world.directory, party), party) as store:
            zone = self._playbook.scenario.zone
            return view_text(store.view, party, store.view_lines(), self._story.words, zone)

    def _suggested(self) -> list[str]:
        event_id, party, _ = EXPLAINED
        case_id = self._playing.case_id
        hub = _from_here(Path(sys.argv[0]).absolute())
        suggestions = [
            ("what a caseworker of social services sees", f"{hub} view show {party}"),
            ("every event that they may see of this citizen", f"{hub} view show {party} {self._playing.key(party)}"),
            ("for an auditor: every fact, and who was told what of it, when", f"{hub} case timeline {case_id}"),
            (
                "why this party saw that event, as of the day before the consent was narrowed",
                f"{hub} explain {case_id} {self._hub_id(event_id)} {party} "
                f"--known-at {self._story.local(self._before)}",
            ),
            ("what arrival refused (nothing, in this case)", f"{hub} parked list"),
            ("the contract of one event, field by field", f"{hub} contracts list TreatmentStarted"),
            (
                "change the scenario's file, then see which views are different",
                f"{hub} scenario play {_from_here(GOOD_RELEASE)} --core",
            ),
        ]
        self._story.suggest(suggestions)
        return [command for _, command in suggestions]


def _from_here(path: Path) -> Path:
    """`path` as it is written from the working directory, where it lies below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


@contextmanager
def emptied(directory: Path) -> Iterator[Path]:
    """Remove an older world at `directory`, and keep other demos away from it as long as the block runs."""
    directory = directory.resolve()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupFailure(f"another demo is running in `{directory.parent}`: wait until it has ended") from None
        shutil.rmtree(directory, ignore_errors=True)
        yield directory


def _wait_for(what: str) -> None:
    click.echo(f"waiting for {what} ...", err=True)


def _nowhere(_text: str) -> None:
    """The story is not told where one JSON document is asked for."""
