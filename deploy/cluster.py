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
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.connection import KafkaConnection
from contracts.failures import BadSetting
from deploy.local_kafka import DEPLOYER_USER, LocalKafka

STATE_DIRECTORY = Path(".state")


class ClusterSettings(BaseSettings):
    """How the deployer reaches a cluster that is there already."""

    model_config = SettingsConfigDict(env_prefix="HUB_", extra="ignore")

    kafka: str = Field("", description="bootstrap servers, `host:port[,host:port]`; empty starts a local broker")
    kafka_security: Literal["SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "SASL_PLAINTEXT", description="`SASL_PLAINTEXT` or `SASL_SSL`"
    )
    kafka_ca_file: Path | None = Field(None, description="certificate authority of the brokers, for `SASL_SSL`")
    deployer_user: str = Field(DEPLOYER_USER, description="the user that makes topics, users and rights")
    deployer_password_file: Path | None = Field(None, description="the deployer's password")


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
        names = ", ".join(f"`HUB_{'_'.join(map(str, error['loc'])).upper()}`" for error in invalid.errors())
        raise BadSetting(f"settings {names} are impossible: expected what `deploy.cluster` describes") from None


def _connection(settings: ClusterSettings) -> KafkaConnection:
    file = settings.deployer_password_file
    if file is None:
        raise BadSetting("`HUB_KAFKA` is set without `HUB_DEPLOYER_PASSWORD_FILE`: expected a file with the password")
    try:
        password = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as unreadable:
        raise BadSetting(f"file `{file}` cannot be read ({type(unreadable).__name__}): expected a password") from None
    return KafkaConnection(
        settings.kafka,
        settings.deployer_user,
        password,
        settings.kafka_security,
        ca_file=str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
    )
