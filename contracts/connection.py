"""How every Kafka client of the project connects: one place for the options that safety rests on.

Rules (each the answer to a trap that was reproduced with kafka-python 3.0.12):
- Authentication always, by password (SCRAM) or by certificate; no anonymous client, not even on one machine.
- Over TLS the broker must show a certificate of the authority, for the name that it was called by.
- A client made before the broker listens must find it soon: short reconnect back-off.
- `receive_message_max_bytes` bounds what one answer may make us allocate; `fetch_max_bytes` asks for less.
- The client's loggers are capped before a client can be made (`contracts.kafka_logging`).

- Two client libraries, one meaning: `native_producer_options` says for librdkafka what `producer_options` says for
  kafka-python.

This module imports no Kafka client: it only names options.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from contracts.failures import BadSetting
from contracts.kafka_logging import cap_kafka_logging

_ERROR = 3
"""The level of syslog that librdkafka takes for errors and worse."""


SECURITY_PROTOCOLS: Final = ("SASL_PLAINTEXT", "SASL_SSL", "SSL")
SecurityProtocol = Literal["SASL_PLAINTEXT", "SASL_SSL", "SSL"]
"""Password in the open (one machine only), password over TLS, client certificate over TLS."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where the cluster is and as whom we speak to it.

    With `SSL` the user is who the certificate names; without it the password says. Files are PEM. Raises `BadSetting`
    where what proves the user is missing, or a protocol is asked for that proves none.
    """

    bootstrap: str
    user: str
    password: str = field(default="", repr=False)
    security_protocol: str = "SASL_PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    def __post_init__(self) -> None:
        """See the class."""
        if self.security_protocol not in SECURITY_PROTOCOLS:
            raise BadSetting(f"security protocol `{self.security_protocol}`: expected {', '.join(SECURITY_PROTOCOLS)}")
        if self.security_protocol == "SSL" and not (self.certificate_file and self.key_file):
            raise BadSetting(f"user `{self.user}` connects by `SSL`: expected a certificate file and a key file")
        if self.uses_password and not self.password:
            raise BadSetting(f"user `{self.user}` connects by `{self.security_protocol}`: expected a password")

    @property
    def uses_password(self) -> bool:
        """Whether the user is proved by a password."""
        return self.security_protocol.startswith("SASL_")

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted and the broker proved."""
        return self.security_protocol.endswith("SSL")

    def client_options(self) -> dict[str, Any]:
        """The options of any kafka-python client; raise `BadSetting` where a file that they name is not there."""
        cap_kafka_logging()
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap.split(","),
            "security_protocol": self.security_protocol,
            "reconnect_backoff_max_ms": 500,
        }
        if self.uses_password:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        if self.uses_tls:
            files = self._files()
            options |= {"ssl_check_hostname": True, "ssl_cafile": files.get("ca")}
            options |= {"ssl_certfile": files.get("certificate"), "ssl_keyfile": files.get("key")}
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

    def native_client_options(self) -> dict[str, Any]:
        """The options of any librdkafka client; raise `BadSetting` where a file that they name is not there."""
        cap_kafka_logging()
        options: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "reconnect.backoff.max.ms": 500,
            "allow.auto.create.topics": False,
            "log_level": _ERROR,
        }
        if self.uses_password:
            options |= {"sasl.mechanism": self.sasl_mechanism, "sasl.username": self.user}
            options |= {"sasl.password": self.password}
        if self.uses_tls:
            options["ssl.endpoint.identification.algorithm"] = "https"
            options |= {f"ssl.{name}.location": file for name, file in self._files().items()}
        return options

    def native_producer_options(self) -> dict[str, Any]:
        """The options of a librdkafka producer: idempotent, waits for all replicas, keeps order."""
        return self.native_client_options() | {"acks": "all", "enable.idempotence": True}

    def _files(self) -> dict[str, str]:
        named = {"ca": self.ca_file, "certificate": self.certificate_file, "key": self.key_file}
        files = {name: file for name, file in named.items() if file}
        for name, file in files.items():
            if not Path(file).is_file():
                raise BadSetting(f"{name} file `{file}` of user `{self.user}` is not there: expected a PEM file")
        return files
