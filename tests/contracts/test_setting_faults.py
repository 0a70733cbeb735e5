"""Settings of the worker and the deployer: what is wrong is named, with expected values exactly as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.failures import BadSetting
from deploy.cluster import cluster_settings
from hub.settings import load_settings

NEEDED = {
    "KAFKA": "127.0.0.1:9092,[::1]:9093",
    "REGISTRY_FILE": "registry.toml",
    "STATE_DIRECTORY": "state",
    "MASTER_KEY_FILE": "master",
    "SECRET_FILE": "secret",
    "SIGNING_KEY_FILE": "key",
    "PRINCIPALS_FILE": "principals.toml",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"HUB_{name}", value)


@pytest.mark.parametrize("brokers", ["", "localhost", "localhost:", ":9092", "a:1,b", "a:0", "a:65536", "SSL://a:1"])
def test_brokers_that_no_client_could_find_are_refused_by_name(monkeypatch: pytest.MonkeyPatch, brokers: str) -> None:
    assert load_settings().kafka == NEEDED["KAFKA"]
    monkeypatch.setenv("HUB_KAFKA", brokers)
    with pytest.raises(BadSetting, match="`HUB_KAFKA`: ") as refused:
        load_settings()
    if brokers:
        assert "expected `host:port[,host:port]`" in str(refused.value)
        with pytest.raises(BadSetting, match="`HUB_KAFKA`: expected `host:port"):
            cluster_settings()
    else:
        assert cluster_settings().kafka == "", "the deployer starts a local broker then"


def test_expected_values_stand_exactly_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_KAFKA_SECURITY", "sasl_ssl")
    for read in (load_settings, cluster_settings):
        with pytest.raises(BadSetting, match=r"`HUB_KAFKA_SECURITY`: input should be .*'SASL_SSL'"):
            read()


def test_an_empty_setting_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_RULES_DIRECTORY", "")
    assert load_settings().rules_directory is None
    monkeypatch.setenv("HUB_RULES_DIRECTORY", "rules")
    assert load_settings().rules_directory == Path("rules")
