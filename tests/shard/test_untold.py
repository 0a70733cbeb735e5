"""What was granted and withdrawn before any of it could leave is named by nothing that its receiver is sent."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from contracts.cloudevents import parse_disclosed
from contracts.failures import FencedOff, StoreUnavailable
from hub.shard import sending
from hub.store.ports import BatchWrites
from hub.store.sqlite import open_store
from tests.shard.harness import DAY_MS, IDENTITY, ShardUnderTest
from tests.shard.test_disclosing import effects, given, headers_of, sent, withdrawn
from tests.shard.test_restarting import cut_off, reachable_again

PARTIES = ("PRI", "KIF", "A.SOC", "A.ADD", "B.SOC")
RECEIVER = "B.SOC"
FIRST, SECOND = (f"d0000000-0000-4000-8000-00000000000{number}" for number in (1, 2))


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    hub.settle()
    return hub


def granted(hub: ShardUnderTest, consent_id: str = FIRST) -> None:
    given(hub, ["SU"], [RECEIVER], sources=["A.ADD"], consentId=consent_id, dataFrom=date(2025, 1, 1))


def contact_made(hub: ShardUnderTest) -> str:
    values = {"contactId": "c0000000-0000-4000-8000-000000000009", "at": hub.now, "setting": "CONSUMPTION_ROOM"}
    return hub.state("A.ADD", "OutreachContactMade", values, "contact")


def a_day_later(hub: ShardUnderTest) -> None:
    hub.settle()
    hub.tick(DAY_MS)


def granted_and_withdrawn(hub: ShardUnderTest, consent_id: str = FIRST) -> None:
    granted(hub, consent_id)
    a_day_later(hub)
    withdrawn(hub, consent_id)
    a_day_later(hub)


def effects_on(hub: ShardUnderTest, event_id: str) -> list[str]:
    """The effect of each record that names an event, in the order in which they lie on the receiver's topic."""
    return [headers["hub_effect"] for headers in headers_of(hub, RECEIVER, event_id)]


def assert_all_is_sent(hub: ShardUnderTest) -> None:
    last = hub.store.head().numbers[RECEIVER]
    assert list(dict.fromkeys(number for number, *_ in hub.told(RECEIVER))) == list(range(1, 1 + last))


@pytest.mark.parametrize("portion", [1, 2, 500])
def test_no_header_names_what_was_granted_and_withdrawn_while_its_receiver_was_out_of_reach(
    hub: ShardUnderTest, portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LEFT_OVER_NUMBERS_MAX", portion)
    cut_off(hub, RECEIVER)
    contact = contact_made(hub)
    granted_and_withdrawn(hub)
    reachable_again(hub)
    hub.settle()
    assert effects_on(hub, contact) == []
    named = {f"{(told := parse_disclosed(record.headers)).party}/{told.id}" for record in sent(hub, RECEIVER)}
    assert len(named) == len(sent(hub, RECEIVER)) == hub.store.head().numbers[RECEIVER] == 5, "no hole, nothing twice"


def test_nor_do_they_where_the_contact_is_made_under_the_consent(hub: ShardUnderTest) -> None:
    cut_off(hub, RECEIVER)
    granted(hub)
    a_day_later(hub)
    contact = contact_made(hub)
    a_day_later(hub)
    withdrawn(hub)
    reachable_again(hub)
    hub.settle()
    assert effects_on(hub, contact) == []
    assert_all_is_sent(hub)


def test_an_outage_that_follows_one_names_it_neither(hub: ShardUnderTest) -> None:
    contact = contact_made(hub)
    for consent_id in (FIRST, SECOND):
        cut_off(hub, RECEIVER)
        granted_and_withdrawn(hub, consent_id)
        reachable_again(hub)
        hub.settle()
    assert effects_on(hub, contact) == []
    assert_all_is_sent(hub)


def test_what_is_granted_again_meanwhile_is_told_with_the_later_grant_alone(hub: ShardUnderTest) -> None:
    cut_off(hub, RECEIVER)
    contact = contact_made(hub)
    granted_and_withdrawn(hub)
    granted(hub, SECOND)
    reachable_again(hub)
    hub.settle()
    assert effects_on(hub, contact) == ["disclosed"]
    cut_off(hub, RECEIVER)
    withdrawn(hub, SECOND)
    reachable_again(hub)
    hub.settle()
    assert effects_on(hub, contact) == ["disclosed", "retracted"]


def test_after_a_kill_it_is_taken_back_by_name_for_the_killed_owner_may_have_sent_it(hub: ShardUnderTest) -> None:
    """Its copy may still arrive, with content, under the first number; only a record that names it undoes that."""
    cut_off(hub, RECEIVER)
    contact = contact_made(hub)
    granted_and_withdrawn(hub)
    hub.restart()
    reachable_again(hub)
    hub.settle()
    assert effects_on(hub, contact) == ["retracted", "retracted"]
    assert_all_is_sent(hub)


def test_what_the_client_took_is_taken_back_by_name_for_it_may_have_left(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact = contact_made(hub)
    with monkeypatch.context() as patch:
        patch.setattr(hub.shard.sending.outputs, "_confirmed", {})
        patch.setattr(hub.shard.sending.outputs, "confirmed", lambda wait_seconds=0.0: {})
        patch.setattr(hub.shard.sending.outputs, "stalled", lambda: [RECEIVER])
        granted(hub)
        a_day_later(hub)
        assert effects_on(hub, contact) == ["disclosed"], "it lies there, and the hub does not know"
        cut_off(hub, RECEIVER)
        withdrawn(hub)
        a_day_later(hub)
    reachable_again(hub)
    hub.settle()
    assert effects_on(hub, contact) == ["disclosed", "retracted", "retracted"]
    assert_all_is_sent(hub)


def test_what_was_told_before_the_outage_is_taken_back_by_name_however_often_it_was_granted_since(
    hub: ShardUnderTest,
) -> None:
    contact = contact_made(hub)
    granted(hub)
    a_day_later(hub)
    assert effects(hub, RECEIVER)[0] == ("disclosed", contact)
    cut_off(hub, RECEIVER)
    withdrawn(hub)
    a_day_later(hub)
    granted_and_withdrawn(hub, SECOND)
    reachable_again(hub)
    hub.settle()
    assert effects_on(hub, contact) == ["disclosed", "retracted", "retracted", "retracted"]
    assert_all_is_sent(hub)


def test_who_hands_over_what_another_owner_gave_out_has_that_one_refused_from_then_on(hub: ShardUnderTest) -> None:
    """It gave out the number, so it holds that nothing of it has left, and would take it back without naming it."""
    contact = contact_made(hub)
    cut_off(hub, RECEIVER)
    granted(hub)
    hub.settle()
    first, first_store = hub.shard, hub.store
    hub.store = open_store(hub.directory / "shard-0.db", IDENTITY, hub.keys)
    hub.shard = hub._build()
    reachable_again(hub)
    hub.settle()
    assert effects_on(hub, contact) == ["disclosed"]
    hub.now += 1000
    withdrawn(hub)
    with pytest.raises(FencedOff):
        first.step(0.0)
    first_store.close()
    hub.settle()
    assert effects_on(hub, contact) == ["disclosed", "retracted"]


def test_a_shard_that_is_opened_stores_a_batch_before_it_hands_over_anything(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(hub, RECEIVER)
    granted(hub)
    hub.settle()
    hub.restart()
    hub.shard.idle_write_ms = DAY_MS
    reachable_again(hub)

    def fail(writes: BatchWrites) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(hub.store, "commit", fail)
        with pytest.raises(StoreUnavailable):
            hub.settle()
        assert sent(hub, RECEIVER) == []
    hub.settle()
    assert_all_is_sent(hub)
