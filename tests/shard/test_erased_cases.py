"""A citizen was erased: the key of the case is destroyed. Nobody else's case waits for that one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from contracts.civil_time import day_date
from contracts.failures import Failure
from contracts.reasons import Reason
from contracts.topics import HUB_PARTY
from hub.store.keys import KeyStore
from hub.store.records import case_stream
from tests.shard.harness import CASE, DAY_MS, OTHER_CASE, SECRET, ShardUnderTest, consent, imprisonment
from tests.shard.test_restarting import cut_off, reachable_again
from tests.shard.test_withdrawals import OTHER_ID, order_to

RESTARTED = "the hub was down meanwhile"
HELD = "the case is held in memory"
HELD_IN_PART = "the case was read from its cache row, and is held without its history"
LET_GO = "the case was held in memory and is not any more"
WHERE = (RESTARTED, HELD, HELD_IN_PART, LET_GO)
Happens = Callable[[ShardUnderTest], None]


def erase(hub: ShardUnderTest, case_id: str = CASE) -> None:
    """Destroy the key of a case, as another process does it."""
    with closing(KeyStore.in_file(hub.directory / "keys.db", SECRET)) as elsewhere:
        elsewhere.destroy([case_stream(case_id)])


def settle(hub: ShardUnderTest) -> None:
    """Step until nothing is left to do. A failure that a new beginning gets over has one, as in a worker: one."""
    try:
        hub.settle()
    except Failure as failure:
        assert failure.retriable, failure
        assert CASE not in str(failure)
        hub.restart()
        hub.settle()


def dated(hub: ShardUnderTest, case_id: str, revision: int = 0, reference: str = "date") -> str:
    values = {"custodyId": imprisonment(0)["custodyId"], "releaseDate": day_date(20_300 + revision), "kind": "PAROLE"}
    return hub.state("PRI", "ReleaseDateSet", values, f"{reference} {case_id}", case_id=case_id, revision=revision)


def erased_where(hub: ShardUnderTest, where: str) -> None:
    """Erase the first citizen, whose case the shard then holds as `where` says."""
    if where in (HELD_IN_PART, LET_GO):
        hub.shard.cases.facts_max = 1
        for case_id in (OTHER_CASE, CASE, OTHER_CASE)[: 2 if where == HELD_IN_PART else 3]:
            dated(hub, case_id, reference=f"date {hub.now}")
            hub.settle()
            hub.tick(1)
    held = hub.shard.cases._held.get(CASE)
    assert (held is not None) == (where != LET_GO)
    assert held is None or held.timeline.history_held == (where != HELD_IN_PART)
    erase(hub)
    if where == RESTARTED:
        hub.restart()


@pytest.fixture(params=WHERE)
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ShardUnderTest]:
    """Two citizens, each with a consent that lapses and an order to remove; the first one is erased."""
    hub = ShardUnderTest(tmp_path)
    for case_id in (CASE, OTHER_CASE):
        hub.enrol(case_id)
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {case_id}", case_id=case_id)
        dated(hub, case_id)
        given = {**consent(hub.now, ["CU", "OF"], ["B.SOC"]), "validUntil": hub.now + DAY_MS}
        hub.state("PRI", "ConsentGiven", given, f"given {case_id}", case_id=case_id)
    given = {**consent(hub.now, ["CU", "OF"], ["A.ADD"]), "consentId": OTHER_ID}
    hub.state("PRI", "ConsentGiven", given, "to be withdrawn")
    hub.settle()
    hub.state("PRI", "ConsentWithdrawn", {"consentId": OTHER_ID, "at": hub.now, "by": "SUBJECT"}, "withdrawn")
    hub.settle()
    erased_where(hub, request.param)
    yield hub
    hub.store.close()


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


def let_go(hub: ShardUnderTest) -> None:
    """The batch of another citizen leaves no room for the case."""
    hub.shard.cases.facts_max = 1
    hub.state("A.SOC", "CaseOpened", {"caseNo": "2", "at": hub.now}, "makes no room", case_id=OTHER_CASE)


def merge(hub: ShardUnderTest) -> None:
    merged = {"caseId": CASE, "other": OTHER_CASE, "otherShard": 0, "change": 1}
    hub.control.publish(0, "CaseMerged", merged)


def unlink(hub: ShardUnderTest) -> None:
    hub.control.publish(0, "CaseUnlinked", {"caseId": CASE, "change": 1})


def fact(hub: ShardUnderTest) -> None:
    hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "opened")


def correction(hub: ShardUnderTest) -> None:
    dated(hub, CASE, revision=1)


def retraction(hub: ShardUnderTest) -> None:
    target = hub.publisher("PRI").event_id("ReleaseDateSet", f"date {CASE}")
    hub.state("PRI", "EventRetracted", {"targetEventId": target, "at": hub.now, "reason": "NOT_OCCURRED"}, "retracted")


def receipt(hub: ShardUnderTest) -> None:
    values = {"targetEventId": order_to(hub, "A.ADD"), "at": hub.now, "outcome": "PURGED"}
    hub.state("A.ADD", "RemovalReceipted", values, "receipt")


def repeat(hub: ShardUnderTest) -> None:
    """What was admitted long ago is sent once more, byte by byte."""
    sent = next(each for each in hub.broker.log(hub.names.input("PRI"), 0) if each.key == hub.key("PRI").encode())
    hub.append("PRI", sent)


AMONG_OTHERS = (lapse, adopt, resync, enrol, let_go)
REFUSED: dict[Happens, str] = {merge: HUB_PARTY, fact: "A.JOB", correction: "PRI", retraction: "PRI", receipt: "A.ADD"}


def goes_on_without_it(hub: ShardUnderTest) -> None:
    """Whether everybody else's cases go on, and the erased one waits for nothing."""
    settle(hub)
    hub.tick(DAY_MS)
    event_id = dated(hub, OTHER_CASE, revision=1)
    settle(hub)
    assert event_id in hub.view("A.SOC")
    assert hub.store.due(hub.now, 10) == []
    assert hub.shard.settling._tried_again_at == {}


@pytest.mark.parametrize("happens", AMONG_OTHERS)
def test_what_concerns_every_case_leaves_an_erased_one_out_and_reaches_the_others(
    hub: ShardUnderTest, happens: Happens
) -> None:
    happens(hub)
    goes_on_without_it(hub)
    assert hub.parked() == []


@pytest.mark.parametrize("happens", REFUSED)
def test_what_is_stated_of_an_erased_case_is_parked_and_holds_up_nobody(hub: ShardUnderTest, happens: Happens) -> None:
    told = {party: len(hub.told(party)) for party in hub.parties}
    happens(hub)
    settle(hub)
    assert [(each.originator_id, each.reason) for each in hub.parked()] == [
        (f"parked:{REFUSED[happens]}", Reason.UNKNOWN_KEY)
    ]
    of_the_case = {hub.key(party).encode() for party in hub.parties}
    logs = {party: hub.broker.log(hub.names.output(party), 0)[told[party] :] for party in hub.parties}
    assert [record for log in logs.values() for record in log if record.key in of_the_case] == []
    goes_on_without_it(hub)


@pytest.mark.parametrize("happens", [repeat, unlink])
def test_what_would_change_nothing_in_an_erased_case_holds_up_nobody(hub: ShardUnderTest, happens: Happens) -> None:
    happens(hub)
    goes_on_without_it(hub)


@pytest.mark.parametrize("where", [RESTARTED, HELD, "with room for one case"])
def test_numbers_of_an_erased_case_that_were_not_sent_yet_tell_nothing_and_hold_up_nobody(
    tmp_path: Path, where: str
) -> None:
    hub = ShardUnderTest(tmp_path, facts_max=200_000 if where in WHERE else 1)
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
    erase(hub)
    reachable_again(hub)
    if where == RESTARTED:
        hub.restart()
    hub.tick(1)
    settle(hub)
    assert set(hub.view("A.SOC")) == {stated[1]}
    numbers = [number for number, *_ in hub.told("A.SOC")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert hub.store.send_positions()["A.SOC"] == hub.store.head().numbers["A.SOC"]
    told = {event_id: (effect, payload) for _, effect, event_id, payload in hub.told("A.SOC")}
    assert stated[0] not in told
    assert [told[each] for each in told if each.startswith("HUB/") and told[each][0] == "retracted"] == [
        ("retracted", {})
    ]


@pytest.mark.parametrize("where", WHERE)
def test_a_withdrawal_that_was_not_acknowledged_before_the_erasure_is_waited_for_no_more(
    tmp_path: Path, where: str
) -> None:
    hub = ShardUnderTest(tmp_path)
    for case_id in (CASE, OTHER_CASE):
        hub.enrol(case_id)
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given = consent(hub.now, ["CU", "OF"], ["B.SOC"])
    hub.state("PRI", "ConsentGiven", given, "given")
    hub.settle()
    cut_off(hub, "B.SOC")
    withdrawal = {"consentId": given["consentId"], "at": hub.now, "by": "SUBJECT"}
    hub.state("PRI", "ConsentWithdrawn", withdrawal, "withdrawn")
    hub.settle()
    assert hub.store.promises()
    erased_where(hub, where)
    reachable_again(hub)
    hub.tick(1)
    settle(hub)
    assert hub.store.promises() == {}
    assert hub.parked() == []
