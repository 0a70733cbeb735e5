"""A town under load on a broker that dies and freezes, and the history of what its senders and readers went through.

Rules:
- One agency states housing without a pause and states again what was not acknowledged, as an agency must; two
  subscriptions of the prison read through the real hub, each into a store of its own.
- A send is noted with the place that the broker acknowledged, a poll when its batch is stored.
- A kill ends when what was acknowledged before it, and something after it, has reached both readers: how long that took
  from when the broker was back is the recovery.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from consumers.examine import Step
from consumers.kafka_source import KafkaSource
from consumers.store import Move, PartyStore
from consumers.subscription import Subscription
from contracts.fact import event_id_of
from contracts.failures import Failure, TransportFailure
from deploy.local_kafka import LocalKafka
from producers.transport import OutgoingRecord
from tests.broker_kills.history import Poll, Send
from tests.takeovers.town import Town

PARTITIONS: Final = 2
CITIZENS: Final = 32
PER_TURN: Final = 20
PAUSE_SECONDS: Final = 0.1
FROZEN_SECONDS: Final = (1.0, 8.0)
"""Shorter and longer than the broker's session with its controller, and than the workers' with the group."""
STATING: Final = "A.SOC"
READING: Final = "PRI"
READERS: Final = ("one", "two")
KINDS: Final = ("kill", "freeze")


class NotingStore(PartyStore):
    """A party's store that notes each batch when it is stored."""

    reader: str
    polls: list[Poll]
    seen: set[str]

    def apply(self, steps: Sequence[Step], moves: Sequence[Move]) -> None:
        super().apply(steps, moves)
        for partition in sorted({step.partition for step in steps}):
            told = [step.attributes for step in steps if step.partition == partition]
            given = [(one.number, event_id_of(one.party, one.id)) for one in told]
            self.polls.append(Poll(self.reader, partition, given))
            self.seen.update(value for _, value in given)


class LoadedTown(Town):
    """The town; `sends` and `polls` are its history so far."""

    def __init__(self, kafka: LocalKafka, directory: Path, seed: int) -> None:
        super().__init__(kafka.admin, directory, citizens=CITIZENS, partitions=PARTITIONS)
        self._kafka = kafka
        self._draw = random.Random(seed)
        self._stopped = threading.Event()
        self._failures: list[BaseException] = []
        self.sends: list[Send] = []
        self.polls: list[Poll] = []
        self._seen: dict[str, set[str]] = {reader: set() for reader in READERS}
        self._seen_to = dict.fromkeys(READERS, 0)
        """How many of the first sends each reader has: all are looked at once, or the looking would be the load."""
        self._reading_ends = False

    @contextmanager
    def under_load(self) -> Iterator[None]:
        """Let the hub run, the agency state and the prison read; afterwards everybody has come to the end."""
        self.worker("one").start()
        self.settle_in()
        stating = self._thread(self._state, random.Random(self._draw.random()))
        reading = [self._thread(self._read, reader) for reader in READERS]
        try:
            yield
            self._stopped.set()
            stating.join()
            self.wait_until(self.is_quiet, "all is stored and sent")
            self.wait_until(lambda: self._have_seen(len(self.sends)), "all has reached the readers")
        finally:
            self._stopped.set()
            self._reading_ends = True
            for thread in (stating, *reading):
                thread.join()
        if self._failures:
            raise self._failures[0]

    def disturb(self, kind: str) -> float:
        """Kill the broker, or freeze it; return how many seconds after it was back all went on."""
        time.sleep(self._draw.uniform(0.2, 1.0))
        count = len(self.sends)
        if kind == "kill":
            self._kafka.kill()
            self._kafka.start()
        else:
            process = self._kafka.process_id
            assert process is not None, "the broker runs"
            os.kill(process, signal.SIGSTOP)
            time.sleep(self._draw.uniform(*FROZEN_SECONDS))
            os.kill(process, signal.SIGCONT)
        resumed = time.monotonic()
        more = count + PER_TURN
        self.wait_until(lambda: self._have_seen(more), f"all goes on after a {kind}", 120.0)
        return time.monotonic() - resumed

    def _have_seen(self, count: int) -> bool:
        """Whether so many sends were acknowledged, and each reader has them; raises what ended a thread."""
        if self._failures:
            raise self._failures[0]
        if len(self.sends) < count:
            return False
        for reader, seen in self._seen.items():
            while self._seen_to[reader] < count and self.sends[self._seen_to[reader]].value in seen:
                self._seen_to[reader] += 1
        return min(self._seen_to.values()) >= count

    def _thread(self, work: Callable[..., None], *given: Any) -> threading.Thread:
        def run() -> None:
            try:
                work(*given)
            except BaseException as failure:
                self._failures.append(failure)
                self._stopped.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _state(self, draw: random.Random) -> None:
        while not self._stopped.wait(PAUSE_SECONDS):
            records = [self._housing_now(case_id) for case_id in draw.choices(list(self.cases), k=PER_TURN)]
            self._state_until_acknowledged(records)

    def _state_until_acknowledged(self, records: Sequence[OutgoingRecord]) -> None:
        values = [event_id_of(STATING, dict(record.headers)["ce_id"].decode()) for record in records]
        while True:
            try:
                positions = self._publishers[STATING].publish_many(records)
            except TransportFailure:
                time.sleep(PAUSE_SECONDS)
                continue
            self.sends += [
                Send(position.partition, value, position.offset)
                for position, value in zip(positions, values, strict=True)
            ]
            self.stated.tried.update(values)
            self.stated.confirmed.update(values)
            return

    def _housing_now(self, case_id: str) -> OutgoingRecord:
        now, housing_id = datetime.now(UTC), uuid.uuid4()
        values = {"housingId": housing_id, "kind": "OWN_TENANCY", "at": now, "address": "Nygade 1"}
        return self.record(STATING, "HousingSecured", values, case_id, f"housing-{housing_id}", now)

    def _read(self, reader: str) -> None:
        names = self.world.names
        store = NotingStore.create(self.world.directory / f"reader-{reader}.db", READING)
        store.reader, store.polls, store.seen = reader, self.polls, self._seen[reader]
        source = KafkaSource(self.world.connection(names.user(READING)), names, READING)
        subscription = Subscription(READING, source, store)
        try:
            while not self._reading_ends:
                try:
                    subscription.advance(0.2)
                except Failure as failure:
                    if not failure.retriable:
                        raise
                    time.sleep(PAUSE_SECONDS)
        finally:
            subscription.close()
            store.close()
