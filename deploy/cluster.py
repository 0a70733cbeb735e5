"""Which cluster the commands work on: a local Kafka of their own, or the one that the settings name.

Rules:
- Without `HUB_KAFKA` a local broker is started for as long as it is needed, in a directory below `.state`.
- With it nothing is started: the cluster is reached as the deployer, whose password is in a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.connection import KafkaConnection, SecurityProtocol
from contracts.failures import BadSetting
from contracts.setting_faults import Brokers, setting_faults
from deploy.local_kafka import DEPLOYER_USER, LocalKafka

STATE_DIRECTORY = Path(".state")


class ClusterSettings(BaseSettings):
    """How the deployer reaches a cluster that is there already."""

    model_config = SettingsConfigDict(env_prefix="HUB_", extra="ignore", env_ignore_empty=True, validate_default=False)

    kafka: Brokers = Field("", description="bootstrap servers, `host:port[,host:port]`; empty starts a local broker")
    kafka_security: SecurityProtocol = Field(
        "SASL_PLAINTEXT", description="`SASL_PLAINTEXT`, `SASL_SSL` or `SSL` (client certificates)"
    )
    kafka_ca_file: Path | None = Field(None, description="certificate authority of the brokers, PEM; for TLS")
    deployer_user: str = Field(DEPLOYER_USER, description="the user that makes topics, users and rights")
    deployer_password_file: Path | None = Field(None, description="the deployer's password")
    deployer_certificate_file: Path | None = Field(None, description="its certificate, PEM, for `SSL`")
    deployer_key_file: Path | None = Field(None, description="the private key of that certificate")


@contextmanager
def opened_cluster() -> Iterator[tuple[KafkaConnection, Path]]:
    """Yield the deployer's connection and a directory for worlds; both last as long as the block runs.

    Raises `BadSetting` for settings that do not go together, `SetupFailure` where a local broker does not start.
    """
    settings = cluster_settings()
    STATE_DIRECTORY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cluster-", dir=STATE_DIRECTORY, ignore_cleanup_errors=True) as name:
        directory = Path(name).resolve()
        if settings.kafka:
            yield _connection(settings), directory
        else:
            with LocalKafka(directory / "kafka") as kafka:
                yield kafka.admin, directory


def deployer_connection() -> KafkaConnection:
    """The deployer's connection to the cluster that `HUB_KAFKA` names; raise `BadSetting` where it names none."""
    settings = cluster_settings()
    if not settings.kafka:
        raise BadSetting("`HUB_KAFKA` is not set: expected the cluster to work on; `hub dev kafka` starts one")
    return _connection(settings)


def cluster_settings() -> ClusterSettings:
    """Read the settings; raise `BadSetting` naming each that is impossible."""
    try:
        return ClusterSettings()
    except ValidationError as invalid:
        raise BadSetting(f"settings: {setting_faults('HUB_', invalid)}") from None


def _connection(settings: ClusterSettings) -> KafkaConnection:
    return KafkaConnection(
        settings.kafka,
        settings.deployer_user,
        _password(settings.deployer_password_file) if settings.kafka_security != "SSL" else "",
        settings.kafka_security,
        ca_file=_text(settings.kafka_ca_file),
        certificate_file=_text(settings.deployer_certificate_file),
        key_file=_text(settings.deployer_key_file),
    )


def _password(file: Path | None) -> str:
    if file is None:
        raise BadSetting("`HUB_KAFKA` is set without `HUB_DEPLOYER_PASSWORD_FILE`: expected a file with the password")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as unreadable:
        raise BadSetting(f"file `{file}` cannot be read ({type(unreadable).__name__}): expected a password") from None


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
