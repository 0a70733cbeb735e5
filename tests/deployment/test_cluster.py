"""The commands reach the cluster that the settings name, and refuse settings that do not go together."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
from kafka.errors import ClusterAuthorizationFailedError, KafkaError, KafkaTimeoutError

from contracts.connection import KafkaConnection
from contracts.failures import BadSetting, TransportFailure
from deploy import world_making
from deploy.cluster import deployer_connection, opened_cluster


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HUB_KAFKA", "HUB_DEPLOYER_USER", "HUB_DEPLOYER_PASSWORD_FILE", "HUB_KAFKA_SECURITY"):
        monkeypatch.delenv(name, raising=False)


def test_named_cluster_is_reached_as_the_deployer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    monkeypatch.setenv("HUB_KAFKA", "a:1,b:2")
    monkeypatch.setenv("HUB_KAFKA_SECURITY", "SASL_SSL")
    monkeypatch.setenv("HUB_DEPLOYER_USER", "someone")
    monkeypatch.setenv("HUB_DEPLOYER_PASSWORD_FILE", str(tmp_path / "password"))
    with opened_cluster() as (admin, directory):
        assert (admin.bootstrap, admin.user, admin.password) == ("a:1,b:2", "someone", "secret")
        assert admin.security_protocol == "SASL_SSL"
        assert directory.is_dir()
        assert directory.is_absolute()
    assert not directory.exists()


def test_named_cluster_without_a_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_KAFKA", "a:1")
    with pytest.raises(BadSetting, match="HUB_DEPLOYER_PASSWORD_FILE"), opened_cluster():
        pass


def test_password_file_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUB_KAFKA", "a:1")
    monkeypatch.setenv("HUB_DEPLOYER_PASSWORD_FILE", str(tmp_path / "absent"))
    with pytest.raises(BadSetting, match="cannot be read"), opened_cluster():
        pass


def test_cluster_without_authentication_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_KAFKA", "a:1")
    monkeypatch.setenv("HUB_KAFKA_SECURITY", "PLAINTEXT")
    with pytest.raises(BadSetting, match="HUB_KAFKA_SECURITY"), opened_cluster():
        pass


def test_a_hub_is_made_on_a_named_cluster_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="`HUB_KAFKA` is not set"):
        deployer_connection()
    (tmp_path / "password").write_text("secret\n")
    monkeypatch.setenv("HUB_KAFKA", "a:1")
    monkeypatch.setenv("HUB_DEPLOYER_PASSWORD_FILE", str(tmp_path / "password"))
    assert (deployer_connection().bootstrap, deployer_connection().password) == ("a:1", "secret")


def test_a_deployer_with_a_certificate_needs_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUB_KAFKA", "a:1")
    monkeypatch.setenv("HUB_KAFKA_SECURITY", "SSL")
    with pytest.raises(BadSetting, match="expected a certificate file and a key file"):
        deployer_connection()
    monkeypatch.setenv("HUB_DEPLOYER_CERTIFICATE_FILE", "deployer.pem")
    monkeypatch.setenv("HUB_DEPLOYER_KEY_FILE", "deployer.key")
    connection = deployer_connection()
    assert (connection.certificate_file, connection.key_file) == ("deployer.pem", "deployer.key")


def test_a_cluster_that_does_not_answer_has_refused_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(error: KafkaError) -> None:
        def client(**_options: object) -> NoReturn:
            raise error

        monkeypatch.setattr(world_making, "KafkaAdminClient", client)
        with world_making.administering(KafkaConnection("127.0.0.1:1", "deployer", "password")):
            pass

    with pytest.raises(TransportFailure, match="does not answer") as silent:
        raising(KafkaTimeoutError())
    assert "refused" not in str(silent.value)
    with pytest.raises(TransportFailure, match="refused user `deployer`"):
        raising(ClusterAuthorizationFailedError())
