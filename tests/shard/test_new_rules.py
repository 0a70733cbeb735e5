"""Other rules or another party: every case is settled anew, and nothing leaves a case before it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from contracts.civil_time import instant_of
from contracts.failures import BadRuleSet, StoreUnavailable
from contracts.parties import PartyRegistry
from hub.consent.policies import Policies
from hub.consent.rule_reader import RULES_FOLDER
from hub.identity.pseudonyms import governance_case, governance_key
from hub.shard.worker import BEHIND_TICK_MS_MAX
from hub.store.records import DecisionsRecorded
from tests.shard.harness import DAY_MS, SECRET, ShardUnderTest, imprisonment
from tests.shard.test_restarting import cut_off, reachable_again

CASES = tuple(f"5f0c7d1e-0000-4000-8000-00000000020{number}" for number in range(5))
PLAN_OPENED = (
    'categories = ["CU", "RE", "PL", "HO", "AD", "EM"]\nwhile = ["in_custody_window", "convicted", "plan_duty"]'
)


def without_plans(folder: Path, name: str, in_force_from: str) -> None:
    """Write a rule set that is DK-1 without the plans of S2."""
    lines = [line.strip() for line in (RULES_FOLDER / "DK-1.toml").read_text().splitlines()]
    text = "\n".join(lines)
    assert PLAN_OPENED in text
    text = text.replace(PLAN_OPENED, PLAN_OPENED.replace('"PL", ', ""))
    text = text.replace('id = "DK-1"', f'id = "{name}"').replace("in_force_from = 2024-01-01", in_force_from)
    (folder / f"{name}.toml").write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A rules folder of the operator's, as it comes."""
    folder = tmp_path / "rules"
    folder.mkdir()
    for file in RULES_FOLDER.glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def hub(tmp_path: Path, folder: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, rules_folder=folder)
    for case_id in CASES:
        hub.enrol(case_id)
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id=case_id)
    hub.settle()
    assert [payload["planDuty"] for payload in hub.view("A.SOC").values()] == [True] * len(CASES)
    return hub


def plans_seen(hub: ShardUnderTest) -> int:
    return sum("planDuty" in payload for payload in hub.view("A.SOC").values())


def test_an_empty_store_adopts_rules_with_its_first_record_and_says_when(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.broker.log(hub.names.hub_input, 0).clear()
    hub.settle()
    assert list(hub.store.adoptions()) == []
    hub.tick()
    hub.settle()
    assert [adopted.recorded_at for adopted in hub.store.adoptions()] == [hub.now]


def test_a_changed_rule_set_takes_back_from_every_case_and_is_named_by_its_decisions(
    hub: ShardUnderTest, folder: Path
) -> None:
    adopted_before = hub.store.head()
    (folder / "DK-1.toml").unlink()
    without_plans(folder, "DK-2", "in_force_from = 2024-01-01")
    hub.restart()
    hub.tick()
    hub.settle()
    assert plans_seen(hub) == 0
    assert len(hub.view("A.SOC")) == len(CASES), "the custody itself is still told by S1"
    head = hub.store.head()
    assert (head.rules_version, head.rules) == (adopted_before.rules_version + 1, hub.shard.cases.settled_under)
    (policy,) = (one for one in hub.shard.cases.policies if one.rule_set == "DK-2")
    for case_id in CASES:
        *_, newest = (one for one in hub.store.case_records(case_id) if isinstance(one, DecisionsRecorded))
        assert newest.rule_set == policy.digest


def test_what_lay_there_when_the_shard_was_opened_is_read_under_new_rules_without_deciding(
    hub: ShardUnderTest, folder: Path
) -> None:
    """Stopped for a while, in which an agency stated something; then the tick of its opening comes."""
    without_plans(folder, "DK-1", "in_force_from = 2024-01-01")
    told = {party: len(hub.told(party)) for party in hub.parties}
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "late", case_id=CASES[0])
    before = hub.store.head()
    hub.restart()
    hub.settle()
    assert hub.store.head().rules_version == before.rules_version
    assert hub.store.head().positions != before.positions, "it is read"
    assert hub.store.head().numbers == before.numbers, "nothing is decided"
    assert {party: len(hub.told(party)) for party in hub.parties} == told
    hub.tick(DAY_MS)
    hub.settle()
    *_, adopted = hub.store.adoptions()
    assert (adopted.originator_version, adopted.recorded_at) == (before.rules_version + 1, hub.now)
    assert [payload for *_, payload in hub.told("A.SOC")[told["A.SOC"] :] if "planDuty" in payload] == []
    assert len(hub.view("A.SOC")) == len(CASES) + 1


def test_rules_are_not_adopted_at_a_tick_at_which_the_shard_is_still_behind(
    hub: ShardUnderTest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It catches up for so long that the tick of its opening is old: nothing was decided by them then."""
    monkeypatch.setattr("hub.shard.worker.BATCH_RECORDS_MAX", 1)
    without_plans(folder, "DK-1", "in_force_from = 2024-01-01")
    hub.restart()
    for _ in range(3):
        hub.tick(2 * BEHIND_TICK_MS_MAX)
    hub.settle()
    *_, adopted = hub.store.adoptions()
    assert adopted.recorded_at == hub.now
    assert plans_seen(hub) == 0


def test_a_shard_under_the_rules_that_it_has_adopted_waits_for_no_tick(hub: ShardUnderTest) -> None:
    """As one that is taken over from another worker."""
    event_id = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "late", case_id=CASES[0])
    hub.restart()
    hub.settle()
    assert event_id in hub.view("A.SOC")
    assert len(list(hub.store.adoptions())) == 1


def test_who_has_joined_may_state_before_the_tick_that_it_is_taken_up_with(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path, parties=("PRI", "A.SOC"))
    hub.settle()
    hub.join("A.ADD")
    governance = governance_case(SECRET, "DK", 0)
    counted = {"date": date(2025, 1, 5), "setting": "STREET", "contacts": 9}
    hub.state("A.ADD", "AnonymousOutreachCounted", counted, "week 1", case_id=governance)
    hub.restart()
    hub.settle()
    assert hub.parked() == []


def test_the_keys_of_what_is_about_nobody_are_issued_once_while_new_rules_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog of many batches lies there; the first one cannot be stored."""
    monkeypatch.setattr("hub.shard.worker.BATCH_RECORDS_MAX", 1)
    hub = ShardUnderTest(tmp_path, parties=("PRI", "A.SOC"))
    hub.enrol()
    hub.settle()
    hub.join("A.ADD")
    counted = {"date": date(2025, 1, 5), "setting": "STREET", "contacts": 9}
    for week in range(9):
        hub.state(
            "A.ADD", "AnonymousOutreachCounted", counted, f"week {week}", case_id=governance_case(SECRET, "DK", 0)
        )
    hub.restart()
    asked: list[str] = []
    cases_of, commit = hub.store.cases_of, hub.store.commit
    own = governance_key(SECRET, "DK", "HUB", 1)

    def watched(keys: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        pairs = list(keys)
        asked.extend(party for party, key in pairs if key == own)
        return cases_of(pairs)

    def failing(writes: object) -> None:
        raise StoreUnavailable("no room")

    monkeypatch.setattr(hub.store, "cases_of", watched)
    monkeypatch.setattr(hub.store, "commit", failing)
    with pytest.raises(StoreUnavailable):
        hub.shard.step(0.0)
    monkeypatch.setattr(hub.store, "commit", commit)
    before = hub.store.head().batch
    hub.settle()
    assert hub.store.head().batch >= before + 9
    assert hub.parked() == []
    assert len(asked) == 3, "to find them missing, after the failure again, and to find them stored"


def test_the_same_rules_again_settle_nothing(hub: ShardUnderTest) -> None:
    before = hub.store.head()
    hub.restart()
    hub.settle()
    after = hub.store.head()
    assert (after.rules_version, after.numbers) == (before.rules_version, before.numbers)
    assert hub.store.due(hub.now, 10) == []


def test_what_was_numbered_under_the_old_rules_leaves_only_as_the_new_ones_allow(
    hub: ShardUnderTest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off, so that numbers of the old rules are left over; many cases, so that not all are settled in one turn."""
    monkeypatch.setattr("hub.shard.settling.DUE_CASES_MAX", 1)
    cut_off(hub, "A.SOC")
    late = "5f0c7d1e-0000-4000-8000-000000000300"
    hub.enrol(late)
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "late", case_id=late)
    hub.settle()
    sent_before = len(hub.told("A.SOC"))
    reachable_again(hub)
    without_plans(folder, "DK-1", "in_force_from = 2024-01-01")
    hub.restart()
    hub.settle()
    assert len(hub.told("A.SOC")) == sent_before, "nothing leaves before the new rules are adopted"
    hub.tick()
    hub.settle()
    fresh = [payload for *_, payload in hub.told("A.SOC")[sent_before:]]
    assert fresh
    assert not any("planDuty" in payload for payload in fresh)
    assert plans_seen(hub) == 0


def test_a_case_that_is_settled_goes_on_while_others_wait(
    hub: ShardUnderTest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.shard.settling.DUE_CASES_MAX", 1)
    without_plans(folder, "DK-1", "in_force_from = 2024-01-01")
    hub.restart()
    hub.tick(1000)
    moved = {"custodyId": imprisonment(0)["custodyId"], "releaseDate": date(2025, 8, 1), "kind": "PAROLE"}
    event_id = hub.state("PRI", "ReleaseDateSet", moved, "set", case_id=CASES[-1])
    told_at = None
    for step in range(100):
        worked = hub.shard.step(0.0)
        if told_at is None and event_id in hub.view("A.SOC"):
            told_at = step
            assert plans_seen(hub) > 0, "another case still waits for its turn"
            assert "planDuty" not in next(
                payload for *_, event, payload in hub.told("A.SOC")[::-1] if event == hub_event(hub, CASES[-1])
            )
        if not worked:
            break
    assert told_at is not None
    assert plans_seen(hub) == 0


def hub_event(hub: ShardUnderTest, case_id: str) -> str:
    return f"PRI/{hub.publisher('PRI').event_id('ImprisonmentStarted', f'start {case_id}', 0)}"


def test_a_dated_rule_set_comes_into_force_on_its_day_without_a_restart(hub: ShardUnderTest, folder: Path) -> None:
    without_plans(folder, "DK-2", "in_force_from = 2025-01-20")
    hub.restart()
    hub.settle()
    assert plans_seen(hub) == len(CASES)
    midnight = instant_of(datetime(2025, 1, 19, 23, 0, tzinfo=UTC))  # 00:00 in Copenhagen
    hub.tick(midnight - 1 - hub.now)
    hub.settle()
    assert plans_seen(hub) == len(CASES)
    hub.tick(1)
    hub.settle()
    assert plans_seen(hub) == 0
    assert hub.store.due(hub.now, 10) == []


def test_a_party_that_joins_is_told_what_it_may_see_of_every_case(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path, parties=("PRI", "A.SOC"))
    for case_id in CASES:
        hub.enrol(case_id)
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id=case_id)
    hub.settle()
    hub.tick(DAY_MS)
    hub.join("A.BEN")
    hub.restart()
    hub.tick()
    hub.settle()
    assert len(hub.view("A.BEN")) == len(CASES)
    for case_id in CASES:
        hub.control.publish(0, "KeyIssued", {"caseId": case_id, "party": "A.BEN", "key": hub.key("A.BEN", case_id)})
        granted = {"benefitId": case_id, "kind": "CASH_ASSISTANCE", "at": hub.now}
        hub.state("A.BEN", "BenefitGranted", granted, f"granted {case_id}", case_id=case_id)
    hub.settle()
    assert hub.parked() == []


def test_two_rule_sets_of_one_day_are_refused(folder: Path) -> None:
    without_plans(folder, "DK-2", "in_force_from = 2024-01-01")
    with pytest.raises(BadRuleSet, match="in_force_from"):
        Policies.load(PartyRegistry.of([]), folder)
