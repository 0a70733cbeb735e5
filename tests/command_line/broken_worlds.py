"""World directories that are none, are damaged, or are of another version: what commands are pointed at by mistake.

Rules:
- Each begins as a whole world with stores, made without Kafka; `files` are those that a command could be handed.
- `BROKEN` names those in which no command that needs a world can do anything.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from deploy.world import World
from tests.deployment.stored_world import stored_world

_DEEP: Final = b"[" * 100_000
_DAMAGES: Final[dict[str, tuple[str, bytes | None]]] = {
    "no JSON": ("world.json", b"{"),
    "a list": ("world.json", b"[]"),
    "a bomb": ("world.json", _DEEP),
    "another version": ("world.json", b'{"format": 99}'),
    "no partitions": (
        "world.json",
        b'{"name":"","bootstrap":"x","security_protocol":"x","ca_file":null,"partitions":"8","played":false}',
    ),
    "bad secrets": ("secrets.json", b'{"passwords": 3, "hub_secret": "zz"}'),
    "no secrets": ("secrets.json", None),
    "a registry that is no text": ("registry.toml", b"\xff"),
    "a registry that is none": ("registry.toml", b"party = 3\n"),
    "no registry": ("registry.toml", None),
}
BROKEN: Final = frozenset({"nothing", "a file", "a long name", *_DAMAGES})
_STORES: Final[dict[str, tuple[str, bytes | None]]] = {
    "a store of garbage": ("hub/shard-0.db", b"garbage" * 500),
    "an empty store": ("hub/shard-0.db", b""),
    "no keys": ("hub/keys/data-keys.db", None),
    "keys of garbage": ("hub/keys/data-keys.db", b"garbage" * 500),
}


@dataclass(frozen=True, slots=True)
class BrokenWorlds:
    """The value of `HUB_WORLD_DIRECTORY` by name, and files for arguments."""

    directories: Mapping[str, str]
    files: Mapping[str, Path]
    whole: World


def broken_worlds(place: Path) -> BrokenWorlds:
    """Make all of them below `place`."""
    whole = stored_world(place).directory
    files = _files(place)
    directories = {"nothing": str(place / "nothing"), "a file": str(files["empty"]), "a long name": "x" * 5_000}
    for name, (file, content) in (_DAMAGES | _STORES).items():
        copy = _copied(whole, place / name.replace(" ", "-"))
        if content is None:
            (copy / file).unlink()
        else:
            (copy / file).write_bytes(content)
        directories[name] = str(copy)
    for name in ("a cut store", "a store with flipped bits"):
        copy = _copied(whole, place / name.replace(" ", "-"))
        store, rng = copy / "hub" / "shard-0.db", Random(1)
        bits = bytearray(store.read_bytes())
        if name == "a cut store":
            del bits[len(bits) // 2 :]
        else:
            for _ in range(400):
                bits[rng.randrange(100, len(bits))] ^= 0xFF
        store.write_bytes(bits)
        directories[name] = str(copy)
    directories["whole"] = str(whole)
    return BrokenWorlds(directories, files, World.open(whole))


def _copied(whole: Path, place: Path) -> Path:
    shutil.copytree(whole, place)
    return place


def _files(place: Path) -> dict[str, Path]:
    contents = {
        "empty": b"",
        "garbage.toml": b"\xff\x00[[[",
        "scalar.toml": b"party = 3\nid = 4\n",
        "deep.toml": b"a=" + b"[" * 3_000,
        "deep.json": _DEEP,
        "list.json": b"[1, 2",
        "story.md": b"# x\n\n| a | b |\n|---|\n" * 50,
    }
    files = {}
    for name, content in contents.items():
        files[name] = place / name
        files[name].write_bytes(content)
    return files | {"a directory": place, "missing": place / "missing", "itself": _loop(place)}


def _loop(place: Path) -> Path:
    (place / "itself").symlink_to(place / "itself")
    return place / "itself"
