"""Reads and writes the party registry as a TOML file: one `[[party]]` table for each party.

Rules:
- A file holds `[[party]]` tables with `id`, where true `healthcare_provider`, and `silent_after_seconds` where it is
  not everybody's; anything else is refused.
- `left = true` says that a party takes part no longer. Its table stays, for what it stated.
- `reads = { HousingSecured = 1 }` names what a party is still sent in an earlier version; all else comes in the newest.
- Written files are sorted by id, so that two equal registries are two equal files.

From here: every program of the hub that must know who takes part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from contracts.catalogue import catalogue
from contracts.failures import BadRegistry
from contracts.parties import Party, PartyRegistry
from contracts.private_files import write_private
from contracts.toml_file import read_toml

_KEYS: Final = frozenset({"id", "healthcare_provider", "reads", "silent_after_seconds", "left"})


def read_registry(path: Path) -> PartyRegistry:
    """Return the registry in the file at `path`; raise `BadRegistry` where it is missing or malformed."""
    document = read_toml(path, BadRegistry)
    rows = document.pop("party", None)
    if document or not isinstance(rows, list) or not rows:
        raise BadRegistry(f"registry `{path}`: expected one `[[party]]` table or more, and nothing else")
    parties = [_party(path, number, row) for number, row in enumerate(rows, 1)]
    registry = PartyRegistry.of(parties)
    if len(registry.with_left) != len(parties):
        raise BadRegistry(f"registry `{path}`: a party stands twice: keep one")
    return registry


def write_registry(path: Path, registry: PartyRegistry) -> None:
    """Write `registry` to `path`, replacing the file as a whole; durable on return, and its owner's alone."""
    lines = ["# The parties of this hub: who takes part, in which role. Read at start, and when it changes."]
    for party in registry.with_left:
        lines += ["", "[[party]]", f'id = "{party.id}"']
        if party.healthcare_provider:
            lines.append("healthcare_provider = true")
        if party.reads:
            lines.append(f"reads = {{ {', '.join(f'{name} = {version}' for name, version in party.reads)} }}")
        if party.silent_after_seconds is not None:
            lines.append(f"silent_after_seconds = {party.silent_after_seconds}")
        if party.left:
            lines.append("left = true")
    write_private(path, "\n".join([*lines, ""]))


def _party(path: Path, number: int, row: object) -> Party:
    if not isinstance(row, dict) or not set(row) <= _KEYS:
        raise BadRegistry(f"registry `{path}`, party {number}: expected {', '.join(sorted(_KEYS))} only")
    party_id = row.get("id")
    healthcare_provider, left = row.get("healthcare_provider", False), row.get("left", False)
    if not isinstance(party_id, str) or not isinstance(healthcare_provider, bool) or not isinstance(left, bool):
        raise BadRegistry(f"registry `{path}`, party {number}: expected a text `id` and true or false")
    reads = row.get("reads", {})
    if not isinstance(reads, dict) or not all(_may_read(name, version) for name, version in reads.items()):
        expected = "event types, each with a version that has a successor; see `hub contracts list`"
        raise BadRegistry(f"registry `{path}`, party {number}, `reads`: expected {expected}")
    silent_after = row.get("silent_after_seconds")
    if silent_after is not None and (type(silent_after) is not int or silent_after < 1):
        raise BadRegistry(f"registry `{path}`, party {number}: `silent_after_seconds` must be a whole number from 1")
    return Party(party_id, healthcare_provider, tuple(sorted(reads.items())), silent_after, left)


def _may_read(name: str, version: object) -> bool:
    earlier = catalogue().earlier.get(name, ())
    return type(version) is int and any(each.event_type.version == version for each in earlier)
