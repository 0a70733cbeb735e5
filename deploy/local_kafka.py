"""A real Apache Kafka of one node on this machine, for the demo, the tests, the benchmark and development.

Rules:
- The same rights hold here as anywhere: each listener authenticates, everything is denied that no ACL allows.
- A state directory is a cluster: data, ports and passwords stay, so a killed broker comes back as itself.
- The broker never outlives the process that started it, not even when that process is killed outright.
- Three listeners serve clients, each on a port of its own: passwords in the open, passwords over TLS, certificates. The
  authority behind the last two is the directory's own; the broker's certificate is made anew at each start.
- `format` prints salted keys, so its output is kept nowhere; its passwords are handed over in a private file,
  never on a command line.

The broker's log is `broker.log` in the state directory. Another cluster needs none of this: it is a setting.
"""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from contracts.connection import KafkaConnection, SecurityProtocol
from contracts.failures import SetupFailure
from contracts.private_files import write_private
from contracts.topics import Names
from deploy.kafka.certificate_files import certificate_files
from deploy.kafka.certificates import Authority
from deploy.kafka.configuration import (
    BROKER_USER,
    JAVA_OPTIONS,
    KEYSTORE,
    LOG4J,
    REAUTHENTICATION_MS,
    BrokerConfiguration,
    TunedFor,
)
from deploy.kafka.jars import fetch_jars
from deploy.kafka.jre import find_java
from deploy.kafka.node_state import NodeState, is_free, private_directory
from deploy.leash import Leash
from deploy.rights import grant_deployer

START_SECONDS_MAX: Final = 90.0
STOP_SECONDS_MAX: Final = 20.0
DEPLOYER_USER: Final = Names().service("deployer")


@dataclass(slots=True)
class _Running:
    broker: subprocess.Popen[bytes]
    leash: Leash


class LocalKafka:
    """One local broker; `with LocalKafka(directory) as kafka:` starts and stops it."""

    def __init__(
        self, state_dir: Path, *, tuned_for: TunedFor = "tests", reauthentication_ms: int = REAUTHENTICATION_MS
    ) -> None:
        self._directory = state_dir.resolve()
        self._reauthentication_ms = reauthentication_ms
        self._tuned_for: TunedFor = tuned_for
        self._running: _Running | None = None
        self._state: NodeState | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """`host:port` of the client listener; it stays for the life of the state directory."""
        return f"127.0.0.1:{self._known_state.client_port}"

    def bootstrap_for(self, security_protocol: SecurityProtocol) -> str:
        """`host:port` of the listener that speaks `security_protocol`."""
        state = self._known_state
        ports = {"SASL_PLAINTEXT": state.client_port, "SASL_SSL": state.scram_tls_port, "SSL": state.mutual_tls_port}
        return f"127.0.0.1:{ports[security_protocol]}"

    @property
    def authority(self) -> Authority:
        """The authority that issued the broker's certificate and whose clients it knows."""
        return Authority.read(self._directory)

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port of the broker: that of the controller, then those for clients."""
        return self._known_state.ports

    @property
    def admin(self) -> KafkaConnection:
        """The deployer's connection: makes topics, users and rights; no right to read or write."""
        return KafkaConnection(self.bootstrap, DEPLOYER_USER, self._known_state.deployer_password)

    @property
    def log_file(self) -> Path:
        """What the broker says of itself."""
        return self._directory / "broker.log"

    @property
    def process_id(self) -> int | None:
        """The broker's process, `None` while it is not running."""
        return self._running.broker.pid if self._running else None

    @property
    def is_running(self) -> bool:
        """Whether the broker's process is alive."""
        return self._running is not None and self._running.broker.poll() is None

    def start(self) -> None:
        """Start the broker (formatting a new directory first) and wait until it answers an authenticated call."""
        if self._running is not None:
            return
        classpath = ":".join(str(jar) for jar in fetch_jars())
        java = find_java()
        fresh = not self._state_file.exists()
        self._state = self._prepare(java, classpath) if fresh else NodeState.read(self._state_file)
        self._require_free_ports()
        self._issue_certificate()
        self._running = self._launch(java, classpath)
        try:
            self._wait_until_it_answers()
            grant_deployer(self._broker_connection, DEPLOYER_USER)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End the broker in good order; it may be started again."""
        if self._running is not None:
            self._running.broker.terminate()
            try:
                self._running.broker.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._running.broker.kill()
            self._reap()

    def kill(self) -> None:
        """End the broker at once, as a power cut would."""
        if self._running is not None:
            self._running.broker.kill()
            self._reap()

    def restart(self) -> None:
        """Start again on the same data and ports; a running broker is stopped first."""
        self.stop()
        self.start()

    @property
    def _state_file(self) -> Path:
        return self._directory / "node.json"

    @property
    def _known_state(self) -> NodeState:
        if self._state is None:
            raise SetupFailure(f"the broker in `{self._directory}` has not been started: call `start` first")
        return self._state

    @property
    def _broker_connection(self) -> KafkaConnection:
        return KafkaConnection(self.bootstrap, BROKER_USER, self._known_state.broker_password)

    def _prepare(self, java: Path, classpath: str) -> NodeState:
        private_directory(self._directory)
        state = NodeState.draw()
        configuration = BrokerConfiguration(self._directory, state, self._reauthentication_ms)
        write_private(self._directory / "server.properties", configuration.server_properties())
        write_private(self._directory / "log4j2.properties", LOG4J)
        Authority.create(self._directory, "authority of a local hub", datetime.now(UTC))
        self._format(java, classpath, state)
        state.write(self._state_file)
        return state

    def _issue_certificate(self) -> None:
        files = certificate_files(self._directory, "broker")
        self.authority.issue_to_server(files, ["localhost", "127.0.0.1"], datetime.now(UTC))
        write_private(self._directory / KEYSTORE, files.key.read_text("ascii") + files.certificate.read_text("ascii"))

    def _format(self, java: Path, classpath: str, state: NodeState) -> None:
        users = {BROKER_USER: state.broker_password, DEPLOYER_USER: state.deployer_password}
        words = ["-cp", classpath, *self._java_options(), "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        words += ["-t", state.cluster_id, "-c", str(self._directory / "server.properties")]
        for user, password in users.items():
            words += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
        arguments = self._directory / "format.arguments"
        write_private(arguments, "\n".join(f'"{word}"' for word in words))
        try:
            done = subprocess.run(
                [java, f"@{arguments}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        finally:
            arguments.unlink()
        if done.returncode != 0:
            raise SetupFailure(
                f"could not format `{self._directory}` (exit status `{done.returncode}`): expected an empty "
                "directory with some hundred megabytes free; remove it and start again"
            )

    def _java_options(self) -> list[str]:
        return [*JAVA_OPTIONS[self._tuned_for], f"-Dlog4j2.configurationFile={self._directory / 'log4j2.properties'}"]

    def _require_free_ports(self) -> None:
        for port in self.ports:
            if not is_free(port):
                raise SetupFailure(
                    f"port `{port}` of the broker in `{self._directory}` is taken: end the program that holds it "
                    "(perhaps a broker of the same directory), or remove the directory to begin anew"
                )

    def _launch(self, java: Path, classpath: str) -> _Running:
        properties = str(self._directory / "server.properties")
        command = [str(java), "-cp", classpath, *self._java_options(), "kafka.Kafka", properties]
        with self.log_file.open("ab") as log:
            broker = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return _Running(broker, Leash(broker.pid))

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not _listens(self._known_state.client_port):
            self._give_up_if_dead_or_late(deadline)
            time.sleep(0.05)
        while True:
            try:
                client = KafkaAdminClient(**self._broker_connection.client_options(), bootstrap_timeout_ms=5000)
            except KafkaError:
                self._give_up_if_dead_or_late(deadline)
            else:
                client.close()
                return

    def _give_up_if_dead_or_late(self, deadline: float) -> None:
        if self._running is None or self._running.broker.poll() is not None:
            raise SetupFailure(f"the broker ended while starting: see `{self.log_file}`")
        if time.monotonic() > deadline:
            raise SetupFailure(f"the broker did not answer within `{START_SECONDS_MAX:.0f}` s: see `{self.log_file}`")

    def _reap(self) -> None:
        if self._running is None:
            return
        running, self._running = self._running, None
        running.broker.wait()
        running.leash.release()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
