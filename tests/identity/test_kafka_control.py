"""Control records on Kafka: on the shard's own partition, confirmed or failed, and readable by arrival."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError
from kafka.producer.future import RecordMetadata

from contracts.cloudevents import parse_attributes
from contracts.codec import codec
from contracts.connection import KafkaConnection
from contracts.failures import CallerFailure, TransportFailure, TransportRefused
from contracts.topics import Names
from hub.broker.kafka_control import KafkaControl

CONNECTION = KafkaConnection("broker.invalid:9092", "hub-operator", "a password")
ISSUED = {"caseId": str(uuid.UUID(int=1, version=4)), "party": "A.SOC", "key": "6f1d7b1e-2d5c-8a3b-9c4d-0123456789ab"}
STORED = RecordMetadata("w1.in.hub.v1", 5, None, 1, 1, None, 1, 1, 1)


class ScriptedProducer:
    """Stands for kafka-python's producer: each record's future gives the next scripted answer."""

    def __init__(self, answers: list[object]) -> None:
        self.answers = answers
        self.sent: list[dict[str, Any]] = []
        self.closed = False

    def send(self, topic: str, **record: Any) -> ScriptedProducer:
        assert not self.closed
        self.sent.append({"topic": topic, **record})
        return self

    def get(self, timeout: float) -> object:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def flush(self, timeout: float) -> None:
        """Nothing is under way."""

    def close(self, timeout: float) -> None:
        self.closed = True


def control_of(*producers: ScriptedProducer) -> KafkaControl:
    waiting = list(producers)

    def make(**options: Any) -> ScriptedProducer:
        assert set(options) <= set(KafkaProducer.DEFAULT_CONFIG)
        return waiting.pop(0)

    return KafkaControl(CONNECTION, Names("w1"), "identity", lambda: 1_736_337_600_000, new_producer=make)


def test_record_lies_on_the_given_partition_without_a_key_and_says_who_spoke() -> None:
    producer = ScriptedProducer([STORED])
    control_of(producer).publish(5, "KeyIssued", ISSUED)
    (sent,) = producer.sent
    attributes = parse_attributes(sent["headers"])
    decoded = codec().decode(sent["value"])
    assert (sent["topic"], sent["partition"], sent.get("key")) == ("w1.in.hub.v1", 5, None)
    assert attributes.source == "urn:party:HUB:identity"
    assert attributes.type == decoded.event_type.ce_type
    assert attributes.time == decoded.payload["occurredAt"] == 1_736_337_600_000
    assert {name: decoded.payload[name] for name in ISSUED} == ISSUED


def test_two_records_have_two_ids() -> None:
    producer = ScriptedProducer([STORED, STORED])
    control = control_of(producer)
    control.publish(5, "KeyIssued", ISSUED)
    control.publish(5, "KeyIssued", ISSUED)
    ids = {parse_attributes(sent["headers"]).id for sent in producer.sent}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(KafkaTimeoutError(), TransportFailure), (TopicAuthorizationFailedError(), TransportRefused)],
)
def test_after_a_failure_the_producer_is_thrown_away(answer: Exception, kind: type[TransportFailure]) -> None:
    failing, next_one = ScriptedProducer([answer]), ScriptedProducer([STORED])
    control = control_of(failing, next_one)
    with pytest.raises(TransportFailure) as caught:
        control.publish(5, "KeyIssued", ISSUED)
    assert type(caught.value) is kind
    assert ISSUED["key"] not in str(caught.value)
    assert failing.closed
    control.publish(5, "KeyIssued", ISSUED)
    assert len(next_one.sent) == 1


def test_an_answer_that_is_no_metadata_is_no_confirmation() -> None:
    with pytest.raises(TransportFailure, match="no record metadata"):
        control_of(ScriptedProducer([None])).publish(5, "KeyIssued", ISSUED)


@pytest.mark.parametrize(
    ("event_type", "payload", "problem"),
    [
        ("CaseOpened", {"caseNo": "1", "at": 1}, "is no control record"),
        ("Nonsense", {}, "is no control record"),
        ("KeyIssued", {"caseId": ISSUED["caseId"], "party": "A.SOC"}, "`key`"),
        ("KeyIssued", ISSUED | {"nationalId": "0101900001"}, "not in the contract"),
        ("KeyIssued", ISSUED | {"key": "0101900001"}, "`key`"),
    ],
)
def test_what_is_no_control_record_is_not_sent(event_type: str, payload: dict[str, Any], problem: str) -> None:
    producer = ScriptedProducer([])
    with pytest.raises(CallerFailure, match=problem) as caught:
        control_of(producer).publish(5, event_type, payload)
    assert "0101900001" not in str(caught.value)
    assert not producer.sent
