"""The operator's way of telling the shards something: control records that it signs.

Rule: the operator's key signs for the principals `PRINCIPALS`; a worker takes nothing else from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from deploy.world import OPERATOR_KEY, World
from hub.arrival.principals import IDENTITY, OPERATOR
from producers.publisher import now_ms

if TYPE_CHECKING:
    from hub.broker.kafka_control import KafkaControl

PRINCIPALS: Final = frozenset({OPERATOR, IDENTITY})


def operator_channel(world: World, principal: str = OPERATOR, clock: Callable[[], int] = now_ms) -> KafkaControl:
    """Return the channel of `principal`; `clock` (milliseconds) counts in a played world."""
    # The one door to the client of Kafka: commands that only read have this module too, and never come here.
    from hub.broker.kafka_control import KafkaControl

    connection = world.connection(world.names.service("operator"))
    return KafkaControl(connection, world.names, principal, clock, signing_key=world.signing_key(OPERATOR_KEY))


def tell_every_shard(world: World, event_type: str, payload: Mapping[str, Any]) -> None:
    """Publish one control record of the operator to every shard; what becomes of it is in their stores."""
    channel = operator_channel(world)
    try:
        for shard in range(world.partitions):
            channel.publish(shard, event_type, payload)
    finally:
        channel.close()
