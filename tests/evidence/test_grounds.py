"""What a decision cites can be found again: the text of its rule set and its registry, and it is explained by them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from contracts.failures import BadRuleSet, DamagedStore
from hub.consent.rule_reader import RULES_FOLDER
from hub.evidence.disclosures import seen_between
from hub.evidence.explanation import Explanation, explain
from hub.evidence.grounds import Cited, Grounds, cited_texts
from hub.evidence.replay import replay
from hub.shard.reading import reader_for
from hub.store.records import DecisionsRecorded, RulesAdopted
from tests.shard.harness import CASE, DAY_MS, START, ShardUnderTest, imprisonment
from tests.shard.test_new_rules import without_plans

CHANGED_AT = START + DAY_MS


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    """A hub whose only Danish rule set was rewritten in its place after a day, and that a party joined meanwhile."""
    folder = tmp_path / "rules"
    folder.mkdir()
    for file in RULES_FOLDER.glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    hub = ShardUnderTest(tmp_path, ("PRI", "A.SOC"), rules_folder=folder)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    hub.tick(DAY_MS)
    hub.settle()
    without_plans(folder, "DK-1", "in_force_from = 2024-01-01")
    hub.join("A.JOB")
    hub.restart()
    hub.tick(1)
    hub.settle()
    return hub


def explained(hub: ShardUnderTest, party: str, at: int) -> Explanation:
    policies = Grounds(hub.store.adoptions(), hub.shard.cases.policies).policies_at(at)
    reader = reader_for(policies)
    replayed = replay(hub.store.case_records(CASE), CASE, reader, at)
    (start,) = (fact.event_id for fact in replayed.facts)
    return explain(replayed, start, party, at, policies, reader)


def test_a_decision_is_explained_by_the_rules_of_its_time(hub: ShardUnderTest) -> None:
    then, now = explained(hub, "A.SOC", CHANGED_AT), explained(hub, "A.SOC", hub.now)
    shown = [{field.field for field in each.fields if field.shown} for each in (then, now)]
    assert ["planDuty" in fields for fields in shown] == [True, False]
    assert (then.agrees, then.told_under_it) == (True, True)
    assert (now.agrees, now.told_under_it) == (True, True)


def test_a_party_that_had_not_joined_is_explained_as_a_stranger(hub: ShardUnderTest) -> None:
    then, now = explained(hub, "A.JOB", CHANGED_AT), explained(hub, "A.JOB", hub.now)
    assert (then.decided, then.agrees) == ((), True)
    assert "not in the registry" in then.fields[0].why
    assert now.decided == now.recorded != ()


def started_on_monday(tmp_path: Path, steps_before_the_first_tick: int) -> tuple[ShardUnderTest, int]:
    """A hub that was stopped on Friday and started on Monday with a party that joined meanwhile; when it stopped."""
    hub = ShardUnderTest(tmp_path, ("PRI", "A.SOC"))
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    hub.shard.idle_write_ms = 60_000  # as in a worker: ticks that change nothing are not written, and read again
    for _ in range(3):
        hub.tick(5_000)
        hub.settle()
    stopped = hub.now
    hub.join("A.JOB")
    hub.now += 3 * DAY_MS
    hub.broker.clock = hub.now
    hub.restart()
    for _ in range(steps_before_the_first_tick):
        hub.shard.step(0.0)
    hub.tick()
    hub.settle()
    return hub, stopped


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_what_is_adopted_at_a_start_is_dated_by_the_start_and_the_time_before_explained_by_what_held_then(
    tmp_path: Path, steps: int
) -> None:
    hub, stopped = started_on_monday(tmp_path, steps)
    *_, adoption = hub.store.adoptions()
    assert adoption.recorded_at == hub.now
    told = explained(hub, "A.JOB", stopped + DAY_MS)
    assert (told.decided, told.agrees) == ((), True)
    assert "not in the registry" in told.fields[0].why


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_nobody_is_said_to_have_seen_anything_before_the_hub_was_started_with_it(tmp_path: Path, steps: int) -> None:
    hub, _ = started_on_monday(tmp_path, steps)
    replayed = replay(hub.store.case_records(CASE), CASE, hub.shard.cases.reader)
    policies_at = Grounds(hub.store.adoptions(), hub.shard.cases.policies).policies_at
    seen = seen_between(replayed, hub.shard.cases.reader, policies_at)
    assert [one.since for one in seen if one.party == "A.JOB"] == [hub.now]


def test_every_text_that_a_decision_cites_is_kept_and_is_the_one_that_it_cites(hub: ShardUnderTest) -> None:
    kept = cited_texts(hub.store.adoptions())
    decisions = [one for one in hub.store.case_records(CASE) if isinstance(one, DecisionsRecorded)]
    assert len({one.rule_set for one in decisions}) == len({one.registry for one in decisions}) == 2
    for decision in decisions:
        for digest in (decision.rule_set, decision.registry):
            assert hashlib.sha256(kept[digest].text).hexdigest() == digest
        assert (kept[decision.rule_set].kind, kept[decision.rule_set].name) == ("rule set", "DK-1")
        assert kept[decision.registry].kind == "registry"
        adopted_at = kept[decision.rule_set].adopted_at
        assert adopted_at is not None
        assert adopted_at <= decision.clock


def test_what_a_store_has_not_kept_is_explained_by_what_is_there(hub: ShardUnderTest) -> None:
    """Stores whose adoptions were recorded before texts were kept."""
    present = hub.shard.cases.policies
    older = [RulesAdopted("rules", 1, START, "x")]
    assert Grounds(older, present).policies_at(hub.now) is present
    assert Grounds([], present).policies_at(hub.now) is present
    assert cited_texts(older) == {}


def test_what_was_adopted_before_a_shard_knew_the_time_has_the_first_time_that_is_known_or_none() -> None:
    unknown, known, later = (RulesAdopted("rules", 1, at, "x", (b'id = "DK-1"\n',)) for at in (0, START, START + 1))
    for adoptions, expected in (([unknown], None), ([later, unknown, known], START)):
        (cited,) = cited_texts(adoptions).values()
        assert cited.adopted_at == expected


def test_a_kept_rule_set_that_the_program_reads_no_more_says_so(hub: ShardUnderTest) -> None:
    (*_, newest) = hub.store.adoptions()
    other = newest._replace(rule_sets=(b'id = "DK-0"\n',))
    with pytest.raises(BadRuleSet, match="kept"):
        Grounds([other], hub.shard.cases.policies).policies_at(hub.now)
    assert [each for each in cited_texts([other]).values() if each.kind == "rule set"] == [
        Cited("rule set", "DK-0", hashlib.sha256(b'id = "DK-0"\n').hexdigest(), newest.recorded_at, b'id = "DK-0"\n')
    ]


def test_texts_that_were_changed_in_the_store_are_not_used(hub: ShardUnderTest) -> None:
    adoptions, present = list(hub.store.adoptions()), hub.shard.cases.policies
    records = list(hub.store.case_records(CASE))
    for at in (START, CHANGED_AT, hub.now):
        unchecked = Grounds(adoptions, present).policies_at(at)
        assert Grounds(adoptions, present, records).policies_at(at).digest == unchecked.digest
    first, newest = adoptions
    other_rules = first._replace(rule_sets=tuple(text + b"# changed\n" for text in first.rule_sets))
    fewer_parties = first._replace(registry=first.registry.partition(b"\n")[0])
    for changed in (other_rules, fewer_parties):
        assert changed != first
        grounds = Grounds([changed, newest], present, records)
        with pytest.raises(DamagedStore, match="changed in the store"):
            grounds.policies_at(CHANGED_AT - 1)
        assert grounds.policies_at(hub.now).digest == present.digest, "the newest ones are as they were"


def test_what_was_adopted_in_the_millisecond_of_a_settlement_is_not_said_to_be_changed(hub: ShardUnderTest) -> None:
    adoptions, present = list(hub.store.adoptions()), hub.shard.cases.policies
    settled_at = next(one.clock for one in hub.store.case_records(CASE) if isinstance(one, DecisionsRecorded))
    first, newest = adoptions
    both = [first, newest._replace(recorded_at=settled_at)]
    assert Grounds(both, present, hub.store.case_records(CASE)).policies_at(settled_at).digest == present.digest
