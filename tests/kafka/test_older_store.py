"""A store that goes back under the real hub: it does not start, the operator skips, and the receiver is healed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from contracts.failures import SetupFailure
from deploy.hub_places import hub_directory
from deploy.store_command import store
from tests.conftest import MakeWorld
from tests.kafka.live_world import REGISTRY, LiveWorld

pytestmark = pytest.mark.kafka


@pytest.fixture
def live(make_world: MakeWorld) -> Iterator[LiveWorld]:
    world = LiveWorld(make_world(REGISTRY, partitions=1, played=False))
    yield world
    world.close()


def replace_stores(source: Path, target: Path) -> None:
    """Copy the shards' files; what stood there goes."""
    for lost in target.glob("shard-*"):
        lost.unlink()
    for file in source.glob("shard-*"):
        shutil.copy(file, target / file.name)


def skip(live: LiveWorld) -> list[dict[str, object]]:
    done = CliRunner().invoke(store, ["skip", "--json", "--world", str(live.world.directory)])
    assert done.exit_code == 0, done.output
    lines: list[dict[str, object]] = json.loads(done.stdout)
    return lines


def test_a_hub_on_an_old_copy_does_not_start_before_what_was_told_is_skipped(live: LiveWorld, tmp_path: Path) -> None:
    first = live.publish(live.housing())
    live.wait_until(lambda: first in live.seen_by_prison(), "the prison sees what was stated")
    live.hub.stop()
    assert skip(live) == []
    replace_stores(hub_directory(live.world), tmp_path)
    live.hub.start()
    second, third = (live.publish(live.housing()) for _ in range(2))
    live.wait_until(lambda: live.seen_by_prison() == {first, second, third}, "the prison sees more")
    live.hub.stop()
    replace_stores(tmp_path, hub_directory(live.world))
    with pytest.raises(SetupFailure, match="older than what was told"):
        live.hub.start()
    live.take_back_housing(2)
    assert "PRI" in {each["party"] for each in skip(live)}
    assert skip(live) == []
    live.hub.start()
    live.wait_until(lambda: live.seen_by_prison() == {first, third}, "the prison drops what was taken back")
    fourth = live.publish(live.housing())
    live.wait_until(lambda: live.seen_by_prison() == {first, third, fourth}, "what is stated afterwards arrives")
