"""The program that the README shows is run as it stands there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import producers
import producers.kafka_transport
from contracts.cloudevents import parse_attributes
from contracts.codec import codec
from contracts.connection import KafkaConnection
from contracts.signatures import SigningKey, holds, signature_of, stated_message
from tests.producers.recording_transport import RecordingTransport

README = Path(producers.__file__).with_name("README.md")
KEY = "6f1d7b1e-2d5c-8a3b-9c4d-0123456789ab"


def test_first_event_from_a_blank_program_in_15_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert program.count("\n") <= 15
    transport = RecordingTransport()
    connections: list[KafkaConnection] = []

    def in_memory(connection: KafkaConnection) -> RecordingTransport:
        connections.append(connection)
        return transport

    monkeypatch.setattr(producers.kafka_transport, "KafkaTransport", in_memory)
    monkeypatch.setenv("HUB_BOOTSTRAP", "broker.invalid:9092")
    monkeypatch.setenv("HUB_PASSWORD", "a password")
    monkeypatch.setenv("CITIZEN_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(bytes(range(32)))
    (tmp_path / "signing-key").write_text("07" * 32)
    (tmp_path / "program.py").write_text(program)

    runpy.run_path(str(tmp_path / "program.py"), run_name="__main__")

    (record,) = transport.records
    assert codec().decode(record.value).event_type.name == "CaseOpened"
    assert parse_attributes(record.headers).party == "A.SOC"
    signature = signature_of(record.headers)
    message = stated_message(record.topic, record.key, record.headers, record.value)
    assert signature is not None
    assert holds(SigningKey(b"\x07" * 32).public, message, signature.value)
    assert connections[0].bootstrap == "broker.invalid:9092"
    assert "Position(topic='in.a-soc.v1'" in capsys.readouterr().out
