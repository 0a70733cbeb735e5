"""A word about a merge that comes late, after what came of it: a broker that was frozen may store it long after."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shard.merging import (
    ACROSS,
    LOSER,
    SAME_SHARD,
    WINNER,
    MergingShards,
    consented,
    dated,
    imprisoned,
    withdrawn,
)


@pytest.fixture(params=[SAME_SHARD, ACROSS], ids=["same", "across"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> MergingShards:
    return MergingShards(tmp_path, request.param)


def merged(hub: MergingShards) -> str:
    """Two cases merged, of which the closed one had a date to tell; its event id."""
    imprisoned(hub, LOSER)
    date = dated(hub, LOSER)
    consented(hub, LOSER)
    hub.settle()
    hub.merge()
    hub.settle()
    return date


def test_that_facts_come_is_too_late_when_the_case_has_left(hub: MergingShards) -> None:
    merged(hub)
    hub.unlink()
    hub.settle()
    hub.say_again("MergeOpened", WINNER)
    hub.settle()
    assert hub.moves(WINNER) == ["joining", "joined", "left"]
    later = dated(hub, WINNER, reference="later")
    hub.settle()
    assert later in hub.held("PRI", WINNER)


def test_that_a_merge_is_undone_is_too_late_when_the_case_has_come_again(hub: MergingShards) -> None:
    date = merged(hub)
    hub.unlink()
    hub.settle()
    hub.merge()
    hub.settle()
    hub.say_again("MergeUndone", WINNER)
    hub.settle()
    assert hub.moves(WINNER) == ["joining", "joined", "left", "joining", "joined"]
    assert date in hub.held("A.JOB", WINNER)
    withdrawn(hub, WINNER)
    hub.settle()
    assert len(hub.acknowledged()) == 1
