"""What a store was made for, kept in the store itself, and the refusal of a store made for anything else.

Rules:
- Cluster, world, shard, number of partitions and store format never change.
- A topic keeps Kafka's own id for it: a topic that was deleted and made again has other offsets, so the store's
  position in it means nothing. A topic that the store meets later is added when a worker opens the store.
- A log is read without a gap: where a topic comes back, it begins no later than where the store stopped reading it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.failures import DamagedStore, ForeignStore
from hub.store.ports import RESTORE, StoreIdentity
from hub.store.recorder import Recorder
from hub.store.tables import WRITE_IDENTITY, WRITE_TOPICS

STORE_FORMAT: Final = "6"
SIMULATED: Final = "simulated"
"""The cluster of a store that is filled without Kafka: topics have no ids there."""


def write_identity(recorder: Recorder, identity: StoreIdentity) -> None:
    """Write into a new store what it is for."""
    recorder.write(WRITE_TOPICS, list(identity.topic_ids.items()))
    # Last: a store that does not say what it is for is none.
    recorder.write(WRITE_IDENTITY, list(_named(identity).items()))


def read_identity(recorder: Recorder) -> StoreIdentity:
    """Return what the store is for; raise `ForeignStore` where it does not say so in this format."""
    stored: dict[str, str] = dict(recorder.select("SELECT name, value FROM store_identity"))
    if stored.get("format") != STORE_FORMAT:
        raise ForeignStore(
            f"the store has format `{stored.get('format')}`, expected `{STORE_FORMAT}`: open it with its own hub"
        )
    topic_ids: dict[str, str] = dict(recorder.select("SELECT topic, id FROM topic_ids"))
    try:
        shard, partitions = int(stored["shard"]), int(stored["partitions"])
        return StoreIdentity(stored["cluster_id"], stored["world"], shard, partitions, topic_ids)
    except KeyError as missing:
        raise DamagedStore(f"table `store_identity` lacks row {missing}: {RESTORE}") from None
    except ValueError:
        raise DamagedStore(f"table `store_identity`: `shard` or `partitions` is no number: {RESTORE}") from None


def require_identity(stored: StoreIdentity, expected: StoreIdentity) -> None:
    """Raise `ForeignStore`, naming what differs, unless the store was made for what is expected."""
    ours, theirs = _named(expected), _named(stored)
    for name, value in ours.items():
        if theirs[name] != value:
            raise ForeignStore(f"the store is for {name} `{theirs[name]}`, expected `{value}`: open the right one")
    for topic, topic_id in expected.topic_ids.items():
        if stored.topic_ids.get(topic, topic_id) != topic_id:
            raise ForeignStore(
                f"topic `{topic}` is not the one that the store has read: it was made anew and its offsets with it; "
                "restore the topic, or make a new store and, where a shard then says that it is older, `hub store skip`"
            )


def require_unbroken(shard: int, positions: Mapping[str, int], starts: Mapping[str, int]) -> None:
    """Raise `ForeignStore` where `shard` would read next what is deleted; `starts`: where logs begin."""
    for topic, start in starts.items():
        position = positions.get(topic, 0)
        if position < start:
            raise ForeignStore(
                f"topic `{topic}` partition `{shard}` begins at `{start}`, and this hub has read up to `{position}` of "
                "it: what lay between was deleted unread, its party not being in the registry. Leave the party out, "
                "find out from it what was lost, and let it join under an id that it never had"
            )


def add_topics(recorder: Recorder, stored: StoreIdentity, topic_ids: Mapping[str, str]) -> None:
    """Keep the ids of topics that the store has not met."""
    new = [(topic, topic_id) for topic, topic_id in topic_ids.items() if topic not in stored.topic_ids]
    if new:
        recorder.write(WRITE_TOPICS, new)


def _named(identity: StoreIdentity) -> dict[str, str]:
    return {
        "format": STORE_FORMAT,
        "cluster_id": identity.cluster_id,
        "world": identity.world,
        "shard": str(identity.shard),
        "partitions": str(identity.partitions),
    }
