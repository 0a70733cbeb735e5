"""Who takes part in every history: parties, shards, citizens, and the keys under which parties speak of them."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from contracts.parties import Party, PartyRegistry
from contracts.topics import Names
from hub.identity.pseudonyms import pseudonym

SECRET: Final = b"\x07" * 32
NAMES: Final = Names("simulator")
PARTITIONS: Final = 2
PROVIDERS: Final = frozenset({"A.ADD"})
PARTIES: Final = ("PRI", "KIF", "A.SOC", "A.ADD", "B.SOC")
REGISTRY: Final = PartyRegistry.of(Party(party, party in PROVIDERS) for party in PARTIES)


class Citizen(NamedTuple):
    """One citizen, and the shard on which the case lies."""

    case_id: str
    shard: int
    born: date
    jurisdiction: str


def _citizen(number: int, shard: int, born: date, jurisdiction: str = "DK") -> Citizen:
    return Citizen(f"5f0c7d1e-0000-4000-8000-00000000000{number}", shard, born, jurisdiction)


ENROLLED: Final = (
    _citizen(1, 0, date(1988, 4, 12)),
    _citizen(2, 0, date(2007, 6, 1)),
    _citizen(3, 1, date(1990, 5, 5), "SE"),
)
"""Those whom the hub knows from the beginning."""
COMING: Final = (_citizen(4, 1, date(1979, 1, 30)), _citizen(5, 0, date(1995, 11, 2), "SE"))
"""Those who may be enrolled in the course of a history."""


@lru_cache(maxsize=4_096)
def pseudonym_once(secret: bytes, case_id: str, party: str, partition: int, partitions: int) -> str:
    """`pseudonym`, derived once: it is pure, and dear to derive again at each restart."""
    return pseudonym(secret, case_id, party, partition, partitions)


def key_of(citizen: Citizen, party: str) -> bytes:
    """The party's own key of a citizen."""
    return pseudonym_once(SECRET, citizen.case_id, party, citizen.shard, PARTITIONS).encode()
