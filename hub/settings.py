"""The settings of one worker, read from the environment (`HUB_...`) and nowhere else.

Rules:
- Secrets are files, named here by path: an environment is too easily printed.
- A missing or impossible setting stops the worker with a message that names it. An empty one is not set.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.connection import KafkaConnection, SecurityProtocol
from contracts.failures import BadSetting
from contracts.setting_faults import Brokers, setting_faults
from contracts.topics import Names

SECRET_BYTES = 32


class WorkerSettings(BaseSettings):
    """What `python -m hub` needs to know."""

    model_config = SettingsConfigDict(env_prefix="HUB_", extra="ignore", env_ignore_empty=True)

    kafka: Brokers = Field(description="bootstrap servers, `host:port[,host:port]`")
    kafka_security: SecurityProtocol = Field(
        "SASL_PLAINTEXT", description="`SASL_PLAINTEXT`, `SASL_SSL` or `SSL` (client certificates)"
    )
    kafka_ca_file: Path | None = Field(None, description="certificate authority of the brokers, PEM; for TLS")
    reader_password_file: Path | None = Field(None, description="password of the user that reads inputs and ticks")
    reader_certificate_file: Path | None = Field(None, description="its certificate, PEM, in place of a password")
    reader_key_file: Path | None = Field(None, description="the private key of that certificate")
    sender_password_file: Path | None = Field(None, description="password of the user that writes outputs")
    sender_certificate_file: Path | None = Field(None, description="its certificate, PEM, in place of a password")
    sender_key_file: Path | None = Field(None, description="the private key of that certificate")
    world: str = Field("", description="name of a played world; empty in production")
    played: bool = Field(
        False, description="whether records bring times of their own, in a played world; the broker's count otherwise"
    )
    registry_file: Path = Field(description="the party registry, TOML")
    rules_directory: Path | None = Field(None, description="the rule sets, TOML; those of the program if not set")
    state_directory: Path = Field(description="where the shards' stores and the key store are, unless in databases")
    store_url: str = Field("", description="PostgreSQL for the shards, `postgresql://hub@host/shards?passfile=...`")
    keys_url: str = Field("", description="PostgreSQL for the data keys; another database than that of the shards")
    master_key_file: Path = Field(description="32 bytes in hex that wrap the data keys")
    secret_file: Path = Field(description="32 bytes in hex from which pseudonyms are derived")
    signing_key_file: Path = Field(description="the hub's signing key: what it sends, and tells itself, is signed")
    principals_file: Path = Field(description="who else signs on the hub's own input, TOML: the operator's key")
    signature_processes: int = Field(2, ge=0, le=64, description="processes that sign and check; 0 = the worker itself")
    worker: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="this worker's name, the same after a restart and no other worker's; the host's if not set",
    )
    session_seconds: float = Field(
        6.0, ge=1.0, le=300.0, description="after how long without a sign of life others get its shards"
    )
    partitions: int = Field(8, ge=1, le=1024, description="number of shards; fixed when topics are created")
    tick_seconds: float = Field(5.0, ge=0, description="how often the worker ticks its shards; 0 = somebody else does")
    idle_write_seconds: float = Field(60.0, ge=0, description="how long positions of idle ticks may stay unwritten")
    metrics_address: str = Field("127.0.0.1", description="where `/metrics` listens")
    metrics_port: int = Field(0, ge=0, le=65535, description="port of `/metrics`; 0 takes a free one")

    @property
    def names(self) -> Names:
        """Topic, user and group names of this hub."""
        return Names(self.world)

    @property
    def worker_name(self) -> str:
        """The name of this worker among those of its hub."""
        return self.worker or re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:100]

    @property
    def metrics_address_file(self) -> Path:
        """Where this worker says that it is at work, and where its metrics are."""
        return self.state_directory / f"metrics-address-{self.worker_name}"

    def connection(self, service: str) -> KafkaConnection:
        """The connection of the hub's `reader` or `sender`."""
        if service == "reader":
            password, certificate, key = self.reader_password_file, self.reader_certificate_file, self.reader_key_file
        else:
            password, certificate, key = self.sender_password_file, self.sender_certificate_file, self.sender_key_file
        return KafkaConnection(
            self.kafka,
            self.names.service(service),
            _read(password).strip() if password else "",
            self.kafka_security,
            ca_file=_text(self.kafka_ca_file),
            certificate_file=_text(certificate),
            key_file=_text(key),
        )


def load_settings() -> WorkerSettings:
    """Read the settings; raise `BadSetting` naming each that is wrong."""
    try:
        return WorkerSettings()
    except ValidationError as invalid:
        raise BadSetting(f"settings: {setting_faults('HUB_', invalid)}") from None


def read_secret(file: Path) -> bytes:
    """Return the 32 bytes that `file` holds in hex; raise `BadSetting` on anything else."""
    try:
        secret = bytes.fromhex(_read(file).strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise BadSetting(f"file `{file}`: expected {SECRET_BYTES} bytes in hex")
    return secret


def _text(path: Path | None) -> str | None:
    return str(path) if path else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise BadSetting(f"file `{file}`: cannot be read ({type(unreadable).__name__})") from None
