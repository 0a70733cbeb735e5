"""A world's directory with the stores of its hub, made without Kafka: what the reading commands are pointed at."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy.hub_places import hub_directory, shard_path
from deploy.world import World
from hub.store.places import keys_path
from tests.evidence.story import told_story
from tests.shard.harness import SECRET, ShardUnderTest

UNKNOWN_CASE = "5f0c7d1e-0000-4000-8000-00000000000b"


@dataclass(frozen=True)
class StoredWorld:
    """The directory, the shard that filled it, and the event ids of its facts by short names."""

    directory: Path
    hub: ShardUnderTest
    events: dict[str, str]


def stored_world(place: Path) -> StoredWorld:
    """Play a case and park a record, and lay the stores where a world's hub has them."""
    played = place / "played"
    played.mkdir()
    story = told_story(played)
    hub = story.hub
    hub.state("A.SOC", "CaseOpened", {"caseNo": "of-nobody", "at": hub.now}, "parked", case_id=UNKNOWN_CASE)
    hub.settle()
    hub.store.close()
    hub.keys.close()
    world = World(place / "world", hub.registry, "", "localhost:1", "SASL_PLAINTEXT", None, 1, True, {}, SECRET, SECRET)
    world.write()
    keys = keys_path(hub_directory(world))
    keys.parent.mkdir(parents=True)
    shutil.copy(played / "keys.db", keys)
    shutil.copy(played / "shard-0.db", shard_path(world, 0))
    return StoredWorld(world.directory, hub, story.events)
