"""`hub dev kafka` in the foreground: says where the broker and the credentials are, and stops on Ctrl-C."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka.admin import KafkaAdminClient

from contracts.connection import KafkaConnection
from contracts.failures import BadSetting, NotFound
from deploy.dev import dev


@pytest.mark.kafka
def test_it_runs_a_broker_until_it_is_interrupted(tmp_path: Path) -> None:
    command = "from deploy.dev import dev; dev()"
    running = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-u", "-c", command, "kafka", "--state", str(tmp_path / "kafka")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    said = [running.stdout.readline() for _ in range(7)]
    client_file = Path(said[1].rpartition(": ")[2].strip())
    client = json.loads(client_file.read_text(encoding="utf-8"))
    assert stat.S_IMODE(client_file.stat().st_mode) == 0o600
    assert client["bootstrap"] == said[0].split()[1]
    assert client["password"] not in "".join(said)
    admin = KafkaAdminClient(
        **KafkaConnection(client["bootstrap"], client["user"], client["password"]).client_options()
    )
    assert admin.list_topics() == []
    admin.close()
    addresses = {line.partition(": ")[0]: line.partition(": ")[2].strip() for line in said}
    issued = CliRunner().invoke(dev, ["certificate", client["user"], "--state", str(tmp_path / "kafka")])
    certificate, key = (line.partition(": ")[2] for line in issued.output.splitlines())
    by_certificate = KafkaConnection(
        addresses["over TLS by certificate"],
        client["user"],
        security_protocol="SSL",
        ca_file=addresses["the authority of both"],
        certificate_file=certificate,
        key_file=key,
    )
    admin = KafkaAdminClient(**by_certificate.client_options())
    assert admin.create_topics(["made-by-certificate"])
    admin.close()
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == 0
    running.stdout.close()


def test_a_certificate_is_issued_to_a_user_by_an_authority_that_is_there(tmp_path: Path) -> None:
    for user, failure in (("a-soc", NotFound), ("../a-soc", BadSetting), ("A-SOC", BadSetting)):
        done = CliRunner().invoke(dev, ["certificate", user, "--state", str(tmp_path)])
        assert isinstance(done.exception, failure)
