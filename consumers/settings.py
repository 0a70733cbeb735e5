"""The settings of one subscription process, from the environment: `HUB_CONSUMER_*`.

Rules:
- A missing or impossible setting stops the process at its start and is named; the password's value never is.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.connection import KafkaConnection, SecurityProtocol
from contracts.failures import BadSetting
from contracts.setting_faults import Brokers, setting_faults
from contracts.topics import Names


class ConsumerSettings(BaseSettings):
    """Whose records are read, from where, into which store."""

    model_config = SettingsConfigDict(
        env_prefix="HUB_CONSUMER_",
        env_ignore_empty=True,
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    party: str
    """The party id, `A.SOC`."""
    store: Path
    """The party's store, made once by `python -m consumers make-store`."""
    bootstrap: Brokers
    """The brokers, `host:port[,host:port]`."""
    password: SecretStr | None = None
    """The password of the party's Kafka user; not with `SSL`."""
    hub_keys_file: Path | None = None
    """The hub's public keys, one a line; without it no signature is checked"""
    world: str = ""
    """The name of a played world; empty in production."""
    security_protocol: SecurityProtocol = "SASL_SSL"
    """`SASL_SSL`, or `SSL` with a client certificate; `SASL_PLAINTEXT` only on one machine."""
    ca_file: str | None = None
    """The certificate authority of the brokers, where the machine does not know it."""
    certificate_file: str | None = None
    """The party's client certificate, PEM, for `SSL`."""
    key_file: str | None = None
    """The private key of that certificate."""

    @property
    def names(self) -> Names:
        """The names of topics and users."""
        return Names(self.world)

    @property
    def connection(self) -> KafkaConnection:
        """How the party's own user connects."""
        return KafkaConnection(
            self.bootstrap,
            self.names.user(self.party),
            self.password.get_secret_value() if self.password else "",
            security_protocol=self.security_protocol,
            ca_file=self.ca_file,
            certificate_file=self.certificate_file,
            key_file=self.key_file,
        )


def consumer_settings() -> ConsumerSettings:
    """Read the settings; raise `BadSetting` naming each that is missing or impossible."""
    try:
        return ConsumerSettings()
    except ValidationError as error:
        raise BadSetting(f"{setting_faults('HUB_CONSUMER_', error)}; set it in the environment") from None
