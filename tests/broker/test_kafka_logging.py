"""Whatever a program sets, the Kafka client logs no key, value, header or password."""

from __future__ import annotations

import logging

import kafka  # noqa: F401  the client's loggers exist from here on
import pytest

from contracts.connection import KafkaConnection
from contracts.kafka_logging import quiet_kafka_logging

LOGGERS = ("kafka", "kafka.producer.kafka", "kafka.consumer.fetcher", "kafka.admin.client", "kafka.net.connection")


@pytest.mark.parametrize("name", LOGGERS)
def test_the_client_says_nothing_below_info(name: str, caplog: pytest.LogCaptureFixture) -> None:
    KafkaConnection("127.0.0.1:1", "user", "password").client_options()
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger=name):
        logging.getLogger(name).debug("a citizen's key")
        logging.getLogger(name).info("connected")
    assert caplog.messages == ["connected"]


def test_a_connection_does_not_show_its_password() -> None:
    assert "very-secret" not in repr(KafkaConnection("127.0.0.1:1", "user", "very-secret"))


@pytest.mark.parametrize(("level", "told"), [(logging.INFO, ["broken"]), (logging.DEBUG, ["away", "broken"])])
def test_a_program_that_runs_for_long_silences_the_client_but_at_debug(
    level: int, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    client = logging.getLogger("kafka")
    before = client.level
    try:
        client.setLevel(logging.NOTSET)
        with caplog.at_level(level):
            quiet_kafka_logging()
            logging.getLogger("kafka.net.connection").error("away")
            logging.getLogger("kafka.net.connection").critical("broken")
    finally:
        client.setLevel(before)
    assert caplog.messages == told
