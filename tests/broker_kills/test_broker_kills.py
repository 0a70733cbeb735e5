"""The checker finds each anomaly where it was planted, and none under a broker that is killed and frozen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local_kafka import LocalKafka
from tests.broker_kills.__main__ import disturbed
from tests.broker_kills.history import Anomaly, Poll, Send, anomalies

SENDS = [Send(0, "a", 0), Send(0, "b", 1), Send(0, "c", 2)]
ALL = [(1, "a"), (2, "b"), (3, "c")]

PLANTED: dict[Anomaly, tuple[list[Send], list[Poll]]] = {
    "lost-write": (SENDS, [Poll("one", 0, [(1, "a"), (2, "c")])]),
    "unseen": (SENDS, [Poll("one", 0, ALL[:2])]),
    "duplicate": (SENDS, [Poll("one", 0, [*ALL, (4, "b")])]),
    "poll-skip": (SENDS, [Poll("one", 0, ALL), Poll("two", 0, [ALL[0], ALL[2]])]),
    "nonmonotonic-poll": (SENDS, [Poll("one", 0, ALL), Poll("one", 0, ALL[2:])]),
}


@pytest.mark.parametrize("anomaly", PLANTED)
def test_a_planted_anomaly_is_found_and_no_other(anomaly: Anomaly) -> None:
    sends, polls = PLANTED[anomaly]
    assert [found.anomaly for found in anomalies(sends, polls)] == [anomaly]


def test_what_was_never_acknowledged_may_be_missing_or_there() -> None:
    assert anomalies([Send(0, "a", None), Send(0, "b", None)], [Poll("one", 0, [(1, "a")])]) == []


def test_partitions_and_readers_have_turns_of_their_own() -> None:
    sends = [Send(0, "a", 7), Send(1, "b", 3)]
    polls = [Poll("one", 0, [(1, "a")]), Poll("two", 0, [(1, "a")]), Poll("one", 1, [(1, "b")])]
    assert anomalies(sends, polls) == []


@given(st.lists(st.integers(1, 4), max_size=12), st.integers(0, 30), st.data())
def test_any_cut_of_a_good_history_into_polls_is_good_and_any_value_left_out_is_found(
    sizes: Sequence[int], count: int, data: st.DataObject
) -> None:
    sends = [Send(0, str(number), number) for number in range(count)]
    every = [(number + 1, str(number)) for number in range(count)]
    polls = []
    at = 0
    for size in [*sizes, count]:
        polls.append(Poll("one", 0, every[at : at + size]))
        at += size
    assert anomalies(sends, polls) == []
    if count:
        gone = data.draw(st.integers(0, count - 1))
        found = {one.anomaly for one in anomalies(sends, [Poll("one", 0, [*every[:gone], *every[gone + 1 :]])])}
        assert found == ({"unseen"} if gone == count - 1 else {"lost-write", "poll-skip"})


@pytest.mark.kafka
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_broker_that_is_killed_and_frozen_under_load_leaves_no_anomaly(
    local_kafka: LocalKafka, tmp_path: Path
) -> None:
    found = disturbed(local_kafka, tmp_path, kills=1, seed=1)
    assert found["faults"] == []
    assert set(found["anomalies"].values()) == {0}
    assert found["sends acknowledged"] > 0
