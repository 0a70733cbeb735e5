"""`hub deploy`: what a hub needs on its cluster, from the party registry and the names, and whether it is there.

Rules:
- The table is derived, never kept: it is right for the registry that it is asked for.
- `--check` compares with the cluster that `HUB_KAFKA` names, as the deployer, and changes nothing there. Any
  difference is exit code 1.
- Without `--registry` it is about the world of `--world`; with it about a hub that may not be there yet.

For administrators of a cluster of their own, who give no deployer away: `--format kafka-acls` is a script for them.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import click
from kafka.admin import ACL, ACLResourcePatternType, ResourceType

from contracts.parties import PartyRegistry
from contracts.phrases import number_of
from contracts.registry_file import read_registry
from contracts.topics import Names
from deploy.cluster import cluster_settings, deployer_connection
from deploy.options import DIFFERENT, world_option
from deploy.quotas import quota_differences, quotas_of, read_quotas
from deploy.rights import Right, users_of
from deploy.rights_check import RightsDifference, difference, granted, text_of, whole_table
from deploy.topics import read_topics, setting_differences, topic_settings
from deploy.world import World
from deploy.world_making import administering

_TOOL: Final = 'kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG"'


@click.group("deploy")
def deploy() -> None:
    """What a hub needs on its cluster."""


@deploy.command("rights")
@click.option(
    "--registry",
    "registry_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The table of this registry, in place of the world's.",
)
@click.option("--name", default="", help="With --registry: what begins the names; empty in production.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "kafka-acls"]),
    default="table",
    show_default=True,
    help="For people, for programs, or for the administrators of a cluster.",
)
@click.option("--check", is_flag=True, help="Compare with what the cluster has now; exit code 1 on a difference.")
@world_option
def rights(registry_file: Path | None, name: str, form: str, check: bool, directory: Path) -> None:
    """Who may do what: every right on the broker. What no line says is denied."""
    names, registry = _hub(registry_file, name, directory)
    table = whole_table(names, registry, cluster_settings().deployer_user)
    if not check:
        click.echo(_RENDERED[form](table))
        return
    with administering(deployer_connection()) as client:
        found = difference(table, granted(client), names, registry)
    click.echo(json.dumps(_values_of_difference(found), indent=2) if form == "json" else _difference_text(found))
    if found:
        sys.exit(DIFFERENT)


@deploy.command("quotas")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@click.option("--check", is_flag=True, help="Compare with what the cluster has now; exit code 1 on a difference.")
@world_option
def quotas(as_json: bool, check: bool, directory: Path) -> None:
    """What each user may take of a broker: bytes a second, written and read, and share of a request thread."""
    world = World.open(directory)
    wanted = quotas_of(world.names, world.registry)
    if not check:
        lines = [f"{user}  {key}  {value:.0f}" for user, values in wanted.items() for key, value in values.items()]
        click.echo(json.dumps(wanted, indent=2) if as_json else "\n".join(lines))
        return
    with administering(deployer_connection()) as client:
        found = quota_differences(wanted, read_quotas(client), frozenset(users_of(world.names, world.registry)))
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join([*found, number_of(len(found), "difference")]))
    if found:
        sys.exit(DIFFERENT)


@deploy.command("topics")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@click.option("--check", is_flag=True, help="Compare with what the cluster has now; exit code 1 on a difference.")
@world_option
def topics(as_json: bool, check: bool, directory: Path) -> None:
    """The settings of each topic: who dates its records, how long they stay, how large they may be."""
    world = World.open(directory)
    wanted = topic_settings(world.names, world.registry, played=world.played)
    if not check:
        lines = [f"{topic}  {name}  {value}" for topic, values in wanted.items() for name, value in values.items()]
        click.echo(json.dumps(wanted, indent=2) if as_json else "\n".join(lines))
        return
    with administering(deployer_connection()) as client:
        found = setting_differences(wanted, read_topics(client, wanted), world.partitions)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(each) for each in found], indent=2))
    else:
        click.echo("\n".join([*(each.text() for each in found), number_of(len(found), "difference")]))
    if found:
        sys.exit(DIFFERENT)


def _hub(registry_file: Path | None, name: str, directory: Path) -> tuple[Names, PartyRegistry]:
    if registry_file:
        return Names(name), read_registry(registry_file)
    world = World.open(directory)
    return world.names, world.registry


def _as_table(table: Iterable[Right]) -> str:
    rows = [("user", "operation", "on"), *(tuple(text_of(right.acl()).split("  ", 2)) for right in table)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}" for row in rows)


def _as_json(table: Iterable[Right]) -> str:
    return json.dumps([_values(right.acl()) for right in table], indent=2)


def _as_script(table: Iterable[Right]) -> str:
    """Lines for a shell, one for each right; `BOOTSTRAP` and `COMMAND_CONFIG` say where and as whom."""
    return "\n".join(["set -eu", *(_tool_line(right.acl()) for right in table)])


def _tool_line(acl: ACL) -> str:
    pattern = acl.resource_pattern
    kind = pattern.resource_type.name.lower()
    # The tool knows but one cluster and takes no name for it.
    resource = ["--cluster"] if pattern.resource_type == ResourceType.CLUSTER else [f"--{kind}", pattern.resource_name]
    operation = "".join(word.capitalize() for word in acl.operation.name.split("_"))
    words = ["--add", "--allow-principal", acl.principal, "--operation", operation, *resource]
    words += ["--resource-pattern-type", pattern.pattern_type.name.lower()]
    return f"{_TOOL} {shlex.join(words)}"


_RENDERED: Final[dict[str, Callable[[Iterable[Right]], str]]] = {
    "table": _as_table,
    "json": _as_json,
    "kafka-acls": _as_script,
}


def _values(acl: ACL) -> dict[str, object]:
    pattern = acl.resource_pattern
    return {
        "user": acl.principal.removeprefix("User:"),
        "permission": acl.permission_type.name.lower(),
        "operation": acl.operation.name.lower(),
        "resource": pattern.resource_type.name.lower(),
        "name": pattern.resource_name,
        "by_prefix": pattern.pattern_type == ACLResourcePatternType.PREFIXED,
        "host": acl.host,
    }


def _values_of_difference(found: RightsDifference) -> dict[str, object]:
    return {"missing": [_values(acl) for acl in found.missing], "surplus": [_values(acl) for acl in found.surplus]}


def _difference_text(found: RightsDifference) -> str:
    lines = [f"missing  {text_of(acl)}" for acl in found.missing]
    lines += [f"surplus  {text_of(acl)}" for acl in found.surplus]
    return "\n".join([*lines, number_of(len(found), "difference")])
