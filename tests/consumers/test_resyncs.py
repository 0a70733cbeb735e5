"""A subscription gets past a gap with the mark of a resync alone, and then shows what one shows that lost nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers import subscription as subscription_module
from consumers.hub_signatures import HubSignatures
from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.failures import MissingNumber, ReceiverFailure, UnreadableRecord
from contracts.partitioning import partition_of
from contracts.signatures import SigningKey, disclosed_message
from tests.consumers.histories import AT, Action, Model, actions, drain, seen
from tests.consumers.simulated_topic import KEYS, PARTITIONS, SimulatedTopic, name
from tests.consumers.test_store import bytes_on_disk

CASE = {"occurredAt": AT, "caseNo": "x", "at": AT}
HERE = partition_of(KEYS[0].encode(), PARTITIONS)
ELSEWHERE = next(key for key in KEYS if partition_of(key.encode(), PARTITIONS) != HERE)
WHOLE = [(KEYS[0], "A.SOC", name("kept"), "CaseOpened", CASE)]


@contextmanager
def receiving(path: Path, topic: SimulatedTopic, party: str = "PRI") -> Iterator[tuple[PartyStore, Subscription]]:
    """A subscription on the store at `path`, which is made where there is none."""
    with PartyStore.open(path, party) if path.exists() else PartyStore.create(path, party) as store:
        yield store, Subscription(party, topic, store)


def shown(store: PartyStore) -> list[str]:
    return sorted(event.event_id for event in store.visible())


@pytest.fixture
def told(topic: SimulatedTopic) -> SimulatedTopic:
    """A topic that told two events and took one back; of another partition, one."""
    topic.disclose(KEYS[0], name("gone"), "CaseOpened", CASE, party="A.SOC")
    topic.disclose(KEYS[0], name("kept"), "CaseOpened", CASE, party="A.SOC")
    topic.disclose(ELSEWHERE, name("other"), "CaseOpened", CASE, party="A.SOC")
    topic.retract(KEYS[0], name("gone"), "CaseOpened", party="A.SOC")
    return topic


def test_a_lost_store_whose_records_were_deleted_is_whole_after_a_resync(told: SimulatedTopic, tmp_path: Path) -> None:
    told.delete_before(HERE, 2)
    with receiving(tmp_path / "lost.db", told) as (store, subscription):
        with pytest.raises(MissingNumber, match=r"number `3` came after `0`.*hub resync"):
            subscription.advance(0)
        told.resync(HERE, WHOLE)
        drain(subscription)
        assert shown(store) == sorted([name("kept"), name("other")])
        assert store.filling() == []
        assert subscription.numbers()[HERE] == told.numbers[HERE]


def test_a_store_from_an_old_copy_loses_what_was_taken_back_since(told: SimulatedTopic, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    early = SimulatedTopic()
    early.logs, early.numbers = [log[:2] for log in told.logs], [min(2, number) for number in told.numbers]
    with receiving(path, early) as (store, subscription):
        drain(subscription)
        assert name("gone") in shown(store)
    told.delete_before(HERE, len(told.logs[HERE]))
    told.resync(HERE, WHOLE)
    with receiving(path, told) as (store, subscription):
        drain(subscription)
        assert shown(store) == sorted([name("kept"), name("other")])


def test_whoever_lost_nothing_reads_through_it_and_never_counts_as_being_filled(
    told: SimulatedTopic, tmp_path: Path
) -> None:
    with receiving(tmp_path / "whole.db", told) as (store, subscription):
        drain(subscription)
        before = (seen(store), store.view_lines())
        told.mark(HERE, "BEGUN")
        drain(subscription)
        assert store.filling() == []
        assert (seen(store), store.view_lines()) == before
        told.disclose(KEYS[0], name("kept"), "CaseOpened", CASE, party="A.SOC")
        told.mark(HERE, "COMPLETED")
        drain(subscription)
        assert (seen(store), store.view_lines()) == before
        assert store.filling() == []


def test_an_earlier_resync_that_comes_again_behind_a_gap_begins_nothing_anew(
    told: SimulatedTopic, tmp_path: Path
) -> None:
    """The sender repeats what was not confirmed; what was taken back since would be shown again."""
    told.resync(HERE, WHOLE)
    earlier = told.logs[HERE][-3:]
    told.retract(KEYS[0], name("kept"), "CaseOpened", party="A.SOC")
    with receiving(tmp_path / "whole.db", told) as (store, subscription):
        drain(subscription)
        reached = subscription.numbers()
        told.numbers[HERE] += 1
        told.disclose(KEYS[0], name("behind"), "CaseOpened", CASE, party="A.SOC")
        for record in earlier:
            told.put(HERE, record.key, record.value, record.headers)
        with pytest.raises(MissingNumber):
            drain(subscription)
        assert shown(store) == [name("other")]
        assert subscription.numbers() == reached


def test_what_another_than_the_hub_calls_a_beginning_leads_past_no_gap(told: SimulatedTopic, tmp_path: Path) -> None:
    with receiving(tmp_path / "whole.db", told) as (store, subscription):
        drain(subscription)
        told.numbers[HERE] += 1
        told.mark(HERE, "BEGUN", party="A.SOC")
        with pytest.raises(MissingNumber):
            drain(subscription)
        assert shown(store) == sorted([name("kept"), name("other")])


def test_until_its_end_the_partition_counts_as_being_filled_also_after_a_restart(
    told: SimulatedTopic, tmp_path: Path
) -> None:
    path = tmp_path / "lost.db"
    told.delete_before(HERE, 3)
    told.mark(HERE, "BEGUN")
    with receiving(path, told) as (store, subscription):
        drain(subscription)
        assert store.filling() == [HERE]
    told.mark(HERE, "BEGUN")
    told.disclose(KEYS[0], name("kept"), "CaseOpened", CASE, party="A.SOC")
    with receiving(path, told) as (store, subscription):
        drain(subscription)
        assert store.filling() == [HERE]
        told.mark(HERE, "COMPLETED")
        drain(subscription)
        assert store.filling() == []


def test_only_the_partition_that_begins_anew_is_dropped(told: SimulatedTopic, tmp_path: Path) -> None:
    with receiving(tmp_path / "pri.db", told) as (store, subscription):
        drain(subscription)
        told.numbers[HERE] += 1
        told.mark(HERE, "BEGUN")
        drain(subscription)
        assert shown(store) == [name("other")]


@pytest.mark.parametrize("state", ["COMPLETED", "OTHER"])
def test_nothing_but_a_beginning_leads_past_a_gap(told: SimulatedTopic, tmp_path: Path, state: str) -> None:
    with receiving(tmp_path / "pri.db", told) as (store, subscription):
        drain(subscription)
        before = (seen(store), store.positions())
        told.numbers[HERE] += 1
        told.mark(HERE, state)
        told.disclose(KEYS[0], name("late"), "CaseOpened", CASE)
        for _ in range(3):
            with pytest.raises(MissingNumber):
                subscription.advance(0)
        assert (seen(store), store.positions()) == before


def test_a_mark_that_lies_before_the_gap_leads_nowhere(told: SimulatedTopic, tmp_path: Path) -> None:
    told.resync(HERE, WHOLE)
    with receiving(tmp_path / "pri.db", told) as (_, subscription):
        drain(subscription)
        told.numbers[HERE] += 1
        told.disclose(KEYS[0], name("late"), "CaseOpened", CASE)
        told.repeat(HERE, 5)
        for _ in range(2):
            with pytest.raises(MissingNumber):
                subscription.advance(0)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_log_that_was_deleted_to_its_end_unread_is_refused_and_a_mark_that_comes_helps(
    told: SimulatedTopic, tmp_path: Path, is_known: bool
) -> None:
    with receiving(tmp_path / "pri.db", told) as (_, subscription):
        if is_known:
            drain(subscription)
            told.disclose(KEYS[0], name("unread"), "CaseOpened", CASE)
    told.delete_before(HERE, len(told.logs[HERE]))
    with receiving(tmp_path / "pri.db", told) as (store, subscription):
        for _ in range(2):
            with pytest.raises(MissingNumber, match="deleted unread"):
                subscription.advance(0)
        told.resync(HERE, WHOLE)
        drain(subscription)
        assert shown(store) == sorted([name("kept"), name("other")])


def test_the_beginning_is_found_behind_more_than_one_batch(
    told: SimulatedTopic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_module, "BATCH_RECORDS_MAX", 2)
    told.delete_before(HERE, 1)
    for number in range(9):
        told.disclose(KEYS[0], name("kept"), "CaseOpened", CASE | {"caseNo": str(number)}, party="A.SOC")
    told.resync(HERE, WHOLE)
    with receiving(tmp_path / "lost.db", told) as (store, subscription):
        drain(subscription)
        assert shown(store) == sorted([name("kept"), name("other")])


def test_a_record_that_cannot_be_read_is_got_over_by_a_mark_alone(told: SimulatedTopic, tmp_path: Path) -> None:
    with receiving(tmp_path / "pri.db", told) as (store, subscription):
        drain(subscription)
        told.disclose(KEYS[0], name("damaged"), "CaseOpened", CASE)
        told.logs[HERE][-1] = replace(told.logs[HERE][-1], value=b"x")
        told.disclose(KEYS[0], name("after"), "CaseOpened", CASE)
        with pytest.raises(UnreadableRecord):
            subscription.advance(0)
        told.resync(HERE, WHOLE)
        drain(subscription)
        assert shown(store) == sorted([name("kept"), name("other")])


@pytest.mark.parametrize("signer", ["hub", "stranger", "nobody"])
def test_a_mark_counts_only_with_the_hubs_signature(told: SimulatedTopic, tmp_path: Path, signer: str) -> None:
    hub, stranger = SigningKey(bytes(range(32))), SigningKey(bytes(32))
    told.numbers[HERE] += 1
    told.mark(HERE, "BEGUN")
    for number, log in enumerate(told.logs):
        for place, record in enumerate(log):
            is_mark = number == HERE and place == len(log) - 1
            key = {"hub": hub, "stranger": stranger, "nobody": None}[signer] if is_mark else hub
            if key is not None:
                message = disclosed_message("out.pri.v1", record.key, record.headers, record.value)
                signature = (("sig_key", key.id.encode()), ("sig", key.sign(message).hex().encode()))
                log[place] = replace(record, headers=(*record.headers, *signature))
    with PartyStore.create(tmp_path / "pri.db", "PRI") as store:
        subscription = Subscription("PRI", told, store, HubSignatures("out.pri.v1", [hub.public]))
        if signer == "hub":
            drain(subscription)
            assert store.filling() == [HERE]
        else:
            for _ in range(2):
                with pytest.raises(ReceiverFailure):
                    subscription.advance(0)
            assert name("kept") in shown(store)


def test_what_is_dropped_leaves_no_byte_behind(told: SimulatedTopic, tmp_path: Path) -> None:
    path = tmp_path / "pri.db"
    told.disclose(KEYS[0], name("secret"), "CaseOpened", CASE | {"caseNo": "CANARY"})
    with receiving(path, told) as (_, subscription):
        drain(subscription)
        assert b"CANARY" in bytes_on_disk(path)
        told.numbers[HERE] += 1
        told.resync(HERE, WHOLE)
        drain(subscription)
        assert b"CANARY" not in bytes_on_disk(path)


@dataclass(frozen=True)
class Resync:
    """The hub tells everything of one partition anew; so many further actions come in between."""

    partition: int


def _histories() -> st.SearchStrategy[list[Action | Resync]]:
    return st.tuples(actions, st.lists(st.tuples(st.integers(0, 40), st.integers(0, PARTITIONS - 1)), max_size=3)).map(
        lambda drawn: _mixed(*drawn)
    )


def _mixed(history: list[Action], resyncs: list[tuple[int, int]]) -> list[Action | Resync]:
    mixed: list[Action | Resync] = list(history)
    for place, partition in resyncs:
        mixed.insert(min(place, len(mixed)), Resync(partition))
    return mixed


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=_histories(), lost_at=st.integers(0, 40), batch=st.sampled_from([1, 3, 500]), data=st.data())
def test_whoever_lost_its_store_at_any_point_ends_with_what_was_never_lost(
    history: list[Action | Resync], lost_at: int, batch: int, data: st.DataObject
) -> None:
    topic, model = SimulatedTopic(), Model()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(subscription_module, "BATCH_RECORDS_MAX", batch)
        for place, action in enumerate(history):
            if place == lost_at:
                for partition, log in enumerate(topic.logs):
                    topic.delete_before(partition, data.draw(st.integers(0, len(log))))
            if isinstance(action, Resync):
                topic.resync(action.partition, _present(model))
            else:
                model.take(action, topic)
        for partition in range(PARTITIONS):
            topic.resync(partition, _present(model))
        with receiving(Path(folder) / "lost.db", topic) as (store, subscription):
            drain(subscription)
            assert seen(store) == model.visible()
            assert store.filling() == []
        topic.first = [0] * PARTITIONS
        with receiving(Path(folder) / "whole.db", topic) as (store, subscription):
            drain(subscription)
            assert seen(store) == model.visible()
            assert store.filling() == []


def _present(model: Model) -> list[tuple[str, str, str, str, dict[str, object]]]:
    return [
        (key, party, event, one.event_type, one.payload) for (key, party, event), one in sorted(model.present.items())
    ]
