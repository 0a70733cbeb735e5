"""The operator's way of telling the shards something: control records that it signs.

Rule: the operator's key signs for the principals `PRINCIPALS`; a worker takes nothing else from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from deploy.world import OPERATOR_KEY, World
from hub.broker.kafka_control import KafkaControl
from producers.publisher import now_ms

OPERATOR: Final = "operator"
IDENTITY: Final = "identity"
PRINCIPALS: Final = frozenset({OPERATOR, IDENTITY})


def operator_channel(world: World, principal: str = OPERATOR, clock: Callable[[], int] = now_ms) -> KafkaControl:
    """Return the channel of `principal`; `clock` (milliseconds) counts in a played world."""
    connection = world.connection(world.names.service("operator"))
    return KafkaControl(connection, world.names, principal, clock, signing_key=world.signing_key(OPERATOR_KEY))
