"""`hub doctor` on the real broker: one fault at a time, and it names the step, the side and what to do."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer
from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePatternFilter,
    ResourceType,
)

from contracts.cloudevents import format_time
from contracts.connection import KafkaConnection
from contracts.failures import BadSetting
from contracts.parties import Party, PartyRegistry
from deploy.doctor import handshake
from deploy.doctor.command import doctor, examine
from deploy.doctor.findings import Finding
from deploy.kafka.certificate_files import certificate_files
from deploy.kafka.certificates import Authority
from deploy.kafka.node_state import free_port, private_directory
from deploy.local_kafka import LocalKafka
from deploy.rights import Right, grant
from deploy.world import World
from tests.conftest import MakeWorld
from tests.encrypted_world import NOW, encrypted

pytestmark = pytest.mark.kafka

PARTY: Final = "A.SOC"
REGISTRY: Final = PartyRegistry.of([Party(PARTY), Party("PSY")])


@dataclass(frozen=True, slots=True)
class Bench:
    """A world by password in the open, over TLS and by certificate; the broker; a directory for files."""

    world: World
    kafka: LocalKafka
    by_certificate: KafkaConnection
    directory: Path

    @property
    def plain(self) -> KafkaConnection:
        return self.world.connection(self.world.names.user(PARTY))

    @property
    def over_tls(self) -> KafkaConnection:
        bootstrap, ca_file = self.kafka.bootstrap_for("SASL_SSL"), str(self.kafka.authority.file)
        return replace(self.plain, bootstrap=bootstrap, security_protocol="SASL_SSL", ca_file=ca_file)

    def examined(self, connection: KafkaConnection, party: str = PARTY) -> list[Finding]:
        return list(examine(connection, self.world.names, party, lambda: NOW + timedelta(minutes=1)))

    def foreign(self) -> Authority:
        return Authority.create(private_directory(self.directory / "foreign"), "another authority", NOW)

    def certified(self, authority: Authority, user: str, *, days_ago: int = 0, server: bool = False) -> KafkaConnection:
        """The party's connection with a certificate for `user` that holds for nine days."""
        files, since = certificate_files(self.directory, "client"), NOW - timedelta(days=days_ago)
        if server:
            authority.issue_to_server(files, [user], since)
        else:
            authority.issue_to_client(files, user, since, days=9)
        return replace(self.by_certificate, certificate_file=str(files.certificate), key_file=str(files.key))


@pytest.fixture(scope="module")
def worlds(local_kafka: LocalKafka, make_world: MakeWorld) -> tuple[World, KafkaConnection]:
    world = make_world(REGISTRY, partitions=2, played=False)
    over_tls = encrypted(make_world(REGISTRY), local_kafka, "SSL")
    user = world.names.user(PARTY)
    directory = private_directory(over_tls.directory / "more")
    files = local_kafka.authority.issue_to_client(certificate_files(directory, user), user, NOW)
    connection = replace(over_tls.connection(over_tls.names.user(PARTY)), user=user)
    return world, replace(connection, certificate_file=str(files.certificate), key_file=str(files.key))


@pytest.fixture
def bench(worlds: tuple[World, KafkaConnection], local_kafka: LocalKafka, tmp_path: Path) -> Bench:
    return Bench(worlds[0], local_kafka, worlds[1], tmp_path)


@pytest.mark.parametrize("way", ["plain", "over_tls", "by_certificate"])
def test_nothing_is_wrong_with_a_connection_that_works(bench: Bench, way: str) -> None:
    found = bench.examined(getattr(bench, way))
    assert [finding for finding in found if finding.outcome == "refused"] == []
    names = [finding.step for finding in found if finding.outcome == "ok"]
    ways = {
        "plain": ["name", "connection", "first answer", "password"],
        "over_tls": ["name", "connection", "encryption", "first answer", "password"],
        "by_certificate": ["own certificate", "name", "connection", "encryption", "first answer", "user"],
    }
    assert names == [*ways[way], "input topic", "output topic", "own groups", "partitioner"]


Fault = Callable[[Bench], KafkaConnection]
FAULTS: Final[dict[str, tuple[str, str, str, Fault]]] = {
    "no such name": (
        "name", "this machine", "has no address", lambda b: replace(b.plain, bootstrap="broker.invalid:9092"),
    ),
    "no port": ("name", "this machine", "is no address", lambda b: replace(b.plain, bootstrap="127.0.0.1")),
    "nobody listens": (
        "connection",
        "the network",
        "nothing listens",
        lambda b: replace(b.plain, bootstrap=f"127.0.0.1:{free_port()}"),
    ),
    "TLS is wanted": (
        "first answer", "the broker", "speaks TLS", lambda b: replace(b.plain, bootstrap=b.over_tls.bootstrap),
    ),
    "TLS is not there": (
        "encryption", "the broker", "is no TLS", lambda b: replace(b.over_tls, bootstrap=b.plain.bootstrap),
    ),
    "the broker's authority is another": (
        "encryption", "this machine", "another authority", lambda b: replace(b.over_tls, ca_file=str(b.foreign().file)),
    ),
    "the broker's authority is unknown": (
        "encryption", "this machine", "another authority", lambda b: replace(b.over_tls, ca_file=None),
    ),
    "the broker's name is another": (
        "encryption",
        "this machine",
        "for another name",
        lambda b: replace(b.over_tls, bootstrap=b.over_tls.bootstrap.replace("127.0.0.1", "127.1")),
    ),
    "the CA file is none": (
        "encryption",
        "this machine",
        "does not work",
        lambda b: replace(b.over_tls, ca_file=str(b.world.directory / "registry.toml")),
    ),
    "the key is another's": (
        "encryption",
        "this machine",
        "KEY_VALUES_MISMATCH",
        lambda b: replace(b.by_certificate, key_file=str(b.kafka.authority.directory / "broker.key")),
    ),
    "no client certificate": (
        "first answer",
        "the broker",
        "wants a client certificate",
        lambda b: replace(b.over_tls, bootstrap=b.by_certificate.bootstrap),
    ),
    "a client certificate of another authority": (
        "first answer", "the broker", "client certificate", lambda b: b.certified(b.foreign(), b.by_certificate.user),
    ),
    "a client certificate for servers": (
        "first answer",
        "the broker",
        "client certificate",
        lambda b: replace(b.certified(b.kafka.authority, "broker", server=True), user="broker"),
    ),
    "a client certificate in a name that is no user's": (
        "first answer",
        "the broker",
        "the name in it is no user's",
        lambda b: replace(b.certified(b.kafka.authority, "A-SOC"), user="A-SOC"),
    ),
    "wrong password": (
        "password",
        "the broker",
        "a broker does not say which",
        lambda b: replace(b.plain, password="not the password"),
    ),
    "wrong password over TLS": (
        "password", "the broker", "a broker does not say which", lambda b: replace(b.over_tls, password="not it"),
    ),
    "no such user": (
        "password", "the broker", "a broker does not say which", lambda b: replace(b.plain, user="passer-by"),
    ),
    "another mechanism": (
        "password", "the broker", "takes no `PLAIN`", lambda b: replace(b.plain, sasl_mechanism="PLAIN"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_named_with_the_side_that_refused(bench: Bench, case: str) -> None:
    step, side, said, fault = FAULTS[case]
    found = bench.examined(fault(bench))
    (finding,) = (finding for finding in found if finding.outcome == "refused")
    assert (finding.step, finding.side) == (step, side)
    assert said in finding.detail
    assert finding.fix
    position = found.index(finding)
    assert {later.outcome for later in found[position + 1 :]} == {"not tried"}
    for secret in (bench.plain.password, "not the password"):
        assert secret not in repr(found)


def test_an_own_certificate_that_cannot_work_is_found_before_anything_is_asked(bench: Bench) -> None:
    ran_out = bench.certified(bench.kafka.authority, bench.by_certificate.user, days_ago=10)
    refusals = [finding for finding in bench.examined(ran_out) if finding.outcome == "refused"]
    assert [(finding.step, finding.side) for finding in refusals] == [
        ("own certificate", "this machine"),
        ("first answer", "the broker"),
    ]
    assert "ran out on" in refusals[0].detail
    another = bench.certified(bench.kafka.authority, bench.world.names.user("PSY"))
    first = bench.examined(another)[0]
    assert (first.outcome, first.step) == ("refused", "own certificate")
    absent = bench.examined(replace(another, certificate_file=str(bench.directory / "absent")))[0]
    assert "cannot be read" in absent.detail


@contextmanager
def answering(answer: bytes | None, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that is no Kafka broker: it gives one answer, or none (`None` keeps silent)."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        try:
            stream, _ = listener.accept()
            with stream, context.wrap_socket(stream, server_side=True) if context else stream as talking:
                talking.recv(64)
                if answer is None:
                    done.wait(5)
                else:
                    talking.sendall(answer)
        except OSError:
            pass  # the client did not like it: that is what is tested

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        done.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("answer", "said"), [(b"HTTP/1.1 400 no\r\n\r\n", "is not Kafka's"), (b"", "it closed"), (None, "no answer within")]
)
def test_a_server_that_is_no_broker(
    bench: Bench, answer: bytes | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "SECONDS_MAX", 0.5)
    with answering(answer) as address:
        found = bench.examined(replace(bench.plain, bootstrap=address))
    (finding,) = (finding for finding in found if finding.outcome == "refused")
    assert (finding.step, finding.side) == ("first answer", "the broker")
    assert said in finding.detail


def test_a_broker_whose_certificate_ran_out(bench: Bench) -> None:
    files = certificate_files(bench.directory, "server")
    bench.kafka.authority.issue_to_server(files, ["127.0.0.1"], NOW - timedelta(days=10), days=9)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with answering(b"", context) as address:
        found = bench.examined(replace(bench.over_tls, bootstrap=address))
    (finding,) = (finding for finding in found if finding.outcome == "refused")
    assert (finding.step, finding.side) == ("encryption", "this machine")
    assert "has run out" in finding.detail


def test_topics_and_rights_that_are_not_there(make_world: MakeWorld, local_kafka: LocalKafka) -> None:
    world = make_world(REGISTRY)
    names = world.names
    connection = world.connection(names.user(PARTY))

    def refusals(party: str = PARTY) -> dict[str, str]:
        found = examine(connection, names, party, lambda: NOW)
        return {finding.step: finding.detail for finding in found if finding.outcome == "refused"}

    assert refusals() == {}
    of_another = refusals("PSY")
    assert set(of_another) == {"input topic", "output topic", "own groups"}
    assert "not there, or this user may not see it" in of_another["input topic"]
    client = KafkaAdminClient(**local_kafka.admin.client_options())
    client.delete_acls([everything(ResourceType.TOPIC, names.input(PARTY))])
    client.delete_acls([everything(ResourceType.GROUP, names.party_group(PARTY, ""), ACLResourcePatternType.PREFIXED)])
    grant(client, [Right(names.user(PARTY), ACLOperation.DESCRIBE, ResourceType.TOPIC, names.input(PARTY))])
    client.create_partitions({names.output(PARTY): 3})
    client.close()
    lost = refusals()
    assert set(lost) == {"input topic", "own groups", "partitioner"}
    assert f"no right to write `{names.input(PARTY)}`" in lost["input topic"]
    assert "1 and 3 partitions" in lost["partitioner"]


def everything(
    kind: ResourceType, name: str, pattern: ACLResourcePatternType = ACLResourcePatternType.LITERAL
) -> ACLFilter:
    return ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, ResourcePatternFilter(kind, name, pattern))


def test_clocks_are_compared_on_what_came_back(bench: Bench, make_world: MakeWorld) -> None:
    world = make_world(REGISTRY, partitions=2, played=False)
    names = world.names
    connection = world.connection(names.user(PARTY))

    def clocks(now_offset: timedelta = timedelta(minutes=1)) -> Finding:
        (found,) = (one for one in examine(connection, names, PARTY, lambda: NOW + now_offset) if one.step == "clocks")
        return found

    def told(source: str, published: timedelta) -> None:
        producer = Producer(world.connection(names.service("sender")).native_producer_options())
        at = format_time(int((NOW + published).timestamp() * 1000)).encode()
        headers: list[tuple[str, str | bytes | None]] = [("ce_source", source.encode()), ("ce_time", at)]
        producer.produce(names.output(PARTY), value=b"v", partition=1, headers=headers)
        assert producer.flush(10) == 0

    assert clocks().outcome == "not tried"
    told(f"urn:party:{PARTY}", timedelta(0))
    told("urn:party:PSY", timedelta(hours=2))
    assert clocks(timedelta(minutes=10)).outcome == "ok"
    behind = clocks(timedelta(hours=-1))
    assert (behind.outcome, behind.side) == ("refused", "this machine")
    assert "behind the broker's" in behind.detail
    told(f"urn:party:{PARTY}", timedelta(hours=2))
    assert "before its `ce_time`: a clock is ahead" in clocks(timedelta(minutes=10)).detail


def test_the_command_says_it_to_people_and_to_programs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    here = ("--world", str(bench.world.directory))
    well = CliRunner().invoke(doctor, [PARTY, *here])
    assert well.exit_code == 0, well.output
    assert "partition 0 of 2" in well.output
    connection = bench.plain
    settings = {
        "PARTY": PARTY, "STORE": "unused", "BOOTSTRAP": connection.bootstrap, "PASSWORD": "wrong",
        "WORLD": bench.world.name, "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(f"HUB_CONSUMER_{name}", value)
    sick = CliRunner().invoke(doctor, ["--json"])
    assert sick.exit_code == 1
    (refusal,) = (row for row in json.loads(sick.output) if row["outcome"] == "refused")
    assert (refusal["step"], refusal["side"]) == ("password", "the broker")
    assert "refused by the broker" in CliRunner().invoke(doctor).output


def test_whoever_gives_no_settings_and_no_party_is_told_of_both() -> None:
    asked = CliRunner().invoke(doctor, env={"HUB_CONSUMER_PARTY": None, "HUB_CONSUMER_STORE": None})
    assert isinstance(asked.exception, BadSetting)
    assert "`HUB_CONSUMER_PARTY`" in str(asked.exception)
    assert "or name a party of a world: `hub doctor PARTY`" in str(asked.exception)
