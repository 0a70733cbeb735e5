"""A resync tells a party, between two marks, all that it may see now: no more, no less, and in an order of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.fact import ce_id_of
from contracts.failures import StoreUnavailable
from hub.disclosure import settlement
from hub.shard import resyncing, settling, worker
from hub.shard.resyncing import COMPLETED, GIVEN_UP, LEFT_OVER, REQUESTED
from hub.store.records import DecisionsRecorded, ResyncStepped
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, OTHER_CASE, PARTIES, ShardUnderTest
from tests.shard.resyncs import PARTY, after_the_last_mark, ask, is_mark, marks, two_citizens, undisturbed
from tests.shard.test_disclosing import withdrawn


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    return two_citizens(tmp_path)


def stepped(hub: ShardUnderTest, party: str = PARTY) -> ResyncStepped:
    return hub.store.resyncs()[party]


def told_since(hub: ShardUnderTest, count: int, party: str = PARTY) -> list[tuple[int, str, str, dict[str, Any]]]:
    return hub.told(party)[count:]


def test_all_that_a_party_may_see_comes_between_two_marks_under_the_next_numbers(hub: ShardUnderTest) -> None:
    before = hub.told("A.SOC")
    held = undisturbed(before)
    ask(hub, "A.SOC")
    hub.settle()
    again = told_since(hub, len(before), "A.SOC")
    assert [number for number, *_ in again] == list(range(len(before) + 1, len(before) + len(held) + 3))
    assert [payload.get("state") for _, _, _, payload in (again[0], again[-1])] == ["BEGUN", "COMPLETED"]
    assert {event_id: payload for _, _, event_id, payload in again[1:-1]} == held
    assert {effect for _, effect, _, _ in again} == {"disclosed"}
    assert len(held) == 2
    assert stepped(hub, "A.SOC").step == COMPLETED


def test_nobody_else_is_told_anything(hub: ShardUnderTest) -> None:
    before = {party: len(hub.told(party)) for party in PARTIES}
    ask(hub, PARTY)
    hub.settle()
    assert [party for party in PARTIES if len(hub.told(party)) != before[party]] == [PARTY]


def test_a_mark_says_whose_request_it_answers_and_when_that_was_made(hub: ShardUnderTest) -> None:
    asked_at = hub.now
    ask(hub, PARTY)
    hub.tick(HOUR_MS)
    hub.settle()
    said = [payload for _, _, _, payload in hub.told(PARTY) if is_mark(payload)]
    assert [(one["occurredAt"], one["at"], one["recipient"]) for one in said] == [(asked_at, asked_at, PARTY)] * 2
    keys = {
        record.key
        for record in hub.broker.log(hub.names.output(PARTY), 0)
        if b"Resync" in dict(record.headers)["ce_type"]
    }
    assert len(keys) == 1
    assert not keys & {hub.key(PARTY, case_id).encode() for case_id in (CASE, OTHER_CASE)}


def test_what_it_may_no_longer_see_does_not_come_again(hub: ShardUnderTest) -> None:
    withdrawn(hub)
    hub.settle()
    count = len(hub.told(PARTY))
    ask(hub, PARTY)
    hub.settle()
    again = told_since(hub, count)
    assert "custodyId" not in str(again)
    assert [payload["kind"] for _, _, _, payload in again if "kind" in payload] == ["CONSENT_ENDED"]
    assert after_the_last_mark(hub.told(PARTY)) == undisturbed(hub.told(PARTY))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_withdrawal_beside_the_request_wins(hub: ShardUnderTest, is_first: bool) -> None:
    count = len(hub.told(PARTY))
    if is_first:
        withdrawn(hub)
    ask(hub, PARTY)
    if not is_first:
        withdrawn(hub)
    hub.settle()
    assert [effect for _, effect, _, payload in told_since(hub, count) if "custodyId" in payload] == []
    assert after_the_last_mark(hub.told(PARTY)) == undisturbed(hub.told(PARTY))


def test_what_is_withdrawn_before_a_case_had_its_turn_is_told_by_no_turn(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark is out, the case waits; then the consent ends, and the worker is killed."""
    monkeypatch.setattr(settling, "DUE_CASES_MAX", 0)  # no resync goes on
    ask(hub, PARTY)
    hub.shard.step(0.0)
    hub.shard.step(0.0)
    assert marks(hub.told(PARTY))[-1][1] == "BEGUN"
    count = len(hub.told(PARTY))
    withdrawn(hub)
    hub.shard.step(0.0)
    hub.restart()
    monkeypatch.undo()
    hub.settle()
    assert [payload for _, effect, _, payload in told_since(hub, count) if "custodyId" in payload] == []
    assert after_the_last_mark(hub.told(PARTY)) == undisturbed(hub.told(PARTY))


@pytest.mark.parametrize("facts_max", [1, 200_000])
def test_cases_come_a_few_at_a_time_and_a_killed_worker_goes_on(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch, facts_max: int
) -> None:
    monkeypatch.setattr(resyncing, "RESYNC_CASES_MAX", 1)
    hub.facts_max = facts_max
    hub.restart()
    hub.settle()
    ask(hub, "PRI")
    for _ in range(6):
        hub.shard.step(0.0)
        hub.restart()
    hub.settle()
    assert after_the_last_mark(hub.told("PRI")) == undisturbed(hub.told("PRI"))
    steps = _all_steps(hub, "PRI")
    assert len({record.reached for record in steps}) > 2
    assert [record.originator_version for record in steps] == list(range(1, len(steps) + 1))


def _all_steps(hub: ShardUnderTest, party: str) -> list[ResyncStepped]:
    rows = hub.store.notifications(0, 10_000)
    records = [hub.store.record_of(row) for row in rows if row.originator_id == f"resync:{party}"]
    return [record for record in records if isinstance(record, ResyncStepped)]


def test_the_order_is_that_of_the_partys_keys_whatever_touches_a_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fact that the party may not see, on the case whose turn comes last, moves nothing."""
    monkeypatch.setattr(resyncing, "RESYNC_CASES_MAX", 1)
    lying = []
    for is_more_stated in (False, True):
        (tmp_path / str(is_more_stated)).mkdir()
        hub = ShardUnderTest(tmp_path / str(is_more_stated))
        for place, case_id in enumerate((CASE, OTHER_CASE)):
            hub.enrol(case_id)
            opened = {"caseNo": f"{place}", "at": hub.now}
            hub.state("A.BEN", "CaseOpened", opened, f"case {place}", case_id=case_id)
        hub.settle()
        last = max((CASE, OTHER_CASE), key=lambda case_id: hub.key("A.BEN", case_id))
        count = len(hub.told("A.ADD"))
        ask(hub, "A.BEN")
        for reference in ("one", "two", "three"):
            if is_more_stated:
                opened = {"caseNo": reference, "at": hub.now}
                hub.state("A.ADD", "CaseOpened", opened, reference, case_id=last)
            hub.shard.step(0.0)
        hub.settle()
        assert bool(hub.told("A.ADD")[count:]) == is_more_stated
        lying.append(hub.told("A.BEN"))
    assert lying[0] == lying[1]
    assert len(lying[0]) == 6


def test_the_same_request_again_has_no_effect_and_another_one_begins_anew(hub: ShardUnderTest) -> None:
    for name in ("one", "one", "two", "one", "two"):
        ask(hub, PARTY, name)
        hub.settle()
    assert [state for _, state in marks(hub.told(PARTY))] == ["BEGUN", "COMPLETED"] * 2
    hub.restart()
    ask(hub, PARTY, "one")
    hub.settle()
    assert len(marks(hub.told(PARTY))) == 4


def test_another_request_while_one_runs_begins_anew_and_only_that_one_is_completed(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resyncing, "RESYNC_CASES_MAX", 1)
    ask(hub, PARTY, "one")
    hub.shard.step(0.0)
    ask(hub, PARTY, "two")
    hub.settle()
    assert [state for _, state in marks(hub.told(PARTY))] == ["BEGUN", "BEGUN", "COMPLETED"]
    assert after_the_last_mark(hub.told(PARTY)) == undisturbed(hub.told(PARTY))


def test_several_parties_are_told_side_by_side(hub: ShardUnderTest) -> None:
    for party in PARTIES:
        ask(hub, party, party)
    hub.settle()
    for party in PARTIES:
        assert after_the_last_mark(hub.told(party)) == undisturbed(hub.told(party))


def test_a_party_that_was_told_nothing_gets_two_marks(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path)
    ask(hub, "KIF")
    hub.settle()
    assert marks(hub.told("KIF")) == [(1, "BEGUN"), (2, "COMPLETED")]


def test_a_party_that_takes_no_part_is_refused_with_what_to_do(hub: ShardUnderTest) -> None:
    ask(hub, "C.SOC")
    hub.settle()
    (parked,) = hub.parked()
    assert (parked.reason, parked.field, parked.fix) == (
        "value_outside_model",
        "party",
        "name a party of the registry",
    )


def test_a_shard_that_is_behind_begins_none(hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    ask(hub, PARTY)
    hub.tick(HOUR_MS)
    withdrawn(hub)
    hub.tick(DAY_MS)
    hub.restart()
    count = len(hub.told(PARTY))
    while hub.store.resyncs().get(PARTY) is None:
        hub.shard.step(0.0)
    assert stepped(hub).step == REQUESTED
    assert len(hub.told(PARTY)) == count
    hub.settle()
    assert "custodyId" not in str(told_since(hub, count))
    assert after_the_last_mark(hub.told(PARTY)) == undisturbed(hub.told(PARTY))


def test_a_batch_that_could_not_be_stored_has_begun_nothing(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(hub, PARTY)

    def refuse(*_: object) -> None:
        raise StoreUnavailable("the disk is full: make room")

    with monkeypatch.context() as patch:
        patch.setattr(type(hub.store), "commit", refuse)
        with pytest.raises(StoreUnavailable):
            hub.shard.step(0.0)
    assert hub.shard.state.resyncs == {}
    hub.settle()
    assert [state for _, state in marks(hub.told(PARTY))] == ["BEGUN", "COMPLETED"]
    assert after_the_last_mark(hub.told(PARTY)) == undisturbed(hub.told(PARTY))


def test_a_case_that_cannot_be_decided_holds_up_no_other_and_is_waited_for(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case that had its turn first fails; what may be seen of the other comes, and the end does not."""
    count = len(hub.told("A.SOC"))
    first = min((CASE, OTHER_CASE), key=lambda case_id: hub.key("A.SOC", case_id))
    decided = settlement._differences_of

    def failing(case: Any, *arguments: Any) -> Any:
        if case.case_id == first:
            raise ValueError("a defect")
        return decided(case, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(settlement, "_differences_of", failing)
        ask(hub, "A.SOC")
        hub.settle()
        assert [payload.get("state") for *_, payload in told_since(hub, count, "A.SOC")] == ["BEGUN", None]
        assert (stepped(hub, "A.SOC").step, stepped(hub, "A.SOC").left) == (LEFT_OVER, (first,))
        hub.tick(30_000)
        hub.settle()
        assert len(told_since(hub, count, "A.SOC")) == 2
    hub.tick(60_000)
    hub.settle()
    assert stepped(hub, "A.SOC").step == COMPLETED
    assert after_the_last_mark(hub.told("A.SOC")) == undisturbed(hub.told("A.SOC"))


@pytest.mark.parametrize("state", ["BEGUN", "COMPLETED"])
def test_a_mark_that_cannot_be_decided_is_tried_again_and_nothing_is_told_beside_it(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    decided = settlement._differences_of

    def failing(case: Any, decider: Any, event_id: str, again: Any) -> Any:
        payload = hub.shard.cases.reader.codec.decode_body(
            case.facts[event_id].record.schema_id, case.facts[event_id].record.value
        )
        if payload.get("state") == state:
            raise ValueError("a defect")
        return decided(case, decider, event_id, again)

    count = len(hub.told(PARTY))
    with monkeypatch.context() as patch:
        patch.setattr(settlement, "_differences_of", failing)
        ask(hub, PARTY)
        hub.settle()
        assert bool(told_since(hub, count)) == (state == "COMPLETED")
        lying = len(hub.told(PARTY))
        hub.tick(61_000)
        hub.settle()
        assert len(hub.told(PARTY)) == lying
    hub.tick(61_000)
    hub.settle()
    assert [said for _, said in marks(hub.told(PARTY))] == ["BEGUN", "COMPLETED"]
    assert after_the_last_mark(hub.told(PARTY)) == undisturbed(hub.told(PARTY))


def test_a_party_that_leaves_meanwhile_is_told_no_end(hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "DUE_CASES_MAX", 0)
    ask(hub, PARTY)
    hub.shard.step(0.0)
    hub.shard.step(0.0)
    monkeypatch.undo()
    hub.leave(PARTY)
    hub.restart()
    hub.tick()
    hub.settle()
    assert stepped(hub).step == GIVEN_UP
    assert [state for _, state in marks(hub.told(PARTY))] == ["BEGUN"]


def test_what_was_parked_and_told_the_publisher_comes_again_too(hub: ShardUnderTest) -> None:
    hub.state(
        "A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "unknown", case_id="5f0c7d1e-0000-4000-8000-0000000000ff"
    )
    hub.settle()
    count = len(hub.told("A.SOC"))
    ask(hub, "A.SOC")
    hub.settle()
    assert [said["state"] for *_, said in told_since(hub, count, "A.SOC") if "parkedNumber" in said] == ["PARKED"]
    ask(hub, "A.SOC", "two")
    hub.settle()
    assert after_the_last_mark(hub.told("A.SOC")) == undisturbed(hub.told("A.SOC"))


def test_what_a_resync_told_again_cites_its_decision_as_the_first_time(hub: ShardUnderTest) -> None:
    ask(hub, PARTY)
    hub.settle()
    records = [one for one in hub.store.case_records(CASE) if isinstance(one, DecisionsRecorded)]
    told = [(record, one) for record in records for one in record.decisions if one.party == PARTY and one.number]
    facts = {one.fact_version for _, one in told}
    for fact in facts:
        first, again = [(record, one) for record, one in told if one.fact_version == fact]
        assert first[1].shown == again[1].shown
        assert first[1].number < again[1].number
        assert first[0].rule_set == again[0].rule_set


def test_a_fact_that_was_corrected_meanwhile_comes_as_it_is_now(hub: ShardUnderTest) -> None:
    original = hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "case")
    hub.settle()
    ask(hub, "A.SOC")
    hub.state("A.SOC", "CaseOpened", {"caseNo": "2", "at": hub.now}, "case", revision=1, corrects=ce_id_of(original))
    hub.settle()
    held = after_the_last_mark(hub.told("A.SOC"))
    assert held == undisturbed(hub.told("A.SOC"))
    assert [said["caseNo"] for said in held.values() if "caseNo" in said] == ["2"]
