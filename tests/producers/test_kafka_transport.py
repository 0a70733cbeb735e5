"""The Kafka transport: confirmed or failed, never silent; a producer that failed is never used again."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    OutOfOrderSequenceNumberError,
    TopicAuthorizationFailedError,
)
from kafka.producer.future import RecordMetadata

from contracts.connection import KafkaConnection
from contracts.failures import TransportFailure, TransportRefused
from producers.kafka_transport import KafkaTransport, producer_options
from producers.transport import OutgoingRecord, Position

CONNECTION = KafkaConnection("broker.invalid:9092", "a-soc", "a password")
HEADERS = [("ce_id", b"secret header")]


class Answer:
    """A future that answers, or raises, what the test says."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def get(self, timeout: float) -> object:
        assert timeout > 0
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class ScriptedProducer:
    """Stands for kafka-python's producer: gives the scripted answers in turn and keeps what it was sent."""

    def __init__(self, answers: list[object], **options: Any) -> None:
        self.options, self.answers = options, answers
        self.sent: list[dict[str, Any]] = []
        self.closed = False

    def send(self, topic: str, **record: Any) -> Answer:
        assert not self.closed
        answer = self.answers.pop(0)
        if isinstance(answer, MessageSizeTooLargeError):
            raise answer  # kafka-python raises this one from send itself
        self.sent.append({"topic": topic, **record})
        return Answer(answer)

    def flush(self, timeout: float) -> None:
        """Nothing is under way."""

    def close(self, timeout: float) -> None:
        self.closed = True


class Factory:
    """Makes one scripted producer after the other."""

    def __init__(self, *scripts: list[object]) -> None:
        self._scripts = list(scripts)
        self.made: list[ScriptedProducer] = []

    def __call__(self, **options: Any) -> ScriptedProducer:
        self.made.append(ScriptedProducer(self._scripts.pop(0), **options))
        return self.made[-1]


def stored(offset: int) -> RecordMetadata:
    return RecordMetadata("in.a-soc.v1", 3, None, offset, 1, None, 1, 1, 1)


def send(transport: KafkaTransport) -> Position:
    return transport.send("in.a-soc.v1", b"secret key", b"secret value", HEADERS)


def test_a_confirmed_record_gives_its_position() -> None:
    factory = Factory([stored(41)])
    assert send(KafkaTransport(CONNECTION, new_producer=factory)) == Position("in.a-soc.v1", 3, 41)
    (sent,) = factory.made[0].sent
    assert sent == {
        "topic": "in.a-soc.v1", "key": b"secret key", "value": b"secret value", "headers": HEADERS,
        "timestamp_ms": None,
    }  # fmt: skip


def test_nothing_connects_before_the_first_record() -> None:
    factory = Factory()
    KafkaTransport(CONNECTION, new_producer=factory).close()
    assert not factory.made


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (TopicAuthorizationFailedError(), TransportRefused, "may not write there"),
        (MessageSizeTooLargeError(), TransportRefused, "shorten it"),
        (KafkaTimeoutError(), TransportFailure, "state it again"),
        (NotEnoughReplicasError(), TransportFailure, "state the same facts again"),
        (OutOfOrderSequenceNumberError(), TransportFailure, "state the same facts again"),
    ],
)
def test_after_a_failure_the_producer_is_thrown_away_and_the_next_one_sends(
    error: KafkaError, kind: type[TransportFailure], remedy: str
) -> None:
    factory = Factory([error], [stored(7)])
    transport = KafkaTransport(CONNECTION, new_producer=factory)
    with pytest.raises(TransportFailure, match=remedy) as caught:
        send(transport)
    assert type(caught.value) is kind
    assert caught.value.retriable is (kind is TransportFailure)
    assert factory.made[0].closed
    assert send(transport).offset == 7


def test_a_failure_while_connecting_is_a_transport_failure() -> None:
    def refuse(**options: Any) -> None:
        raise KafkaTimeoutError("no broker")

    with pytest.raises(TransportFailure, match="the broker is down"):
        send(KafkaTransport(CONNECTION, new_producer=refuse))


def test_no_failure_shows_the_record_or_the_password() -> None:
    for error in (KafkaTimeoutError("secret value"), TopicAuthorizationFailedError("secret key")):
        with pytest.raises(TransportFailure) as caught:
            send(KafkaTransport(CONNECTION, new_producer=Factory([error])))
        assert "secret" not in str(caught.value)
        assert "password" not in str(caught.value).replace("the password is wrong", "")
        assert caught.value.__suppress_context__


def test_an_answer_that_is_no_metadata_is_no_confirmation() -> None:
    with pytest.raises(TransportFailure, match="expected record metadata"):
        send(KafkaTransport(CONNECTION, new_producer=Factory([None])))


def test_many_records_are_all_handed_over_before_the_first_answer_is_awaited() -> None:
    factory = Factory([stored(1), stored(2), stored(3)])
    records = [OutgoingRecord("in.a-soc.v1", b"k", bytes([n]), HEADERS, n) for n in range(3)]
    positions = KafkaTransport(CONNECTION, new_producer=factory).send_many(records)
    assert [position.offset for position in positions] == [1, 2, 3]
    assert [(each["value"], each["timestamp_ms"]) for each in factory.made[0].sent] == [
        (b"\0", 0),
        (b"\1", 1),
        (b"\2", 2),
    ]


def test_one_failure_among_many_fails_the_whole_call() -> None:
    factory = Factory([stored(1), NotEnoughReplicasError(), stored(3)])
    transport = KafkaTransport(CONNECTION, new_producer=factory)
    with pytest.raises(TransportFailure):
        transport.send_many([OutgoingRecord("in.a-soc.v1", b"k", b"v", HEADERS)] * 3)
    assert factory.made[0].closed


def test_no_record_is_no_request() -> None:
    assert KafkaTransport(CONNECTION, new_producer=Factory([])).send_many([]) == []


def test_producer_is_idempotent_without_transactions_and_knows_every_option() -> None:
    options = producer_options(CONNECTION, 30.0)
    assert options["acks"] == "all"
    assert options["enable_idempotence"] is True
    assert options["allow_auto_create_topics"] is False
    assert not any("transaction" in name for name in options)
    assert set(options) <= set(KafkaProducer.DEFAULT_CONFIG)
    assert options["delivery_timeout_ms"] >= options["request_timeout_ms"]


def test_kafkas_own_log_is_capped_at_info_even_where_the_program_logs_at_debug() -> None:
    root, kafka = logging.getLogger(), logging.getLogger("kafka")
    before = root.level, kafka.level
    try:
        root.setLevel(logging.DEBUG)
        kafka.setLevel(logging.NOTSET)
        KafkaTransport(CONNECTION)
        assert not logging.getLogger("kafka.producer.kafka").isEnabledFor(logging.DEBUG)
        assert logging.getLogger("kafka.producer.kafka").isEnabledFor(logging.INFO)
    finally:
        root.setLevel(before[0])
        kafka.setLevel(before[1])
