"""What the cleaner takes from a party's own group: where its own output may go, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import cast

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.structs import OffsetAndMetadata

from contracts.parties import Party, PartyRegistry
from contracts.topics import Names
from deploy.cleaner_command import _confirmed
from deploy.world import World

NAMES = Names("test")
WORLD = cast(World, SimpleNamespace(names=NAMES, registry=PartyRegistry.of([Party("A.SOC"), Party("PSY")])))


def confirmed(committed: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
    """What follows where `committed` stands in the group of A.SOC."""

    def list_group_offsets(groups: Sequence[str]) -> dict[str, dict[TopicPartition, OffsetAndMetadata]]:
        stands = {place: OffsetAndMetadata(offset, "", -1) for place, offset in committed.items()}
        return {group: stands if group == NAMES.confirmed_group("A.SOC") else {} for group in groups}

    return _confirmed(WORLD, cast(KafkaAdminClient, SimpleNamespace(list_group_offsets=list_group_offsets)))


def test_only_a_partys_own_output_follows_from_what_it_commits() -> None:
    own = TopicPartition(NAMES.output("A.SOC"), 1)
    others = [NAMES.output("PSY"), NAMES.input("A.SOC"), NAMES.input("PSY"), NAMES.hub_input, NAMES.checkpoints]
    assert confirmed({own: 8} | {TopicPartition(topic, 0): 9 for topic in others}) == {own: 7}


def test_an_offset_that_is_none_deletes_nothing() -> None:
    """To the broker -1 means the end of the log: everything would go."""
    places = [TopicPartition(NAMES.output("A.SOC"), partition) for partition in range(4)]
    assert confirmed(dict(zip(places, (-1, 0, 1, 2), strict=True))) == {places[3]: 1}


def test_the_last_record_of_an_output_stays() -> None:
    """A shard sees by its number whether its store went back."""
    place = TopicPartition(NAMES.output("A.SOC"), 0)
    assert confirmed({place: 1}) == {}
    assert confirmed({place: 5}) == {place: 4}
