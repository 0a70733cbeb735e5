"""Whether a hub whose shards changed hands kept everything once: the answer comes from its stores and topics alone.

Rules:
- Nothing is expected but what the broker confirmed, and nothing may be there that was never stated.
- Each confirmed fact is on one timeline once; each bad record is parked once; every input is read to its end.
- Streams are dense; every number given out is on its party's topic, in order, and is confirmed.
- What a topic comes to for its reader is what the hub decided last, event by event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from contracts.cloudevents import parse_disclosed
from contracts.fact import event_id_of
from contracts.topics import HUB_PARTY
from deploy.scenario.world import newest_decisions
from hub.disclosure.settlement import mask_of_shown
from hub.store.records import FactRecorded
from tests.kafka.out_topics import number_faults, sent_to
from tests.takeovers.town import REGISTRY, Town


@dataclass(frozen=True, slots=True)
class Kept:
    """What was counted, and every fault that was found."""

    facts: int
    parked: int
    batches: int
    numbers: int
    takings: int
    faults: list[str]


def check(town: Town) -> Kept:
    """Compare what was stated with what the stores hold and the topics say; the hub must be quiet."""
    facts = stored_facts(town)
    parked = [record for store in town.stores for record, _ in store.parked()]
    faults = [
        *fact_faults(town, facts),
        *_parked_faults(town, [(record.topic, record.partition, record.offset) for record in parked]),
        *position_faults(town),
    ]
    faults += output_faults(town)
    owners = [_owners(town, shard) for shard in range(len(town.stores))]
    return Kept(
        facts.total(),
        len(parked),
        sum(len(each) for each in owners),
        sum(sum(store.head().numbers.values()) for store in town.stores),
        sum(sum(before != after for before, after in pairwise(each)) for each in owners),
        faults,
    )


def stored_facts(town: Town) -> Counter[str]:
    """How often each event of an agency is on a timeline."""
    return Counter(
        record.event_id
        for store in town.stores
        for case_id in store.cases()
        for record in store.case_records(case_id)
        if isinstance(record, FactRecorded) and record.party != HUB_PARTY
    )


def fact_faults(town: Town, facts: Counter[str]) -> Iterator[str]:
    """What is lost, doubled or invented among the stored facts."""
    lost = town.stated.confirmed.keys() - facts.keys()
    doubled = [event for event, times in facts.items() if times > 1]
    invented = facts.keys() - town.stated.tried
    for name, events in (("lost", lost), ("doubled", doubled), ("never stated", invented)):
        if events:
            yield f"{len(events)} facts are {name}, among them {min(events)}"


def _parked_faults(town: Town, places: list[tuple[str, int, int]]) -> Iterator[str]:
    if len(set(places)) != len(places):
        yield "a record is parked twice"
    if len(places) != town.stated.bad:
        yield f"{len(places)} records are parked, {town.stated.bad} were bad"


def position_faults(town: Town) -> Iterator[str]:
    """Inputs that are not read to their end, numbers that are not confirmed or not dense."""
    for (topic, shard), end in town.ends().items():
        position = town.stores[shard].head().positions.get(topic, 0)
        # Ticks go on, and their positions may stay unwritten.
        if topic != town.world.names.hub_input and position != end:
            yield f"shard {shard} has read `{topic}` to {position} of {end}"
    for shard, store in enumerate(town.stores):
        head = store.head()
        if dict(store.send_positions()) != dict(head.numbers):
            yield f"shard {shard} has given out {dict(head.numbers)}, confirmed are {dict(store.send_positions())}"
        for party in REGISTRY:
            given = [each.originator_version for each in store.numbers(party.id, 0, 1_000_000)]
            if given != list(range(1, head.numbers.get(party.id, 0) + 1)):
                yield f"numbers of {party.id} in shard {shard} are not dense"


def output_faults(town: Town) -> Iterator[str]:
    """What is wrong on the parties' topics: numbers that are missing or doubled, content that was not decided so."""
    for party in REGISTRY:
        last = {
            shard: number
            for shard, store in enumerate(town.stores)
            if (number := store.head().numbers.get(party.id, 0))
        }
        records = list(sent_to(town.world, party.id))
        yield from (f"{party.id}: {fault}" for fault in number_faults(records, last))
        yield from (f"{party.id}: {fault}" for fault in _view_faults(town, party.id, records))


def _view_faults(town: Town, party: str, records: list[object]) -> Iterator[str]:
    """What the topic comes to, each number taken once in its turn, against the newest decision on each event."""
    seen: set[str] = set()
    reached: Counter[int] = Counter()
    for record in records:
        told = parse_disclosed(record.headers)  # type: ignore[attr-defined]
        if told.number == reached[record.partition] + 1:  # type: ignore[attr-defined]
            reached[record.partition] += 1  # type: ignore[attr-defined]
            event = event_id_of(told.party, told.id)
            (seen.add if told.effect == "disclosed" else seen.discard)(event)
    decided = {
        event
        for store in town.stores
        for case_id in store.cases()
        for event, shown in newest_decisions(store.case_records(case_id), party).items()
        if mask_of_shown(shown)
    }
    if seen != decided:
        yield f"{len(seen - decided)} events are shown and not decided so, {len(decided - seen)} the other way"


def _owners(town: Town, shard: int) -> list[str]:
    """Who wrote each batch of a shard, in order."""
    store = town.stores[shard]
    return [store.batch(version).owner for version in range(1, store.head().batch + 1)]
