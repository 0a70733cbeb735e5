"""Reads and writes who signs what the hub tells itself: one `[[principal]]` table for each of its named principals.

Rules:
- A file holds `[[principal]]` tables with `name` and `public_key` and nothing else. A principal may stand there with
  two keys, while it goes over from one to the other.
- It is a setting and no event: whoever registers the keys of others must be known first.

From here: the workers of the hub (`hub.wiring`); written by `deploy`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from contracts.failures import BadSetting
from contracts.signatures import public_key_of

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_KEYS: Final = frozenset({"name", "public_key"})


def read_principals(path: Path) -> dict[bytes, frozenset[str]]:
    """Return the principals of each public key that the file at `path` names; raise `BadSetting` on anything else."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(f"file `{path}`: cannot be read ({type(error).__name__}); expected TOML") from error
    rows = document.pop("principal", None)
    if document or not isinstance(rows, list) or not rows:
        raise BadSetting(f"file `{path}`: expected one `[[principal]]` table or more, and nothing else")
    names: dict[bytes, frozenset[str]] = {}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or set(row) != _KEYS or not _NAME.fullmatch(str(row["name"])):
            raise BadSetting(f"file `{path}`, principal {number}: expected `name` and `public_key`")
        try:
            public = public_key_of(str(row["public_key"]))
        except BadSetting as bad:
            raise BadSetting(f"file `{path}`, principal {number}: {bad}") from bad
        names[public] = names.get(public, frozenset()) | {str(row["name"])}
    return names


def principals_text(keys: Mapping[bytes, Iterable[str]]) -> str:
    """Return the text of a file that names these principals of each public key."""
    lines = ["# Who signs on the hub's own input: its named principals and their public keys. Read at start."]
    for public, names in keys.items():
        for name in sorted(names):
            lines += ["", "[[principal]]", f'name = "{name}"', f'public_key = "{public.hex()}"']
    return "\n".join([*lines, ""])
