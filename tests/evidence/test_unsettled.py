"""An explanation raises no alarm where the hub did as it should: before a settlement, and on every shard."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deploy.stores import agreements_in
from hub.evidence.explanation import Explanation, explain
from hub.evidence.grounds import Grounds
from hub.evidence.replay import replay
from hub.identity.pseudonyms import TELLING_SHARD, governance_case
from hub.store.records import CaseRecord, DecisionsRecorded
from tests.shard.harness import CASE, DAY_MS, SECRET, ShardUnderTest, consent, imprisonment
from tests.shard.merging import SAME_SHARD, MergingShards

AGREEMENT = "a0000000-0000-4000-8000-000000000001"
SECOND_MS = 1_000


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.settle()
    hub.tick(SECOND_MS)
    return hub


def explained(hub: ShardUnderTest, event: str, party: str, at: int, records: list[CaseRecord]) -> Explanation:
    reader, policies = hub.shard.cases.reader, hub.shard.cases.policies
    return explain(replay(records, CASE, reader, at), event, party, at, policies, reader)


def test_between_a_fact_and_the_settlement_of_its_batch_the_explanation_says_when_that_was(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    stated_at = hub.now
    hub.tick(5 * SECOND_MS)
    extended = {"custodyId": imprisonment(0)["custodyId"], "nextHearing": date(2025, 3, 1), "restrictions": False}
    hub.state("PRI", "RemandExtended", extended, "extended")
    hub.settle()
    records = list(hub.store.case_records(CASE))
    between = explained(hub, start, "A.SOC", stated_at, records)
    assert (between.agrees, between.settled_at, between.recorded) == (True, hub.now, ())
    assert between.decided
    settled = explained(hub, start, "A.SOC", hub.now, records)
    assert (settled.agrees, settled.settled_at) == (True, None)


def test_between_the_end_of_a_consent_and_the_settlement_that_follows_nothing_is_at_fault(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    ends = hub.now + DAY_MS
    hub.state("PRI", "ConsentGiven", consent(hub.now, ["CU"], ["B.SOC"]) | {"validUntil": ends}, "given")
    hub.settle()
    hub.tick(3 * DAY_MS)  # the hub was stopped over the weekend
    hub.settle()
    records = list(hub.store.case_records(CASE))
    for at, settled_at in ((ends - 1, None), (ends, hub.now), (hub.now - 1, hub.now), (hub.now, None)):
        told = explained(hub, start, "B.SOC", at, records)
        assert (told.agrees, told.settled_at) == (True, settled_at)


@pytest.mark.parametrize("what_is_stored", ["no later settlement", "a later one that tells something else"])
def test_what_was_never_settled_so_differs(hub: ShardUnderTest, what_is_stored: str) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    stated_at = hub.now
    hub.settle()
    records = list(hub.store.case_records(CASE))
    last = records.pop()
    assert isinstance(last, DecisionsRecorded)
    if what_is_stored != "no later settlement":
        others = tuple(each for each in last.decisions if each.party != "A.SOC")
        records.append(last._replace(clock=stated_at + 1, decisions=others))
    told = explained(hub, start, "A.SOC", stated_at, records)
    assert (told.agrees, told.settled_at) == (False, None)


def test_what_is_about_nobody_is_explained_on_every_shard_as_it_was_decided_there(tmp_path: Path) -> None:
    places = {**SAME_SHARD}
    hub = MergingShards(tmp_path, places)
    cases = [governance_case(SECRET, "DK", shard) for shard in range(2)]
    values: dict[str, Any] = {
        "agreementId": AGREEMENT,
        "kind": "PARTNERSHIP",
        "parties": ["PRI", "A.SOC"],
        "costRule": "X",
    }
    values |= {"startsOn": date(2025, 1, 1), "categories": ["SU"]}
    for shard, case_id in enumerate(cases):
        places[case_id] = shard
        hub.state("HUB", "AgreementRegistered", values, "agreement", case_id)
    hub.settle()
    assert hub.parked() == []
    for shard, case_id in enumerate(cases):
        store, shard_cases = hub.stores[shard], hub.shards[shard].cases
        at = store.head().clock
        policies = Grounds(store.adoptions(), shard_cases.policies).policies_at(at)
        replayed = replay(store.case_records(case_id), case_id, shard_cases.reader, at)
        agreements = agreements_in(store.case_records(case_id), policies, at)
        (event_id,) = (fact.event_id for fact in replayed.facts if fact.event_type == "AgreementRegistered")
        elsewhere = shard != TELLING_SHARD
        told = explain(
            replayed, event_id, "A.SOC", at, policies, shard_cases.reader, agreements, is_told_elsewhere=elsewhere
        )
        assert told.agrees
        assert bool(told.decided) != elsewhere
        assert any("hub governance case" in field.why for field in told.fields) == elsewhere
