"""What a full cache of cases takes in memory is bounded in bytes too: large facts do not make it many times as much."""

from __future__ import annotations

from typing import Any

import pytest

from hub.shard.cases import DECODED_TO_BODY, HELD_FACTS_MAX, weight_of
from tests.shard.harness import CASE, HOUR_MS, OTHER_CASE, ShardUnderTest, consent
from tests.shard.test_restarting import some_history

FULL_BYTES = 2**30
"""What the bodies in a full cache take at the most, gate facts by what they take decoded."""


def plan(hub: ShardUnderTest, number: int) -> dict[str, Any]:
    item = {"domain": "HOUSING", "goal": "g" * 1_200, "activityType": "X", "responsible": "A.SOC", "status": "PLANNED"}
    items = [item | {"itemId": f"a0000000-0000-4000-8000-{index:012d}"} for index in range(200)]
    return {"planId": f"b0000000-0000-4000-8000-{number:012d}", "version": 1, "agreedAt": hub.now,
            "basis": "SEL_141", "citizenAgrees": True, "items": items}  # fmt: skip


def stated_large(hub: ShardUnderTest, event_type: str, count: int = 10) -> None:
    for number in range(count):
        if event_type == "MunicipalPlanAgreed":
            hub.state("A.SOC", event_type, plan(hub, number), f"plan {number}")
        else:
            sources = [f"{number}.{part}.{'x' * 30}.ADD" for part in range(200)]
            values = consent(hub.now, ["CU"], ["A.JOB"]) | {"collectedBy": "A.JOB", "sources": sources}
            values["consentId"] = f"d0000000-0000-4000-8000-{number:012d}"
            hub.state("A.JOB", event_type, values, f"consent {number}")
    hub.settle()


def taken(hub: ShardUnderTest) -> int:
    """What the case takes by the bodies that it holds, counted anew."""
    case = hub.shard.cases.get(CASE).timeline
    bodies = sum(len(entry.record.value) for entry in case.facts.values())
    return bodies + DECODED_TO_BODY * sum(len(body) for _, body in case.gate_bodies.values())


@pytest.mark.parametrize("event_type", ["MunicipalPlanAgreed", "ConsentGiven"])
def test_a_cache_full_of_large_facts_takes_no_more_than_its_bound(hub: ShardUnderTest, event_type: str) -> None:
    stated_large(hub, event_type)
    assert not hub.parked()
    held = hub.shard.cases.get(CASE)
    assert held.weight == weight_of(held.timeline)
    assert taken(hub) / held.weight * HELD_FACTS_MAX < FULL_BYTES


def test_everyday_facts_weigh_as_many_as_they_are(hub: ShardUnderTest) -> None:
    some_history(hub)
    hub.settle()
    case = hub.shard.cases.get(CASE).timeline
    assert weight_of(case) == len(case.facts) + len(case.gate_facts) + 1


@pytest.mark.parametrize("event_type", ["MunicipalPlanAgreed", "ConsentGiven"])
def test_a_case_weighs_the_same_however_it_came_into_memory(hub: ShardUnderTest, event_type: str) -> None:
    stated_large(hub, event_type)
    cases = hub.shard.cases
    before = weight_of(cases.get(CASE).timeline)
    cases.facts_max = 1
    hub.state("A.JOB", "CaseOpened", {"caseNo": "9", "at": hub.now}, "push", case_id=OTHER_CASE)
    hub.settle()
    cases.facts_max = HELD_FACTS_MAX
    assert CASE not in cases._held
    hub.tick(HOUR_MS)
    held = cases.get(CASE)
    assert taken(hub) == held.timeline.body_bytes + DECODED_TO_BODY * held.timeline.gate_body_bytes
    cases.hold_history(held)
    assert taken(hub) == held.timeline.body_bytes + DECODED_TO_BODY * held.timeline.gate_body_bytes
    assert weight_of(held.timeline) == before
    assert cases._weight == sum(each.weight for each in cases._held.values())


def test_large_facts_make_room_for_themselves(hub: ShardUnderTest) -> None:
    hub.shard.cases.facts_max = 200
    hub.enrol(OTHER_CASE)
    hub.state("A.JOB", "CaseOpened", {"caseNo": "9", "at": hub.now}, "push", case_id=OTHER_CASE)
    hub.settle()
    assert OTHER_CASE in hub.shard.cases._held
    stated_large(hub, "MunicipalPlanAgreed")
    assert OTHER_CASE not in hub.shard.cases._held
