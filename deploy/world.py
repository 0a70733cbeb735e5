"""A world: one hub with its parties on one cluster, made once and kept in a directory.

    <directory>/registry.toml   the party registry
    <directory>/world.json      where the cluster is, the world's name, partitions, whether it is played
    <directory>/secrets.json    passwords, signing keys, the hub's secret, the master key (owner only)
    <directory>/rules/          the hub's own rule sets, where it has any; else those of the program hold
    <directory>/certificates/   `<user>.pem` and `<user>.key`, where users connect by certificate (`SSL`): put there by
                                whoever runs the authority

Rules:
- A world is made by command, never by opening; making one where one is, is refused.
- Worlds share a broker and nothing else: names, users, groups and rights all carry the world's name.
- Users come before rights and rights before topics: a topic that can be seen is already guarded.
- A world has the signing keys of its parties too, since its maker plays them all. An agency in production makes its
  own and hands over the public half.
- The directory is the owner's alone. Secrets are never printed; `repr` of a world shows none.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import KafkaError

from contracts.connection import KafkaConnection
from contracts.failures import BadRegistry, BadSetting, NotFound, TransportFailure
from contracts.parties import PartyRegistry
from contracts.registry_file import read_registry, write_registry
from contracts.signatures import KEY_BYTES, SigningKey
from contracts.topics import HUB_PARTY, Names
from deploy.kafka.certificates import CertificateFiles, certificate_files
from deploy.kafka.node_state import private_directory, write_private
from deploy.rights import RESERVED, check_names, grant, rights_of, users_of
from deploy.topics import create_topics, delete_topics, topic_settings
from deploy.users import create_users, draw_passwords, lock_users

WORLD_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
PARTITIONS_MAX: Final = 1024
HUB_KEY: Final = HUB_PARTY
OPERATOR_KEY: Final = "hub-operator"
"""Under which names a world keeps the keys of the hub and its operator: neither can be a party's."""


@dataclass(frozen=True, slots=True)
class World:
    """One world as its directory holds it. `hub_secret` and `master_key` are 32 bytes each."""

    directory: Path
    registry: PartyRegistry
    name: str
    bootstrap: str
    security_protocol: str
    ca_file: str | None
    partitions: int
    played: bool
    passwords: Mapping[str, str] = field(repr=False)
    hub_secret: bytes = field(repr=False)
    master_key: bytes = field(repr=False)
    store_url: str = ""
    keys_url: str = ""
    """Where the hub's stores are: PostgreSQL at these URLs, or below the directory where they are empty."""
    signing_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The private keys, 32 bytes each, by party id, `HUB_KEY` and `OPERATOR_KEY`."""

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read a world that `create_world` made; raise `NotFound` for none, `BadSetting` for a damaged one."""
        if not os.path.exists(directory / "world.json"):  # noqa: PTH110 - no name is so odd that this raises
            raise NotFound(f"no world in `{directory}`: expected a directory made by `create_world`")
        registry = read_registry(directory / "registry.toml")
        try:
            described = json.loads((directory / "world.json").read_text(encoding="utf-8"))
            hidden = json.loads((directory / "secrets.json").read_text(encoding="utf-8"))
            world = cls(
                directory,
                registry,
                **described,
                passwords=dict(hidden["passwords"]),
                hub_secret=bytes.fromhex(hidden["hub_secret"]),
                master_key=bytes.fromhex(hidden["master_key"]),
                signing_keys={name: bytes.fromhex(key) for name, key in hidden.get("signing_keys", {}).items()},
            )
            Names(world.name).input("A")
            if type(world.partitions) is not int or not 1 <= world.partitions <= PARTITIONS_MAX:
                raise ValueError("partitions")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadSetting(
                f"the world in `{directory}` cannot be read (`{type(error).__name__}`): expected `world.json` and "
                "`secrets.json` as this version of `hub world make` writes them"
            ) from None
        return world

    @property
    def names(self) -> Names:
        """The names of this world's topics, users and groups."""
        return Names(self.name)

    @property
    def rules_directory(self) -> Path | None:
        """The folder of this hub's own rule sets, `None` where those of the program hold."""
        folder = self.directory / "rules"
        return folder if folder.is_dir() else None

    def connection(self, user: str) -> KafkaConnection:
        """How `user` (`names.user(party)`, `names.service("reader")`) connects; raise `NotFound` for a stranger."""
        if user not in self.passwords:
            raise NotFound(f"user `{user}` is not of world `{self.name}`: expected a party or a service of it")
        proof = self.certificate(user)
        return KafkaConnection(
            self.bootstrap,
            user,
            self.passwords[user],
            security_protocol=self.security_protocol,
            ca_file=self.ca_file,
            certificate_file=str(proof.certificate) if proof else None,
            key_file=str(proof.key) if proof else None,
        )

    def certificate(self, user: str) -> CertificateFiles | None:
        """Where the certificate of `user` is or will be put; `None` where users have passwords alone."""
        if self.security_protocol != "SSL":
            return None
        return certificate_files(self.directory / "certificates", user)

    def signing_key(self, name: str) -> SigningKey:
        """The signing key of a party, of the hub or of its operator; raise `NotFound` where there is none."""
        if name not in self.signing_keys:
            raise NotFound(f"no signing key of `{name}`: the world was made before there were any; make it anew")
        return SigningKey(self.signing_keys[name])

    def write(self) -> None:
        """Write the directory; `world.json` comes last, so half a world is no world."""
        private_directory(self.directory)
        hidden = {
            "passwords": dict(self.passwords),
            "hub_secret": self.hub_secret.hex(),
            "master_key": self.master_key.hex(),
            "signing_keys": {name: private.hex() for name, private in self.signing_keys.items()},
        }
        described = {
            "name": self.name,
            "bootstrap": self.bootstrap,
            "security_protocol": self.security_protocol,
            "ca_file": self.ca_file,
            "partitions": self.partitions,
            "played": self.played,
            "store_url": self.store_url,
            "keys_url": self.keys_url,
        }
        write_private(self.directory / "secrets.json", json.dumps(hidden, indent=1))
        write_registry(self.directory / "registry.toml", self.registry)
        write_private(self.directory / "world.json", json.dumps(described, indent=1))


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
    with administering(admin) as client:
        create_users(client, world.passwords)
        grant(client, rights_of(names, registry))
        create_topics(client, topic_settings(names, registry, played=played), partitions=partitions)
    world.write()
    return world


def extend_world(world: World, admin: KafkaConnection, registry: PartyRegistry) -> World:
    """Take the parties of `registry` that are new into `world`: users, rights, topics. A hub at work takes them up.

    Raises `BadRegistry` before anything is made: nobody leaves a registry, and of a party only `reads` may change.
    """
    check_names(registry)
    for party in world.registry:
        if party.id not in registry or replace(registry[party.id], reads=party.reads) != party:
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
        if passwords:
            create_users(client, passwords)
        grant(client, rights_of(names, registry))
        if new := {topic: settings for topic, settings in wanted.items() if topic not in known}:
            create_topics(client, new, partitions=world.partitions)
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
    except KafkaError as error:
        raise TransportFailure(
            f"the cluster at `{admin.bootstrap}` refused user `{admin.user}`: `{type(error).__name__}`; "
            "expected a reachable cluster and a deployer's rights"
        ) from error


def _all_of(principal: str) -> ACLFilter:
    return ACLFilter(
        principal,
        None,
        ACLOperation.ANY,
        ACLPermissionType.ANY,
        ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
    )
