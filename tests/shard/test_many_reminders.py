"""What a party may state never makes the hub state much more: reminders are told once, and a look states so many."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hub.continuity.clock_terms import clock_terms
from hub.shard.reminders import MINUTE_MS
from hub.store.records import FactRecorded
from tests.shard.harness import CASE, DAY_MS, ShardUnderTest
from tests.shard.reminding import PARTIES, imprisoned, until

UUID = "c0000000-0000-4000-8000-{:012d}".format


def treatment(hub: ShardUnderTest, number: int, provider: str) -> dict[str, Any]:
    return {"treatmentId": UUID(number), "kind": "SOCIAL", "targetGroup": "OTHER", "setting": "OUTPATIENT",
            "basis": "SEL_101", "provider": provider, "at": hub.now - 10 * DAY_MS}  # fmt: skip


def mentor(hub: ShardUnderTest, number: int, provider: str) -> dict[str, Any]:
    return {"activityId": UUID(number), "mentor": "m", "provider": provider, "at": hub.now - 10 * DAY_MS}


def reminders_stated(hub: ShardUnderTest) -> list[FactRecorded]:
    return [
        record
        for record in hub.store.case_records(CASE)
        if isinstance(record, FactRecorded) and record.event_type == "ReminderRaised"
    ]


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    imprisoned(hub)
    hub.settle()
    return hub


@pytest.mark.parametrize(
    ("party", "event_type", "values"),
    [("A.SOC", "TreatmentStarted", treatment), ("A.JOB", "MentorAssigned", mentor)],
)
def test_efforts_that_alternate_two_providers_are_told_of_once_for_each(
    hub: ShardUnderTest, party: str, event_type: str, values: Any
) -> None:
    for number in range(60):
        hub.state(party, event_type, values(hub, number, ("A.JOB", "A.ADD")[number % 2]), f"effort {number}")
    hub.settle()
    assert not hub.parked()
    until(hub, hub.now + 2 * MINUTE_MS)
    told = reminders_stated(hub)
    assert 1 <= len(told) <= 2 * len(PARTIES), "60 efforts make 900 pairs"


def test_one_look_states_so_many_reminders_and_the_looks_after_it_the_rest(hub: ShardUnderTest) -> None:
    allowed = 7
    settling = hub.shard.settling
    settling.reminders = replace(settling.reminders, clock_terms=replace(clock_terms(), reminders_per_look_max=allowed))
    for number in range(20):
        asked = treatment(hub, number, "A.ADD")
        hub.state("A.ADD", "TreatmentRequested", asked, f"asked {number}")
    hub.settle()
    assert not hub.parked()
    until(hub, hub.now + 30 * DAY_MS)
    counts = [len(reminders_stated(hub))]
    while len(counts) < 2 or counts[-1] > counts[-2]:
        until(hub, hub.now + MINUTE_MS)
        counts.append(len(reminders_stated(hub)))
    assert counts[0] == allowed
    assert all(after - before <= allowed for before, after in pairwise(counts))
    assert counts[-1] >= 20
    whole = {(reminder.event_type, reminder.value) for reminder in reminders_stated(hub)}
    assert len(whole) == counts[-1], "each once"
