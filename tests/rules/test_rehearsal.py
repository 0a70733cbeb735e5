"""A rehearsal says what a rule set would change, with sums that are right, and of nobody in particular."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalogue import catalogue
from contracts.categories import ALL_CATEGORIES, BIT, Category, mask_of
from contracts.event_types import DOMAIN, NEVER, EventType
from contracts.failures import BadRuleSet, CallerFailure
from deploy.command_line import hub
from deploy.hub_places import hub_directory, shard_path
from deploy.rules.rehearsal import visible_fields
from deploy.world import World
from hub.consent.rule_reader import RULES_FOLDER
from hub.disclosure.cutter import cut
from hub.store.places import keys_path
from tests.contracts.values import payloads
from tests.shard.harness import DAY_MS, SECRET, ShardUnderTest, imprisonment

DK = (RULES_FOLDER / "DK-1.toml").read_text(encoding="utf-8")
MANY, FEW = 6, 2


@dataclass(frozen=True)
class Crowd:
    """A stored world with six Danish cases, two of them with a child placed a day later, and one Swedish case."""

    directory: Path
    case_ids: tuple[str, ...]
    keys: tuple[str, ...]
    told_benefits: list[int]
    """How many fields the benefits office was really sent of each case."""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    place = tmp_path_factory.mktemp("crowd")
    played = place / "played"
    played.mkdir()
    shard = ShardUnderTest(played, ("PRI", "KIF", "A.SOC", "A.JOB", "A.BEN", "A.ADD", "A.CHI"))
    cases = tuple(f"5f0c7d1e-0000-4000-8000-0000000000{number:02}" for number in range(MANY + 1))
    for number, case_id in enumerate(cases):
        shard.enrol(case_id, date(1980 + number, 3, 1), "DK" if number < MANY else "SE")
        shard.state("PRI", "ImprisonmentStarted", imprisonment(shard.now), f"start-{number}", case_id=case_id)
    shard.settle()
    told = [len(payload) for _, _, _, payload in shard.told("A.BEN")]
    shard.tick(DAY_MS)
    for number, case_id in enumerate(cases[:FEW]):
        placed = {"childRef": "p-child", "at": shard.now, "placement": "FOSTER"}
        shard.state("A.CHI", "ChildPlaced", placed, f"child-{number}", case_id=case_id)
    shard.settle()
    assert shard.parked() == []
    shard.store.close()
    shard.keys.close()
    world = World(
        place / "world", shard.registry, "", "localhost:1", "SASL_PLAINTEXT", None, 1, True, {}, SECRET, SECRET
    )
    world.write()
    keys_path(hub_directory(world)).parent.mkdir(parents=True)
    shutil.copy(played / "keys.db", keys_path(hub_directory(world)))
    shutil.copy(played / "shard-0.db", shard_path(world, 0))
    keys = tuple(shard.key(party, case_id) for party in shard.parties for case_id in cases)
    return Crowd(world.directory, cases, keys, told)


def run(crowd: Crowd, draft: Path, *arguments: str) -> Result:
    return CliRunner().invoke(hub, ["rules", "rehearse", str(draft), "--world", str(crowd.directory), *arguments])


def draft_of(place: Path, *changes: tuple[str, str]) -> Path:
    text = DK
    for found, instead in changes:
        assert found in text, found
        text = text.replace(found, instead, 1)
    draft = place / "draft.toml"
    draft.write_text(text, encoding="utf-8")
    return draft


def rows(result: Result) -> dict[tuple[str, str, str], tuple[str, str, str]]:
    assert result.exit_code == 0, (result.output, result.exception)
    return {
        (row["party"], row["event_type"], row["category"]): (row["fields_gained"], row["fields_lost"], row["cases"])
        for row in json.loads(result.stdout)["changes"]
    }


def test_the_rules_in_force_change_nothing(crowd: Crowd, tmp_path: Path) -> None:
    result = run(crowd, draft_of(tmp_path))
    assert result.stdout == "6 cases decided, 0 would change\n"
    assert "shard 0 of 1 done" in result.stderr


def test_fields_lost_and_gained_are_summed_by_receiver_event_and_category(crowd: Crowd, tmp_path: Path) -> None:
    assert len(crowd.told_benefits) == MANY
    draft = draft_of(tmp_path, ('to = ["JOB", "BEN"]', 'to = ["JOB", "ADD"]'))
    total = str(sum(crowd.told_benefits))
    assert rows(run(crowd, draft, "--json")) == {
        ("A.ADD", "ImprisonmentStarted", "CU"): (total, "-", str(MANY)),
        ("A.BEN", "ImprisonmentStarted", "CU"): ("-", total, str(MANY)),
    }
    lines = run(crowd, draft).stdout.splitlines()
    assert lines[0].split("  ")[0] == "receiver"
    assert lines[2].split() == ["A.BEN", "ImprisonmentStarted", "CU", "-", total, str(MANY)]
    assert lines[-1] == "6 cases decided, 6 would change"


CHILD_FACTS_TO_SOCIAL_SERVICES = (
    'categories = ["CU", "CA"]\n\n[[rule]]\nid = "S1"',
    'categories = ["CU", "CA"]\n\n    [[rule.grant]]\n    limited_by = ["stated_by", "to"]\n    stated_by = ["CHI"]\n'
    '    to = ["SOC"]\n'
    '    categories = ["CF"]\n\n[[rule]]\nid = "S1"',
)


def test_few_cases_are_not_counted_out(crowd: Crowd, tmp_path: Path) -> None:
    result = run(crowd, draft_of(tmp_path, CHILD_FACTS_TO_SOCIAL_SERVICES), "--json")
    assert rows(result) == {("A.SOC", "ChildPlaced", "CF"): ("some", "-", "<5")}
    assert json.loads(result.stdout)["cases_changed"] == "<5"


def test_a_field_that_is_withheld_anew_is_lost_against_the_worlds_own_rules(crowd: Crowd, tmp_path: Path) -> None:
    own = Crowd(tmp_path / "world", crowd.case_ids, crowd.keys, crowd.told_benefits)
    shutil.copytree(crowd.directory, own.directory)
    (own.directory / "rules").mkdir()
    shutil.copy(RULES_FOLDER / "SE-1.toml", own.directory / "rules")
    in_force = draft_of(tmp_path, CHILD_FACTS_TO_SOCIAL_SERVICES)
    shutil.copy(in_force, own.directory / "rules" / "DK-1.toml")
    assert rows(run(own, in_force, "--json")) == {}
    child = ('only_to = ["CHI", "SOC", "FAC"]', 'only_to = ["CHI", "FAC"]')
    withheld = draft_of(tmp_path, CHILD_FACTS_TO_SOCIAL_SERVICES, child)
    assert rows(run(own, withheld, "--json")) == {("A.SOC", "ChildPlaced", "CF"): ("-", "some", "<5")}


def test_a_party_loses_nothing_of_its_own_facts(crowd: Crowd, tmp_path: Path) -> None:
    draft = draft_of(tmp_path, ('only_to = ["CHI", "SOC", "FAC"]\n', 'only_to = ["SOC", "FAC"]\n'))
    assert rows(run(crowd, draft, "--json")) == {}


def test_since_leaves_out_cases_in_which_nothing_was_recorded_since(crowd: Crowd, tmp_path: Path) -> None:
    draft = draft_of(tmp_path, ('to = ["JOB", "BEN"]', 'to = ["JOB"]'))
    later = json.loads(run(crowd, draft, "--json", "--since", "2025-01-07T00:00").stdout)
    assert (later["cases_decided"], later["cases_changed"]) == ("<5", "<5")
    all_ = json.loads(run(crowd, draft, "--json", "--since", "2025-01-06T09:00").stdout)
    assert (all_["cases_decided"], all_["cases_changed"]) == (str(MANY), str(MANY))
    none = json.loads(run(crowd, draft, "--json", "--since", "2025-02-01T00:00").stdout)
    assert none == {"cases_decided": "0", "cases_changed": "0", "changes": []}


def test_the_other_jurisdictions_cases_are_left_alone(crowd: Crowd, tmp_path: Path) -> None:
    swedish = tmp_path / "swedish.toml"
    shutil.copy(RULES_FOLDER / "SE-1.toml", swedish)
    result = run(crowd, swedish, "--json")
    assert json.loads(result.stdout)["cases_decided"] == "<5"


def test_nobody_is_identified_and_nothing_is_written(crowd: Crowd, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in sorted(crowd.directory.rglob("*.db"))}
    draft = draft_of(tmp_path, ('to = ["JOB", "BEN"]', 'to = ["JOB", "ADD"]'))
    said = "".join(run(crowd, draft, *more).output for more in ((), ("--json",)))
    assert len(said) > 200
    assert [secret for secret in (*crowd.case_ids, *crowd.keys, "p-child", "VIOLENCE") if secret in said] == []
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-|19[89]\d", said)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("time", ["yesterday", "2025-01-06T09:00Z"])
def test_a_time_that_is_none_is_refused(crowd: Crowd, tmp_path: Path, time: str) -> None:
    result = run(crowd, draft_of(tmp_path), "--since", time)
    assert isinstance(result.exception, CallerFailure)
    assert "expected local civil time" in str(result.exception)


def test_a_draft_with_a_name_that_nobody_explains_is_refused_before_any_case(crowd: Crowd, tmp_path: Path) -> None:
    draft = draft_of(tmp_path, ('while = ["custody_open"]', 'while = ["moon_is_full"]'))
    result = run(crowd, draft)
    assert isinstance(result.exception, BadRuleSet)
    assert "moon_is_full" in str(result.exception)
    assert result.stdout == ""


# --- the counting of fields, against the cutter that really discloses


@settings(max_examples=60, deadline=None)
@given(data=st.data(), mask=st.integers(0, ALL_CATEGORIES))
def test_what_is_counted_is_what_the_cutter_discloses(data: st.DataObject, mask: int) -> None:
    event_type = data.draw(st.sampled_from([each for each in catalogue().event_types.values() if each.anchor != NEVER]))
    payload = data.draw(payloads(event_type))
    withheld = data.draw(st.frozensets(st.sampled_from([field.name for field in event_type.fields]), max_size=2))
    # The anchor is a decision's own matter (L1): it is open wherever a decision shows anything.
    shown = mask | event_type.anchor_bit(payload)
    form = cut(event_type, payload, shown, withheld)
    if form is None:
        assert not event_type.anchor_bit(payload)
        return
    counted = visible_fields(event_type, payload, shown, withheld)
    assert sum(counted.values()) == sum(_parts(event_type, name, value) for name, value in form.items())
    assert mask_of(counted) & ~shown == 0
    assert all(counts > 0 for counts in counted.values())
    assert Category.ID not in counted or BIT[Category.ID] & shown


def _parts(event_type: EventType, name: str, value: object) -> int:
    field = event_type.field[name]
    return len(value) if field.category == DOMAIN and isinstance(value, list) else 1
