"""A consent that the victim was shown something by, and its end: so a receipt is owed, which somebody may forge."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, Final

from deploy.world import World
from hub.case_timeline.timeline import NOTICE
from hub.store.ports import ShardStore
from hub.store.records import FactRecorded
from producers.kafka_transport import KafkaTransport
from producers.publisher import Publisher, now_ms
from tests.shard.harness import consent, imprisonment, in_moments

PRISON: Final = "PRI"


def consent_given(recipient: str) -> list[tuple[str, Mapping[str, Any]]]:
    """A custody, and a consent that shows `recipient` what the law alone would not."""
    return [("ImprisonmentStarted", imprisonment(now_ms())), ("ConsentGiven", consent(now_ms(), ["CU"], [recipient]))]


def consent_withdrawn() -> list[tuple[str, Mapping[str, Any]]]:
    """The end of that consent."""
    return [("ConsentWithdrawn", {"consentId": consent(0, [], [])["consentId"], "at": now_ms(), "by": "SUBJECT"})]


def state(world: World, key: str, events: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Let the prison state `events` of the citizen to whom its own `key` belongs."""
    secret, signing_key = b"a secret of the prison, and long", world.signing_key(PRISON)
    with closing(KafkaTransport(world.connection(world.names.user(PRISON)))) as transport:
        publisher = Publisher(PRISON, transport, secret, names=world.names, signing_key=signing_key)
        for event_type, values in events:
            values = in_moments(event_type, values)
            publisher.publish_values(event_type, values, occurred_at=now_ms(), key=key, source_ref=event_type)


def notice_to(store: ShardStore, case_id: str, recipient: str) -> uuid.UUID:
    """The `ce_id` of the one notice by which `recipient` was told that a consent has ended."""
    (found,) = (
        record.event_id
        for record in store.case_records(case_id)
        if isinstance(record, FactRecorded) and record.event_type == NOTICE and recipient.encode() in record.value
    )
    return uuid.UUID(found.rpartition("/")[2])
