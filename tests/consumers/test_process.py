"""Settings, exit codes and retries of `python -m consumers`, and `hub view show`."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consumers import __main__ as process
from consumers import store_file
from consumers.settings import consumer_settings
from consumers.store import PartyStore, store_path
from consumers.subscription import Subscription
from contracts.failures import BadSetting, CallerFailure, NotFound
from contracts.parties import Party, PartyRegistry
from contracts.partitioning import partition_of
from deploy.view_command import view
from deploy.world import World
from tests.consumers.histories import drain
from tests.consumers.simulated_topic import KEYS, PARTITIONS, SimulatedTopic, name

AT = 1_736_150_400_000
HERE = partition_of(KEYS[0].encode(), PARTITIONS)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "pri.db"
    values = {"PARTY": "PRI", "STORE": str(path), "BOOTSTRAP": "127.0.0.1:1", "PASSWORD": "hidden-password"}
    for setting, value in values.items():
        monkeypatch.setenv(f"HUB_CONSUMER_{setting}", value)
    return path


def test_settings_name_what_is_missing_and_hide_the_password(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "hidden-password" not in repr(consumer_settings())
    assert "hidden-password" not in repr(consumer_settings().connection)
    assert consumer_settings().connection.security_protocol == "SASL_SSL"
    monkeypatch.delenv("HUB_CONSUMER_PARTY")
    monkeypatch.setenv("HUB_CONSUMER_SECURITY_PROTOCOL", "PLAINTEXT")
    with pytest.raises(BadSetting, match=r"`HUB_CONSUMER_PARTY`: .*`HUB_CONSUMER_SECURITY_PROTOCOL`"):
        consumer_settings()


def test_the_store_is_made_once_by_command(environment: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert process.main([]) == process.FAILED
    assert "no store" in caplog.text
    assert process.main(["make-store"]) == 0
    assert process.main(["make-store"]) == process.FAILED
    assert process.main(["something"]) == process.FAILED
    PartyStore.open(environment, "PRI").close()


def test_a_mistyped_path_makes_no_folders(
    environment: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HUB_CONSUMER_STORE", str(environment.parent / "mistyped" / "pri.db"))
    assert process.main(["make-store"]) == process.FAILED
    assert "`HUB_CONSUMER_STORE`: no directory `" in caplog.text
    assert not (environment.parent / "mistyped").exists()


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("bootstrap", ["", "kafka-1", "kafka-1:", ":9092", "kafka-1:9092,", "SSL://kafka-1:9092"])
def test_brokers_without_host_and_port_are_refused_by_name(monkeypatch: pytest.MonkeyPatch, bootstrap: str) -> None:
    monkeypatch.setenv("HUB_CONSUMER_BOOTSTRAP", bootstrap)
    with pytest.raises(BadSetting, match="`HUB_CONSUMER_BOOTSTRAP`: "):
        consumer_settings()


@pytest.mark.usefixtures("environment")
def test_values_that_are_expected_stand_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_CONSUMER_SECURITY_PROTOCOL", "sasl_ssl")
    with pytest.raises(BadSetting, match=r"`HUB_CONSUMER_SECURITY_PROTOCOL`: input should be .*'SASL_SSL'"):
        consumer_settings()


class Stopping(SimulatedTopic):
    """Sets `stop` once all was polled."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self.stop = stop

    def poll(self, limit: int, wait_seconds: float) -> Any:
        found = super().poll(limit, wait_seconds)
        if not found:
            self.stop.set()
        return found


@pytest.fixture
def running(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Stopping:
    topic = Stopping(threading.Event())
    monkeypatch.setattr(process, "KafkaSource", lambda *_: topic)
    monkeypatch.setattr(process, "WAIT_SECONDS", 0.01)
    return topic


def test_a_lost_broker_is_tried_again(running: Stopping, environment: Path, caplog: pytest.LogCaptureFixture) -> None:
    running.disclose(KEYS[0], name("e"), "CaseOpened", {"occurredAt": AT})
    running.fail_next_poll = True
    with PartyStore.create(environment, "PRI") as store:
        process.run(consumer_settings(), store, running.stop)
        assert store.keys() == [KEYS[0]]
    assert "trying again" in caplog.text


class Flapping(Stopping):
    """Out of reach at its first and third poll."""

    polls = 0

    def poll(self, limit: int, wait_seconds: float) -> Any:
        self.polls += 1
        self.fail_next_poll = self.polls in (1, 3)
        return super().poll(limit, wait_seconds)


def test_each_outage_is_said_and_its_end_also_while_a_partition_is_stopped(
    environment: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    topic = Flapping(threading.Event())
    monkeypatch.setattr(process, "KafkaSource", lambda *_: topic)
    monkeypatch.setattr(process, "STOPPED_SECONDS", 0.01)
    monkeypatch.setattr(process, "WAIT_SECONDS", 0.01)
    topic.numbers = [1] * topic.partitions
    topic.disclose(KEYS[0], name("lost"), "CaseOpened", {"occurredAt": AT})
    with PartyStore.create(environment, "PRI") as store:
        process.run(consumer_settings(), store, topic.stop)
    assert caplog.text.count("trying again") == caplog.text.count("reading again") == 2
    assert caplog.text.count("number `2` came after `0`") == 1


class Mended(Stopping):
    """Standing still for some polls; then a resync lies there, and somewhat later nothing more comes."""

    polls = 0

    def poll(self, limit: int, wait_seconds: float) -> Any:
        self.polls += 1
        if self.polls == 5:
            self.resync(HERE, [(KEYS[0], "PRI", name("e"), "CaseOpened", {"occurredAt": AT})])
        return super(Stopping, self).poll(limit, wait_seconds) if self.polls < 10 else super().poll(limit, wait_seconds)


def test_a_gap_is_said_once_and_a_resync_gets_over_it_without_a_restart(
    environment: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    topic = Mended(threading.Event())
    monkeypatch.setattr(process, "KafkaSource", lambda *_: topic)
    monkeypatch.setattr(process, "STOPPED_SECONDS", 0.01)
    topic.numbers = [1] * topic.partitions
    topic.disclose(KEYS[0], name("lost"), "CaseOpened", {"occurredAt": AT})
    with PartyStore.create(environment, "PRI") as store:
        process.run(consumer_settings(), store, topic.stop)
        assert [event.event_id for event in store.visible()] == [name("e")]
    assert caplog.text.count("number `2` came after `0`") == 1
    assert "ask the hub's operator for a resync" in caplog.text


def test_a_store_that_another_program_holds_for_long_is_said_once_and_waited_for(
    running: Stopping, environment: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_file, "_BUSY_TIMEOUT_MS", 20)
    running.disclose(KEYS[0], name("e"), "CaseOpened", {"occurredAt": AT})
    with PartyStore.create(environment, "PRI") as store:
        holder = sqlite3.connect(environment, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")
        freeing = threading.Timer(0.5, holder.rollback)
        freeing.start()
        process.run(consumer_settings(), store, running.stop)
        freeing.join()
        holder.close()
        assert store.keys() == [KEYS[0]]
    assert caplog.text.count("the store could not be used now: database is locked") == 1


@pytest.fixture
def world_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world on disk whose party PRI has received something; no broker is asked."""
    registry = PartyRegistry.of([Party("PRI"), Party("A.SOC")])
    world = World(tmp_path, registry, "w", "127.0.0.1:1", "SASL_PLAINTEXT", None, 3, True, {}, bytes(32), bytes(32))
    replace(world).write()
    topic = SimulatedTopic()
    topic.disclose(KEYS[0], name("e"), "ImprisonmentStarted", {"occurredAt": AT, "institution": "PRI"})
    with PartyStore.create(store_path(tmp_path, "PRI"), "PRI") as store:
        drain(Subscription("PRI", topic, store))
    monkeypatch.setenv("HUB_WORLD_DIRECTORY", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("world_directory")
def test_view_show_prints_the_view_or_one_citizens_events() -> None:
    run = CliRunner().invoke
    whole = run(view, ["show", "PRI", "--language", "sv"])
    assert whole.exit_code == 0, whole.output
    assert "Frigivningstavla för PRI" in whole.output
    one = run(view, ["show", "PRI", KEYS[0], "--jurisdiction", "SE"])
    assert "2025-01-06 09:00  Imprisonment started  (PRI)" in one.output
    assert "Nothing is visible" in run(view, ["show", "PRI", KEYS[1]]).output
    (line,) = json.loads(run(view, ["show", "PRI", "--json"]).output)
    assert (line["key"], line["custody"]) == (KEYS[0], "IMPRISONED")
    (event,) = json.loads(run(view, ["show", "PRI", KEYS[0], "--json"]).output)
    assert event["fields"]["institution"] == "PRI"


@pytest.mark.usefixtures("world_directory")
@pytest.mark.parametrize("key", ["Citizen Hans Hansen 0101900005 of A.SOC", "", KEYS[0].upper()])
def test_view_show_does_not_repeat_what_is_no_key(key: str) -> None:
    result = CliRunner().invoke(view, ["show", "PRI", key])
    assert isinstance(result.exception, CallerFailure)
    assert result.output == ""
    assert not key or key not in str(result.exception)


@pytest.mark.usefixtures("world_directory")
def test_view_show_refuses_strangers_and_parties_that_received_nothing() -> None:
    for party, message in (("B.SOC", "not in the registry"), ("A.SOC", "has not received anything")):
        result = CliRunner().invoke(view, ["show", party])
        assert isinstance(result.exception, NotFound)
        assert message in str(result.exception)
