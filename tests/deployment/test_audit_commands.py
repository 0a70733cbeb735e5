"""What an auditor must not take for true: a decision that is stored otherwise, a time that nobody knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deploy import case_command
from deploy.audited_case import AuditedCase, audited_case
from deploy.command_line import hub as hub_command
from hub.evidence import explanation
from hub.evidence.grounds import Cited, cited_texts
from hub.identity.pseudonyms import governance_case
from hub.store.records import DecisionsRecorded, RulesAdopted
from tests.deployment.stored_world import StoredWorld, laid_out, stored_world
from tests.deployment.test_commands import output, run
from tests.shard.harness import CASE, SECRET, ShardUnderTest, consent, imprisonment
from tests.shard.merging import SAME_SHARD, MergingShards


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> StoredWorld:
    return stored_world(tmp_path_factory.mktemp("audited"))


def test_a_stored_decision_that_is_not_the_one_derived_anew_fails_and_is_told(
    world: StoredWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("explain", CASE, world.events["start"], "A.SOC")
    assert json.loads(output(world, *asked, "--json"))["agrees"] is True
    monkeypatch.setattr(
        case_command,
        "explain_decision",
        lambda *given, **named: replace(explanation.explain(*given, **named), recorded=()),
    )
    told = run(world, *asked)
    assert told.exit_code == 1
    assert "  DIFFERS: A.SOC was last told nothing of it; derived anew from the stored facts it is CU=S1" in told.output
    assert "  to do: " in told.output
    as_json = run(world, *asked, "--json")
    assert (as_json.exit_code, json.loads(as_json.output)["agrees"]) == (1, False)


def test_what_came_and_went_between_two_settlements_is_explained_without_alarm(tmp_path: Path) -> None:
    """Stated, and taken back four seconds later: both came in one batch, which told nobody."""
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.settle()
    hub.tick(1_000)
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.tick(4_000)
    taken_back = {"targetEventId": start.partition("/")[2], "at": hub.now, "reason": "NOT_OCCURRED"}
    hub.state("PRI", "EventRetracted", taken_back, "back")
    hub.settle()
    assert hub.view("A.SOC") == {}
    played = StoredWorld(laid_out(tmp_path, hub), hub, {"start": start})
    asked = ("explain", CASE, start, "A.SOC", "--known-at", "2025-01-06T09:00:02")
    text = output(played, *asked)
    assert "A.SOC is to see CU=S1 PL=S2 at 2025-01-06 09:00" in text
    assert "not settled at that time: A.SOC was last told nothing of it; settled at 2025-01-06 09:00" in text
    assert "DIFFERS" not in text
    told = json.loads(output(played, *asked, "--json"))
    assert (told["agrees"], told["stored"], bool(told["settled_at"])) == (True, "", True)
    later = json.loads(output(played, *asked[:-1], "2025-01-06T09:00:05", "--json"))
    assert (later["agrees"], later["settled_at"], later["decided"]) == (True, None, "")


@pytest.mark.parametrize("was_known_before", [False, True])
def test_a_wrong_decision_of_the_settlement_that_follows_is_told_for_the_time_before_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_known_before: bool
) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.settle()
    hub.tick(1_000)
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    if was_known_before:
        hub.settle()
        hub.tick(1_000)
        hub.state("PRI", "ConsentGiven", consent(hub.now, ["CU"], ["B.SOC"]), "given")
    hub.tick(4_000)
    hub.settle()
    party = "B.SOC" if was_known_before else "A.SOC"
    played = StoredWorld(laid_out(tmp_path, hub), hub, {"start": start})
    asked = ("explain", CASE, start, party, "--known-at", "2025-01-06T09:00:03")
    between = json.loads(output(played, *asked, "--json"))
    assert (between["agrees"], between["stored"], bool(between["settled_at"])) == (True, "", True)

    def with_another_last_settlement(*given: Any) -> AuditedCase:
        audited = audited_case(*given)
        last = audited.records[-1]
        assert isinstance(last, DecisionsRecorded)
        others = tuple(each for each in last.decisions if each.party != party)
        return replace(audited, records=[*audited.records[:-1], last._replace(decisions=others)])

    monkeypatch.setattr(case_command, "audited_case", with_another_last_settlement)
    told = run(played, *asked)
    assert told.exit_code == 1
    assert f"  DIFFERS: {party} was last told nothing of it" in told.output
    assert "settled at" not in told.output


def test_what_is_about_nobody_is_explained_without_alarm_on_every_shard(tmp_path: Path) -> None:
    places = {**SAME_SHARD}
    hub = MergingShards(tmp_path, places)
    cases = [governance_case(SECRET, "DK", shard) for shard in range(2)]
    values = {"agreementId": CASE, "kind": "PARTNERSHIP", "parties": ["PRI", "A.SOC"], "costRule": "X"}
    for shard, case_id in enumerate(cases):
        places[case_id] = shard
        more: dict[str, Any] = {"startsOn": date(2025, 1, 1), "categories": ["SU"]}
        stated = hub.state("HUB", "AgreementRegistered", values | more, "agreement", case_id)
    hub.settle()
    directory = laid_out(tmp_path, hub)
    for case_id, decided in zip(cases, ("CO=CO", ""), strict=True):
        asked = ["explain", case_id, stated, "A.SOC", "--json", "--world", str(directory)]
        result = CliRunner().invoke(hub_command, asked)
        assert result.exit_code == 0, result.output
        assert json.loads(result.output)["decided"] == decided


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
