"""Making a world on a cluster, taking new parties into it, taking it off again.

Rules:
- Making a world where one is, is refused, in a directory and on a cluster: before its users get new passwords.
- Of a world nothing is known before its topics are made; one that is extended may have been so half way already.
- Rights come before users and users before topics: a topic that can be seen is already guarded, and whoever has a
  password there and none of its user's rights is somebody else, perhaps a super user. Its password is not drawn anew.
- Nor is a hub made, or a party taken in, whose names reach what another has on the cluster, or are reached from there.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import KafkaError, RetriableError

from contracts.connection import KafkaConnection
from contracts.failures import BadRegistry, BadSetting, TransportFailure
from contracts.parties import Party, PartyRegistry
from contracts.signatures import KEY_BYTES
from contracts.topics import Names
from deploy.rights import RESERVED, check_names, grant, rights_of, users_of
from deploy.rights_check import granted, overlaps, text_of
from deploy.topics import create_topics, delete_topics, topic_settings
from deploy.users import create_users, draw_passwords, lock_users, users_there
from deploy.world import HUB_KEY, OPERATOR_KEY, PARTITIONS_MAX, World

WORLD_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")


def create_world(
    directory: Path,
    admin: KafkaConnection,
    registry: PartyRegistry,
    *,
    partitions: int,
    played: bool,
    world_name: str = "",
    store_url: str = "",
    keys_url: str = "",
) -> World:
    """Make users, rights and topics on the cluster of `admin` (the deployer's connection) and keep them in `directory`.

    `played` worlds bring their own record times and keep their records; others are stamped by the broker.
    Raises `BadSetting` or `BadRegistry` before anything is made, `TransportFailure` where the cluster refuses.
    """
    _check(directory, registry, partitions, world_name)
    names = Names(world_name)
    world = World(
        directory,
        registry,
        world_name,
        admin.bootstrap,
        admin.security_protocol,
        admin.ca_file,
        partitions,
        played,
        draw_passwords(users_of(names, registry)),
        secrets.token_bytes(32),
        secrets.token_bytes(32),
        store_url,
        keys_url,
        _drawn_keys([HUB_KEY, OPERATOR_KEY, *registry.parties]),
    )
    topics = topic_settings(names, registry, played=played)
    with administering(admin) as client:
        _require_apart(client, names, registry, admin.user, world.passwords)
        _require_none(client, topics)
        grant(client, rights_of(names, registry))
        create_users(client, world.passwords)
        create_topics(client, topics, partitions=partitions)
    world.write()
    return world


def extend_world(world: World, admin: KafkaConnection, registry: PartyRegistry) -> World:
    """Take the parties of `registry` that are new into `world`: users, rights, topics. A hub at work takes them up.

    Wherever it stopped, it may be given again: what was made before stays. Raises `BadRegistry` before anything is
    made: nobody leaves by this, who has left may come back, and of a party only `reads` may change.
    """
    check_names(registry)
    kept = {party.id: party for party in registry.with_left}
    for party in world.registry.with_left:
        if party.id not in kept or not _is_as_it_was(party, kept[party.id]):
            raise BadRegistry(f"party `{party.id}` is not in the new registry as it was: only add parties to it")
    names = world.names
    fresh = [user for user in users_of(names, registry) if user not in world.passwords]
    passwords = draw_passwords(fresh)
    drawn = _drawn_keys(party for party in registry.parties if party not in world.registry)
    extended = replace(
        world,
        registry=registry,
        passwords={**world.passwords, **passwords},
        signing_keys={**world.signing_keys, **drawn},
    )
    known = topic_settings(names, world.registry, played=world.played)
    wanted = topic_settings(names, registry, played=world.played)
    with administering(admin) as client:
        _require_apart(client, names, registry, admin.user, passwords)
        grant(client, rights_of(names, registry))
        if passwords:
            create_users(client, passwords)
        if new := {topic: settings for topic, settings in wanted.items() if topic not in known}:
            create_topics(client, new, partitions=world.partitions, again=True)
    extended.write()
    return extended


def remove_world(world: World, admin: KafkaConnection) -> None:
    """Take topics and rights of `world` off the cluster and lock its users; its directory stays for its readers."""
    with administering(admin) as client:
        delete_topics(client, topic_settings(world.names, world.registry, played=world.played))
        client.delete_acls([_all_of(f"User:{user}") for user in world.passwords])
        lock_users(client, world.passwords)


def _check(directory: Path, registry: PartyRegistry, partitions: int, world_name: str) -> None:
    check_names(registry)
    if (directory / "world.json").exists():
        raise BadSetting(f"directory `{directory}` holds a world already: expected a new directory")
    if not 1 <= partitions <= PARTITIONS_MAX:
        raise BadSetting(f"partitions `{partitions}`: expected 1 to {PARTITIONS_MAX}")
    parties = {party.name_in_topics for party in registry}
    if world_name and (not WORLD_NAME.fullmatch(world_name) or world_name in RESERVED | parties):
        raise BadSetting(
            f"world name `{world_name}`: expected lower-case letters, digits and `-`, "
            "and neither a party's name nor one of the hub's own words"
        )


def _is_as_it_was(before: Party, after: Party) -> bool:
    may_differ = replace(after, reads=before.reads, left=before.left)
    return may_differ == before and (before.left or not after.left)


def _require_none(client: KafkaAdminClient, topics: Iterable[str]) -> None:
    there = sorted(set(client.list_topics()).intersection(topics))
    if there:
        raise BadSetting(
            f"topic `{there[0]}` and {len(there) - 1} more are on the cluster already: a hub of this name has them; "
            "give another name, or delete them if its making stopped and nobody needs them"
        )


def _require_apart(
    client: KafkaAdminClient, names: Names, registry: PartyRegistry, deployer: str, drawn: Iterable[str]
) -> None:
    """Raise `BadRegistry` where the names of a hub take from another on the cluster, or give to it.

    `drawn` are the users whose passwords would be drawn.
    """
    if deployer in users_of(names, registry):
        raise BadRegistry(f"user `{deployer}` is the deployer's own: choose another id for the party")
    found = granted(client)
    if overlapping := overlaps(found, names, registry, deployer):
        raise BadRegistry(
            f"`{text_of(overlapping[0])}` on the cluster is another's, and overlaps with what this hub would have: "
            "choose another name for the hub or another id for the party, or take that right away"
        )
    own = {acl.principal for acl in {right.acl() for right in rights_of(names, registry)}.intersection(found)}
    if others := [user for user in sorted(users_there(client).intersection(drawn)) if f"User:{user}" not in own]:
        raise BadRegistry(
            f"user `{others[0]}` is on the cluster already and has no right of this hub: choose another name for the "
            "hub or another id for the party; if a hub of this name left it, give its rights first "
            "(`hub deploy rights --format kafka-acls`)"
        )


def _drawn_keys(names: Iterable[str]) -> dict[str, bytes]:
    return {name: secrets.token_bytes(KEY_BYTES) for name in names}


@contextmanager
def administering(admin: KafkaConnection) -> Iterator[KafkaAdminClient]:
    """Yield an admin client of `admin`; raise `TransportFailure` where the cluster refuses or does not answer."""
    try:
        client = KafkaAdminClient(**admin.client_options())
        try:
            yield client
        finally:
            client.close()
    except RetriableError as error:
        raise TransportFailure(
            f"the cluster at `{admin.bootstrap}` does not answer (`{type(error).__name__}`): expected one at work that "
            f"can be reached from here, and over TLS one that takes the certificate of `{admin.user}`"
        ) from error
    except KafkaError as error:
        raise TransportFailure(
            f"the cluster at `{admin.bootstrap}` refused user `{admin.user}`: `{type(error).__name__}`; "
            "expected a deployer's rights"
        ) from error


def _all_of(principal: str) -> ACLFilter:
    return ACLFilter(
        principal,
        None,
        ACLOperation.ANY,
        ACLPermissionType.ANY,
        ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
    )
