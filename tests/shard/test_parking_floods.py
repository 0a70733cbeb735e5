"""Whoever floods the hub with bad records makes no timeline long: not to read, to settle, or to tell again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.stores import citizens_of
from hub.identity.pseudonyms import parking_cases
from hub.shard import resyncing
from hub.store.records import CaseRecord
from hub.store.shard_store import DatabaseShardStore
from tests.shard.harness import CASE, SECRET, ShardUnderTest
from tests.shard.resyncs import after_the_last_mark, ask, undisturbed

PARTY = "A.SOC"
PER_TIMELINE = 10
FLOOD = 64


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShardUnderTest:
    monkeypatch.setattr("hub.identity.pseudonyms.PARKED_PER_TIMELINE", PER_TIMELINE)
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.settle()
    flood(hub, FLOOD)
    return hub


def flood(hub: ShardUnderTest, count: int) -> None:
    for number in range(count):
        hub.broker.append(hub.names.input(PARTY), 0, b"key", b"\0%d" % number, [], hub.now)
    hub.settle()


def notices(lines: Any) -> list[int]:
    return [payload["parkedNumber"] for *_, payload in lines if "parkedNumber" in payload]


def test_every_bad_record_of_a_flood_is_told_once_and_no_timeline_is_long(hub: ShardUnderTest) -> None:
    assert sorted(notices(hub.told(PARTY))) == list(range(1, FLOOD + 1))
    timelines = parking_cases(SECRET, PARTY, 0, FLOOD)
    lengths = [sum(1 for _ in hub.store.case_records(case_id)) for case_id in timelines]
    assert len(timelines) == 7
    assert max(lengths) <= PER_TIMELINE + 2  # the opening, and the decisions of the one batch


def test_after_a_flood_a_bad_record_costs_what_it_did_before(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard that begins again, and holds little in memory, reads the last timeline of the flood and no other."""
    read: Counter[str] = Counter()
    as_it_is = DatabaseShardStore.case_records

    def counted(store: DatabaseShardStore, case_id: str, after_version: int = 0) -> Iterator[CaseRecord]:
        for record in as_it_is(store, case_id, after_version):
            read[case_id] += 1
            yield record

    hub.facts_max = 1
    hub.restart()
    monkeypatch.setattr(DatabaseShardStore, "case_records", counted)
    flood(hub, 1)
    timelines = parking_cases(SECRET, PARTY, 0, FLOOD + 1)
    assert [case_id for case_id in timelines if read[case_id]] == timelines[-1:]


def test_a_resync_tells_the_notices_of_a_flood_in_portions(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resyncing, "RESYNC_CASES_MAX", 2)
    ask(hub, PARTY)
    told = []
    while hub.shard.step(0.0):
        told.append(len(notices(hub.told(PARTY))))
    assert max(after - before for before, after in zip([FLOOD, *told], told, strict=False)) <= 2 * PER_TIMELINE
    assert after_the_last_mark(hub.told(PARTY)) == undisturbed(hub.told(PARTY))
    assert sorted(notices(hub.told(PARTY))[FLOOD:]) == list(range(1, FLOOD + 1))


def test_no_timeline_of_a_flood_counts_as_a_citizens(hub: ShardUnderTest) -> None:
    assert [case_id for _, case_id in citizens_of(SECRET, [hub.store])] == [CASE]


def test_what_expires_later_is_told_beside_the_notice_that_it_was_parked(hub: ShardUnderTest) -> None:
    hub.tick(hub.shard.admission.parking.period_ms)
    hub.settle()
    assert sorted(notices(hub.told(PARTY))) == sorted([*range(1, FLOOD + 1)] * 2)
    assert all(sum(1 for _ in hub.store.case_records(each)) for each in parking_cases(SECRET, PARTY, 0, FLOOD))
    ask(hub, PARTY)
    hub.settle()
    assert after_the_last_mark(hub.told(PARTY)) == undisturbed(hub.told(PARTY))
