"""The demo says what it promises, leaves a world that its suggestions work on, and speaks three languages."""

from __future__ import annotations

import json
import re
import shlex
import stat
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner

from consumers.wording import wording
from contracts.failures import SetupFailure
from deploy.command_line import hub
from deploy.demonstration import Demonstration, emptied
from deploy.local_kafka import LocalKafka
from deploy.scenario.examples import GOOD_RELEASE
from deploy.scenario.expansion import expand
from deploy.scenario.grammar import read_scenarios
from deploy.scenario.kafka_world import KafkaWorld
from deploy.story import Story, lost
from deploy.world import World
from tests.deployment.conftest import HUB, DemoRun

kafka = pytest.mark.kafka


def part(run: DemoRun, heading: str) -> list[str]:
    """The lines under the heading that holds `heading`, up to the next one."""
    parts = [part for part in run.said.split("\n== ") if heading in part.partition("\n")[0]]
    assert len(parts) == 1, f"not one heading with {heading!r}"
    return parts[0].splitlines()[1:]


def row(lines: list[str], title: str) -> list[str]:
    """The words of a table's row in its first line."""
    (line,) = (line for line in lines if line.startswith(f"  {title} "))
    return re.split(r"\s{2,}", line.strip())[1:]


@kafka
def test_it_ends_well_and_every_expected_view_is_equal(demo_run: DemoRun) -> None:
    assert demo_run.exit_code == 0, demo_run.warned
    assert "20 of 20 views equal, 0 differences" in part(demo_run, "Was it right?")


@kafka
def test_five_agencies_see_the_same_case_differently(demo_run: DemoRun) -> None:
    table = part(demo_run, "2025-08-14, as five agencies see it")
    assert row(table, "Treatment started") == ["custody,", "custody,", "stated it", ".", "."]
    assert row(table, "Imprisonment started") == ["stated it", "custody,", "custody,", "custody", "custody"]
    assert row(table, "Case opened") == ["case", "stated it", "case", ".", "."]
    assert [word for word in ("prison", "social", "addiction", "job centre", "benefits") if word not in table[0]] == []


@kafka
def test_what_the_narrowed_consent_takes_away_is_said(demo_run: DemoRun) -> None:
    vanished = part(demo_run, "takes substance use out of the consent")
    assert "  social services      Treatment started: custody, substance" in vanished
    assert "  social services      Sentence plan agreed: substance" in vanished
    assert not [line for line in vanished if line.startswith(("  job centre", "  benefits"))]


@kafka
def test_the_brokers_own_refusal_is_shown(demo_run: DemoRun) -> None:
    refused = " ".join(part(demo_run, "tries to speak for"))
    assert re.search(r"topic `demo-[0-9a-f]+\.in\.a-soc\.v1` \(`TopicAuthorizationFailedError`\)", refused)


@kafka
def test_one_hidden_field_is_explained(demo_run: DemoRun) -> None:
    explained = " ".join(" ".join(part(demo_run, "not see the field `setting`")).split())
    assert "hidden setting CU" in explained
    assert "it does not cover SU" in explained


@kafka
def test_after_release_probation_takes_over_from_prison(demo_run: DemoRun) -> None:
    later = part(demo_run, "released on parole")
    assert "  Events of other agencies that prison sees: none" in later
    assert row(later, "Coordinator assigned") == [".", "case"]
    assert row(later, "Sentence plan agreed")[1].startswith("work, housing, plan, risk")
    assert "  Probation and supervision of KIF" in later


@kafka
def test_every_suggested_command_works_without_a_broker(demo_run: DemoRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo_run.directory)
    monkeypatch.delenv("HUB_WORLD_DIRECTORY", raising=False)
    lines = [line.strip() for line in part(demo_run, "What to try next")]
    commands = [shlex.split(line) for line in lines if not line.startswith("#")]
    assert [command[1] for command in commands] == [
        "view",
        "view",
        "case",
        "explain",
        "parked",
        "contracts",
        "scenario",
    ]
    said = {}
    for program, *arguments in commands:
        assert program == str(HUB)
        result = CliRunner().invoke(hub, arguments)
        assert result.exit_code == 0, (arguments, result.output, result.exception)
        said[arguments[0]] = result.output
    assert said["view"].startswith("Citizen ")
    assert "Treatment started" not in said["view"]
    assert re.search(r"shown +setting +CU +\[C:", said["explain"])
    assert said["parked"] == "0 parked records\n"
    assert said["scenario"].endswith("20 of 20 views equal, 0 differences\n")


@kafka
def test_its_world_is_its_owners_alone(demo_run: DemoRun) -> None:
    world = demo_run.directory / ".state" / "demo" / "world"
    assert stat.S_IMODE(world.stat().st_mode) == 0o700
    assert stat.S_IMODE((world / "secrets.json").stat().st_mode) == 0o600


@kafka
def test_it_is_told_in_danish_too_and_as_plain_values(local_kafka: LocalKafka, tmp_path: Path) -> None:
    (scenario,) = read_scenarios(GOOD_RELEASE)
    playbook = expand(scenario)
    said: list[str] = []
    name = f"demo-{uuid.uuid4().hex[:8]}"
    playing = KafkaWorld(local_kafka.admin, playbook.registry, tmp_path / name, name)
    try:
        story = Story(playbook, wording("da"), said.append)
        found, played = Demonstration(playbook, playing, World.open(tmp_path / name), story).told()
    finally:
        playing.close()
    found = json.loads(json.dumps(found))
    assert "  social services      Behandling påbegyndt: ophold, rusmidler" in said
    assert found["before"]["A.SOC"]["e7"] == ["CU", "SU"]
    assert found["vanished"]["A.SOC"] == {"e4": ["SU"], "e5": ["SU"], "e7": ["CU", "SU"]}
    assert found["after_release"]["PRI"] == {}
    assert found["explained"]["fields"][0]["shown"] is False
    assert "TopicAuthorizationFailedError" in found["refused_write"]["answer"]
    assert (found["equal"], found["views"], found["differences"]) == (20, 20, 0)
    assert len(played.views) == 20


def test_what_was_lost_is_by_category_and_leaves_out_who_lost_nothing() -> None:
    before = {"A": {"e1": 0b11, "e2": 0b1}, "B": {"e1": 0b1}}
    assert lost(before, {"A": {"e1": 0b1}, "B": {"e1": 0b11}}) == {"A": {"e1": 0b10, "e2": 0b1}}


def test_an_older_world_is_removed_and_a_second_demo_refused(tmp_path: Path) -> None:
    (tmp_path / "demo" / "world").mkdir(parents=True)
    (tmp_path / "demo" / "world" / "world.json").touch()
    with emptied(tmp_path / "demo" / "world") as directory:
        assert not directory.exists()
        with pytest.raises(SetupFailure, match="another demo is running"), emptied(directory):
            pass
    with emptied(directory):
        pass
