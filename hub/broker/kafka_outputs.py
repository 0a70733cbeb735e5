"""Kafka as a shard's outputs: partition k of every party's output topic.

Rules:
- Idempotent producer, never a transaction. A number counts as sent only when its own future returned the broker's
  record of it; an earlier failure of the same party holds back all later numbers.
- A party whose sending failed is stalled: what is handed over for it is dropped until the shard begins again at (or
  before) the number that failed. It is tried again after a pause that doubles; nobody else waits for that pause.
- After an error that the client does not itself retry, the producer may fail on every topic with that first error:
  it is thrown away, and every party with unconfirmed numbers is handed over again.
- A record may so reach its party twice; the dense number tells it.

Records come from the shard's committed disclosures and go to the parties' subscriptions.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.future import RecordMetadata

from contracts.connection import KafkaConnection
from contracts.failures import TransportFailure
from contracts.topics import Names
from hub.broker.ports import OutputRecord

_log: Final = logging.getLogger(__name__)
BATCH_BYTES: Final = 512 * 1024
REQUEST_BYTES_MAX: Final = 2 * 1024 * 1024
BLOCK_MS_MAX: Final = 2_000
DELIVERY_MS_MAX: Final = 30_000
REQUEST_MS_MAX: Final = 10_000
FIRST_PAUSE_SECONDS: Final = 0.5
PAUSE_SECONDS_MAX: Final = 30.0
CLOSE_SECONDS_MAX: Final = 5.0
ABANDON_SECONDS_MAX: Final = 1.0


@dataclass(slots=True)
class _Party:
    """The sending to one party: its unconfirmed numbers in order, and the first number that failed."""

    topic: str
    unconfirmed: deque[tuple[int, Any]] = field(default_factory=deque)
    failed_number: int | None = None
    tried_again_at: float = 0.0
    pause_seconds: float = 0.0


class KafkaOutputs:
    """Implements `hub.broker.ports.Outputs`. `connection` is the hub sender's."""

    def __init__(self, connection: KafkaConnection, names: Names, partition: int) -> None:
        self._connection = connection
        self._names = names
        self._partition = partition
        self._parties: dict[str, _Party] = {}
        self._producer: KafkaProducer | None = None
        self._producer_tried_again_at = 0.0
        self._confirmed: dict[str, int] = {}

    def send(self, records: Sequence[OutputRecord]) -> None:
        """Hand over `records`, in number order per party; returns before they are confirmed.

        Records of a stalled party are dropped unless they begin again at the number that failed.
        """
        for record in records:
            party = self._parties.get(record.party)
            if party is None:
                party = self._parties[record.party] = _Party(self._names.output(record.party))
            if party.failed_number is not None and not _begins_again(party, record.number):
                continue
            self._hand_over(record.party, party, record)

    def confirmed(self, wait_seconds: float = 0.0) -> Mapping[str, int]:
        """Return, per party, the highest number up to which all is confirmed since the last call.

        With `wait_seconds`, wait at most so long for everything handed over to be confirmed.
        """
        deadline = time.monotonic() + wait_seconds
        self._collect()
        while any(party.unconfirmed for party in self._parties.values()) and time.monotonic() < deadline:
            self._await_oldest(deadline)
            self._collect()
        confirmed, self._confirmed = self._confirmed, {}
        return confirmed

    def stalled(self) -> Sequence[str]:
        """Parties whose sending failed; the shard hands over again from their send position."""
        return sorted(name for name, party in self._parties.items() if party.failed_number is not None)

    def close(self) -> None:
        """Flush what can be flushed within a few seconds and release the connection."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            try:
                producer.close(timeout=CLOSE_SECONDS_MAX)
            except KafkaError:
                _abandon(producer)

    def _hand_over(self, name: str, party: _Party, record: OutputRecord) -> None:
        try:
            future = self._open_producer().send(
                party.topic,
                value=record.value,
                key=record.key,
                headers=list(record.headers),
                partition=self._partition,
            )
        except (KafkaError, AssertionError, ValueError) as error:
            _stall(name, party, record.number, error)
            return
        if future.failed():  # refused before it was under way: the producer is sound
            _stall(name, party, record.number, future.exception)
            return
        party.unconfirmed.append((record.number, future))

    def _open_producer(self) -> KafkaProducer:
        """Return the producer, making one if need be; an unreachable cluster is not asked once per party."""
        if self._producer is None:
            if time.monotonic() < self._producer_tried_again_at:
                raise KafkaTimeoutError("the cluster was out of reach a moment ago")
            try:
                self._producer = KafkaProducer(
                    **self._connection.producer_options(),
                    batch_size=BATCH_BYTES,
                    max_request_size=REQUEST_BYTES_MAX,
                    compression_type="lz4",
                    max_block_ms=BLOCK_MS_MAX,
                    request_timeout_ms=REQUEST_MS_MAX,
                    delivery_timeout_ms=DELIVERY_MS_MAX,
                    bootstrap_timeout_ms=BLOCK_MS_MAX,
                )
            except KafkaError:
                self._producer_tried_again_at = time.monotonic() + FIRST_PAUSE_SECONDS
                raise
        return self._producer

    def _collect(self) -> None:
        broken: set[str] = set()
        for name, party in self._parties.items():
            while party.unconfirmed and party.unconfirmed[0][1].is_done:
                number, future = party.unconfirmed.popleft()
                if future.failed():
                    _stall(name, party, number, future.exception)
                    broken.add(name)
                    break
                if not isinstance(future.value, RecordMetadata):
                    raise TransportFailure(
                        f"number `{number}` was answered with `{type(future.value).__name__}`: expected the broker's "
                        "record of it; the client library has changed"
                    )
                self._confirmed[name] = number
                party.pause_seconds = 0.0
        if broken:
            self._throw_producer_away(broken)

    def _throw_producer_away(self, broken: set[str]) -> None:
        """Close the producer; what others have under way and is not confirmed by now is handed over again."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            _abandon(producer)
        for name, party in self._parties.items():
            if name not in broken and party.unconfirmed:
                while party.unconfirmed and party.unconfirmed[0][1].succeeded():
                    self._confirmed[name] = party.unconfirmed.popleft()[0]
                if party.unconfirmed:
                    party.failed_number = party.unconfirmed[0][0]
                    party.tried_again_at = 0.0
                    party.unconfirmed.clear()

    def _await_oldest(self, deadline: float) -> None:
        oldest = next(party.unconfirmed[0][1] for party in self._parties.values() if party.unconfirmed)
        try:
            oldest.get(timeout=max(0.0, deadline - time.monotonic()))
        except KafkaError:
            return


def _abandon(producer: KafkaProducer) -> None:
    """End a producer at once. `close` alone first waits for what is under way, and fails where that never ends."""
    producer._sender.force_close()
    with suppress(KafkaError):
        producer.close(timeout=ABANDON_SECONDS_MAX)


def _stall(name: str, party: _Party, number: int, error: BaseException) -> None:
    """Hold back all that follows `number` until it is handed over again."""
    party.failed_number = min([number, *(waiting for waiting, _ in party.unconfirmed)])
    party.unconfirmed.clear()
    party.pause_seconds = min(max(FIRST_PAUSE_SECONDS, party.pause_seconds * 2), PAUSE_SECONDS_MAX)
    party.tried_again_at = time.monotonic() + party.pause_seconds
    _log.warning(
        "sending to party `%s` stalled at number `%d`: `%s`; tried again in `%.1f` s",
        name, party.failed_number, type(error).__name__, party.pause_seconds,
    )  # fmt: skip


def _begins_again(party: _Party, number: int) -> bool:
    """Say whether `number` ends the stall; it must close the hole, and the pause must be over."""
    if party.failed_number is None or number > party.failed_number or time.monotonic() < party.tried_again_at:
        return False
    party.failed_number = None
    return True
