"""`hub cleaner`: deletes from Kafka what is safely kept elsewhere, and nothing else.

Rules:
- An input is deleted behind the position that its shard has stored: what stands before it is on a timeline, or parked.
- An output is deleted behind what its receiver has confirmed to have in a store of its own, but for the last record
  of that: one record at least stays, by which a shard sees whether its store went back. A party that confirms
  nothing keeps its records until the broker's own retention ends them.
- It works as the cleaner, who can neither read nor write a record. What the broker refuses on one topic, say because
  a party has confirmed more than there is, is told and holds up no other topic.

Positions come from the shards' stores and from each party's group `confirmed`; they go to the broker as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.options import world_option
from deploy.stores import opened_stores
from deploy.world import World
from deploy.world_making import administering

WAIT_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One partition of a topic: every record before offset `before` is deleted, or why the broker refused it."""

    topic: str
    partition: int
    before: int
    refused: str | None = None


@click.command("cleaner")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def cleaner(as_json: bool, directory: Path) -> None:
    """Delete from Kafka what shards have stored and receivers have confirmed. Let a timer run it."""
    world = World.open(directory)
    cleaned = clean(world)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in cleaned]))
    else:
        for each in cleaned:
            what = f"refused ({each.refused})" if each.refused else "deleted"
            click.echo(f"{each.topic}, partition {each.partition}: {what} before offset {each.before}")
        if not cleaned:
            click.echo("nothing to delete: no shard has stored, and no receiver confirmed, anything yet")
    if any(each.refused for each in cleaned):
        raise click.exceptions.Exit(1)


def clean(world: World) -> list[Cleaned]:
    """Delete what may go; return up to where, by topic and partition."""
    behind = _stored(world)
    with administering(world.connection(world.names.service("cleaner"))) as client:
        behind |= _confirmed(world, client)
        return [_deleted(client, place, before) for place, before in sorted(behind.items())]


def _deleted(client: KafkaAdminClient, place: TopicPartition, before: int) -> Cleaned:
    try:
        client.delete_records({place: before}, timeout_ms=WAIT_MS)
    except KafkaError as error:
        return Cleaned(place.topic, place.partition, before, type(error).__name__)
    return Cleaned(place.topic, place.partition, before)


def _stored(world: World) -> dict[TopicPartition, int]:
    with opened_stores(world) as stores:
        return {
            TopicPartition(topic, shard): position
            for shard, store in enumerate(stores)
            for topic, position in store.head().positions.items()
            if position > 0
        }


def _confirmed(world: World, client: KafkaAdminClient) -> Mapping[TopicPartition, int]:
    groups = {world.names.confirmed_group(party.id): world.names.output(party.id) for party in world.registry}
    found: dict[TopicPartition, int] = {}
    for group, places in client.list_group_offsets(list(groups)).items():
        for place, at in places.items():
            # A party commits what it likes to groups of its own; only its own output follows from it.
            # Its last record stays: a shard sees by it whether its store went back.
            if place.topic == groups[group] and at.offset > 1:
                found[place] = at.offset - 1
    return found
