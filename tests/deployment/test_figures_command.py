"""Figures by command: drawn over the stores of a world, stated once, told to the steering group, read on its board."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from consumers.board import board_of
from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.civil_time import day_number, instant_of, moment_of, zone_of
from contracts.failures import CallerFailure
from contracts.signatures import SigningKey
from deploy.command_line import hub as command
from deploy.figures import draw, last_month
from deploy.hub_places import hub_directory, shard_path
from deploy.hub_statements import publisher_of, state, stated_figures
from deploy.scenario.simulated_broker import SimulatedSource, SimulatedTransport
from deploy.world import OPERATOR_KEY, World
from hub.identity.pseudonyms import governance_case
from hub.store.places import keys_path
from hub.store.records import FactRecorded
from tests.shard.harness import DAY_MS, SECRET, ShardUnderTest, imprisonment

CITIZENS = 9
GOVERNANCE = governance_case(SECRET, "DK", 0)
PARTIES = ("PRI", "A.SOC", "A.ADD", "EVA", "GOV", "OPS")


@dataclass
class Drawn:
    """A running shard, the world whose stores it writes, and the instants at which its citizens were released."""

    hub: ShardUnderTest
    world: World
    cases: list[str]


@pytest.fixture
def drawn(tmp_path: Path) -> Iterator[Drawn]:
    """Nine citizens in prison from January, treated from March, all but one released in March 2025."""
    place = tmp_path / "played"
    place.mkdir()
    hub = ShardUnderTest(place, parties=PARTIES, control_key=SigningKey(SECRET))
    cases = [f"5f0c7d1e-0000-4000-8000-0000000002{number:02}" for number in range(CITIZENS)]
    for case_id in cases:
        hub.enrol(case_id)
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"s{case_id}", case_id=case_id)
    hub.tick(instant_of(datetime(2025, 3, 10, 8, tzinfo=UTC)) - hub.now)
    for number, case_id in enumerate(cases):
        treatment = {
            "treatmentId": case_id,
            "kind": "SOCIAL",
            "targetGroup": "CANNABIS_MIXED" if number < 6 else "SUBSTITUTION",
            "setting": "PRISON",
            "basis": "SFL_45A",
            "provider": "A.ADD",
            "funding": "PARTNERSHIP",
            "at": hub.now,
        }
        hub.state("A.ADD", "TreatmentStarted", treatment, f"t{case_id}", case_id=case_id)
    counted = {"date": date(2025, 3, 9), "setting": "CONSUMPTION_ROOM", "contacts": 14}
    hub.state("A.ADD", "AnonymousOutreachCounted", counted, "week 10", case_id=GOVERNANCE)
    hub.tick(DAY_MS)
    for case_id in cases[1:]:
        released = {"custodyId": imprisonment(0)["custodyId"], "releasedAt": hub.now, "supervision": False}
        hub.state("PRI", "ReleasedOnParole", released, f"r{case_id}", case_id=case_id)
    hub.settle()
    assert hub.parked() == []
    world = World(
        tmp_path / "world",
        hub.registry,
        "test",
        "localhost:1",
        "",
        None,
        1,
        True,
        {},
        SECRET,
        SECRET,
        signing_keys={OPERATOR_KEY: SECRET},
    )
    world.write()
    keys = keys_path(hub_directory(world))
    keys.parent.mkdir(parents=True)
    keys.symlink_to(place / "keys.db")
    shard_path(world, 0).symlink_to(place / "shard-0.db")
    yield Drawn(hub, world, cases)
    hub.store.close()
    hub.keys.close()


def run(drawn: Drawn, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["governance", "figures", *arguments, "--world", str(drawn.world.directory)])


def tables(drawn: Drawn, month: str) -> dict[str, list[tuple[Any, ...]]]:
    result = run(drawn, "--month", month, "--json")
    assert result.exit_code == 0, result.exception
    assert not any(case_id in result.output for case_id in drawn.cases)
    return {
        table["table"]: [(cell["row"], cell["column"], cell["count"]) for cell in table["cells"]]
        for table in json.loads(result.output)["tables"]
    }


def move_to(drawn: Drawn, day: date) -> None:
    """Tick to 00:00 local of a day in summer time."""
    drawn.hub.tick((day_number(day) * 24 - 2) * 3_600_000 - drawn.hub.now)
    drawn.hub.settle()


def test_a_month_is_drawn_when_it_is_over_and_small_cells_are_not_in_it(drawn: Drawn) -> None:
    refused = run(drawn, "--month", "2025-03")
    assert isinstance(refused.exception, CallerFailure)
    assert "2025-03" in str(refused.exception)
    move_to(drawn, date(2025, 4, 1))
    found = tables(drawn, "2025-03")
    assert found["TREATMENTS"] == [("CANNABIS_MIXED", "PARTNERSHIP", 6), ("CANNABIS_MIXED", "TOTAL", 6)]
    assert found["ACTIVE_EFFORTS"] == [("SUBSTANCE", "A.ADD", 9), ("SUBSTANCE", "TOTAL", 9)]
    assert found["ANONYMOUS_CONTACTS"] == [("CONSUMPTION_ROOM", "TOTAL", 14)]
    assert "INDICATORS" not in found, "releases are counted later, once"
    assert last_month(drawn.world, "DK") == date(2025, 3, 1)
    assert "CANNABIS_MIXED PARTNERSHIP: 6" in run(drawn).output


def test_releases_and_what_was_barred_are_counted_once_half_a_year_later(drawn: Drawn) -> None:
    move_to(drawn, date(2025, 10, 1))
    found = tables(drawn, "2025-09")
    assert ("PAROLE", "PERSONS", 8) in found["INDICATORS"]
    assert found["BARRIERS"]
    assert all(count >= 5 for *_, count in found["BARRIERS"])
    assert "INDICATORS" not in tables(drawn, "2025-08")
    assert found["TREATMENTS"] == []


def stated(drawn: Drawn, month: date) -> list[str]:
    """State a month's figures through the hub's own input, as the command does."""
    drawing = draw(drawn.world, "DK", month)
    publisher = publisher_of(drawn.world, SimulatedTransport(drawn.hub.broker))

    def wait(_: float) -> None:
        drawn.hub.settle()

    drawn.hub.broker.clock = drawn.hub.now
    return [
        state(drawn.world, publisher, "DK", event_type, values, reference, (0,), wait, lambda: drawn.hub.now)
        for event_type, values, reference in stated_figures(drawn.world, "DK", month, drawing)
    ]


def recorded(drawn: Drawn, event_type: str) -> list[dict[str, Any]]:
    codec = drawn.hub.shard.cases.reader.codec
    return [
        dict(codec.decode_body(record.schema_id, record.value))
        for record in drawn.hub.store.case_records(GOVERNANCE)
        if isinstance(record, FactRecorded) and record.event_type == event_type
    ]


def test_what_is_stated_reaches_steering_group_and_operator_and_fills_the_board(drawn: Drawn, tmp_path: Path) -> None:
    move_to(drawn, date(2025, 10, 1))
    events = stated(drawn, date(2025, 9, 1))
    assert drawn.hub.parked() == []
    (taken,) = recorded(drawn, "EvaluationSnapshotTaken")
    assert moment_of(taken["at"]).astimezone(zone_of("DK")).strftime("%Y-%m") == "2025-09"
    figures = recorded(drawn, "FiguresDrawn")
    assert len(figures) == len(events) - 1
    assert {tuple(one["recipients"]) for one in figures} == {("GOV", "OPS")}
    for party in PARTIES:
        told = {payload["table"] for payload in drawn.hub.held(party).values() if "snapshotId" in payload}
        assert told == ({one["table"] for one in figures} if party in ("GOV", "OPS") else set())
    with PartyStore.create(tmp_path / "gov.db", "GOV") as store:
        source = SimulatedSource(drawn.hub.broker, drawn.hub.names, "GOV")
        subscription = Subscription("GOV", source, store)
        while subscription.advance(0.0):
            pass
        board = board_of(store.view, "GOV", store.view_lines(), day_number(date(2025, 10, 2)), zone_of("DK"))
        assert all(key != event.key for event in store.visible() for key in drawn.cases)
    cells = {(cell["table"], cell["place"], cell["row"], cell["column"], cell["count"]) for cell in board.figures}
    assert ("INDICATORS", "A", "PAROLE", "PERSONS", 8) in cells
    assert stated(drawn, date(2025, 9, 1)) == events
    assert len(recorded(drawn, "FiguresDrawn")) == len(figures), "a month that was stated is not stated again"


def staff_stated(drawn: Drawn, wait: Callable[[float], None], role: str = "PROJECT_LEADER", minutes: int = 0) -> str:
    """State a role, as the command does, so many minutes later."""
    publisher = publisher_of(drawn.world, SimulatedTransport(drawn.hub.broker))
    values = {"party": "GOV", "role": role, "staff": "s1"}
    clock = drawn.hub.now + minutes * 60_000
    return state(drawn.world, publisher, "DK", "StaffRoleChanged", values, "staff", (0,), wait, lambda: clock)


def test_a_statement_given_again_while_the_hub_is_down_is_the_same_one(drawn: Drawn) -> None:
    class Stopped(Exception):
        pass

    def give_up(_: float) -> None:
        raise Stopped

    drawn.hub.broker.clock = drawn.hub.now
    for minutes in (0, 1):
        with pytest.raises(Stopped):
            staff_stated(drawn, give_up, minutes=minutes)
    drawn.hub.tick(120_000)
    staff_stated(drawn, lambda _: drawn.hub.settle(), minutes=2)
    assert drawn.hub.parked() == []
    assert len(recorded(drawn, "StaffRoleChanged")) == 1
    assert list((drawn.world.directory / "statements").iterdir()) == []


def test_what_was_refused_before_says_nothing_of_what_is_stated_now(drawn: Drawn) -> None:
    drawn.hub.broker.clock = drawn.hub.now
    with pytest.raises(CallerFailure, match="the hub refused it"):
        staff_stated(drawn, lambda _: drawn.hub.settle(), minutes=60)
    drawn.hub.tick(2 * 60 * 60_000)
    assert staff_stated(drawn, lambda _: drawn.hub.settle())
    assert len(recorded(drawn, "StaffRoleChanged")) == 1


def test_an_evaluator_gets_figures_while_an_agreement_in_force_names_it(drawn: Drawn) -> None:
    values = {
        "agreementId": "a0000000-0000-4000-8000-000000000001",
        "kind": "COOPERATION",
        "parties": ["EVA"],
        "startsOn": date(2025, 3, 1),
        "endsOn": date(2025, 5, 1),
        "categories": ["CA"],
    }
    drawn.hub.state("HUB", "AgreementRegistered", values, "evaluation", case_id=GOVERNANCE)
    move_to(drawn, date(2025, 6, 1))
    assert draw(drawn.world, "DK", date(2025, 3, 1)).recipients == ("EVA", "GOV", "OPS")
    assert draw(drawn.world, "DK", date(2025, 5, 1)).recipients == ("GOV", "OPS")
