"""A world: one hub with its parties on one cluster, made once and kept in a directory.

    <directory>/registry.toml   the party registry
    <directory>/world.json      where the cluster is, the world's name, partitions, whether it is played
    <directory>/secrets.json    passwords, signing keys, the hub's secret, the master key (owner only)
    <directory>/rules/          the hub's own rule sets, where it has any; else those of the program hold
    <directory>/certificates/   `<user>.pem` and `<user>.key`, where users connect by certificate (`SSL`): put there by
                                whoever runs the authority

Rules:
- A world is made by command (`deploy.world_making`), never by opening; opening one loads no Kafka client.
- Worlds share a broker and nothing else: names, users, groups and rights all carry the world's name.
- A world has the signing keys of its parties too, since its maker plays them all. An agency in production makes its
  own and hands over the public half.
- The directory is the owner's alone. Secrets are never printed; `repr` of a world shows none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from contracts.connection import KafkaConnection
from contracts.failures import BadSetting, NotFound
from contracts.parties import PartyRegistry
from contracts.private_files import write_private
from contracts.registry_file import read_registry, write_registry
from contracts.signatures import SigningKey
from contracts.topics import HUB_PARTY, Names
from deploy.kafka.certificate_files import CertificateFiles, certificate_files
from deploy.kafka.node_state import private_directory

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
            raise NotFound(f"no world in `{directory}`: make one with `hub world make`, or name another with `--world`")
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
