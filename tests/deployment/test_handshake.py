"""The steps to an address that can be none: a finding, whatever is written there. No broker is asked."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from contracts.connection import KafkaConnection
from contracts.topics import Names
from deploy.doctor.command import examine
from deploy.doctor.findings import Finding
from deploy.doctor.handshake import look_at_address
from deploy.kafka.certificates import Authority
from tests.encrypted_world import NOW

ANYWHERE = KafkaConnection("a:1", "A.SOC", "password")


def _refusals(found: list[Finding]) -> list[tuple[str, str | None]]:
    assert all(finding.fix for finding in found if finding.outcome == "refused")
    return [(finding.step, finding.side) for finding in found if finding.outcome == "refused"]


@pytest.mark.parametrize("host", ["kafka..dk", ".dk", "x" * 64 + ".dk", "x" * 300, "\udcff.dk"])
def test_a_host_that_can_be_no_name_is_a_finding(host: str) -> None:
    found = list(look_at_address(ANYWHERE, f"{host}:9092"))
    assert _refusals(found) == [("name", "this machine")]
    assert "cannot be a name" in found[0].detail
    assert [finding.outcome for finding in found[1:]] == ["not tried"] * 3


@pytest.mark.parametrize("port", ["", "x", "65536", "9" * 5_000])
def test_a_port_that_is_none_is_a_finding(port: str) -> None:
    assert _refusals(list(look_at_address(ANYWHERE, f"localhost:{port}"))) == [("name", "this machine")]


def test_what_follows_an_address_that_can_be_none_is_looked_at_too() -> None:
    connection = KafkaConnection("kafka..dk:9092,localhost:none", "A.SOC", "password")
    found = list(examine(connection, Names(), "A.SOC", lambda: NOW))
    assert _refusals(found) == [("name", "this machine")] * 2
    assert found[-1] == Finding("session", "not tried", "no broker answered")


def test_a_name_that_no_certificate_has_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority.create(tmp_path, "the test's own", NOW)
    connection = KafkaConnection("a:1", "A.SOC", "password", "SASL_SSL", ca_file=str(authority.file))
    here, there = socket.socketpair()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("192.0.2.1", 9092))])
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: here)
    with there:
        found = list(look_at_address(connection, ".broker:9092"))
    assert _refusals(found) == [("encryption", "this machine")]
    assert "the name of no certificate" in found[2].detail
