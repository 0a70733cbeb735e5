"""`hub world make` and `join`: everything that a hub needs on a cluster and on disk, made once, by command.

    <directory>/hub/worker.env                  the settings of `python -m hub`
    <directory>/consumers/<party>.env           the settings of `python -m consumers`, its password among them
    <directory>/consumers/<party>.signing-key   the key with which the party signs what it states

Rules:
- It works on the cluster that `HUB_KAFKA` names, as the deployer.
- The directory must be new: nothing is ever made over a hub that is there.
- The key with which a party signs is made for it and registered, as its password is: a try on one machine. An agency in
  production makes its own (`hub keys make`) and has the public half registered.
- Files with a secret are the owner's alone; no secret is printed.

The files are `NAME=value` lines, for a shell, a service manager or a container.
"""

from __future__ import annotations

from pathlib import Path

import click

from consumers.store import store_path
from contracts.failures import BadSetting
from contracts.private_files import write_private
from contracts.registry_file import read_registry
from deploy.cluster import deployer_connection
from deploy.hub_places import hub_directory
from deploy.hub_process import create_hub, environment_of, worker_settings
from deploy.identity_command import create_vault
from deploy.kafka.node_state import private_directory
from deploy.key_registration import register_all
from deploy.options import world_option
from deploy.quotas import quotas_of, set_quotas
from deploy.world import HUB_KEY, PARTITIONS_MAX, World
from deploy.world_making import administering, create_world, extend_world
from hub.store.places import DatabaseOwner, FilePlace, place_of

TICK_SECONDS = 5.0


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
    owner = _owner(world_directory, store_url, keys_url, store_owner_url, keys_owner_url)
    world = create_world(
        world_directory,
        deployer_connection(),
        parties,
        partitions=partitions,
        played=False,
        world_name=name,
        store_url=store_url,
        keys_url=keys_url,
    )
    _limit(world)
    create_hub(world, owner)
    create_vault(world)
    register_all(world, parties.parties)
    click.echo(f"settings of the hub: {_write_worker_file(world)}")
    for party in parties:
        click.echo(f"settings of the subscription of {party.id}: {_write_consumer_file(world, party.id)}")


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
    world = extend_world(before, deployer_connection(), read_registry(registry))
    _limit(world)
    joined = [party for party in world.registry if party.id not in before.registry]
    for party in joined:
        click.echo(f"settings of the subscription of {party.id}: {_write_consumer_file(world, party.id)}")
    register_all(world, [party.id for party in joined])
    click.echo(f"{len(joined)} parties joined; a hub at work takes them up by itself, and settles every case for them")


def _limit(world: World) -> None:
    with administering(deployer_connection()) as client:
        set_quotas(client, quotas_of(world.names, world.registry))


def _owner(directory: Path, store_url: str, keys_url: str, *owner_urls: str) -> DatabaseOwner | None:
    """The owner of the databases, `None` where the stores are files; raises `BadSetting` before anything is made."""
    in_databases = not isinstance(place_of(directory, store_url, keys_url), FilePlace)
    if in_databases != all(owner_urls) or in_databases != any(owner_urls):
        raise BadSetting("`--store-url`, `--keys-url` and both owners' URLs belong together: give all four, or none")
    return DatabaseOwner(*owner_urls) if in_databases else None


def _write_worker_file(world: World) -> Path:
    file = hub_directory(world) / "worker.env"
    write_private(file, _lines(environment_of(worker_settings(world, tick_seconds=TICK_SECONDS))))
    return file


def _write_consumer_file(world: World, party: str) -> Path:
    connection = world.connection(world.names.user(party))
    store = store_path(world.directory, party)
    private_directory(store.parent)
    settings = {
        "PARTY": party,
        "STORE": str(store),
        "BOOTSTRAP": connection.bootstrap,
        "PASSWORD": connection.password,
        "WORLD": world.name,
        "SECURITY_PROTOCOL": connection.security_protocol,
        "CA_FILE": connection.ca_file,
        "CERTIFICATE_FILE": connection.certificate_file,
        "KEY_FILE": connection.key_file,
    }
    write_private(store.with_suffix(".signing-key"), world.signing_key(party).private.hex())
    hub_keys = store.with_name("hub-public-keys")
    write_private(hub_keys, world.signing_key(HUB_KEY).public.hex())
    settings["HUB_KEYS_FILE"] = str(hub_keys)
    file = store.with_suffix(".env")
    write_private(
        file, _lines({f"HUB_CONSUMER_{name}": value for name, value in settings.items() if value is not None})
    )
    return file


def _lines(settings: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())
