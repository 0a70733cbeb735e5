"""Cases that leave the memory and come back: from their cache row where that is enough, else from all records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.parties import Party, PartyRegistry
from hub.case_timeline.cache_row import case_from_row
from hub.shard import worker
from hub.shard.reminders import MINUTE_MS
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, OTHER_CASE, ShardUnderTest, imprisonment
from tests.shard.test_disclosing import CONSENT_ID, given, release_date, withdrawn
from tests.shard.test_restarting import some_history
from tests.shard.test_withdrawals import order_to, receipt


def evicted(hub: ShardUnderTest) -> None:
    """Let the first case go, by work on the other, and keep the rest from now on."""
    hub.shard.cases.facts_max = 1
    hub.state("A.JOB", "CaseOpened", {"caseNo": "9", "at": hub.now}, f"push {hub.now}", case_id=OTHER_CASE)
    hub.settle()
    hub.shard.cases.facts_max = 200_000
    assert CASE not in hub.shard.cases._held


def test_a_case_comes_back_from_its_row_without_its_history_while_rights_stay_as_they_were(
    hub: ShardUnderTest,
) -> None:
    some_history(hub)
    hub.settle()
    hub.tick(MINUTE_MS)  # the clocks over what was stated last are looked at, with the history
    hub.settle()
    evicted(hub)
    assert set(hub.store.cache_rows([CASE])) == {CASE}
    hub.tick(HOUR_MS)
    hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "other date")
    hub.settle()
    assert hub.shard.cases.get(CASE).timeline.history_held is False
    assert len(hub.view("A.SOC")) == 3


def test_a_case_from_its_row_sees_what_changed_by_time_since_its_last_settlement(hub: ShardUnderTest) -> None:
    start = some_history(hub)
    given(hub, ["CU"], ["B.SOC"], validUntil=hub.now + HOUR_MS)
    hub.settle()
    assert start in hub.view("B.SOC")
    evicted(hub)
    hub.tick(HOUR_MS)
    hub.settle()
    assert start not in hub.view("B.SOC")


@pytest.mark.parametrize("event_type", ["correction", "retraction"])
def test_a_row_behind_which_a_fact_died_is_not_used(hub: ShardUnderTest, event_type: str) -> None:
    some_history(hub)
    hub.settle()
    evicted(hub)
    if event_type == "correction":
        values = imprisonment(hub.now, municipality="B")
        hub.state("PRI", "ImprisonmentStarted", values, "start", revision=1)
    else:
        target = hub.publisher("PRI").event_id("ImprisonmentStarted", "start")
        values = {"targetEventId": target, "at": hub.now, "reason": "NOT_OCCURRED"}
        hub.state("PRI", "EventRetracted", values, target)
    hub.settle()
    assert hub.view("A.SOC") == {}
    hub.restart()
    row = hub.store.cache_rows([CASE])[CASE]
    assert case_from_row(CASE, row, hub.shard.cases.reader) is not None
    held = hub.shard.cases.get(CASE)
    assert held.timeline.history_held is True
    assert held.rights is None
    hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "other date")
    hub.settle()
    assert hub.view("A.SOC") == {}
    assert len(hub.view("B.SOC")) == (3 if event_type == "correction" else 0)


def test_a_row_that_other_code_wrote_is_thrown_away(hub: ShardUnderTest) -> None:
    some_history(hub)
    hub.settle()
    evicted(hub)
    cases = hub.shard.cases
    cases.reader = replace(cases.reader, code="other code")
    assert cases.get(CASE).timeline.history_held is True
    assert cases.get(CASE).rights is None
    hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "other date")
    hub.settle()
    assert len(hub.view("A.SOC")) == 3


def test_a_row_from_before_a_change_of_the_registry_is_thrown_away(hub: ShardUnderTest) -> None:
    some_history(hub)
    hub.settle()
    evicted(hub)
    hub.registry = PartyRegistry.of([*hub.registry, Party("A.CHI")])
    hub.broker.create_topics(hub.names, hub.registry)
    hub.restart()
    assert hub.shard.cases.get(CASE).timeline.history_held is True


def test_a_correction_of_a_case_that_came_from_its_row_finds_what_it_corrects(hub: ShardUnderTest) -> None:
    start = some_history(hub)
    hub.settle()
    evicted(hub)
    hub.tick(HOUR_MS)
    new = hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "date", revision=1)
    hub.settle()
    assert hub.parked() == []
    assert set(hub.view("A.SOC")) == {start, new}


def test_a_receipt_for_a_case_that_came_from_its_row_finds_what_it_answers(hub: ShardUnderTest) -> None:
    some_history(hub)
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    withdrawn(hub)
    hub.settle()
    hub.tick(MINUTE_MS)
    hub.settle()
    evicted(hub)
    assert set(hub.store.cache_rows([CASE])) == {CASE}
    receipt(hub, "B.SOC", order_to(hub, "B.SOC"))
    assert hub.parked() == []
    assert hub.store.obligations() == {}


def test_a_case_that_waits_to_be_settled_and_was_only_looked_at_meanwhile_is_decided_as_a_whole(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = some_history(hub)
    hub.settle()
    hub.shard.cases.facts_max = 1
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    # In an outage: a fact is postponed, its case leaves the memory, comes back for a repeat, and leaves it again.
    waits = hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "other date")
    opened = {"caseNo": "9", "at": hub.now}
    hub.now += 1
    hub.state("A.JOB", "CaseOpened", opened, "one", case_id=OTHER_CASE)
    hub.now += 1
    repeated = hub.broker.log(hub.names.input("PRI"), 0)[0]
    hub.append("PRI", repeated)
    hub.now += 1
    hub.state("A.JOB", "CaseOpened", opened, "two", case_id=OTHER_CASE)
    hub.tick(DAY_MS)
    hub.settle()
    assert {start, waits} <= set(hub.view("PRI"))
    assert {start, waits} <= set(hub.view("A.SOC"))


def test_a_fact_that_waits_behind_an_older_row_of_its_case_is_told_though_no_rights_change(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(hub)
    hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "opened")
    hub.settle()
    evicted(hub)
    hub.shard.cases.facts_max = 1
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    # In an outage: the fact is postponed, and its case leaves the memory with nothing but its row of before.
    waits = hub.state("A.JOB", "CaseClosed", {"caseNo": "1", "at": hub.now}, "closed")
    hub.now += 1
    hub.state("A.BEN", "CaseOpened", {"caseNo": "8", "at": hub.now}, "other", case_id=OTHER_CASE)
    hub.tick(2 * MINUTE_MS)
    hub.settle()
    assert waits in hub.view("A.JOB")


def test_what_was_told_of_a_withdrawal_that_changes_nothing_is_taken_back_with_it(hub: ShardUnderTest) -> None:
    given(hub, ["CU"], ["B.SOC"])
    withdrawn(hub)
    hub.settle()
    hub.tick(MINUTE_MS)
    hub.settle()
    evicted(hub)
    values = {"consentId": CONSENT_ID, "at": hub.now, "by": "SUBJECT"}
    again = hub.state("PRI", "ConsentWithdrawn", values, "withdrawn again")
    hub.settle()
    assert again in hub.view("B.SOC")
    hub.tick(HOUR_MS)
    corrected = hub.state("PRI", "ConsentWithdrawn", values, "withdrawn again", revision=1)
    hub.settle()
    assert corrected in hub.view("B.SOC")
    assert again not in hub.view("B.SOC")
