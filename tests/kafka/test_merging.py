"""Two national ids linked and unlinked by the commands, on the real broker, with a hub at work on two shards."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from contracts.fact import event_id_of
from deploy.command_line import hub
from tests.kafka.live_world import LiveWorld

pytestmark = pytest.mark.kafka

GIVEN_UP = "1507810010"
KEPT = "1607820021"


def link(live: LiveWorld, command: str, typed: str) -> dict[str, str]:
    """Run one of the two commands; return what it says."""
    result = CliRunner().invoke(
        hub, ["identity", command, "--json"], input=typed, env={"HUB_WORLD_DIRECTORY": str(live.world.directory)}
    )
    assert result.exit_code == 0, result.output
    said: dict[str, str] = json.loads(result.stdout)
    return said


def test_linked_ids_are_one_citizen_to_everybody_and_two_again_when_unlinked(live: LiveWorld) -> None:
    old, new = live.enrol(GIVEN_UP), live.enrol(KEPT)
    live.imprison(old["PRI"])
    housing = live.housing(old["A.SOC"])
    live.publisher("A.SOC").publish_many([housing])
    about = event_id_of("A.SOC", next(value.decode() for name, value in housing.headers if name == "ce_id"))
    live.wait_until(lambda: live.seen_by_prison_under(old["PRI"]) == {about}, "the prison sees the housing")

    assert link(live, "link", f"{GIVEN_UP}\n{KEPT}\n") == {"outcome": "merged"}
    live.wait_until(lambda: live.seen_by_prison_under(new["PRI"]) == {about}, "the prison sees it under its new key")
    live.wait_until(lambda: not live.seen_by_prison_under(old["PRI"]), "nothing is left under the old one")
    assert live.enrol(GIVEN_UP) == new

    late = live.housing(old["A.SOC"])
    live.publisher("A.SOC").publish_many([late])
    live.wait_until(lambda: len(live.seen_by_prison_under(new["PRI"])) == 2, "a late record under the old key")

    assert link(live, "unlink", f"{GIVEN_UP}\n") == {"outcome": "reopened"}
    live.wait_until(lambda: len(live.seen_by_prison_under(old["PRI"])) == 2, "all of it stands under the old key again")
    live.wait_until(lambda: not live.seen_by_prison_under(new["PRI"]), "nothing is left under the new one")
