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
from tests.shard.merging import MergingShards

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
    return StoredWorld(laid_out(place, hub), hub, story.events)


def laid_out(place: Path, hub: ShardUnderTest | MergingShards) -> Path:
    """Close the stores of a hub, lay them where those of a world's hub are, and return that world's directory."""
    stores = hub.stores if isinstance(hub, MergingShards) else [hub.store]
    for store in stores:
        store.close()
    hub.keys.close()
    secrets = (SECRET, SECRET)
    world = World(
        place / "world",
        hub.registry,
        hub.names.world,
        "localhost:1",
        "SASL_PLAINTEXT",
        None,
        len(stores),
        True,
        {},
        *secrets,
    )
    world.write()
    keys = keys_path(hub_directory(world))
    keys.parent.mkdir(parents=True)
    shutil.copy(hub.directory / "keys.db", keys)
    for shard in range(len(stores)):
        shutil.copy(hub.directory / f"shard-{shard}.db", shard_path(world, shard))
    return world.directory
