"""A key is revoked while its party goes on publishing under it: how soon is it refused, and is the list complete?

Rules:
- A real hub, broker and command; the publisher never pauses. Every revocation ends a key of its own.
- What was admitted under the key is read from the stores afterwards and held against what the command listed.
- Times are of one machine: those of the broker (`recorded_at`) and of the command compare.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from click.testing import CliRunner

from contracts.signatures import KEY_BYTES, SigningKey
from deploy.key_registration import change_keys
from deploy.keys_command import keys, signed_under
from deploy.stores import opened_stores
from hub.shard.signing_keys import REGISTRATION
from producers.kafka_transport import KafkaTransport
from producers.publisher import Publisher
from producers.statement import Statement
from tests.kafka.live_world import LiveWorld

PARTY: Final = "A.SOC"
PORTION: Final = 50
REVOKED_SECONDS_MAX: Final = 5.0


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revocation under load. Times in seconds."""

    published: int
    admitted: int
    listed: int
    command_seconds: float
    refused_after_seconds: float
    """From the call of the command to the last record that was admitted under the key; 0 where none came later."""
    is_list_exact: bool
    """Whether the command listed what was admitted since the time that it was given, no more and no less."""


class _Load:
    """The party publishing without a pause, in a thread of its own."""

    def __init__(self, live: LiveWorld, key: SigningKey) -> None:
        self._live, self._key = live, key
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.published = 0

    def __enter__(self) -> _Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        world, live = self._live.world, self._live
        transport = KafkaTransport(world.connection(world.names.user(PARTY)))
        publisher = Publisher(
            PARTY, transport, b"revocations " * 3, system="live", names=world.names, signing_key=self._key
        )
        try:
            while not self._stop.is_set():
                moment = live.moment()
                facts = [
                    {"housingId": uuid.uuid4(), "kind": "OWN_TENANCY", "at": moment, "address": "x"}
                    for _ in range(PORTION)
                ]
                publisher.publish_many(
                    [
                        publisher.prepare(
                            Statement("HousingSecured", values, moment),
                            key=live.keys[PARTY],
                            source_ref=str(values["housingId"]),
                        )
                        for values in facts
                    ]
                )
                self.published += PORTION
        finally:
            transport.close()


def revoke_under_load(live: LiveWorld, seconds: float) -> Revocation:
    """Publish for `seconds`, revoke the key, go on for half of that; return what came of it."""
    key = SigningKey(secrets.token_bytes(KEY_BYTES))
    change_keys(
        live.world,
        REGISTRATION,
        {"party": PARTY, "publicKey": key.public.hex()},
        lambda changes: any(change.key_id == key.id for change in changes),
    )
    parked = len(live.parked())
    with ExitStack() as running:
        load = running.enter_context(_Load(live, key))
        time.sleep(seconds / 2)
        now = datetime.now(UTC)
        since = now.replace(microsecond=now.microsecond // 1000 * 1000)  # the hub counts in milliseconds
        time.sleep(seconds / 2)
        called, began = time.time(), time.monotonic()
        words = ["revoke", PARTY, key.id, "--since", since.isoformat(), "--json", "--world", str(live.world.directory)]
        done = CliRunner().invoke(keys, words, catch_exceptions=False)
        command_seconds = time.monotonic() - began
        time.sleep(seconds / 2)
    with opened_stores(live.world) as stores:
        live.wait_until(
            lambda: len(live.parked()) - parked + sum(1 for _ in signed_under(stores, key.id, 0)) == load.published,
            "everything published is admitted or parked",
        )
        admitted = list(signed_under(stores, key.id, 0))
    listed = {row["event_id"] for row in json.loads(done.output)}
    wanted = {fact.event_id for fact in admitted if _moment(fact.recorded_at) >= since.replace(tzinfo=None)}
    last = max(_moment(fact.recorded_at).replace(tzinfo=UTC).timestamp() for fact in admitted)
    return Revocation(
        load.published, len(admitted), len(listed), command_seconds, max(0.0, last - called), listed == wanted
    )


def _moment(text: str) -> datetime:
    """A time as the list says it: UTC, without an offset."""
    return datetime.fromisoformat(text).replace(tzinfo=None)
