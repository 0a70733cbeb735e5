"""`hub governance …`: what is about no citizen: a party's key of it, who holds which role, the timeline of it all.

Rules:
- A key is derived and is the party's own, like its keys of citizens; it lies on one partition.
- What is stated is stated on the shard that tells of it (`hub.shard.governance`).
"""

from __future__ import annotations

from pathlib import Path

import click

from contracts.civil_time import moment_of
from contracts.failures import NotFound
from deploy.agreement_command import jurisdiction_option
from deploy.hub_statements import hub_publisher, state
from deploy.options import world_option
from deploy.world import World
from hub.identity.pseudonyms import TELLING_SHARD, governance_case, governance_key
from producers.publisher import now_ms


@click.group("governance")
def governance() -> None:
    """What is about no citizen: keys, roles, figures."""


@governance.command("key")
@click.option("--party", required=True, help="The party that asks, such as `A.ADD`.")
@jurisdiction_option
@world_option
def show_key(party: str, jurisdiction: str, directory: Path) -> None:
    """Print PARTY's own key of what is about no citizen: anonymous counts are stated under it."""
    world = World.open(directory)
    click.echo(governance_key(world.hub_secret, jurisdiction, _member(world, party), world.partitions))


@governance.command("case")
@jurisdiction_option
@world_option
def show_case(jurisdiction: str, directory: Path) -> None:
    """Print the id of the timeline about no citizen, for `hub case timeline` and `hub explain`."""
    click.echo(governance_case(World.open(directory).hub_secret, jurisdiction, TELLING_SHARD))


@governance.command("staff")
@click.option("--party", required=True, help="The party whose role it is.")
@click.option("--role", required=True, help="The role in the cooperation, as a code: `PROJECT_LEADER`.")
@click.option("--staff", help="A pseudonym for who holds it from now on; left out where the role is vacant.")
@jurisdiction_option
@world_option
def staff(party: str, role: str, staff: str | None, jurisdiction: str, directory: Path) -> None:
    """State that a role in the cooperation was taken up, changed or left (StaffRoleChanged)."""
    world = World.open(directory)
    at = moment_of(now_ms())
    values = {"at": at, "party": _member(world, party), "role": role, "staff": staff}
    with hub_publisher(world) as publisher:
        reference = f"staff/{party}/{role}/{at.isoformat()}"
        click.echo(state(world, publisher, jurisdiction, "StaffRoleChanged", values, reference, (TELLING_SHARD,)))


def _member(world: World, party: str) -> str:
    if party not in world.registry:
        raise NotFound(f"party `{party}` is not in the registry of this world")
    return party
