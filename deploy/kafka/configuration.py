"""The configuration of the local broker: one KRaft node whose every listener authenticates.

Rules:
- Both listeners (clients and controller) speak SASL/SCRAM-SHA-512 on 127.0.0.1; there is no anonymous principal.
- All is denied that no ACL allows; the broker's own user is the only super user.
- Nothing is created by being asked for; an open connection authenticates again after five minutes, so that a
  revoked user does not stay in.
- The session times are short, so that a killed broker is back within seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

BROKER_USER: Final = "broker"
REAUTHENTICATION_MS: Final = 300_000
TunedFor = Literal["tests", "benchmark"]

JAVA_OPTIONS: Final[dict[TunedFor, tuple[str, ...]]] = {
    "tests": ("-Xms96m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "benchmark": ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC"),
}

LOG4J: Final = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True, slots=True)
class BrokerConfiguration:
    """What the server properties are made of."""

    data_directory: Path
    client_port: int
    controller_port: int
    broker_password: str = field(repr=False)

    def server_properties(self) -> str:
        """Return the text of `server.properties`; it holds the broker's password."""
        login = (
            "org.apache.kafka.common.security.scram.ScramLoginModule required "
            f'username="{BROKER_USER}" password="{self.broker_password}";'
        )
        return "".join(
            f"{name}={value}\n" for name, value in (self._node() | self._security(login) | _ONE_NODE).items()
        )

    def _node(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "log.dirs": str(self.data_directory),
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"CLIENT://127.0.0.1:{self.client_port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"CLIENT://127.0.0.1:{self.client_port}",
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
        }

    def _security(self, login: str) -> dict[str, str]:
        return {
            "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "sasl.mechanism.controller.protocol": "SCRAM-SHA-512",
            "listener.name.client.scram-sha-512.sasl.jaas.config": login,
            "listener.name.controller.scram-sha-512.sasl.jaas.config": login,
            "connections.max.reauth.ms": str(REAUTHENTICATION_MS),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{BROKER_USER}",
            "allow.everyone.if.no.acl.found": "false",
        }


_ONE_NODE: Final[dict[str, str]] = {
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "log.index.size.max.bytes": "1048576",
    "log.cleaner.dedupe.buffer.size": "4194304",
}
