"""The files with which a hub and its parties' subscriptions are started: `NAME=value` lines, and the keys beside them.

    <directory>/hub/worker.env                  the settings of `python -m hub`
    <directory>/consumers/<party>.env           the settings of `python -m consumers`, its password among them
    <directory>/consumers/<party>.signing-key   the key with which the party signs what it states

Rules:
- A shell, a service manager and a container read them, each with its own idea of quotes. So nothing is quoted: a value
  that a shell would not take as it stands is refused, and a directory or a URL before anything is made.
- A party's settings come last: where they are, all of its files are. They are never written over, nor is its key.
- Files with a secret are the owner's alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from consumers.store import store_path
from contracts.failures import BadSetting
from contracts.private_files import write_private
from deploy.hub_places import hub_directory
from deploy.hub_process import environment_of, worker_settings
from deploy.kafka.node_state import private_directory
from deploy.world import HUB_KEY, World

TICK_SECONDS: Final = 5.0
_PATH: Final = re.compile(r"[A-Za-z0-9._/+-]*")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._/+:,@%=?\[\]-]*")
"""What no shell expands, splits or ends a command at, where it stands behind `NAME=`."""


def require_plain_path(what: str, path: Path | str) -> None:
    """Raise `BadSetting` for a path that cannot stand in an env file as it is."""
    if not _PATH.fullmatch(str(path)):
        raise BadSetting(
            f"{what} `{path}`: settings of programs name it in files that a shell reads: only letters A to Z, digits "
            "and `._/+-` may be in it; give another one, or a link to it that has such a name"
        )


def require_plain(name: str, value: str) -> None:
    """Raise `BadSetting` for a value that a shell would not take as it stands. It may be secret and is not told."""
    if not _PLAIN.fullmatch(value):
        raise BadSetting(
            f"`{name}` stands in a file that a shell reads: only letters A to Z, digits and `._/+:,@%=?[]-` may be in "
            "it; of a database's URL, put further parameters into a service of libpq, and name that with `?service=`"
        )


def worker_file(world: World) -> Path:
    """Where the settings of the world's workers lie: what `hub world make` writes last of all."""
    return hub_directory(world) / "worker.env"


def write_worker_file(world: World) -> Path:
    """Write the settings of the world's workers; raise `BadSetting` where one cannot stand in such a file."""
    file = worker_file(world)
    write_private(file, _lines(environment_of(worker_settings(world, tick_seconds=TICK_SECONDS))))
    return file


def write_consumer_file(world: World, party: str) -> Path:
    """Write the settings of a party's subscription, and its keys, unless they are there; return where.

    Raises `BadSetting` where one cannot stand in such a file.
    """
    store = store_path(world.directory, party)
    file, signing_key, hub_keys = (
        store.with_suffix(".env"),
        store.with_suffix(".signing-key"),
        store.with_name("hub-public-keys"),
    )
    if file.exists():
        return file
    connection = world.connection(world.names.user(party))
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
        "HUB_KEYS_FILE": str(hub_keys),
    }
    lines = _lines({f"HUB_CONSUMER_{name}": value for name, value in settings.items() if value is not None})
    private_directory(store.parent)
    write_private(signing_key, world.signing_key(party).private.hex())
    write_private(hub_keys, world.signing_key(HUB_KEY).public.hex())
    write_private(file, lines)
    return file


def _lines(settings: Mapping[str, str]) -> str:
    for name, value in settings.items():
        require_plain(name, value)
    return "".join(f"{name}={value}\n" for name, value in settings.items())
