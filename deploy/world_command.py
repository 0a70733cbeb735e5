"""`hub world make` and `join`: everything that a hub needs on a cluster and on disk, made once, by command.

Rules:
- It works on the cluster that `HUB_KAFKA` names, as the deployer.
- The directory must be new: nothing is ever made over a hub that is there. A `make` that stopped is given again in the
  same words: it goes on with the world that it has begun. The settings of workers come last, so without them it has.
- The key with which a party signs is made for it and registered, as its password is: a try on one machine. An agency in
  production makes its own (`hub keys make`) and has the public half registered.
- Wherever `join` stopped, it is given again: it goes on with every party of which a shard knows no key yet. A party's
  files come before its key is registered, so whoever has a key has all.
- No secret is printed.

The files that programs are started with are those of `deploy.env_files`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from contracts.connection import KafkaConnection
from contracts.failures import BadSetting
from contracts.registry_file import read_registry
from deploy.cluster import deployer_connection
from deploy.env_files import require_plain, require_plain_path, worker_file, write_consumer_file, write_worker_file
from deploy.hub_process import create_hub
from deploy.identity_command import create_vault, vault_path
from deploy.key_registration import parties_without_a_key, register_all
from deploy.options import world_option
from deploy.quotas import quotas_of, set_quotas
from deploy.world import PARTITIONS_MAX, World
from deploy.world_making import administering, create_world, extend_world
from hub.store.places import DatabaseOwner, FilePlace, place_of


@click.group("world")
def world_group() -> None:
    """The hub of one registry on one cluster."""


@world_group.command("make")
@click.option(
    "--registry",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Who takes part: one [[party]] table each.",
)
@click.option("--partitions", type=click.IntRange(1, PARTITIONS_MAX), default=8, show_default=True, help="Shards.")
@click.option("--name", default="", help="Begins the names of topics, users and groups; empty in production.")
@click.option("--store-url", default="", help="PostgreSQL for the shards, as the hub connects; else SQLite files.")
@click.option("--keys-url", default="", help="PostgreSQL for the data keys, as the hub connects.")
@click.option("--store-owner-url", default="", help="The same database as its owner, who makes the stores.")
@click.option("--keys-owner-url", default="", help="The keys' database as its owner.")
@world_option
def make(
    registry: Path,
    partitions: int,
    name: str,
    store_url: str,
    keys_url: str,
    store_owner_url: str,
    keys_owner_url: str,
    directory: Path,
) -> None:
    """Make topics, users, rights, quotas, stores and settings for a new hub."""
    parties = read_registry(registry)
    world_directory = directory.absolute()
    admin = deployer_connection()
    _require_plain(world_directory, admin, store_url, keys_url)
    owner = _owner(world_directory, store_url, keys_url, store_owner_url, keys_owner_url)
    world = _begun(world_directory)
    if world is None:
        world = create_world(
            world_directory,
            admin,
            parties,
            partitions=partitions,
            played=False,
            world_name=name,
            store_url=store_url,
            keys_url=keys_url,
        )
    else:
        begun = (world.registry, world.partitions, world.name, world.bootstrap, world.store_url, world.keys_url)
        if begun != (parties, partitions, name, admin.bootstrap, store_url, keys_url):
            raise BadSetting(
                f"the world in `{directory}` was begun otherwise: ask in the same words, or for a new directory"
            )
    _limit(world)
    create_hub(world, owner)
    if not vault_path(world).exists():
        create_vault(world)
    register_all(world, parties.parties)
    _write_consumer_files(world, parties.parties)
    click.echo(f"settings of the hub: {write_worker_file(world)}")


@world_group.command("join")
@click.option(
    "--registry",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Who takes part now: everybody from before, and whoever joins.",
)
@world_option
def join(registry: Path, directory: Path) -> None:
    """Take new parties into a hub: users, rights, quotas, topics, settings. Running workers take them up."""
    before = World.open(directory.absolute())
    admin = deployer_connection()
    _require_plain(before.directory, admin, before.store_url, before.keys_url)
    begun = parties_without_a_key(before)  # first: where the stores cannot be read, nothing is changed
    world = extend_world(before, admin, read_registry(registry))
    _limit(world)
    joined = [party for party in world.registry.parties if party not in before.registry]
    _write_consumer_files(world, [*begun, *joined])
    register_all(world, [*begun, *joined])
    click.echo(f"{len(joined)} parties joined; a hub at work takes them up by itself, and settles every case for them")
    if begun:
        click.echo(f"registered again, since a shard knows no key of theirs yet: {', '.join(begun)}")


def _begun(directory: Path) -> World | None:
    """The world that a `make` which stopped has begun in `directory`; raise `BadSetting` where one is complete."""
    if not (directory / "world.json").exists():
        return None
    world = World.open(directory)
    if world.played or worker_file(world).exists():
        raise BadSetting(f"directory `{directory}` holds a world already: expected a new directory")
    return world


def _limit(world: World) -> None:
    with administering(deployer_connection()) as client:
        set_quotas(client, quotas_of(world.names, world.registry))


def _require_plain(directory: Path, admin: KafkaConnection, store_url: str, keys_url: str) -> None:
    """Raise `BadSetting` for what cannot stand in the files that programs are started with."""
    require_plain_path("world directory", directory)
    require_plain_path("HUB_KAFKA_CA_FILE", admin.ca_file or "")
    for name, value in (("HUB_KAFKA", admin.bootstrap), ("--store-url", store_url), ("--keys-url", keys_url)):
        require_plain(name, value)


def _write_consumer_files(world: World, parties: Iterable[str]) -> None:
    for party in parties:
        click.echo(f"settings of the subscription of {party}: {write_consumer_file(world, party)}")


def _owner(directory: Path, store_url: str, keys_url: str, *owner_urls: str) -> DatabaseOwner | None:
    """The owner of the databases, `None` where the stores are files; raises `BadSetting` before anything is made."""
    in_databases = not isinstance(place_of(directory, store_url, keys_url), FilePlace)
    if in_databases != all(owner_urls) or in_databases != any(owner_urls):
        raise BadSetting("`--store-url`, `--keys-url` and both owners' URLs belong together: give all four, or none")
    return DatabaseOwner(*owner_urls) if in_databases else None
