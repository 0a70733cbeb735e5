"""The pairwise pseudonym: under which key one party and the hub speak of one citizen.

Rules:
- Derived from the hub's secret, the case and the party, never drawn: identity and every shard compute the same key
  without talking, and a lost table loses no key.
- Without the secret two parties' keys of one citizen have nothing in common but their partition, and neither tells
  anything of the citizen.
- A key lies on its case's partition: a counter goes up until murmur2 puts it there.

Used by `hub.identity.enrolment`, which answers a party, and by the shard, which writes it as a record's key. Pure.
"""

from __future__ import annotations

from itertools import count
from typing import Final

from contracts.derived_ids import derived_id
from contracts.partitioning import partition_of

TELLING_SHARD: Final = 0
"""The shard that tells the parties what is about no citizen; parties' keys of the governance timeline are of it."""
PARKED_PER_TIMELINE: Final = 250
"""How many parked records the hub speaks of on one timeline."""


def governance_case(secret: bytes, jurisdiction: str, shard: int) -> str:
    """Return the id of the timeline on `shard` that is about no citizen of `jurisdiction`: a UUIDv8 as text."""
    return derived_id(secret, "governance", jurisdiction, str(shard))


def parking_case(secret: bytes, party: str, shard: int, number: int) -> str:
    """Return the id of the timeline on `shard` that tells `party` of its parked record `number`: a UUIDv8 as text.

    After so many records another one begins: whoever floods the hub makes no timeline long.
    """
    part = (number - 1) // PARKED_PER_TIMELINE
    return derived_id(secret, "parking", party, str(shard), *([str(part)] if part else ()))


def parking_cases(secret: bytes, party: str, shard: int, last: int) -> list[str]:
    """Return the ids of all timelines that tell `party` of its parked records up to the number `last`, in order."""
    return [parking_case(secret, party, shard, number) for number in range(1, last + 1, PARKED_PER_TIMELINE)]


def resync_case(secret: bytes, party: str, shard: int) -> str:
    """Return the id of the timeline on `shard` that tells `party` of its resyncs: a UUIDv8 as text."""
    return derived_id(secret, "resync", party, str(shard))


def pseudonym(secret: bytes, case_id: str, party: str, partition: int, partitions: int) -> str:
    """Return `party`'s key of the case `case_id`, which lies on `partition` of `partitions`: a UUIDv8 as text.

    Raises `ValueError` where there is no such partition, since the search would not end.
    """
    if not 0 <= partition < partitions:
        raise ValueError(f"partition `{partition}` is not one of `{partitions}`")
    candidates = (derived_id(secret, "pseudonym", case_id, party, str(counter)) for counter in count())
    return next(key for key in candidates if partition_of(key.encode(), partitions) == partition)


def governance_key(secret: bytes, jurisdiction: str, party: str, partitions: int, shard: int = TELLING_SHARD) -> str:
    """Return `party`'s key of the governance timeline of `shard`; parties have that of the telling shard only."""
    return pseudonym(secret, governance_case(secret, jurisdiction, shard), party, shard, partitions)
