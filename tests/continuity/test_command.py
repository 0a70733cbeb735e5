"""`hub continuity indicators` on the stores of a world: aggregates, as known at a time, and nothing about anybody."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from contracts.civil_time import format_local, zone_of
from contracts.failures import CallerFailure
from deploy.command_line import hub
from deploy.hub_places import hub_directory, shard_path
from deploy.world import World
from hub.store.places import keys_path
from tests.deployment.stored_world import stored_world
from tests.shard.harness import DAY_MS, SECRET, ShardUnderTest, imprisonment

FEBRUARY, MARCH = 12, 2
"""How many citizens are released in each month: one line that could be shown, and a small one."""


@dataclass(frozen=True)
class ReleasedWorld:
    """The directory, when February's releases and contacts were known and March's were not, and what is secret."""

    directory: Path
    february: str
    secrets: list[str]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> ReleasedWorld:
    place = tmp_path_factory.mktemp("released")
    played = ShardUnderTest(place)
    cases = [f"5f0c7d1e-0000-4000-8000-0000000001{number:02}" for number in range(FEBRUARY + MARCH)]
    for case_id in cases:
        played.enrol(case_id)
        played.state("PRI", "ImprisonmentStarted", imprisonment(played.now), f"s{case_id}", case_id=case_id)
    played.settle()
    played.tick(40 * DAY_MS)
    _release(played, cases[:FEBRUARY])
    played.tick(DAY_MS)
    for case_id in cases[: FEBRUARY // 2]:
        held = {"channel": "OFFICE", "attendance": "ATTENDED", "inCustody": False, "at": played.now}
        contact = {"contactId": case_id, **held}
        played.state("A.SOC", "MunicipalContactHeld", contact, f"m{case_id}", case_id=case_id)
    played.settle()
    february = format_local(played.now, zone_of("DK")).replace(" ", "T")
    played.tick(30 * DAY_MS)
    _release(played, cases[FEBRUARY:])
    assert played.parked() == []
    played.store.close()
    played.keys.close()
    secrets = [*cases, *(played.key(party, case_id) for party in played.parties for case_id in cases)]
    return ReleasedWorld(_laid_out(place, played), february, secrets)


def _release(played: ShardUnderTest, cases: list[str]) -> None:
    for case_id in cases:
        values = {"custodyId": imprisonment(0)["custodyId"], "releasedAt": played.now, "supervision": False}
        played.state("PRI", "ReleasedOnParole", values, f"r{case_id}", case_id=case_id)
    played.settle()


def _laid_out(place: Path, played: ShardUnderTest) -> Path:
    world = World(
        place / "world", played.registry, "", "localhost:1", "SASL_PLAINTEXT", None, 1, True, {}, SECRET, SECRET
    )
    world.write()
    keys = keys_path(hub_directory(world))
    keys.parent.mkdir(parents=True)
    shutil.copy(place / "keys.db", keys)
    shutil.copy(place / "shard-0.db", shard_path(world, 0))
    return world.directory


def run(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(hub, ["continuity", "indicators", *arguments, "--world", str(directory)])


def shown(directory: Path, *arguments: str) -> list[dict[str, Any]]:
    result = run(directory, "--json", *arguments)
    assert result.exit_code == 0, result.exception
    lines: list[dict[str, Any]] = json.loads(result.output)["lines"]
    return lines


def test_as_known_in_february_its_line_is_shown_and_adds_up(released: ReleasedWorld) -> None:
    line, total = shown(released.directory, "--known-at", released.february)
    assert (line["municipality"], line["kind"], line["month"], line["persons"]) == ("A", "PAROLE", "2025-02", FEBRUARY)
    assert line["shares"]["I2_contact"] == {"of": 12, "1d": 6, "7d": 6}
    assert line["spreads"]["I2_days"] == {"of": 6, "median": 1.0, "p90": 1.0}
    assert "I6_no_coordinator" not in line["shares"]  # all of them had none: no share of both sides
    assert total["persons"] == FEBRUARY
    assert total["shares"] == line["shares"]


def test_a_small_month_takes_the_other_with_it(released: ReleasedWorld) -> None:
    (total,) = shown(released.directory)
    assert (total["kind"], total["month"], total["persons"]) == (None, None, FEBRUARY + MARCH)
    assert total["shares"]["I2_contact"] == {"of": 14, "1d": 6, "7d": 6}


def test_nothing_printed_names_a_citizen(released: ReleasedWorld) -> None:
    for arguments in ((), ("--json",), ("--known-at", released.february)):
        text = run(released.directory, *arguments).output
        assert "14 persons" in text or '"persons"' in text or "12 persons" in text
        assert [secret for secret in released.secrets if secret in text] == []


def test_text_says_the_same(released: ReleasedWorld) -> None:
    lines = run(released.directory, "--known-at", released.february).output.splitlines()
    assert lines[:3] == [
        "Releases by responsible municipality; nothing of fewer than 5 persons is shown.",
        "A  2025-02 PAROLE: 12 persons",
        "  I2_contact                1d 6/12, 7d 6/12",
    ]
    assert "  I2_days                   median 1.00, p90 1.00, of 6" in lines


def test_barriers_are_counted_by_citizen(released: ReleasedWorld) -> None:
    document = json.loads(run(released.directory, "--json").output)
    # Social services took part in six cases; the offence of none of them was open to it. Of its own it sees all.
    assert {"category": "OF", "receiver": "SOC", "persons": 6} in document["barriers"]
    assert [each for each in document["barriers"] if each["category"] == "PL" or each["persons"] < 5] == []
    assert "I15 OF was not shown to SOC: 6 persons" in run(released.directory).output


def test_before_anything_was_known_nothing_is_shown(released: ReleasedWorld) -> None:
    assert shown(released.directory, "--known-at", "2024-12-31") == []


def test_a_world_of_few_citizens_shows_nothing(tmp_path: Path) -> None:
    world = stored_world(tmp_path)
    assert run(world.directory).output.splitlines()[-1] == "Nothing can be shown."


@pytest.mark.parametrize("time", ["yesterday", "2052-03-01"])
def test_a_time_that_cannot_be_or_is_still_to_come_is_refused(released: ReleasedWorld, time: str) -> None:
    assert isinstance(run(released.directory, "--known-at", time).exception, CallerFailure)
