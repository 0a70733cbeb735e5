"""What a subscription applies, drops, refuses, and how it goes on afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.source import ReceivedRecord
from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.cloudevents import HUB_SEQ
from contracts.failures import CallerFailure, ForeignStore, MissingNumber, TransportFailure, UnreadableRecord
from contracts.partitioning import partition_of
from tests.consumers.simulated_topic import KEYS, SimulatedTopic, name
from tests.contracts.second_version import grown, in_force

AT = 1_736_150_400_000
CASE = {"occurredAt": AT, "caseNo": "x", "at": AT}


def partition(key: str) -> int:
    return partition_of(key.encode(), SimulatedTopic().partitions)


def other_partition_key(key: str) -> str:
    return next(other for other in KEYS if partition(other) != partition(key))


def ids(store: PartyStore) -> list[str]:
    return [event.event_id for event in store.visible()]


def test_a_disclosure_is_visible_with_its_fields_and_without_what_is_closed(
    topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    topic.disclose(KEYS[0], name("e"), "CaseOpened", CASE, party="A.SOC", corrects=name("old"))
    assert subscription.advance(0) == 1
    (event,) = store.visible(KEYS[0])
    assert (event.party, event.event_type, event.occurred_at) == ("A.SOC", "CaseOpened", AT)
    assert event.ce_time == AT + 1_000
    assert event.corrects == name("old")
    assert dict(event.payload) == CASE
    assert store.visible(KEYS[1]) == []


def test_a_newer_disclosure_replaces_the_older_one_whole(
    topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    topic.disclose(KEYS[0], name("e"), "CaseOpened", CASE | {"reason": "CUSTODY"})
    topic.disclose(KEYS[0], name("e"), "CaseOpened", CASE)
    subscription.advance(0)
    (event,) = store.visible()
    assert "reason" not in event.payload


def test_two_parties_with_one_event_id_have_two_events(
    topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    topic.disclose(KEYS[0], name("e"), "CaseOpened", CASE, party="A.SOC")
    topic.disclose(KEYS[0], name("e"), "CaseOpened", CASE, party="B.SOC")
    topic.retract(KEYS[0], name("e"), "CaseOpened", party="B.SOC")
    subscription.advance(0)
    assert [event.party for event in store.visible()] == ["A.SOC"]


def test_a_retraction_under_another_key_leaves_the_event_alone(
    topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    topic.disclose(KEYS[0], name("e"), "CaseOpened", CASE)
    topic.retract(other_partition_key(KEYS[0]), name("e"), "CaseOpened")
    subscription.advance(0)
    assert ids(store) == [name("e")]


def test_a_retraction_of_what_was_never_had_moves_the_number_only(
    topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    topic.retract(KEYS[0], name("e"), "CaseOpened")
    assert subscription.advance(0) == 1
    assert store.visible() == []
    assert subscription.numbers() == {partition(KEYS[0]): 1}


def test_repeats_are_dropped_and_counted(topic: SimulatedTopic, subscription: Subscription, store: PartyStore) -> None:
    topic.disclose(KEYS[0], name("e1"), "CaseOpened", CASE)
    topic.retract(KEYS[0], name("e1"), "CaseOpened")
    topic.repeat(partition(KEYS[0]), 2)
    assert subscription.advance(0) == 4
    assert subscription.repeats == 2
    assert store.visible() == []
    assert subscription.numbers() == {partition(KEYS[0]): 2}
    assert store.positions()[partition(KEYS[0])].next_offset == 4


def test_a_gap_is_refused_with_what_came_before_it_applied(
    topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    topic.disclose(KEYS[0], name("e1"), "CaseOpened", CASE)
    topic.numbers[partition(KEYS[0])] += 1
    topic.disclose(KEYS[0], name("e3"), "CaseOpened", CASE)
    for _ in range(2):
        with pytest.raises(MissingNumber, match=r"number `3` came after `1`, expected `2`.*resync"):
            subscription.advance(0)
        assert ids(store) == [name("e1")]
        assert subscription.numbers() == {partition(KEYS[0]): 1}


def test_only_what_the_store_has_is_confirmed(topic: SimulatedTopic, subscription: Subscription) -> None:
    """The cleaner deletes behind it: one record more would be lost."""
    here = partition(KEYS[0])
    topic.disclose(KEYS[0], name("e1"), "CaseOpened", CASE)
    topic.disclose(KEYS[0], name("e2"), "CaseOpened", CASE)
    subscription.advance(0)
    assert topic.confirmed == {}
    subscription.advance(0)
    assert topic.confirmed == {here: 2}
    topic.numbers[here] += 1
    topic.disclose(KEYS[0], name("e4"), "CaseOpened", CASE)
    for _ in range(2):
        with pytest.raises(MissingNumber):
            subscription.advance(0)
    assert topic.confirmed == {here: 2}


def test_numbers_begin_at_one(topic: SimulatedTopic, subscription: Subscription, store: PartyStore) -> None:
    topic.numbers[partition(KEYS[0])] = 1
    topic.disclose(KEYS[0], name("e2"), "CaseOpened", CASE)
    with pytest.raises(MissingNumber, match="number `2` came after `0`"):
        subscription.advance(0)
    assert store.positions() == {}


def test_a_stopped_partition_does_not_hold_up_retractions_on_others(
    topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    other = other_partition_key(KEYS[0])
    topic.disclose(other, name("e1"), "CaseOpened", CASE)
    subscription.advance(0)
    topic.put(partition(KEYS[0]), KEYS[0].encode(), b"x", [])
    topic.retract(other, name("e1"), "CaseOpened")
    with pytest.raises(UnreadableRecord):
        subscription.advance(0)
    assert store.visible() == []


class OneByOne(SimulatedTopic):
    """Gives one partition at a time, in `order`, and of those out of reach nothing."""

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        self.order = order
        self.out_of_reach: set[int] = set()

    def poll(self, limit: int, wait_seconds: float) -> Sequence[ReceivedRecord]:
        assert self._next is not None
        for each in self.order:
            if each not in self.out_of_reach and (found := self.logs[each][self._next[each] :][:limit]):
                self._next[each] += len(found)
                return found
        return []


def test_a_stopped_partition_is_refused_only_once_the_others_have_read_what_lay_there(store: PartyStore) -> None:
    """Whoever ends and starts again at a refusal would otherwise never come to the retraction."""
    here, other = partition(KEYS[0]), other_partition_key(KEYS[0])
    topic = OneByOne([here, *(each for each in range(3) if each != here)])
    topic.disclose(other, name("e1"), "CaseOpened", CASE)
    Subscription("PRI", topic, store).advance(0)
    topic.put(here, KEYS[0].encode(), b"x", [])
    topic.retract(other, name("e1"), "CaseOpened")
    subscription = Subscription("PRI", topic, store)
    topic.out_of_reach = {partition(other)}
    for _ in range(3):
        subscription.advance(0)
        assert list(subscription.stopped()) == [here], "known at once, though it is not refused yet"
    topic.out_of_reach = set()
    with pytest.raises(UnreadableRecord):
        subscription.advance(0)
    assert store.visible() == []


def test_beside_a_stopped_partition_reading_confirming_and_the_search_for_a_resync_go_on(store: PartyStore) -> None:
    here, other = partition(KEYS[0]), other_partition_key(KEYS[0])
    topic = OneByOne([here, *(each for each in range(3) if each != here)])
    topic.put(here, KEYS[0].encode(), b"x", [])
    subscription = Subscription("PRI", topic, store)
    for number in range(3):
        topic.disclose(other, name(number), "CaseOpened", CASE)
        with pytest.raises(UnreadableRecord):
            while True:
                subscription.advance(0)
    with pytest.raises(UnreadableRecord):
        subscription.advance(0)
    assert len(store.visible()) == 3
    assert topic.confirmed == {partition(other): 3}
    topic.mark(here, "BEGUN")
    subscription.advance(0)
    assert subscription.stopped() == {}


def test_what_was_looked_through_behind_a_gap_is_not_read_again_each_time(store: PartyStore) -> None:
    """Else a week of one partition would be read again every few seconds, and the others would wait for it."""

    class Counting(SimulatedTopic):
        given = 0

        def poll(self, limit: int, wait_seconds: float) -> Sequence[ReceivedRecord]:
            found = super().poll(limit, wait_seconds)
            self.given += len(found)
            return found

    topic = Counting()
    subscription = Subscription("PRI", topic, store)
    here = partition(KEYS[0])
    topic.numbers[here] = 1
    for number in range(20):
        topic.disclose(KEYS[0], name(number), "CaseOpened", CASE)
    for _ in range(5):
        with pytest.raises(MissingNumber):
            subscription.advance(0)
    assert topic.given == 20
    topic.disclose(KEYS[0], name("later"), "CaseOpened", CASE)
    topic.delete_before(here, 21)
    with pytest.raises(MissingNumber):
        subscription.advance(0)
    assert topic.given == 20
    topic.resync(here, [(KEYS[0], "PRI", name("e"), "CaseOpened", CASE)])
    assert subscription.advance(0) == 3
    assert ids(store) == [name("e")]
    assert not subscription.stopped()


def damaged(topic: SimulatedTopic, **changes: object) -> None:
    topic.disclose(KEYS[0], name("secret-id"), "CaseOpened", CASE)
    log = topic.logs[partition(KEYS[0])]
    log[-1] = replace(log[-1], **changes)  # type: ignore[arg-type]


def headers_without(topic: SimulatedTopic, header: str) -> tuple[tuple[str, bytes], ...]:
    topic.disclose(KEYS[0], name("secret-id"), "CaseOpened", CASE)
    log = topic.logs[partition(KEYS[0])]
    topic.numbers[partition(KEYS[0])] -= 1
    return tuple(pair for pair in log.pop().headers if pair[0] != header)


@pytest.mark.parametrize(
    "header",
    ["ce_id", "ce_source", "ce_type", "ce_time", "ce_specversion", "hub_seq", "hub_effect", "hub_decision"],
)
def test_a_missing_header_stops_and_is_named(
    header: str, topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    damaged(topic, headers=headers_without(topic, header))
    with pytest.raises(UnreadableRecord, match=f"header `{header}`") as caught:
        subscription.advance(0)
    assert KEYS[0] not in str(caught.value)
    assert name("secret-id") not in str(caught.value)
    assert store.visible() == []


@pytest.mark.parametrize("number", [b"0", b"-1", b"1.0", b"one", b"", b"01"])
def test_a_malformed_number_stops(number: bytes, topic: SimulatedTopic, subscription: Subscription) -> None:
    damaged(topic, headers=(*headers_without(topic, HUB_SEQ), (HUB_SEQ, number)))
    with pytest.raises(UnreadableRecord, match="hub_seq"):
        subscription.advance(0)


@pytest.mark.parametrize("key", [None, b"", b"not a key", KEYS[0].upper().encode(), KEYS[0].encode() + b"\n"])
def test_a_malformed_key_stops(key: bytes | None, topic: SimulatedTopic, subscription: Subscription) -> None:
    damaged(topic, key=key)
    with pytest.raises(UnreadableRecord, match="key: expected"):
        subscription.advance(0)


def test_a_key_of_another_partition_stops(topic: SimulatedTopic, subscription: Subscription) -> None:
    damaged(topic, key=other_partition_key(KEYS[0]).encode())
    with pytest.raises(UnreadableRecord, match="another of the 3 partitions"):
        subscription.advance(0)


@pytest.mark.parametrize("value", [None, b"", b"\x00", b"\x00\xff\xff\xff\xff", b"\x01" * 40])
def test_a_disclosure_without_a_readable_value_stops(
    value: bytes | None, topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    damaged(topic, value=value)
    with pytest.raises(UnreadableRecord, match="value"):
        subscription.advance(0)
    assert store.positions() == {}


def test_trailing_bytes_stop(topic: SimulatedTopic, subscription: Subscription) -> None:
    topic.disclose(KEYS[0], name("e"), "CaseOpened", CASE)
    log = topic.logs[partition(KEYS[0])]
    log[-1] = replace(log[-1], value=(log[-1].value or b"") + b"\x00")
    with pytest.raises(UnreadableRecord, match="value: bad_avro"):
        subscription.advance(0)


def test_a_value_of_another_type_than_the_header_names_stops(topic: SimulatedTopic, subscription: Subscription) -> None:
    topic.disclose(KEYS[0], name("e"), "CaseClosed", CASE)
    value = topic.logs[partition(KEYS[0])].pop().value
    topic.numbers[partition(KEYS[0])] -= 1
    damaged(topic, value=value)
    with pytest.raises(UnreadableRecord, match="not the disclosed form"):
        subscription.advance(0)


def test_a_value_in_its_published_form_stops(topic: SimulatedTopic, subscription: Subscription) -> None:
    from contracts.codec import codec
    from contracts.schema_ids import schema_ids

    damaged(topic, value=codec().encode(schema_ids().published("CaseOpened"), dict(CASE)))
    with pytest.raises(UnreadableRecord, match="not the disclosed form"):
        subscription.advance(0)


def test_a_value_on_a_retraction_stops(topic: SimulatedTopic, subscription: Subscription, store: PartyStore) -> None:
    topic.disclose(KEYS[0], name("e"), "CaseOpened", CASE)
    topic.retract(KEYS[0], name("e"), "CaseOpened")
    log = topic.logs[partition(KEYS[0])]
    log[-1] = replace(log[-1], value=log[0].value)
    with pytest.raises(UnreadableRecord, match="a retraction carries a value"):
        subscription.advance(0)
    assert ids(store) == [name("e")]


def test_after_a_lost_connection_reading_goes_on_where_the_store_is(
    topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    topic.disclose(KEYS[0], name("e1"), "CaseOpened", CASE)
    subscription.advance(0)
    topic.disclose(KEYS[0], name("e2"), "CaseOpened", CASE)
    topic.fail_next_poll = True
    with pytest.raises(TransportFailure):
        subscription.advance(0)
    assert subscription.advance(0) == 1
    assert sorted(ids(store)) == sorted([name("e1"), name("e2")])
    assert subscription.repeats == 0


def test_another_number_of_partitions_is_refused(tmp_path: Path) -> None:
    with PartyStore.create(tmp_path / "s.db", "PRI") as store:
        Subscription("PRI", SimulatedTopic(3), store).advance(0)
        with pytest.raises(ForeignStore, match="`4` partitions, this store was filled from `3`"):
            Subscription("PRI", SimulatedTopic(4), store).advance(0)


def test_another_partys_store_is_refused(store: PartyStore, topic: SimulatedTopic) -> None:
    with pytest.raises(CallerFailure, match="store of party `PRI`"):
        Subscription("A.SOC", topic, store)


def test_a_repeat_behind_a_record_that_stops_does_not_carry_the_position_past_it(
    topic: SimulatedTopic, subscription: Subscription, store: PartyStore
) -> None:
    at = partition(KEYS[0])
    topic.disclose(KEYS[0], name("e1"), "CaseOpened", CASE)
    first = topic.logs[at][0]
    topic.put(at, b"not a key", first.value, first.headers)
    topic.put(at, first.key, first.value, first.headers)
    for _ in range(2):
        with pytest.raises(UnreadableRecord, match=f"partition {at}, offset 1: key"):
            subscription.advance(0)
        assert store.positions()[at].next_offset == 1


def test_what_was_told_in_an_earlier_version_is_read_in_the_newest(tmp_path: Path, topic: SimulatedTopic) -> None:
    """A store that was filled before the release, and one that gets both versions after it, show one shape."""
    secured = {"occurredAt": AT, "housingId": name("flat"), "kind": "TEMPORARY_107", "at": AT}
    topic.disclose(KEYS[0], name("before"), "HousingSecured", {**secured, "reason": "DEBT"})
    path = tmp_path / "later.db"
    with PartyStore.create(path, "A.SOC") as store:
        Subscription("A.SOC", topic, store).advance(0)
        assert dict(store.visible()[0].payload) == {**secured, "reason": "DEBT"}
    with in_force(grown(tmp_path / "contracts")):
        newer = {**secured, "kind": "HALFWAY_HOUSE", "cause": "EVICTION"}
        topic.disclose(KEYS[0], name("after"), "HousingSecured", newer)
        with PartyStore.open(path, "A.SOC") as store:
            assert Subscription("A.SOC", topic, store).advance(0) == 1
            payloads = {event.event_id: dict(event.payload) for event in store.visible()}
    assert payloads == {
        name("before"): {**secured, "kind": "SHELTER_110", "cause": "DEBT"},
        name("after"): newer,
    }
