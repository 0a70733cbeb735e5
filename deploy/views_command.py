"""`hub views list|status|rebuild`: the views that there are, how a party's view stands, and building it anew.

Rules:
- A rebuild goes on beside the party's running subscription and its readers; neither waits for it. It is made from the
  party's own stored disclosures, and from nothing else.
- Numbers, counts and digests are told, never keys or content.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from consumers.board import lists_of
from consumers.store import PartyStore
from consumers.views.choice import VIEWS, view_names
from consumers.views.versions import VersionStatus
from contracts.failures import CallerFailure, StoreUnavailable
from contracts.phrases import number_of
from deploy.options import world_option
from deploy.view_command import known_store_path, open_store

_DIGEST_SHOWN = 12


@click.group("views")
def views() -> None:
    """The views of agencies: which there are, how one stands, build one anew."""


@views.command("list")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
def list_views(as_json: bool) -> None:
    """List every view, the roles that get it, and the lists of its board."""
    roles: dict[str, list[str]] = {}
    for role, name in view_names().items():
        roles.setdefault(name, []).append(role)
    found = [
        {"view": name, "roles": roles.get(name, []), "lists": [wanted.name for wanted in lists_of(made)]}
        for name, made in VIEWS.items()
    ]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for one in found:
        said = ", ".join(one["lists"]) or "counts only" if one["roles"] else "every other role"
        click.echo(f"{one['view']:<15} {' '.join(one['roles']):<8} {said}")


@views.command("status")
@click.argument("party_id", metavar="PARTY")
@world_option
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
def status(party_id: str, directory: Path, as_json: bool) -> None:
    """Show the versions of PARTY's view: from which numbers, how many lines, and whether other code made them."""
    with open_store(directory, party_id) as store:
        found = [_values(one) for one in store.view_status()]
        numbers = {partition: at.last_number for partition, at in store.positions().items()}
        filling = store.filling()
    if as_json:
        values = {"party": party_id, "read_to": numbers, "told_anew": filling, "versions": found}
        click.echo(json.dumps(values, indent=2))
        return
    click.echo(f"{party_id}: read to {_numbers(numbers)}")
    if filling:
        click.echo(f"  told anew on partitions {' '.join(map(str, filling))}: not all that it may see is here yet")
    for one in found:
        state = "live" if one["live"] else "being built"
        code = "other code than this" if one["stale"] else "this code"
        click.echo(
            f"  version {one['version']} of {one['view']}, {state}: {number_of(one['rows'], 'line')}, "
            f"{one['waiting']} waiting, built from {_numbers(one['built_from'])}, "
            f"{code} ({one['digest'][:_DIGEST_SHOWN]})"
        )


@views.command("rebuild")
@click.argument("party_id", metavar="PARTY")
@world_option
def rebuild(party_id: str, directory: Path) -> None:
    """Build PARTY's view anew from its stored disclosures, beside the live one, and switch."""
    try:
        with PartyStore.open_for_rebuilding(known_store_path(directory, party_id), party_id) as store:
            for waiting in store.rebuild_beside():
                click.echo(f"{number_of(waiting, 'citizen')} to fold", err=True)
            (live,) = [one for one in store.view_status() if one.version.live]
    except (StoreUnavailable, sqlite3.OperationalError) as error:
        raise CallerFailure(f"{error}; the live view stands, try again") from error
    click.echo(f"version {live.version.number} of {live.version.name} is live: {number_of(live.rows, 'line')}")


def _values(one: VersionStatus) -> dict[str, Any]:
    return {
        "version": one.version.number,
        "view": one.version.name,
        "live": one.version.live,
        "rows": one.rows,
        "waiting": one.waiting,
        "built_from": one.version.built_from,
        "stale": one.stale,
        "digest": one.version.digest,
    }


def _numbers(numbers: Mapping[int, int]) -> str:
    return " ".join(f"{partition}:{number}" for partition, number in sorted(numbers.items())) or "nothing"
