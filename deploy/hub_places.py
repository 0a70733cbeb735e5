"""Where the hub of a world keeps its stores. Apart from running it: a command that reads loads no worker."""

from __future__ import annotations

from pathlib import Path

from deploy.world import World
from hub.store.places import StorePlace, place_of, store_path


def hub_directory(world: World) -> Path:
    """Where the hub of `world` keeps its stores."""
    return world.directory / "hub"


def shard_path(world: World, shard: int) -> Path:
    """The store of one shard of `world`."""
    return store_path(hub_directory(world), shard)


def world_stores(world: World) -> StorePlace:
    """Where the stores of the world's hub are."""
    return place_of(hub_directory(world), world.store_url, world.keys_url)
