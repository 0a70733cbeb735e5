"""Opens the stores of a world's hub for reading, for commands that look and never write.

Rules:
- A case lies in one shard; it is found by asking each store.
- `citizens_of` leaves out the timelines that are about no citizen; `governance_records` are those.
- A key of a party leads to a case only through the shard's own index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from contracts.civil_time import ZONE_OF_JURISDICTION
from contracts.failures import NotFound
from contracts.models import is_uuid
from deploy.hub_places import world_stores
from deploy.world import World
from hub.case_timeline.known import known_at
from hub.case_timeline.timeline import timeline_of
from hub.consent.agreements import Agreements
from hub.consent.policies import Policies
from hub.consent.rule_reader import RULES_FOLDER
from hub.identity.pseudonyms import TELLING_SHARD, governance_case, parking_cases, resync_case
from hub.shard.cases import agreements_of
from hub.shard.reading import reader_for
from hub.store.keys import KeyStore
from hub.store.reader import ShardReader
from hub.store.records import CaseRecord


@contextmanager
def opened_keys(world: World) -> Iterator[KeyStore]:
    """The data keys of a world's hub, read-only."""
    keys = world_stores(world).open_keys(world.master_key, read_only=True)
    try:
        yield keys
    finally:
        keys.close()


@contextmanager
def opened_stores(world: World) -> Iterator[list[ShardReader]]:
    """Every shard of a world's hub, open for reading; the list index is the shard."""
    with opened_keys(world) as keys:
        stores: list[ShardReader] = []
        try:
            place = world_stores(world)
            stores.extend(place.open_for_reading(shard, keys) for shard in range(world.partitions))
            yield stores
        finally:
            for store in stores:
                store.close()


def store_of(stores: list[ShardReader], case_id: str) -> ShardReader:
    """The store of the shard in which a case lies; raise `NotFound` where no shard has it."""
    # A database writes what it is asked into its log; whoever mistakes a person for a case must not be written there.
    for store in stores if is_uuid(case_id) else ():
        if next(store.case_records(case_id), None) is not None:
            return store
    raise NotFound("no shard has this case: give the case id that `hub case find` prints for a party's key")


def case_of(stores: list[ShardReader], party: str, key: str) -> str:
    """The case behind a party's own key; raise `NotFound` where there is none."""
    for store in stores if is_uuid(key) else ():
        if case_id := store.cases_of([(party, key)]).get((party, key)):
            return case_id
    raise NotFound(f"no case behind this key of party `{party}`: a key is one party's own, is it this party's")


def policies_of(world: World) -> Policies:
    """The rule sets by which the hub of `world` decides."""
    return Policies.load(world.registry, world.rules_directory or RULES_FOLDER)


def citizens_of(secret: bytes, stores: list[ShardReader]) -> Iterator[tuple[ShardReader, str]]:
    """Every case that is about a citizen, with the store of its shard. `stores` are all, `secret` is the hub's."""
    for shard, store in enumerate(stores):
        about_nobody = {governance_case(secret, each, shard) for each in ZONE_OF_JURISDICTION}
        for party, last in store.head().parked.items():
            about_nobody.update(parking_cases(secret, party, shard, last))
        about_nobody |= {resync_case(secret, party, shard) for party in store.resyncs()}
        yield from ((store, case_id) for case_id in store.cases() if case_id not in about_nobody)


def governance_records(
    world: World, stores: list[ShardReader], jurisdiction: str, shard: int = TELLING_SHARD
) -> list[CaseRecord]:
    """The timeline of one shard that is about no citizen of `jurisdiction`; empty before the hub first ran."""
    return list(stores[shard].case_records(governance_case(world.hub_secret, jurisdiction, shard)))


def known_agreements(
    world: World, stores: list[ShardReader], jurisdiction: str, policies: Policies, known: int, shard: int
) -> Agreements:
    """The agreements of `jurisdiction` as `shard` knew them at `known` (milliseconds)."""
    return agreements_in(governance_records(world, stores, jurisdiction, shard), policies, known)


def agreements_in(records: Iterable[CaseRecord], policies: Policies, known: int) -> Agreements:
    """The agreements that a governance timeline of these `records` knew at `known` (milliseconds)."""
    return agreements_of(timeline_of("governance", known_at(records, known), reader_for(policies)), policies)
