"""A citizen was erased: the key of the case is destroyed. Nobody else's case waits for that one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.civil_time import day_date
from hub.store.records import case_stream
from tests.shard.harness import CASE, DAY_MS, OTHER_CASE, ShardUnderTest, consent, imprisonment
from tests.shard.test_restarting import cut_off, reachable_again


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    """Two citizens, each with a consent that lapses; the first one is erased while the hub is down."""
    hub = ShardUnderTest(tmp_path)
    for case_id in (CASE, OTHER_CASE):
        hub.enrol(case_id)
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id=case_id)
        given = {**consent(hub.now, ["CU", "OF"], ["B.SOC"]), "validUntil": hub.now + DAY_MS}
        hub.state("PRI", "ConsentGiven", given, f"given {case_id}", case_id=case_id)
    hub.settle()
    hub.keys.destroy([case_stream(CASE)])
    hub.restart()
    return hub


def lapse(hub: ShardUnderTest) -> None:
    hub.tick(DAY_MS)


def adopt(hub: ShardUnderTest) -> None:
    hub.join("C.SOC")
    hub.restart()
    hub.tick(1)


def resync(hub: ShardUnderTest) -> None:
    hub.control.publish(0, "ResyncRequested", {"party": "B.SOC", "requestId": "a0000000-0000-4000-8000-00000000000a"})
    hub.tick(1)


def enrol(hub: ShardUnderTest) -> None:
    """An agency asks for its key of the erased citizen, as it does any day."""
    hub.enrol(CASE)


def merge(hub: ShardUnderTest) -> None:
    merged = {"caseId": CASE, "other": OTHER_CASE, "otherShard": 0, "change": 1}
    hub.control.publish(0, "CaseMerged", merged)


def unlink(hub: ShardUnderTest) -> None:
    hub.control.publish(0, "CaseUnlinked", {"caseId": CASE, "change": 1})


@pytest.mark.parametrize("happens", [lapse, adopt, resync, enrol, merge, unlink])
def test_what_concerns_every_case_leaves_an_erased_one_out_and_reaches_the_others(
    hub: ShardUnderTest, happens: Callable[[ShardUnderTest], None]
) -> None:
    happens(hub)
    hub.settle()
    hub.tick(DAY_MS)
    dated = {"custodyId": imprisonment(0)["custodyId"], "releaseDate": day_date(20_300), "kind": "PAROLE"}
    event_id = hub.state("PRI", "ReleaseDateSet", dated, "date", case_id=OTHER_CASE)
    hub.settle()
    assert event_id in hub.view("A.SOC")
    assert hub.store.due(hub.now, 10) == []


def test_numbers_of_an_erased_case_that_were_not_sent_yet_tell_nothing_and_hold_up_nobody(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path)
    for case_id in (CASE, OTHER_CASE):
        hub.enrol(case_id)
    hub.settle()
    cut_off(hub, "A.SOC")
    stated = [
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id=case_id)
        for case_id in (CASE, OTHER_CASE)
    ]
    hub.settle()
    assert hub.view("A.SOC") == {}
    hub.keys.destroy([case_stream(CASE)])
    reachable_again(hub)
    hub.restart()
    hub.tick(1)
    hub.settle()
    assert set(hub.view("A.SOC")) == {stated[1]}
    numbers = [number for number, *_ in hub.told("A.SOC")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert hub.store.send_positions()["A.SOC"] == hub.store.head().numbers["A.SOC"]
    told = {event_id: (effect, payload) for _, effect, event_id, payload in hub.told("A.SOC")}
    assert stated[0] not in told
    assert [told[each] for each in told if each.startswith("HUB/") and told[each][0] == "retracted"] == [
        ("retracted", {})
    ]


def test_a_withdrawal_that_was_not_acknowledged_before_the_erasure_is_waited_for_no_more(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given = consent(hub.now, ["CU", "OF"], ["B.SOC"])
    hub.state("PRI", "ConsentGiven", given, "given")
    hub.settle()
    cut_off(hub, "B.SOC")
    withdrawal = {"consentId": given["consentId"], "at": hub.now, "by": "SUBJECT"}
    hub.state("PRI", "ConsentWithdrawn", withdrawal, "withdrawn")
    hub.settle()
    assert hub.store.promises()
    hub.keys.destroy([case_stream(CASE)])
    reachable_again(hub)
    hub.restart()
    hub.tick(1)
    hub.settle()
    assert hub.store.promises() == {}
    assert hub.parked() == []
