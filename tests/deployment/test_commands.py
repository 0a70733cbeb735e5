"""The commands that look: at cases, decisions, parked records and contracts; and how every command explains itself."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from contracts.catalogue import catalogue
from contracts.cloudevents import parse_disclosed
from contracts.failures import Failure, NotFound
from contracts.parties import PartyRegistry
from contracts.schema_ids import schema_ids
from contracts.schema_lint import Finding
from deploy import command_line
from deploy.command_line import hub, main
from deploy.hub_places import world_stores
from deploy.scenario import command as scenario_command
from deploy.world import World
from hub.store.records import case_stream
from tests.deployment.stored_world import UNKNOWN_CASE, StoredWorld, stored_world
from tests.evidence.story import HOSTILE_TEXT
from tests.shard.harness import CASE, SECRET


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> StoredWorld:
    return stored_world(tmp_path_factory.mktemp("stored"))


def run(world: StoredWorld, *arguments: str) -> Result:
    return CliRunner().invoke(hub, [*arguments, "--world", str(world.directory)])


def output(world: StoredWorld, *arguments: str) -> str:
    result = run(world, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def refusal(world: StoredWorld, *arguments: str) -> str:
    result = run(world, *arguments)
    assert isinstance(result.exception, Failure), result.exception
    return str(result.exception)


# --- cases


def test_find_leads_from_a_partys_own_key_to_the_case_and_from_no_other(world: StoredWorld) -> None:
    assert output(world, "case", "find", "A.SOC", world.hub.key("A.SOC")) == f"{CASE}\n"
    for key in (world.hub.key("PRI"), world.hub.key("A.SOC", UNKNOWN_CASE)):
        said = refusal(world, "case", "find", "A.SOC", key)
        assert "no case behind this key" in said
        assert key not in said


def test_find_says_that_a_party_is_unknown(world: StoredWorld) -> None:
    for party in ("", "B.NOPE"):
        said = refusal(world, "case", "find", party, world.hub.key("A.SOC"))
        assert said.startswith("PARTY is not in the registry of this world; expected `")
        assert "`A.SOC`" in said


def test_a_timeline_shows_every_fact_with_its_fields_and_who_was_told(world: StoredWorld) -> None:
    text = output(world, "case", "timeline", CASE)
    for event_id in world.events.values():
        assert f"event {event_id}" in text
    assert "legalStatus: CONVICTED" in text
    assert "[corrected]" in text
    assert text.count("(recorded late, ") == 1
    assert "told A.SOC: CU=S1" in text
    assert "taken back from B.SOC (number " in text


def test_what_was_stated_steers_no_terminal_and_is_exact_for_programs(world: StoredWorld) -> None:
    text = output(world, "case", "timeline", CASE)
    assert r"    caseNo: 1\u202e2\n    event forged" in text.splitlines()
    assert text.replace("\n", "").isprintable()
    facts = json.loads(output(world, "case", "timeline", CASE, "--json"))["facts"]
    assert [fact["fields"]["caseNo"] for fact in facts if "caseNo" in fact["fields"]] == [HOSTILE_TEXT]


def test_a_timeline_names_each_decision_as_its_receiver_got_it(world: StoredWorld) -> None:
    facts = json.loads(output(world, "case", "timeline", CASE, "--json"))["facts"]
    told = [telling for fact in facts for telling in fact["told"] if telling["number"]]
    named = {(one["party"], one["partition"], one["number"]): one["hub_decision"] for one in told}
    was_sent = {}
    for party in world.hub.parties:
        for record in world.hub.broker.log(world.hub.names.output(party), 0):
            sent = parse_disclosed(record.headers)
            was_sent[party, 0, sent.number] = sent.decision
    assert len(named) > 4
    assert named == {place: was_sent[place] for place in named}


def test_a_timeline_as_known_and_as_valid_at_a_local_time_holds_back_the_rest(world: StoredWorld) -> None:
    # The story begins on 6 January 2025 at 09:00 in Denmark, and goes on once a day.
    facts = json.loads(output(world, "case", "timeline", CASE, "--json", "--known-at", "2025-01-06T09:00"))["facts"]
    assert {fact["event_id"] for fact in facts} == {world.events[name] for name in ("start", "date", "child")}
    valid = json.loads(output(world, "case", "timeline", CASE, "--json", "--valid-at", "2025-01-06T08:59:59"))["facts"]
    assert [fact["event_id"] for fact in valid] == [world.events["late"]]
    assert (valid[0]["late"], valid[0]["state"], valid[0]["corrects"]) == (True, "live", None)
    assert {telling["party"] for telling in valid[0]["told"]} >= {"A.JOB", "PRI"}


@pytest.mark.parametrize("time", ["yesterday", "2025-01-06T09:00Z", "2025-13-01"])
def test_a_time_that_is_none_is_refused_with_an_example(world: StoredWorld, time: str) -> None:
    assert "expected local civil time as `2025-01-25T09:00`" in refusal(
        world, "case", "timeline", CASE, "--known-at", time
    )


def test_an_unknown_case_is_not_found(world: StoredWorld) -> None:
    assert "no shard has this case" in refusal(world, "case", "timeline", UNKNOWN_CASE)
    assert "no such case was known then" in refusal(world, "case", "timeline", CASE, "--known-at", "2020-01-01")


# --- decisions


def test_an_explanation_says_field_by_field_what_is_shown_and_why(world: StoredWorld) -> None:
    lines = output(world, "explain", CASE, world.events["start"], "A.SOC").splitlines()
    assert lines[0] == f"ImprisonmentStarted ({world.events['start']})"
    assert lines[1].startswith("A.SOC sees CU=S1 ")
    assert any(line.startswith("  shown   legalStatus") and "[S1]" in line for line in lines)
    assert any(line.startswith("  hidden  offenceGroup") for line in lines)
    assert not any("note:" in line or "DIFFERS" in line for line in lines)


def test_an_explanation_of_the_past_is_of_the_past(world: StoredWorld) -> None:
    event = world.events["start"].partition("/")[2]
    now = json.loads(output(world, "explain", CASE, event, "B.SOC", "--json"))
    then = json.loads(output(world, "explain", CASE, event, "B.SOC", "--json", "--known-at", "2025-01-08T12:00"))
    assert (now["decided"], now["stored"]) == ("", "")
    assert then["decided"] == then["stored"] != ""
    assert {field["field"] for field in then["fields"] if field["shown"]} > {"legalStatus", "offenceGroup"}


def test_an_explanation_for_a_stranger_or_of_a_strange_event_is_refused(world: StoredWorld) -> None:
    assert "`Z.SOC` is not in the registry" in refusal(world, "explain", CASE, world.events["start"], "Z.SOC")
    assert "0 of this case match" in refusal(world, "explain", CASE, CASE, "A.SOC")


@pytest.mark.parametrize("command", ["explain", "timeline"])
def test_what_is_still_to_come_is_known_to_nobody(world: StoredWorld, command: str) -> None:
    asked = ("explain", CASE, world.events["start"], "A.SOC") if command == "explain" else ("case", "timeline", CASE)
    said = refusal(world, *asked, "--known-at", "2031-01-01")
    assert "the hub has come as far as 2025-01-09 09:00" in said


def test_what_was_seen_in_a_period_names_basis_consent_version_and_rule_set(world: StoredWorld) -> None:
    period = ("--from", "2025-01-08T00:00", "--to", "2025-01-08T12:00", "--party", "B.SOC")
    answer = json.loads(output(world, "case", "seen", CASE, "--json", *period))
    (start,) = (one for one in answer["seen"] if one["event_id"] == world.events["start"])
    (consent,) = start["consents"]
    assert start["shown"] == f"CU+OF=C:{consent['consent_id']}"
    assert (consent["version"], consent["event_id"]) == (1, world.events["consent"])
    assert (start["from"], start["until"]) == ("2025-01-07T09:00:00.000+01:00", "2025-01-09T09:00:00.000+01:00")
    assert (start["rule_set"], start["confirmed"]) == ("DK-1", True)
    assert {one["party"] for one in answer["seen"]} == {"B.SOC"}
    text = output(world, "case", "seen", CASE, *period)
    assert f"consent {consent['consent_id']} version 1 (event {consent['event_id']})" in text
    assert "rule set DK-1 (" in text
    assert f"{len(answer['seen'])} entries" in text
    assert "VIOLENCE" not in text + json.dumps(answer), "the log names fields and tells no value"
    nothing = json.loads(output(world, "case", "seen", CASE, "--json", "--to", "2025-01-01"))
    assert nothing["seen"] == []


def test_every_digest_that_an_entry_cites_leads_to_its_text(world: StoredWorld) -> None:
    answer = json.loads(output(world, "case", "seen", CASE, "--json"))
    adopted = {one["digest"]: one for one in json.loads(output(world, "rules", "adopted", "--json"))}
    digests = {one[name] for one in answer["seen"] for name in ("rule_set_digest", "registry")}
    assert len(digests) == 2
    for digest in digests:
        text = output(world, "rules", "cited", digest[:16])
        assert hashlib.sha256(text.encode()).hexdigest() == digest
        assert digest in adopted
    assert {one["id"] for one in adopted.values()} == {"DK-1", "SE-1", None}
    for wrong in ("", "0" * 64, min(digests)[:15]):
        assert "no text of this digest is kept" in refusal(world, "rules", "cited", wrong)


def test_a_party_that_has_left_can_be_asked_about(tmp_path: Path) -> None:
    left = stored_world(tmp_path)
    world = World.open(left.directory)
    staying = [party for party in world.registry if party.id != "B.SOC"]
    replace(world, registry=PartyRegistry.of(staying)).write()
    assert output(left, "case", "find", "B.SOC", left.hub.key("B.SOC")) == f"{CASE}\n"
    then = output(left, "explain", CASE, left.events["start"], "B.SOC", "--known-at", "2025-01-08T12:00")
    assert "B.SOC sees CU+OF=C:" in then
    assert "note:" not in then
    assert output(left, "case", "seen", CASE, "--party", "B.SOC")
    for stranger in ("Z.SOC", ""):
        assert "not in the registry" in refusal(left, "case", "seen", CASE, "--party", stranger)
        assert "not in the registry" in refusal(left, "case", "find", stranger, left.hub.key("B.SOC"))


def test_an_erased_case_is_told_as_that_and_stops_no_command_about_the_others(tmp_path: Path) -> None:
    erased = stored_world(tmp_path)
    keys = world_stores(World.open(erased.directory)).open_keys(SECRET)
    keys.destroy([case_stream(CASE)])
    keys.close()
    event = erased.events["start"]
    for command in (("case", "timeline", CASE), ("case", "seen", CASE), ("explain", CASE, event, "A.SOC")):
        assert "was destroyed: what it sealed cannot be read" in refusal(erased, *command)
    assert "Nothing can be shown" in output(erased, "continuity", "indicators")
    assert "0 cases decided" in output(erased, "rules", "rehearse", "DK-1")
    assert output(erased, "governance", "figures", "--month", "2024-12")


# --- parked records


def test_parked_records_are_listed_with_reason_and_without_content(world: StoredWorld) -> None:
    text = output(world, "parked", "list")
    assert text == "shard 0  A.SOC 1  unknown_key  field key  open\n1 parked records\n"
    (line,) = json.loads(output(world, "parked", "list", "--json", "--party", "A.SOC", "--all"))
    assert set(line) == {
        *("shard", "party", "number", "reason", "field", "fix"),
        *("recorded_at", "topic", "partition", "offset", "outcome", "resolved_at"),
    }
    assert output(world, "parked", "list", "--party", "PRI") == "0 parked records\n"


def test_a_parked_record_is_shown_with_its_fix_and_without_content(world: StoredWorld) -> None:
    text = output(world, "parked", "show", "A.SOC", "1")
    assert "reason: unknown_key\n" in text
    assert "fix: use the pseudonym" in text
    assert "of-nobody" not in text
    assert world.hub.key("A.SOC", UNKNOWN_CASE) not in text


def test_a_parked_record_or_party_that_is_not_there_is_not_found(world: StoredWorld) -> None:
    assert "no parked record `2`" in refusal(world, "parked", "show", "A.SOC", "2")
    assert "no parked record `1`" in refusal(world, "parked", "show", "A.SOC", "1", "--shard", "7")
    assert "not in the registry" in refusal(world, "parked", "list", "--party", "A.SOK")


# --- contracts


def contracts(*arguments: str) -> Result:
    return CliRunner().invoke(hub, ["contracts", *arguments])


def test_the_contracts_are_listed_without_the_hubs_own_records() -> None:
    stated = [each for each in catalogue().event_types.values() if not each.control]
    lines = contracts("list").output.splitlines()
    assert lines[-1] == f"{len(stated)} event types"
    assert not any(line.startswith("ShardTicked ") for line in lines)
    values = json.loads(contracts("list", "--json", "--role", "YTH").output)
    assert {each["name"] for each in values} == {each.name for each in stated if each.may_state("YTH")}


def test_one_contract_is_shown_field_by_field() -> None:
    lines = contracts("list", "HousingSecured").output.splitlines()
    assert lines[0].startswith(f"HousingSecured  v1  schema {schema_ids().published('HousingSecured')}  anchor HO")
    for field in catalogue().event_types["HousingSecured"].fields:
        assert any(f" {field.name}: {field.kind}" in line and f"@{field.category}" in line for line in lines)
    assert contracts("list", "NoSuchEvent").exit_code == 2
    typo = contracts("list", "--role", "XX")
    assert typo.exit_code == 2
    assert "'XX' is not one of 'ADD', " in typo.output


def test_the_lint_counts_and_passes() -> None:
    result = contracts("lint")
    assert result.exit_code == 0
    assert result.output.startswith(f"{len(catalogue().event_types)} event types")
    assert result.output.endswith(", 0 findings\n")


def test_a_finding_of_the_lint_is_printed_and_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.contracts_command.lint", lambda _: [Finding("name-form", "X", "is bad")])
    result = contracts("lint")
    assert result.exit_code == 1
    assert "name-form  X: is bad" in result.output


def test_the_generated_schemas_are_those_in_the_repository(tmp_path: Path) -> None:
    kept = Path(command_line.__file__).parent.parent / "contracts" / "schemas"
    # Ids are given out in the order in which types come, for good: the files follow from contracts and ids.
    shutil.copy(kept / "ids.toml", tmp_path)
    assert contracts("generate", str(tmp_path)).exit_code == 0
    made = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert len(made) > 100
    assert made == {file.relative_to(kept): file.read_bytes() for file in kept.rglob("*") if file.is_file()}


# --- every command


def every_command(group: click.Group, path: Sequence[str] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


COMMANDS = dict(every_command(hub))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_each_of_its_options_says_what_it_is_for(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help, path
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, (path, parameter.name)
    result = CliRunner().invoke(hub, [*path, "--help"])
    assert result.exit_code == 0
    assert command.help.split("\n")[0].rstrip(".") in " ".join(result.output.split())


def test_the_list_of_commands_says_of_each_what_its_own_help_says_first() -> None:
    said = {name: words for name, (_, words) in command_line.COMMANDS.items()}
    assert said == {name: each.get_short_help_str(400) for (name, *rest), each in COMMANDS.items() if not rest}


def test_the_command_line_has_the_commands_that_the_tests_above_run() -> None:
    assert {("case", "timeline"), ("explain",), ("parked", "retry"), ("contracts", "lint")} <= set(COMMANDS)
    assert scenario_command.scenario in COMMANDS.values()


def from_the_shell(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["hub", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_failure_is_one_line_on_standard_error_and_exits_1(
    world: StoredWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert from_the_shell(monkeypatch, "case", "timeline", UNKNOWN_CASE, "--world", str(world.directory)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: no shard has this case")
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("command", [["case", "timeline", CASE], ["parked", "list"], ["explain", CASE, CASE, "PRI"]])
def test_a_directory_that_is_no_world_is_one_line_too(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert from_the_shell(monkeypatch, *command, "--world", str(tmp_path)) == 1
    assert capsys.readouterr().err.startswith(f"error: no world in `{tmp_path}`")


def test_a_message_of_several_lines_is_still_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise NotFound("one thing\n  and another")

    monkeypatch.setattr("deploy.command_line.hub", fail)
    assert from_the_shell(monkeypatch) == 1
    assert capsys.readouterr().err == "error: one thing and another\n"


def test_a_wrong_call_exits_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert from_the_shell(monkeypatch, "case", "timelines") == 2
    assert "No such command" in capsys.readouterr().err


def test_help_exits_0_and_names_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert from_the_shell(monkeypatch, "--help") == 0
    said = capsys.readouterr().out
    assert all(name in said for name, *rest in COMMANDS if not rest)
