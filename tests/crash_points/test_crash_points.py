"""Each crash point is a real place of the real code that is reached; one of each room is let go off.

The nightly command `python -m tests.crash_points` lets every one of them go off, several times on each store.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Literal

import pytest

from deploy.local_kafka import LocalKafka
from tests.crash_points.__main__ import opened_town
from tests.crash_points.drill import run_once
from tests.crash_points.points import BY_NAME, POINTS, STORES, Point, Store
from tests.crash_points.trap import Trap, Trigger, holder_of

ROOMS = {"ingest", "decide", "publish", "park", "view"}
LET_GO_OFF = (
    "ingest.after_copy_before_commit",
    "decide.numbered_before_next",
    "publish.left_over_before_sent",
    "park.sealed_before_commit",
    "view.applied_before_position",
)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_a_point_is_a_place_of_the_code(point: Point, store: Store) -> None:
    holder, name = holder_of(point.function_on(store))
    assert callable(getattr(holder, name))


def test_points_have_names_of_their_own_in_every_room() -> None:
    assert len(BY_NAME) == len(POINTS) >= 24
    assert {point.room for point in POINTS} == ROOMS


def test_a_function_that_has_gone_is_named() -> None:
    with pytest.raises(LookupError, match=r"Shard\.gone. is not there any more"):
        holder_of("hub.shard.worker:Shard.gone")


class Watched:
    """A place to be killed at; each call leaves a mark."""

    def __init__(self, marks: Path) -> None:
        self._marks = marks

    def work(self, worth: int) -> None:
        with self._marks.open("a", encoding="ascii") as file:
            file.write(str(worth))


@pytest.mark.parametrize(("moment", "marks"), [("before", "010"), ("after", "0101")])
def test_a_process_dies_at_the_call_that_was_armed(
    tmp_path: Path, moment: Literal["before", "after"], marks: str
) -> None:
    point = Point("ingest.watched", f"{__name__}:Watched.work", moment, lambda given, result: given[1] > 0)
    trigger = Trigger(tmp_path)
    trigger.arm(point, 2)
    process = os.fork()
    if process == 0:
        Trap(tmp_path).set([point], "sqlite")
        watched = Watched(tmp_path / "marks")
        for worth in (0, 1, 0, 1, 1):
            watched.work(worth)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert trigger.crashed() == "ingest.watched"
    assert trigger.reached() == {"ingest.watched"}
    assert (tmp_path / "marks").read_text(encoding="ascii") == marks


@pytest.mark.kafka
def test_every_point_is_reached_and_one_of_each_room_loses_and_doubles_nothing(
    local_kafka: LocalKafka, tmp_path: Path
) -> None:
    draw = random.Random(1)
    with opened_town(local_kafka, tmp_path, 1, None) as town:
        runs = [run_once(town, BY_NAME[name], draw) for name in LET_GO_OFF]
        reached = town.hub_trigger.reached() | town.receiver_trigger.reached()
    assert [(run.point, run.faults) for run in runs if run.faults] == []
    assert reached == BY_NAME.keys()
