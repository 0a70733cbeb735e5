"""The order of the input: whatever way records arrive, they are given out by (timestamp, topic, offset)."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from hub.broker.merge import Merge
from hub.broker.ports import InputRecord

LARGE = 2**40
TOPICS = ("in.a.v1", "in.b.v1", "in.hub.v1")
Logs = dict[str, list[int]]


def record(topic: str, offset: int, timestamp: int, value: bytes = b"v") -> InputRecord:
    return InputRecord(topic, 0, offset, timestamp, b"k", value, ())


def whole(topic: str, times: list[int]) -> list[InputRecord]:
    return [record(topic, offset, time) for offset, time in enumerate(times)]


logs_in_any_order = st.fixed_dictionaries({topic: st.lists(st.integers(0, 50), max_size=20) for topic in TOPICS})
logs_stamped_by_broker = st.fixed_dictionaries(
    {topic: st.lists(st.integers(0, 50), max_size=20).map(sorted) for topic in TOPICS}
)


def drained(logs: Logs, seed: int, limit: int, bytes_max: int = LARGE) -> list[InputRecord]:
    """Give `logs` to a merge in random pieces and take them in batches of `limit` records, or of so many bytes."""
    chance = random.Random(seed)
    merge = Merge(dict.fromkeys(logs, 0))
    merge.cut({topic: len(times) for topic, times in logs.items()})
    unread = {topic: whole(topic, times) for topic, times in logs.items()}
    out: list[InputRecord] = []
    while merge.open or any(unread.values()):
        topic = chance.choice(sorted(unread))
        size = chance.randrange(0, 6)
        merge.add(topic, unread[topic][:size])
        unread[topic] = unread[topic][size:]
        waited_for = merge.waited_for
        taken = merge.take(limit, bytes_max)
        assert not (waited_for and taken), "gave out records while an input was waited for"
        out += taken
    return out


@given(logs_stamped_by_broker, st.integers(0, 2**32), st.integers(1, 7))
def test_records_stamped_by_the_broker_come_in_one_sorted_order(logs: Logs, seed: int, limit: int) -> None:
    expected = sorted((r.timestamp, r.topic, r.offset) for topic in logs for r in whole(topic, logs[topic]))
    assert [(r.timestamp, r.topic, r.offset) for r in drained(logs, seed, limit)] == expected


def test_at_equal_times_the_hubs_own_input_comes_first() -> None:
    """Else a record would come before the key that it uses, or before its key is revoked."""
    topics = ("in.a.v1", "in.hub.v1", "in.z.v1")
    merge = Merge(dict.fromkeys(topics, 0), "in.hub.v1")
    merge.cut(dict.fromkeys(topics, 2))
    for topic in topics:
        merge.add(topic, whole(topic, [5, 6]))
    order = ["in.hub.v1", "in.a.v1", "in.z.v1"]
    assert [record.topic for record in merge.take(6, LARGE)] == [*order, *order]


@given(
    logs_in_any_order, st.integers(0, 2**32), st.integers(0, 2**32), st.integers(1, 7), st.integers(1, 7),
    st.integers(1, 9),
)  # fmt: skip
def test_order_does_not_depend_on_how_records_arrive_or_batches_are_cut(
    logs: Logs, seed: int, other_seed: int, limit: int, other_limit: int, bytes_max: int
) -> None:
    assert drained(logs, seed, limit) == drained(logs, other_seed, other_limit, bytes_max)


@given(logs_stamped_by_broker, st.integers(1, 50), st.data())
def test_no_more_is_given_out_than_one_record_beyond_so_many_bytes(
    logs: Logs, bytes_max: int, data: st.DataObject
) -> None:
    merge = Merge(dict.fromkeys(logs, 0))
    for topic, times in logs.items():
        values = data.draw(st.lists(st.binary(max_size=30), min_size=len(times), max_size=len(times)))
        merge.add(topic, [record(topic, offset, *each) for offset, each in enumerate(zip(times, values, strict=True))])
    merge.cut({topic: len(times) for topic, times in logs.items()})
    while taken := merge.take(1_000, bytes_max):
        assert sum(each.size_bytes for each in taken[:-1]) < bytes_max
        assert not merge.open or sum(each.size_bytes for each in taken) >= bytes_max
    assert not merge.open


@given(logs_in_any_order, st.integers(0, 2**32), st.integers(1, 7))
def test_every_record_is_given_out_once_and_in_offset_order_of_its_topic(logs: Logs, seed: int, limit: int) -> None:
    out = drained(logs, seed, limit)
    for topic, times in logs.items():
        assert [r for r in out if r.topic == topic] == whole(topic, times)


@given(logs_in_any_order, st.integers(0, 2**32))
def test_order_is_that_of_repeatedly_taking_the_smallest_head(logs: Logs, seed: int) -> None:
    unread = {topic: whole(topic, times) for topic, times in logs.items()}
    expected: list[InputRecord] = []
    while heads := [rows[0] for rows in unread.values() if rows]:
        first = min(heads, key=lambda r: (r.timestamp, r.topic, r.offset))
        unread[first.topic].pop(0)
        expected.append(first)
    assert drained(logs, seed, 3) == expected


def test_an_idle_input_holds_nobody_up() -> None:
    merge = Merge({"in.a.v1": 5, "in.b.v1": 0})
    merge.cut({"in.a.v1": 5, "in.b.v1": 1})
    merge.add("in.b.v1", [record("in.b.v1", 0, 7)])
    assert [r.offset for r in merge.take(10, LARGE)] == [0]


def test_a_record_above_the_cut_waits_for_the_next_look() -> None:
    merge = Merge({"in.a.v1": 0, "in.b.v1": 0})
    merge.cut({"in.a.v1": 1, "in.b.v1": 0})
    merge.add("in.a.v1", [record("in.a.v1", 0, 100), record("in.a.v1", 1, 200)])
    assert [r.timestamp for r in merge.take(10, LARGE)] == [100]
    assert merge.beyond_cut
    merge.cut({"in.a.v1": 2, "in.b.v1": 1})
    assert merge.take(10, LARGE) == []
    merge.add("in.b.v1", [record("in.b.v1", 0, 150)])
    assert [r.timestamp for r in merge.take(10, LARGE)] == [150, 200]


def test_a_log_that_ends_without_a_record_is_not_waited_for() -> None:
    merge = Merge({"in.a.v1": 0, "in.b.v1": 0})
    merge.cut({"in.a.v1": 1, "in.b.v1": 3})
    merge.add("in.a.v1", [record("in.a.v1", 0, 1)])
    assert merge.take(10, LARGE) == []
    merge.fetched_to("in.b.v1", 3)
    assert len(merge.take(10, LARGE)) == 1


def test_nothing_is_behind_exactly_where_all_below_the_cut_is_given_out_though_a_log_ends_without_a_record() -> None:
    merge = Merge({"in.a.v1": 0, "in.b.v1": 2})
    merge.cut({"in.a.v1": 3, "in.b.v1": 2})
    assert (merge.behind, merge.open) == (3, True)
    merge.add("in.a.v1", [record("in.a.v1", 0, 1)])
    merge.fetched_to("in.a.v1", 3)
    assert len(merge.take(10, LARGE)) == 1
    assert (merge.behind, merge.open) == (0, False)


def test_what_lies_behind_and_in_hand_is_counted() -> None:
    merge = Merge({"in.a.v1": 10})
    merge.cut({"in.a.v1": 13})
    assert merge.behind == 3
    merge.add("in.a.v1", [record("in.a.v1", 10, 1, b"1234"), record("in.a.v1", 11, 2)])
    assert merge.in_hand("in.a.v1") == (2, 7)
    heavy = record("in.a.v1", 12, 3)._replace(header_bytes=1_000)
    merge.add("in.a.v1", [heavy])
    assert merge.in_hand("in.a.v1") == (3, 1_009)
    merge.take(1, LARGE)
    assert merge.behind == 2
    assert merge.in_hand("in.a.v1") == (2, 1_004)
