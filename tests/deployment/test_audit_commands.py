"""What an auditor must not take for true: a decision that is stored otherwise, a time that nobody knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from deploy import case_command
from hub.evidence import explanation
from hub.evidence.grounds import Cited, cited_texts
from hub.store.records import RulesAdopted
from tests.deployment.stored_world import StoredWorld, stored_world
from tests.deployment.test_commands import output, run
from tests.shard.harness import CASE


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> StoredWorld:
    return stored_world(tmp_path_factory.mktemp("audited"))


def test_a_stored_decision_that_is_not_the_one_derived_anew_fails_and_is_told(
    world: StoredWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("explain", CASE, world.events["start"], "A.SOC")
    assert json.loads(output(world, *asked, "--json"))["agrees"] is True
    monkeypatch.setattr(
        case_command, "explain_decision", lambda *given: replace(explanation.explain(*given), recorded=())
    )
    told = run(world, *asked)
    assert told.exit_code == 1
    assert "  DIFFERS: A.SOC was last told nothing of it; derived anew from the stored facts it is CU=S1" in told.output
    assert "  to do: " in told.output
    as_json = run(world, *asked, "--json")
    assert (as_json.exit_code, json.loads(as_json.output)["agrees"]) == (1, False)


def test_a_time_of_adoption_that_nobody_knows_is_told_as_that(
    world: StoredWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timeless(adoptions: Iterable[RulesAdopted]) -> Mapping[str, Cited]:
        return cited_texts(adoption._replace(recorded_at=0) for adoption in adoptions)

    monkeypatch.setattr("deploy.rules_command.cited_texts", timeless)
    text = output(world, "rules", "adopted")
    assert "time not known" in text
    assert "1970" not in text
    assert {one["adopted_at"] for one in json.loads(output(world, "rules", "adopted", "--json"))} == {None}
