"""The configuration of the local broker: one KRaft node whose every listener authenticates.

Rules:
- Each listener authenticates, on 127.0.0.1; there is no anonymous principal. The controller's and one for clients
  speak SASL/SCRAM-SHA-512 in the open; one speaks it over TLS; one takes client certificates (mutual TLS).
- A certificate's common name is its user. None is taken for the broker's own, and what is no user's name is refused.
- All is denied that no ACL allows; the broker's own user is the only super user.
- Nothing is created by being asked for; an open connection authenticates again after five minutes, so that a
  revoked user does not stay in.
- The session times are short, so that a killed broker is back within seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from deploy.kafka.node_state import NodeState

BROKER_USER: Final = "broker"
REAUTHENTICATION_MS: Final = 300_000
PRINCIPAL_RULES: Final = rf"RULE:^CN=((?!{BROKER_USER}(?:,|$))[a-z0-9][a-z0-9.-]*)(?:,.*)?$/$1/"
"""What a certificate's subject says of its user; there is no rule for the rest, so it is refused."""
KEYSTORE: Final = "broker-keystore.pem"
"""The broker's private key and certificate, in one file as Kafka wants them."""
_PROTOCOLS: Final = "CLIENT:SASL_PLAINTEXT,SCRAM_TLS:SASL_SSL,MUTUAL_TLS:SSL,CONTROLLER:SASL_PLAINTEXT"
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

    directory: Path
    state: NodeState
    reauthentication_ms: int = REAUTHENTICATION_MS

    def server_properties(self) -> str:
        """Return the text of `server.properties`; it holds the broker's password."""
        login = (
            "org.apache.kafka.common.security.scram.ScramLoginModule required "
            f'username="{BROKER_USER}" password="{self.state.broker_password}";'
        )
        return "".join(
            f"{name}={value}\n" for name, value in (self._node() | self._security(login) | _ONE_NODE).items()
        )

    def _node(self) -> dict[str, str]:
        ports = {
            "CLIENT": self.state.client_port,
            "SCRAM_TLS": self.state.scram_tls_port,
            "MUTUAL_TLS": self.state.mutual_tls_port,
        }
        for_clients = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "log.dirs": str(self.directory / "data"),
            "controller.quorum.voters": f"1@127.0.0.1:{self.state.controller_port}",
            "listeners": f"{for_clients},CONTROLLER://127.0.0.1:{self.state.controller_port}",
            "advertised.listeners": for_clients,
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
        }

    def _security(self, login: str) -> dict[str, str]:
        return {
            "listener.security.protocol.map": _PROTOCOLS,
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "sasl.mechanism.controller.protocol": "SCRAM-SHA-512",
            "listener.name.client.scram-sha-512.sasl.jaas.config": login,
            "listener.name.controller.scram-sha-512.sasl.jaas.config": login,
            "listener.name.scram_tls.scram-sha-512.sasl.jaas.config": login,
            "connections.max.reauth.ms": str(self.reauthentication_ms),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.directory / KEYSTORE),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.directory / "ca.pem"),
            "ssl.enabled.protocols": "TLSv1.3,TLSv1.2",
            "listener.name.mutual_tls.ssl.client.auth": "required",
            "listener.name.mutual_tls.ssl.principal.mapping.rules": PRINCIPAL_RULES,
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
