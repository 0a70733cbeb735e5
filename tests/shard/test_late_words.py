"""A word about a merge that comes late, after what came of it: a broker that was frozen may store it long after."""

from __future__ import annotations

from collections.abc import Callable
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


def test_that_facts_come_is_too_late_when_all_have_come(hub: MergingShards) -> None:
    merged(hub)
    hub.say_again("MergeOpened", WINNER)
    hub.settle()
    assert hub.moves(WINNER) == ["joining", "joined"]
    later = dated(hub, WINNER, reference="later")
    hub.settle()
    assert later in hub.held("PRI", WINNER)


def test_no_word_that_comes_again_has_an_effect_at_any_later_time(hub: MergingShards) -> None:
    """Merged, parted, merged the other way round, parted: after each of these every word told so far comes again."""
    merged(hub)
    changes: list[Callable[[], None]] = [
        hub.unlink,
        lambda: hub.merge(WINNER, LOSER),
        lambda: hub.unlink(WINNER),
        hub.merge,
    ]
    for change in changes:
        change()
        hub.settle()
        before = [(hub.moves(case_id), hub.views(case_id)) for case_id in (LOSER, WINNER)]
        hub.say_all_again()
        hub.settle()
        assert [(hub.moves(case_id), hub.views(case_id)) for case_id in (LOSER, WINNER)] == before
    hub.say_all_again()
    later = dated(hub, WINNER, reference="later")
    hub.settle()
    assert later in hub.held("PRI", WINNER)


def test_a_word_of_the_first_version_is_understood(hub: MergingShards) -> None:
    hub.channel.speaks_first_version = True
    date = merged(hub)
    assert date in hub.held("A.JOB", WINNER)
    hub.unlink()
    hub.settle()
    assert hub.moves(WINNER)[:3] == ["joining", "joined", "left"]
    assert hub.moves(LOSER)[:3] == ["merged", "leaving", "reopened"]
    assert date in hub.held("A.JOB", LOSER)
