"""How every Kafka client of the project connects: one place for the options that safety rests on.

Rules (each the answer to a trap that was reproduced with kafka-python 3.0.12):
- Authentication always; no anonymous client, not even on one machine.
- A client made before the broker listens must find it soon: short reconnect back-off.
- `receive_message_max_bytes` bounds what one answer may make us allocate; `fetch_max_bytes` asks for less.
- The client's loggers are capped before a client can be made (`contracts.kafka_logging`).

- Two client libraries, one meaning: `native_producer_options` says for librdkafka what `producer_options` says for
  kafka-python.

This module imports no Kafka client: it only names options.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from contracts.kafka_logging import cap_kafka_logging

_ERROR = 3
"""The level of syslog that librdkafka takes for errors and worse."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where the cluster is and as whom we speak to it."""

    bootstrap: str
    user: str
    password: str = field(repr=False)
    security_protocol: str = "SASL_PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    ca_file: str | None = None

    def client_options(self) -> dict[str, Any]:
        """The options of any kafka-python client (consumer, producer, admin)."""
        cap_kafka_logging()
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap.split(","),
            "security_protocol": self.security_protocol,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
            "reconnect_backoff_max_ms": 500,
        }
        if self.ca_file:
            options["ssl_cafile"] = self.ca_file
        return options

    def consumer_options(self) -> dict[str, Any]:
        """A consumer reads bytes, commits nothing by itself, skips nothing and creates nothing."""
        return self.client_options() | {
            "auto_offset_reset": "none",
            "enable_auto_commit": False,
            "isolation_level": "read_committed",
            "allow_auto_create_topics": False,
            "fetch_max_bytes": 4 * 1024 * 1024,
            "receive_message_max_bytes": 8 * 1024 * 1024,
        }

    def producer_options(self) -> dict[str, Any]:
        """A producer is idempotent, waits for all replicas and keeps order; never a transaction."""
        return self.client_options() | {
            "acks": "all",
            "enable_idempotence": True,
            "allow_auto_create_topics": False,
        }

    def native_producer_options(self) -> dict[str, Any]:
        """The options of a librdkafka producer: idempotent, waits for all replicas, keeps order."""
        cap_kafka_logging()
        options: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.user,
            "sasl.password": self.password,
            "reconnect.backoff.max.ms": 500,
            "acks": "all",
            "enable.idempotence": True,
            "allow.auto.create.topics": False,
            "log_level": _ERROR,
        }
        if self.ca_file:
            options["ssl.ca.location"] = self.ca_file
        return options
