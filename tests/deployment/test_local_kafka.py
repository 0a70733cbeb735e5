"""The local broker as its users meet it: private files, no orphan, the same cluster after a kill, clear refusals."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient

from contracts.failures import BadSetting, NotFound, SetupFailure
from contracts.parties import Party, PartyRegistry
from deploy.kafka import jars
from deploy.kafka.jre import find_java
from deploy.kafka.node_state import NodeState, is_free
from deploy.local_kafka import LocalKafka
from deploy.world import World
from deploy.world_making import create_world, remove_world
from tests.conftest import MakeWorld

REGISTRY = PartyRegistry.of([Party("A.SOC"), Party("PSY", healthcare_provider=True)])
ORPHAN_MAKER = """
import sys, time
from pathlib import Path
from deploy.local_kafka import LocalKafka
kafka = LocalKafka(Path(sys.argv[1]))
kafka.start()
print(kafka.process_id, flush=True)
time.sleep(600)
"""


@pytest.mark.kafka
def test_a_killed_broker_comes_back_as_itself_even_after_a_world_was_removed(
    local_kafka: LocalKafka, make_world: MakeWorld
) -> None:
    kept, removed = make_world(REGISTRY), make_world(REGISTRY)
    sender = kept.connection(kept.names.service("sender"))
    producer = KafkaProducer(**sender.producer_options())
    producer.send(kept.names.output("PSY"), value=b"v", partition=0).get(timeout=10)
    producer.close()
    remove_world(removed, local_kafka.admin)
    before = local_kafka.bootstrap
    local_kafka.kill()
    assert not local_kafka.is_running
    local_kafka.start()
    assert local_kafka.bootstrap == before
    consumer = KafkaConsumer(
        kept.names.output("PSY"),
        **kept.connection(kept.names.user("PSY")).consumer_options() | {"auto_offset_reset": "earliest"},
        group_id=kept.names.party_group("PSY", "t"),
    )
    deadline = time.monotonic() + 60
    while not (found := consumer.poll(timeout_ms=200)) and time.monotonic() < deadline:
        pass
    consumer.close()
    assert [record.value for records in found.values() for record in records] == [b"v"]


@pytest.mark.kafka
def test_a_removed_world_leaves_no_topic_and_no_way_in(local_kafka: LocalKafka, make_world: MakeWorld) -> None:
    world = make_world(REGISTRY)
    remove_world(world, local_kafka.admin)
    client = KafkaAdminClient(**local_kafka.admin.client_options())
    assert [topic for topic in client.list_topics() if topic.startswith(world.names.prefix)] == []
    client.close()


@pytest.mark.kafka
def test_a_broker_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", ORPHAN_MAKER, str(tmp_path / "kafka")], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    broker = int(starter.stdout.readline())
    assert is_alive(broker)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    deadline = time.monotonic() + 10
    while is_alive(broker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(broker)


@pytest.mark.kafka
def test_secrets_are_private_and_never_in_the_log(local_kafka: LocalKafka) -> None:
    directory = local_kafka.log_file.parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    state = NodeState.read(directory / "node.json")
    for file in ("node.json", "server.properties", "ca.key", "broker.key", "broker-keystore.pem"):
        assert stat.S_IMODE((directory / file).stat().st_mode) == 0o600
    assert not (directory / "format.arguments").exists()
    log = local_kafka.log_file.read_text(encoding="utf-8", errors="replace")
    assert "Kafka Server started" in log
    for secret in (state.broker_password, state.deployer_password):
        assert secret not in log
        assert secret not in repr(state)


@pytest.mark.kafka
def test_a_world_is_read_back_as_it_was_made(local_kafka: LocalKafka, make_world: MakeWorld) -> None:
    world = make_world(REGISTRY, partitions=2)
    assert World.open(world.directory) == world
    assert stat.S_IMODE((world.directory / "secrets.json").stat().st_mode) == 0o600
    for secret in (*world.passwords.values(), world.hub_secret.hex(), world.master_key.hex()):
        assert secret not in repr(world)
    with pytest.raises(BadSetting, match="holds a world already"):
        create_world(world.directory, local_kafka.admin, REGISTRY, partitions=2, played=True, world_name="other")
    with pytest.raises(BadSetting, match="on the cluster already"):
        create_world(
            world.directory / "x", local_kafka.admin, REGISTRY, partitions=2, played=True, world_name=world.name
        )
    reader = KafkaConsumer(**world.connection(world.names.service("reader")).consumer_options())
    assert world.names.hub_input in reader.topics(), "its password does not hold any more"
    reader.close()
    with pytest.raises(BadSetting, match="partitions `0`"):
        create_world(world.directory / "x", local_kafka.admin, REGISTRY, partitions=0, played=True, world_name="other")
    for name in ("in", "psy", "a-soc", "Upper", "dot.ted"):
        with pytest.raises(BadSetting, match="world name"):
            create_world(world.directory / "x", local_kafka.admin, REGISTRY, partitions=1, played=True, world_name=name)


def test_there_is_no_world_where_none_was_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no world"):
        World.open(tmp_path)


def test_the_lock_file_names_every_jar_once() -> None:
    locked = jars.locked_jars()
    assert len(locked) == 46
    assert len({path.rpartition("/")[2] for path in locked}) == 46
    assert any(path.endswith("kafka_2.13-4.3.0.jar") for path in locked)


def test_without_a_network_the_message_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HUB_MAVEN", "http://127.0.0.1:1/nothing")
    monkeypatch.setattr(jars, "TRIES_MORE", 0)
    with pytest.raises(SetupFailure, match="`HUB_MAVEN`"):
        jars.fetch_jars()


def test_a_jar_with_another_hash_is_fetched_anew_or_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served = tmp_path / "maven"
    (served / "a").mkdir(parents=True)
    (served / "a" / "a-1.jar").write_bytes(b"not the released file")
    lock = tmp_path / "other.lock"
    lock.write_text(f"{'0' * 64}  a/a-1.jar\n", encoding="utf-8")
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=served,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        port = server.stdout.readline().split(" port ")[1].split()[0]
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("HUB_MAVEN", f"http://127.0.0.1:{port}")
        monkeypatch.setattr(jars, "TRIES_MORE", 0)
        with pytest.raises(SetupFailure, match="another SHA-256"):
            jars.fetch_jars(lock)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@pytest.mark.parametrize(("answer", "said"), [("1.8.0", "Java 1:"), ("11.0.2", "Java 11:"), (None, "does not run")])
def test_an_unfit_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str | None, said: str) -> None:
    java = tmp_path / "java"
    if answer:
        java.write_text(f"#!/bin/sh\necho 'openjdk version \"{answer}\"' >&2\n", encoding="ascii")
        java.chmod(0o700)
    monkeypatch.setenv("HUB_JAVA", str(java))
    with pytest.raises(SetupFailure, match="HUB_JAVA") as refused:
        find_java()
    assert said.rstrip(":") in str(refused.value)


def test_drawn_ports_are_free_and_apart() -> None:
    state = NodeState.draw()
    assert len(set(state.ports)) == 4
    assert all(is_free(port) for port in state.ports)


def test_a_directory_of_another_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "node.json"
    NodeState.draw().write(file)
    held = json.loads(file.read_text(encoding="utf-8"))
    del held["mutual_tls_port"]
    file.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(SetupFailure, match="of another version of this program: remove"):
        LocalKafka(tmp_path).start()


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
