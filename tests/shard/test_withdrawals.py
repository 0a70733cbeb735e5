"""A withdrawal is acknowledged once every order to remove is confirmed, to whoever stated it; receipts are owed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from contracts.catalogue import catalogue
from contracts.fact import ce_id_of
from contracts.reasons import Reason
from hub.continuity.clock_terms import clock_terms
from hub.shard.promises import SAID_PER_TURN_MAX
from hub.store.records import CaseRecord
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, ShardUnderTest, consent, imprisonment
from tests.shard.test_disclosing import CONSENT_ID, given, withdrawn
from tests.shard.test_parked_lines import retry, waiting

PARTIES = ("PRI", "KIF", "A.SOC", "A.ADD", "B.SOC")
OTHER_ID = "d0000000-0000-4000-8000-000000000002"
WITHIN_MS = clock_terms().receipt_within_seconds * 1000


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["CU", "OF"], ["A.ADD", "B.SOC"])
    hub.settle()
    hub.tick(HOUR_MS)
    return hub


def acknowledged(hub: ShardUnderTest, party: str = "PRI") -> list[str]:
    """The withdrawals of which the party was told that they are done, in order."""
    return [
        payload["targetEventId"]
        for _, effect, event_id, payload in hub.told(party)
        if effect == "disclosed" and event_id.startswith("HUB/") and payload.keys() >= {"recipient", "targetEventId"}
        if "kind" not in payload
    ]


def order_to(hub: ShardUnderTest, party: str) -> str:
    """The `ce_id` of the notice by which a party was told that a consent has ended."""
    (notice,) = {event_id for _, _, event_id, payload in hub.told(party) if payload.get("kind") == "CONSENT_ENDED"}
    return ce_id_of(notice)


def receipt(hub: ShardUnderTest, party: str, target: str, outcome: str = "PURGED", **more: object) -> None:
    values = {"targetEventId": target, "at": hub.now, "outcome": outcome, **more}
    hub.state(party, "RemovalReceipted", values, f"receipt {target} {outcome}")
    hub.settle()


def test_whoever_withdrew_is_told_once_that_it_is_done_and_nobody_else_is(hub: ShardUnderTest) -> None:
    withdrawal = withdrawn(hub)
    hub.settle()
    assert acknowledged(hub) == [ce_id_of(withdrawal)]
    assert [acknowledged(hub, party) for party in PARTIES[1:]] == [[]] * 4
    assert hub.shard.promises.waiting == {}
    hub.restart()
    hub.tick(DAY_MS)
    hub.settle()
    assert acknowledged(hub) == [ce_id_of(withdrawal)]
    assert hub.store.promises() == {}


def test_the_acknowledgement_waits_for_every_receiver_that_had_some_of_it(hub: ShardUnderTest) -> None:
    out = hub.names.output("B.SOC")
    hub.broker.unreachable.add(out)
    withdrawal = withdrawn(hub)
    for _ in range(20):
        hub.shard.step(0.0)
    assert acknowledged(hub) == []
    assert set(hub.shard.promises.waiting) == {withdrawal}
    hub.restart()
    for _ in range(20):
        hub.shard.step(0.0)
    assert acknowledged(hub) == []
    hub.broker.unreachable.discard(out)
    hub.restart()
    hub.settle()
    assert acknowledged(hub) == [ce_id_of(withdrawal)]
    assert "custodyId" not in str(hub.view("B.SOC"))


def test_what_the_hubs_own_input_did_not_take_is_said_again(hub: ShardUnderTest) -> None:
    hub.broker.unreachable.add(hub.names.hub_input)
    withdrawal = withdrawn(hub)
    hub.settle()
    assert "custodyId" not in str(hub.view("B.SOC"))
    assert acknowledged(hub) == []
    hub.broker.unreachable.clear()
    hub.shard.promises.pause.until = 0.0
    hub.settle()
    assert acknowledged(hub) == [ce_id_of(withdrawal)]


def lapsed(hub: ShardUnderTest) -> None:
    hub.tick(4 * HOUR_MS)


def amended(hub: ShardUnderTest) -> None:
    fields = {field.name for field in catalogue().event_types["ConsentAmended"].fields}
    values = consent(hub.now, ["CU", "OF"], ["A.ADD"]) | {"version": 2}
    hub.state("PRI", "ConsentAmended", {name: said for name, said in values.items() if name in fields}, "amended")


def already_withdrawn(hub: ShardUnderTest) -> None:
    values = {"consentId": CONSENT_ID, "at": hub.now, "by": "SUBJECT"}
    hub.state("PRI", "ConsentWithdrawn", values, "by another letter")


@pytest.mark.parametrize("ended", [lapsed, amended, already_withdrawn])
def test_an_earlier_end_of_the_consent_is_waited_for_as_well(
    tmp_path: Path, ended: Callable[[ShardUnderTest], None]
) -> None:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["CU", "OF"], ["A.ADD", "B.SOC"], validUntil=hub.now + 3 * HOUR_MS)
    hub.settle()
    assert "custodyId" in str(hub.view("B.SOC"))
    out = hub.names.output("B.SOC")
    hub.broker.unreachable.add(out)
    hub.tick(HOUR_MS)
    ended(hub)
    hub.settle()
    hub.tick(HOUR_MS)
    withdrawal = withdrawn(hub)
    for _ in range(20):
        hub.shard.step(0.0)
    assert acknowledged(hub) == []
    hub.restart()
    for _ in range(20):
        hub.shard.step(0.0)
    assert acknowledged(hub) == []
    assert "custodyId" in str(hub.view("B.SOC"))
    hub.broker.unreachable.discard(out)
    hub.shard.sending._paused_until.clear()
    hub.settle()
    assert ce_id_of(withdrawal) in acknowledged(hub)
    assert "custodyId" not in str(hub.view("B.SOC"))
    assert hub.parked() == []


def test_what_is_still_shown_on_another_ground_holds_no_acknowledgement_up(hub: ShardUnderTest) -> None:
    given(hub, ["CU", "OF"], ["B.SOC"], consentId="d0000000-0000-4000-8000-000000000002")
    hub.settle()
    already_withdrawn(hub)
    hub.settle()
    assert "custodyId" in str(hub.view("B.SOC"))
    hub.broker.unreachable.add(hub.names.output("B.SOC"))
    withdrawal = withdrawn(hub)
    for _ in range(20):
        hub.shard.step(0.0)
    assert ce_id_of(withdrawal) in acknowledged(hub)


def test_a_receiver_that_had_nothing_of_it_is_not_waited_for(hub: ShardUnderTest) -> None:
    hub.broker.unreachable.add(hub.names.output("KIF"))
    withdrawal = withdrawn(hub)
    for _ in range(20):
        hub.shard.step(0.0)
    assert acknowledged(hub) == [ce_id_of(withdrawal)]


def test_a_withdrawal_that_concerned_nobody_is_acknowledged_too(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    given(hub, ["CU"], ["B.SOC"])
    withdrawal = withdrawn(hub)
    hub.settle()
    assert acknowledged(hub) == [ce_id_of(withdrawal)]


def test_a_withdrawal_taken_back_before_it_was_done_is_not_acknowledged(hub: ShardUnderTest) -> None:
    out = hub.names.output("B.SOC")
    hub.broker.unreachable.add(out)
    withdrawal = withdrawn(hub)
    hub.shard.step(0.0)
    retraction = {"targetEventId": ce_id_of(withdrawal), "at": hub.now, "reason": "NOT_OCCURRED"}
    hub.state("PRI", "EventRetracted", retraction, "taken back")
    hub.shard.step(0.0)
    hub.broker.unreachable.discard(out)
    hub.restart()
    hub.settle()
    assert acknowledged(hub) == []
    assert hub.store.promises() == {}


def test_what_was_withdrawn_while_the_shard_was_behind_is_acknowledged_when_it_has_caught_up(
    hub: ShardUnderTest,
) -> None:
    withdrawal = withdrawn(hub)
    hub.tick(HOUR_MS)
    hub.restart()
    hub.settle()
    assert acknowledged(hub) == [ce_id_of(withdrawal)]


@pytest.mark.parametrize("steps", range(1, 6))
def test_a_kill_after_any_step_leaves_one_acknowledgement(hub: ShardUnderTest, steps: int) -> None:
    withdrawal = withdrawn(hub)
    for _ in range(steps):
        hub.shard.step(0.0)
    hub.restart()
    hub.settle()
    assert acknowledged(hub) == [ce_id_of(withdrawal)]


def test_a_receipt_is_owed_by_each_who_was_told_and_ends_with_its_receipt(hub: ShardUnderTest) -> None:
    withdrawn(hub)
    hub.settle()
    owed = hub.store.obligations()
    assert sorted(each.party for each in owed.values()) == ["A.ADD", "B.SOC"]
    assert {each.due for each in owed.values()} == {hub.now + WITHIN_MS}
    receipt(hub, "B.SOC", order_to(hub, "B.SOC"))
    assert [each.party for each in hub.store.obligations().values()] == ["A.ADD"]
    receipt(hub, "A.ADD", order_to(hub, "A.ADD"), "KEPT", legalBasisCode="GDPR-17-3-b")
    assert hub.store.obligations() == hub.shard.receipts.owed == {}
    assert hub.parked() == []
    assert [party for party in PARTIES if "outcome" in str(hub.told(party))] == ["A.ADD", "B.SOC"]


def test_a_receipt_that_is_taken_back_is_owed_again_as_before_unless_another_stands(hub: ShardUnderTest) -> None:
    withdrawn(hub)
    hub.settle()
    order, before = order_to(hub, "B.SOC"), hub.store.obligations()
    receipt(hub, "B.SOC", order)
    receipt(hub, "B.SOC", order, "KEPT", legalBasisCode="GDPR-17-3-b")
    hub.tick(HOUR_MS)

    def take_back(outcome: str) -> None:
        target = hub.publisher("B.SOC").event_id("RemovalReceipted", f"receipt {order} {outcome}")
        values = {"targetEventId": target, "at": hub.now, "reason": "NOT_OCCURRED"}
        hub.state("B.SOC", "EventRetracted", values, f"taken back {outcome}")
        hub.settle()

    take_back("PURGED")
    assert [each.party for each in hub.store.obligations().values()] == ["A.ADD"]
    take_back("KEPT")
    assert hub.store.obligations() == hub.shard.receipts.owed == before
    hub.restart()
    assert hub.shard.receipts.owed == before
    hub.state("B.SOC", "RemovalReceipted", {"targetEventId": order, "at": hub.now, "outcome": "PURGED"}, "at last")
    hub.settle()
    assert hub.parked() == []
    assert [each.party for each in hub.store.obligations().values()] == ["A.ADD"]


def test_a_receipt_that_turns_out_to_answer_another_order_leaves_its_own_open(hub: ShardUnderTest) -> None:
    withdrawn(hub)
    hub.settle()
    order = order_to(hub, "B.SOC")
    receipt(hub, "B.SOC", order)
    hub.tick(HOUR_MS)
    other = OTHER_ID
    given(hub, ["CU"], ["B.SOC"], consentId=other)
    hub.settle()
    hub.tick(HOUR_MS)
    withdrawn(hub, other)
    hub.settle()
    orders = {ce_id_of(each.event_id) for each in hub.store.obligations().values() if each.party == "B.SOC"}
    (other_order,) = orders
    values = {"targetEventId": other_order, "at": hub.now, "outcome": "PURGED"}
    hub.state("B.SOC", "RemovalReceipted", values, f"receipt {order} PURGED", revision=1)
    hub.settle()
    assert hub.parked() == []
    owed = {ce_id_of(each.event_id) for each in hub.store.obligations().values() if each.party == "B.SOC"}
    assert owed == {order}


def test_an_unanswered_order_is_counted_as_overdue(hub: ShardUnderTest) -> None:
    withdrawn(hub)
    hub.settle()

    def counted(state: str) -> float:
        return float(hub.shard.metrics.receipts_owed.labels(0, state)._value.get())

    hub.tick(WITHIN_MS - 1)
    hub.settle()
    assert (counted("pending"), counted("overdue")) == (2, 0)
    hub.tick(HOUR_MS)
    hub.restart()
    hub.settle()
    assert (counted("pending"), counted("overdue")) == (0, 2)


@pytest.mark.parametrize(
    ("answer", "reason", "field"),
    [
        (lambda hub: receipt(hub, "B.SOC", order_to(hub, "A.ADD")), Reason.ANSWERS_NOTHING, "targetEventId"),
        (
            lambda hub: receipt(hub, "A.SOC", "d0000000-0000-4000-8000-0000000000ff"),
            Reason.ANSWERS_NOTHING,
            "targetEventId",
        ),
        (
            lambda hub: receipt(hub, "B.SOC", order_to(hub, "B.SOC"), "KEPT"),
            Reason.VALUE_OUTSIDE_MODEL,
            "legalBasisCode",
        ),
        (
            lambda hub: receipt(hub, "B.SOC", order_to(hub, "B.SOC"), "OTHER"),
            Reason.VALUE_OUTSIDE_MODEL,
            "legalBasisCode",
        ),
    ],
    ids=["another's order", "no order", "kept on no ground", "other on no ground"],
)
def test_a_receipt_that_answers_nothing_or_names_no_ground_is_parked(
    hub: ShardUnderTest, answer: Callable[[ShardUnderTest], None], reason: Reason, field: str
) -> None:
    withdrawn(hub)
    hub.settle()
    answer(hub)
    (parked,) = hub.parked()
    assert (parked.reason, parked.field) == (reason, field)
    assert len(hub.store.obligations()) == 2


def many_withdrawn(hub: ShardUnderTest, first: int, count: int) -> None:
    """Withdraw the same consent again and again, each time by another letter."""
    for number in range(first, first + count):
        values = {"consentId": CONSENT_ID, "at": hub.now, "by": "SUBJECT"}
        hub.state("PRI", "ConsentWithdrawn", values, f"letter {number}")


def test_a_batch_of_withdrawals_reads_its_case_once(hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    many_withdrawn(hub, 0, 10)
    hub.settle()
    hub.tick(1_000)
    case_records, reads = hub.store.case_records, [0]

    def counted(case_id: str, after_version: int = 0) -> Iterator[CaseRecord]:
        reads[0] += 1
        return case_records(case_id, after_version)

    monkeypatch.setattr(hub.store, "case_records", counted)
    many_withdrawn(hub, 10, 10)
    hub.shard.step(0.0)
    assert reads == [1]


def test_a_withdrawal_of_what_nothing_was_ever_shown_on_reads_nothing(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Mock(wraps=hub.store.case_records)
    monkeypatch.setattr(hub.store, "case_records", reading)
    withdrawn(hub, "d0000000-0000-4000-8000-00000000000f")
    hub.shard.step(0.0)
    assert not reading.called


def test_so_many_acknowledgements_are_asked_for_in_one_turn(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_withdrawn(hub, 0, SAID_PER_TURN_MAX + 20)
    publishing = Mock(wraps=hub.control.publish)
    monkeypatch.setattr(hub.control, "publish", publishing)
    turns = []
    while hub.shard.step(0.0):
        turns.append(publishing.call_count)
        publishing.reset_mock()
    assert (max(turns), sum(turns)) == (SAID_PER_TURN_MAX, SAID_PER_TURN_MAX + 20)
    assert len(acknowledged(hub)) == SAID_PER_TURN_MAX + 20


def test_a_receipt_that_is_taken_back_while_parked_does_not_end_what_is_owed(hub: ShardUnderTest) -> None:
    withdrawn(hub)
    hub.settle()
    order, before = order_to(hub, "B.SOC"), hub.store.obligations()
    at = hub.now + HOUR_MS
    values = {"targetEventId": order, "at": at, "outcome": "PURGED"}
    stated = hub.state("B.SOC", "RemovalReceipted", values, "receipt", occurred_at=at)
    hub.settle()
    assert waiting(hub, "B.SOC") == [(1, Reason.IN_THE_FUTURE)]
    hub.state(
        "B.SOC",
        "EventRetracted",
        {"targetEventId": ce_id_of(stated), "at": hub.now, "reason": "NOT_OCCURRED"},
        "taken back",
    )
    hub.settle()
    assert waiting(hub, "B.SOC") == [(1, Reason.IN_THE_FUTURE)]
    hub.tick(2 * HOUR_MS)
    retry(hub, 1, "B.SOC")
    assert waiting(hub, "B.SOC") == []
    assert hub.shard.cases.get(CASE).timeline.dead[stated].how == "retracted"
    assert hub.store.obligations() == before, "nothing is owed by B.SOC any more, though it took its receipt back"
