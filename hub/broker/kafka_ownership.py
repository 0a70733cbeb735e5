"""Kafka's consumer group as the one that says which shards are this worker's: `hub.broker.ports.Ownership`.

Rules:
- The group subscribes to the hub's own input and to nothing else: who is given partition k there owns shard k. No
  record is read here and no offset is committed; the partitions stay paused.
- The protocol is cooperative and sticky: a shard that moves is given up by its owner before anybody else is given it,
  and all others stay where they are, at work.
- The member is a static one: a worker that is killed and back within the session finds its shards as they were. One
  that ends on purpose leaves the group, so that others have its shards at once.
- Nothing that is stored rests on any of this: the fence in the store does. A member that was away too long learns
  that it has lost its shards from the group, or from the fence, whichever is sooner.
- A group that does not come to rest within half a minute is left with its client, and joined again with a new one.
  What was owned stays so until the group says otherwise.
- A client whose name another one has taken is of no more use. A broker that was away makes another one of our own
  client, when it answers what that had asked twice; so the group is joined anew at once. Only where that goes on is it
  another worker under our name, and this one ends.

Says which partitions of `in.hub.v1` are ours to `hub.worker`, which opens and closes the shards.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition
from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.errors import KafkaError as AdminError

from contracts.connection import KafkaConnection
from contracts.failures import BadSetting, TransportRefused
from contracts.topics import Names
from hub.broker.ports import GiveUp

_log: Final = logging.getLogger(__name__)
GROUP: Final = "workers"
REST_SECONDS_MAX: Final = 30.0
FENCED_MAX: Final = 3
FENCED_SECONDS: Final = 20.0
"""So often within so long: a worker with the same name takes it back whenever we have it."""
LEAVE_SECONDS_MAX: Final = 3.0
HEARTBEAT_SECONDS_MAX: Final = 0.5
_STATISTICS_MS: Final = 2_000
_CRITICAL: Final = 2
"""The level of syslog below which librdkafka says nothing: what is no worse comes as an error, and is told once."""

_FENCED: Final = frozenset({KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID})
"""What a client says that is of no more use; the library does not always call it fatal."""
_REFUSED: Final = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED})


class KafkaOwnership:
    """Implements `hub.broker.ports.Ownership`. `connection` is the hub reader's; `worker` names this member."""

    def __init__(
        self,
        connection: KafkaConnection,
        names: Names,
        worker: str,
        session_seconds: float,
        new_consumer: Callable[..., Any] = Consumer,
    ) -> None:
        self._connection = connection
        self._topic = names.hub_input
        self._group = names.hub_group(GROUP)
        self._worker = worker
        self._session_seconds = session_seconds
        self._new_consumer = new_consumer
        self._consumer: Any = None
        self._give_up: GiveUp = _nothing
        self._owned: frozenset[int] = frozenset()
        self._was_told = False
        self._rested_at = 0.0
        self._told: set[int] = set()
        """The errors that were said since the group was last at rest: each is said once, however often it comes."""
        self._fenced: list[float] = []
        self._is_fenced = False
        self._has_stopped = False
        self.rebuilds = 0

    @property
    def was_told(self) -> bool:
        """Whether the group has said anything yet."""
        return self._was_told

    def start(self, give_up: GiveUp) -> None:
        """Join the group; see `Ownership`."""
        self._give_up = give_up
        self._open()

    def look(self, wait_seconds: float = 0.0) -> frozenset[int]:
        """Take in what the group says, and return the shards owned now; see `Ownership`."""
        message = self._consumer.poll(wait_seconds)
        if message is not None and message.error() is not None:
            self._consider(message.error())
        if self._is_fenced:
            self._throw_consumer_away("the name of this worker was taken by another client of the group")
        elif self._has_stopped:
            self._throw_consumer_away("the client of the group has stopped")
        elif time.monotonic() - self._rested_at > REST_SECONDS_MAX:
            self._throw_consumer_away(f"the group did not come to rest for {REST_SECONDS_MAX:.0f} s")
        return self._owned

    def close(self) -> None:
        """Leave the group, so that others are given our shards at once."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        member = consumer.memberid()
        consumer.close()
        self._owned = frozenset()
        if member:
            self._leave(member)

    def _open(self) -> None:
        self._rested_at, self._was_told = time.monotonic(), False
        heartbeat_seconds = min(HEARTBEAT_SECONDS_MAX, self._session_seconds / 4)
        consumer = self._new_consumer(
            {
                **self._connection.native_client_options(),
                "log_level": _CRITICAL,
                "group.id": self._group,
                "group.instance.id": self._worker,
                "session.timeout.ms": int(self._session_seconds * 1000),
                "heartbeat.interval.ms": int(heartbeat_seconds * 1000),
                "partition.assignment.strategy": "cooperative-sticky",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "statistics.interval.ms": _STATISTICS_MS,
                "error_cb": self._consider,
                "stats_cb": self._rests,
            },
            logger=_log,
        )
        self._consumer = consumer
        consumer.subscribe([self._topic], on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)

    def _given(self, consumer: Any, places: Sequence[TopicPartition]) -> None:
        """Take what the group gives; a new client is told all that is ours, an old one what comes to it."""
        for place in places:
            place.offset = OFFSET_END
        try:
            consumer.incremental_assign(places)
            consumer.pause(places)
        except KafkaException as failure:  # it has just stopped: nothing is ours before the group is joined anew
            _log.warning("the group of the workers: `%s` while shards were given", failure.args[0].name())
            self._has_stopped = consumer is self._consumer
            return
        if consumer is not self._consumer:
            return
        given = frozenset(place.partition for place in places)
        if not self._was_told:
            self._was_told = True
            self._drop(self._owned - given)
        self._owned |= given
        if given:
            _log.info("the group gives shards %s to worker `%s`", sorted(given), self._worker)

    def _taken(self, consumer: Any, places: Sequence[TopicPartition]) -> None:
        if consumer is self._consumer:
            self._drop(frozenset(place.partition for place in places))

    def _drop(self, shards: frozenset[int]) -> None:
        """Give up `shards`; when this returns, the group may give them to somebody else."""
        lost = self._owned & shards
        self._owned -= shards
        if lost:
            _log.info("the group takes shards %s from worker `%s`", sorted(lost), self._worker)
            self._give_up(lost)

    def _rests(self, statistics: str) -> None:
        """Note that the group was at rest, with us in it."""
        group = json.loads(statistics).get("cgrp", {})
        if group.get("state") == "up" and group.get("join_state") == "steady":
            self._rested_at = time.monotonic()
            if self._told:
                self._told.clear()
                _log.info("the group of the workers is at rest again")

    def _consider(self, error: KafkaError) -> None:
        """Raise where trying again cannot help; the client tries everything else again by itself."""
        if error.fatal() or error.code() in _FENCED:
            self._note_fenced(error)
            return
        if error.code() in _REFUSED:
            raise TransportRefused(
                f"group `{self._group}` on topic `{self._topic}` refused user `{self._connection.user}` "
                f"(`{error.name()}`): give the hub's reader its rights"
            )
        if error.code() not in self._told:
            self._told.add(error.code())
            _log.warning("the group of the workers: `%s`; tried again until it goes", error.name())

    def _note_fenced(self, error: KafkaError) -> None:
        """Have the group joined anew; raise where that was of no use. What one client says again counts once."""
        if self._is_fenced:
            return
        now, self._is_fenced = time.monotonic(), True
        self._fenced = [*(then for then in self._fenced if now - then < FENCED_SECONDS), now]
        if len(self._fenced) >= FENCED_MAX:
            raise BadSetting(
                f"`HUB_WORKER`: another worker has come under the name `{self._worker}` (`{error.name()}`): "
                "give each worker of this hub a name of its own"
            )

    def _throw_consumer_away(self, why: str) -> None:
        """Join the group anew; the old client is closed apart, since that may wait for what does not answer."""
        self.rebuilds += 1
        self._is_fenced = self._has_stopped = False
        _log.warning("%s: joined anew", why)
        threading.Thread(target=partial(_close_quietly, self._consumer), name="old group client", daemon=True).start()
        self._open()

    def _leave(self, member: str) -> None:
        """Take our name out of the group: the broker would keep our shards for it until the session ends."""
        try:
            client = KafkaAdminClient(
                **self._connection.client_options()
                | {"bootstrap_timeout_ms": LEAVE_SECONDS_MAX * 1000, "request_timeout_ms": LEAVE_SECONDS_MAX * 1000}
            )
            try:
                client.remove_group_members(self._group, [MemberToRemove(member, self._worker)])
            finally:
                client.close()
        except AdminError as error:
            _log.warning("worker `%s` could not leave its group: `%s`", self._worker, type(error).__name__)


def _close_quietly(consumer: Any) -> None:
    try:
        consumer.close()
    except (KafkaException, RuntimeError) as error:
        _log.warning("an old client of the group did not close: `%s`", type(error).__name__)


def _nothing(_: frozenset[int]) -> None:
    pass
