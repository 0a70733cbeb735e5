"""States facts of the hub itself about no citizen: agreements, roles of staff, figures.

Rules:
- They are published to the hub's own input as its operator, like any fact, and the shard admits them; nothing here
  writes a store.
- Under the hub's key of the governance timeline of each shard that is to know: one fact, one id, on every one of them.
- Stating the same thing again is the same fact, byte for byte: the id is derived from `source_ref`, and the time at
  which it was first stated is kept in the world's directory until every shard has it, or one refused it. So a command
  that failed half way is simply given again.
- A statement returns when every shard has it stored, or says why one refused it.

Used by `hub agreement` and `hub governance`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from contracts.catalogue import catalogue
from contracts.civil_time import moment_of
from contracts.derived_ids import derived_id
from contracts.fact import event_id_of
from contracts.failures import CallerFailure, TransportFailure
from contracts.phrases import number_of
from contracts.private_files import write_private
from contracts.topics import HUB_PARTY
from deploy.figures import Drawing
from deploy.kafka.node_state import private_directory
from deploy.key_registration import last_parked
from deploy.stores import governance_records, opened_stores
from deploy.world import OPERATOR_KEY, World
from hub.arrival.principals import OPERATOR
from hub.continuity.terms import terms
from hub.identity.pseudonyms import governance_key
from hub.store.reader import ShardReader
from hub.store.records import FactRecorded
from producers.publisher import Publisher, now_ms

STORED_SECONDS_MAX: Final = 60.0
POLL_SECONDS: Final = 0.05


@contextmanager
def hub_publisher(world: World) -> Iterator[Publisher]:
    """The hub's own publisher, as its operator, for as long as the block runs."""
    # The one door to the client of Kafka: commands that only read have this module too, and never come here.
    from producers.kafka_transport import KafkaTransport

    transport = KafkaTransport(world.connection(world.names.service("operator")))
    try:
        yield publisher_of(world, transport)
    finally:
        transport.close()


def publisher_of(world: World, transport: Any) -> Publisher:
    """The hub's own publisher on `transport`; its secret follows from the hub's."""
    secret = hashlib.blake2b(b"the hub's own publisher", key=world.hub_secret, digest_size=32).digest()
    signing_key = world.signing_key(OPERATOR_KEY)
    return Publisher(HUB_PARTY, transport, secret, system=OPERATOR, names=world.names, signing_key=signing_key)


def state(
    world: World,
    publisher: Publisher,
    jurisdiction: str,
    event_type: str,
    values: Mapping[str, Any],
    source_ref: str,
    shards: Sequence[int],
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], int] = now_ms,
) -> str:
    """State one fact about no citizen of `jurisdiction` on `shards`; return its event id once all have stored it.

    Raises `CallerFailure` where a shard refused it, `TransportFailure` where no outcome comes: give the command again.
    """
    ce_id = publisher.event_id(event_type, source_ref)
    event_id = event_id_of(HUB_PARTY, ce_id)
    with opened_stores(world) as stores:
        stored = {shard: _stored(world, stores, jurisdiction, event_id, shard) for shard in range(world.partitions)}
        known = next((fact.occurred_at for fact in stored.values() if fact is not None), None)
        at = _first_stated(world, ce_id, clock) if known is None else known
        parked_before = {shard: last_parked(stores[shard]) for shard in shards}
        for shard in shards:
            if stored[shard] is None:
                publisher.publish_values(
                    event_type,
                    {"at": moment_of(at), **values} if "at" in catalogue().event_types[event_type].field else values,
                    occurred_at=at,
                    key=governance_key(world.hub_secret, jurisdiction, HUB_PARTY, world.partitions, shard),
                    source_ref=source_ref,
                )
        try:
            _wait_until_stored(world, stores, jurisdiction, event_id, parked_before, wait)
        except CallerFailure:
            _begun(world, ce_id).unlink(missing_ok=True)
            raise
    _begun(world, ce_id).unlink(missing_ok=True)
    return event_id


def _begun(world: World, ce_id: str) -> Path:
    """Where the time of a statement stands that not every shard is known to have."""
    return world.directory / "statements" / ce_id


def _first_stated(world: World, ce_id: str, clock: Callable[[], int]) -> int:
    """When the statement was first begun: now, and then for as long as it is not everywhere."""
    begun = _begun(world, ce_id)
    if not begun.exists():
        private_directory(begun.parent)
        write_private(begun, str(clock()))
    return int(begun.read_text(encoding="utf-8"))


def stated_figures(
    world: World, jurisdiction: str, first: date, drawing: Drawing
) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield (event type, values, source reference) of a month's figures, and last that they were drawn."""
    month = f"{first:%Y-%m}"
    for table in drawing.tables:
        values = {
            "snapshotId": UUID(derived_id(world.hub_secret, "figures", jurisdiction, month)),
            "cutOff": moment_of(drawing.month.end),
            "month": first,
            "table": table.name,
            "place": table.place,
            "smallestCell": terms().small_cell,
            "recipients": list(drawing.recipients),
            "cells": [dict(cell) for cell in table.cells],
        }
        yield "FiguresDrawn", values, f"figures/{jurisdiction}/{month}/{table.name}/{table.place or ''}"
    # Coverage (I13) is by the month that the snapshot is about: its last instant.
    taken = {"at": moment_of(drawing.month.end - 1), "cohort": "ALL", "policyVersion": terms().id}
    yield "EvaluationSnapshotTaken", taken, f"snapshot/{jurisdiction}/{month}"


def _wait_until_stored(
    world: World,
    stores: list[ShardReader],
    jurisdiction: str,
    event_id: str,
    parked_before: Mapping[int, int],
    wait: Callable[[float], None],
) -> None:
    deadline = time.monotonic() + STORED_SECONDS_MAX
    missing = list(parked_before)
    while missing := [shard for shard in missing if _stored(world, stores, jurisdiction, event_id, shard) is None]:
        for shard in missing:
            _raise_if_parked(stores[shard], event_id, parked_before[shard])
        if time.monotonic() > deadline:
            raise TransportFailure(
                f"not stored within {STORED_SECONDS_MAX:.0f} s on {number_of(len(missing), 'shard')}: "
                "is the hub of this world running; give the command again, nothing is lost"
            )
        wait(POLL_SECONDS)


def _stored(
    world: World, stores: list[ShardReader], jurisdiction: str, event_id: str, shard: int
) -> FactRecorded | None:
    for record in governance_records(world, stores, jurisdiction, shard):
        if isinstance(record, FactRecorded) and record.event_id == event_id:
            return record
    return None


def _raise_if_parked(store: ShardReader, event_id: str, before: int) -> None:
    """Raise `CallerFailure` where the statement was parked after number `before`: what was there says nothing of it."""
    ce_id = event_id.rpartition("/")[2].encode()
    for record, resolved in store.parked(HUB_PARTY):
        is_new = record.originator_version > before
        if is_new and resolved is None and ("ce_id", ce_id) in record.headers:
            raise CallerFailure(f"the hub refused it: {record.reason}, field `{record.field}`: {record.fix}")
