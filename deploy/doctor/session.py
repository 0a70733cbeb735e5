"""What the broker thinks of a user that it has let in: password, topics, rights, clocks.

Rules:
- Asked through librdkafka, which hands on what the broker said; other clients wait in silence.
- Nothing is written and no position is moved: a right is read from the broker's own answer about this user.
- A broker does not tell a wrong password from an unknown user, nor a topic that is not there from one that this user
  may not see; neither does the doctor.
- Clocks are compared on what lies on the party's own output: nothing there can be later than now, and no fact of the
  party's own can have been published later than it came back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Final

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AclOperation, AdminClient

from contracts.civil_time import instant_of
from contracts.cloudevents import parse_time
from contracts.connection import KafkaConnection
from contracts.failures import Refused
from contracts.partitioning import murmur2, partition_of
from contracts.topics import Names
from deploy.doctor.findings import BROKER, HERE, Finding, not_tried, ok, refused

SECONDS_MAX: Final = 10.0
RECORDS_LOOKED_AT: Final = 20
SKEW_MS_MAX: Final = 1_000
"""Clocks this close are called equal: a record takes some time to be written."""
EXAMPLE_KEY: Final = b"foobar"
_RIGHTS_FIX: Final = "tell the operator, who compares rights with `hub deploy rights --check`"


def look_at_session(
    connection: KafkaConnection, names: Names, party: str, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    """Yield a finding for each step as the user of `party`; without a session nothing more is tried."""
    errors: list[KafkaError] = []
    client = AdminClient(connection.native_client_options() | {"error_cb": errors.append, "log_level": 0})
    step = "password" if connection.uses_password else "user"
    if refusal := _let_in(client, errors):
        yield _not_let_in(step, connection, refusal)
        for later in ("input topic", "output topic", "own groups", "partitioner", "clocks"):
            yield not_tried(later, f"rests on the {step}")
        return
    yield ok(step, f"the broker knows `{connection.user}`")
    written, read = names.input(party), names.output(party)
    found = client.describe_topics(TopicCollection([written, read]), include_authorized_operations=True)
    yield _topic("input topic", written, found[written], AclOperation.WRITE)
    output = _topic("output topic", read, found[read], AclOperation.READ)
    yield output
    yield _groups(client, names.party_group(party, "doctor"))
    yield _partitioner(found[written], found[read])
    yield (
        _clocks(connection, read, party, clock)
        if output.outcome == "ok"
        else not_tried("clocks", "rests on the output")
    )


def _let_in(client: AdminClient, errors: Sequence[KafkaError]) -> KafkaError | None:
    """Wait until the broker answers a question of a user; what it said where it does not."""
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        try:
            client.list_topics(timeout=0.5)
        except KafkaException as failure:
            client.poll(0)
            refusal = next((error for error in errors if error.code() == KafkaError._AUTHENTICATION), None)
            if refusal is not None or time.monotonic() > deadline:
                return refusal or failure.args[0]
        else:
            return None


def _not_let_in(step: str, connection: KafkaConnection, refusal: KafkaError) -> Finding:
    said = refusal.str()
    if "nsupported" in said and "mechanism" in said:
        return refused(step, BROKER, f"it takes no `{connection.sasl_mechanism}` here", "check the port")
    if refusal.code() == KafkaError._AUTHENTICATION:
        return refused(
            step,
            BROKER,
            f"wrong password, or no user `{connection.user}`: a broker does not say which",
            "compare the user's name; then ask the operator for a new password",
        )
    return refused(
        step,
        BROKER,
        f"no answer to `{connection.user}` in time ({refusal.name()})",
        "is the broker overloaded; ask its operator",
    )


def _topic(step: str, topic: str, asked: Future[Any], right: AclOperation) -> Finding:
    try:
        described = asked.result(SECONDS_MAX)
    except KafkaException as failure:
        return refused(
            step, BROKER, f"`{topic}` is not there, or this user may not see it ({failure.args[0].name()})", _RIGHTS_FIX
        )
    allowed = {operation.name for operation in described.authorized_operations or ()}
    if right.name not in allowed:
        return _no_right(step, f"no right to {right.name.lower()} `{topic}`")
    return ok(step, f"`{topic}`, {len(described.partitions)} partitions, may {right.name.lower()}")


def _groups(client: AdminClient, group: str) -> Finding:
    step, said = "own groups", f"no right to groups like `{group}`"
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        asked = client.describe_consumer_groups([group], include_authorized_operations=True)
        try:
            allowed = asked[group].result(SECONDS_MAX).authorized_operations or ()
            return ok(step, f"groups like `{group}`") if AclOperation.READ in allowed else _no_right(step, said)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                return _no_right(step, said)
            if time.monotonic() > deadline:
                return not_tried(step, f"the broker is not ready to say ({error.name()})")
        time.sleep(0.1)  # a broker that has had no group yet first makes a topic for them


def _no_right(step: str, said: str) -> Finding:
    return refused(step, BROKER, said, _RIGHTS_FIX)


def _partitioner(*asked: Future[Any]) -> Finding:
    counts = {len(future.result().partitions) for future in asked if future.exception() is None}
    if len(counts) > 1:
        said = " and ".join(str(count) for count in sorted(counts))
        return refused(
            "partitioner",
            BROKER,
            f"input and output have {said} partitions",
            "tell the operator: the hub needs one number",
        )
    if not counts:
        return not_tried("partitioner", "rests on the topics")
    (count,) = counts
    key = EXAMPLE_KEY.decode("ascii")
    return ok(
        "partitioner",
        f"key `{key}` has murmur2 {murmur2(EXAMPLE_KEY)}, so partition {partition_of(EXAMPLE_KEY, count)} of {count}: "
        f"compare your client (librdkafka needs `partitioner=murmur2_random`)",
    )


def _clocks(connection: KafkaConnection, topic: str, party: str, clock: Callable[[], datetime]) -> Finding:
    latest, ahead = 0, 0
    for message in _last_records(connection, topic):
        kind, stamped = message.timestamp()
        if kind != TIMESTAMP_LOG_APPEND_TIME:
            return not_tried(
                "clocks",
                "the broker does not stamp these records: right in a played world alone, elsewhere tell the operator, "
                "who compares topics with `hub deploy topics --check`",
            )
        latest = max(latest, stamped)
        if (published := _published_by(message, party)) is not None:
            ahead = max(ahead, published - stamped)
    if not latest:
        return not_tried("clocks", f"no record on `{topic}` to compare with")
    now_ms = instant_of(clock())  # only now: records may have come while they were read
    fix = "let this machine keep time by NTP"
    if latest - now_ms > SKEW_MS_MAX:
        return refused(
            "clocks", HERE, f"this clock is {(latest - now_ms) / 1000:.0f} s or more behind the broker's", fix
        )
    if ahead > SKEW_MS_MAX:
        return refused(
            "clocks",
            HERE,
            f"a fact of your own came back {ahead / 1000:.0f} s before its `ce_time`: a clock is ahead",
            fix,
        )
    return ok("clocks", f"the newest record is {max(0, now_ms - latest) / 1000:.0f} s old, none is later than now")


def _last_records(connection: KafkaConnection, topic: str) -> Iterator[Message]:
    """The last records of each partition; fewer where they do not come in time."""
    options = {"group.id": "unused", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer(connection.native_client_options() | options)
    try:
        partitions = [
            TopicPartition(topic, number)
            for number in consumer.list_topics(topic, SECONDS_MAX).topics[topic].partitions
        ]
        for place in partitions:
            first, end = consumer.get_watermark_offsets(place, SECONDS_MAX)
            place.offset = max(first, end - RECORDS_LOOKED_AT)
        consumer.assign(partitions)
        waited_for = len(partitions)
        deadline = time.monotonic() + SECONDS_MAX
        while waited_for and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None:
                continue
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                waited_for -= 1
    finally:
        consumer.close()


def _published_by(message: Message, party: str) -> int | None:
    """When `party` published the fact, by its own clock; `None` for the facts of others."""
    headers: dict[str, Any] = dict(message.headers() or [])
    if headers.get("ce_source") != f"urn:party:{party}".encode() or not isinstance(headers.get("ce_time"), bytes):
        return None
    try:
        return parse_time(headers["ce_time"].decode("ascii"))
    except (Refused, UnicodeDecodeError):
        return None
