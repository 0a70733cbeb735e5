"""The records that are mutated: what an agency, or the hub to itself, could have sent, complete and valid.

Rules:
- What a party states of a citizen comes from the stories of `tests.safety`; beside them stands every event type of the
  catalogue once, by its contract: so a new one is mutated without a word here.
- Made once; the same in every run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Final

from contracts.catalogue import catalogue
from contracts.cloudevents import Attributes, published_headers
from contracts.codec import codec
from contracts.event_types import EventType
from contracts.schema_ids import schema_ids
from contracts.topics import HUB_PARTY
from hub.arrival.forwarded import HUB_CASE, HUB_FROM, HUB_JUDGED, HUB_RECORDED_AT
from tests.safety.stories import DIARY, new_id, payload_of, stating_parties, story
from tests.safety.transcripts import record_of
from tests.shard.harness import CASE, OTHER_CASE

STORIES: Final = 40
KEY: Final = b"5f0c7d1e-0000-4000-8000-000000000001"
_AT: Final = DIARY[3]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One record on its way to arrival. `party` is whose topic it lies on; `recorded_at` in milliseconds."""

    party: str
    recorded_at: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@lru_cache(maxsize=1)
def good_records() -> tuple[Mutant, ...]:
    """Records that arrival admits, or refuses for what they refer to only."""
    found = []
    for seed in range(STORIES):
        for event in story(seed).events:
            sent = record_of(event, KEY.decode())
            found.append(Mutant(sent.party, event.stated.recorded_at, sent.key, sent.value, tuple(sent.headers)))
    rng = Random(0)
    facts = (each for each in catalogue().event_types.values() if not each.control)
    return (*found, *(by_contract(event_type, rng) for event_type in facts))


@lru_cache(maxsize=1)
def control_records() -> tuple[Mutant, ...]:
    """What the hub states to itself, several times each: of a citizen who is enrolled, and of nobody."""
    rng = Random(1)
    controls = [each for each in catalogue().event_types.values() if each.control]
    stated = [by_contract(event_type, rng, _control_values(rng)) for event_type in controls for _ in range(8)]
    return (*stated, *(_forwarded(record, rng) for record in good_records()[:STORIES]))


def _forwarded(record: Mutant, rng: Random) -> Mutant:
    """The same fact as one case forwards it to another in a merge."""
    own = (OTHER_CASE, new_id(rng), str(record.recorded_at), rng.choice("01"))
    headers = zip((HUB_CASE, HUB_FROM, HUB_RECORDED_AT, HUB_JUDGED), map(str.encode, own), strict=True)
    return replace(record, party=HUB_PARTY, key=None, headers=(*record.headers, *headers))


def _control_values(rng: Random) -> dict[str, object]:
    cases = [OTHER_CASE, new_id(rng)]
    return {
        "caseId": rng.choice(cases),
        "other": rng.choice([CASE, *cases]),
        "otherShard": rng.choice([0, 0, 1, 2**31 - 1]),
        "change": rng.randrange(1, 5),
        "party": rng.choice(["A.SOC", "PRI", "POLICE"]),
        "parkedNumber": rng.randrange(1, 9),
        "jurisdiction": rng.choice(["DK", "SE", "OTHER"]),
    }


def by_contract(event_type: EventType, rng: Random, chosen: dict[str, object] | None = None) -> Mutant:
    """A record of this event type with valid values, some of them `chosen`, by a party that may state it."""
    party = rng.choice(stating_parties(event_type) or [HUB_PARTY])
    payload = payload_of(event_type.fields, rng, _AT)
    payload |= {name: value for name, value in (chosen or {}).items() if name in payload}
    attributes = Attributes(new_id(rng), f"urn:party:{party}:main", event_type.ce_type, _AT)
    value = codec().encode(schema_ids().published(event_type.name), {"occurredAt": _AT, **payload})
    key = None if event_type.control else KEY
    return Mutant(party, _AT, key, value, tuple(published_headers(attributes)))
