"""What is left over costs the same however long a timeline is, and holds no more cases in memory than there may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.store.records import CaseRecord
from hub.store.sqlite import open_store
from tests.shard.harness import IDENTITY, ShardUnderTest, imprisonment
from tests.shard.test_disclosing import release_date, sent
from tests.shard.test_restarting import assert_everything_was_sent_once_in_order, cut_off, numbers, reachable_again

CASES = tuple(f"5f0c7d1e-0000-4000-8000-00000000020{number}" for number in range(6))
FACTS_MAX = 8


@pytest.mark.parametrize("length", [1, 60])
def test_what_is_left_over_is_built_without_reading_the_timeline_again(
    hub: ShardUnderTest, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    for revision in range(length):
        hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "date", revision=revision)
    hub.settle()
    cut_off(hub, "A.SOC")
    hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_401), "another date")
    hub.settle()
    before = len(sent(hub, "A.SOC"))
    reachable_again(hub)
    case_records, read = hub.store.case_records, list[CaseRecord]()

    def counted(case_id: str, after_version: int = 0) -> Iterator[CaseRecord]:
        for record in case_records(case_id, after_version):
            read.append(record)
            yield record

    monkeypatch.setattr(hub.store, "case_records", counted)
    hub.settle()
    assert len(sent(hub, "A.SOC")) == before + 1
    assert len(read) == 1, "the decisions that gave out the number, and nothing before them"


def test_what_is_left_over_keeps_the_bound_of_the_cases_in_memory(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path, facts_max=FACTS_MAX)
    for case_id in CASES:
        hub.enrol(case_id)
    hub.settle()
    cut_off(hub, "A.SOC")
    for case_id in CASES:
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id=case_id)
        for day in (20_400, 20_401):
            hub.state("PRI", "ReleaseDateSet", release_date(hub, day), f"{case_id} {day}", case_id=case_id)
    hub.settle()
    reachable_again(hub)
    hub.settle()
    assert_everything_was_sent_once_in_order(hub)
    assert sum(held.weight for held in hub.shard.cases._held.values()) <= FACTS_MAX


def test_an_owner_that_was_replaced_unawares_sends_what_it_gave_out_and_empties_what_was_overtaken_since(
    hub: ShardUnderTest,
) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    cut_off(hub, "A.SOC")
    date = hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "date")
    hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_401), "another date")
    hub.settle()
    before, first, first_store = len(sent(hub, "A.SOC")), hub.shard, hub.store
    hub.store = open_store(hub.directory / "shard-0.db", IDENTITY, hub.keys)
    hub.shard = hub._build()
    hub.now += 1000
    values = {"targetEventId": date.rpartition("/")[2], "at": hub.now, "reason": "NOT_OCCURRED"}
    hub.state("PRI", "EventRetracted", values, "retraction")
    hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_402), "one more date")
    hub.settle()
    assert len(sent(hub, "A.SOC")) == before
    reachable_again(hub)
    first.sending._paused_until.clear()
    while first.sending.send_left_over(first.state.clock):
        first.sending.collect()
    assert [record.value is None for record in sent(hub, "A.SOC")[before:]] == [True, False]
    named = hub.told("A.SOC")[before][2]
    assert named == date, "its successor may have sent that number with content, and taken it back under a later one"
    first_store.close()
    hub.settle()
    told = list(dict.fromkeys(numbers(hub, "A.SOC")))
    assert told == list(range(1, 1 + hub.store.head().numbers["A.SOC"])), "some of them twice, none of them missing"
