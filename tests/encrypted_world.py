"""A world reached over TLS: the same users, by another listener of the same broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from contracts.connection import SecurityProtocol
from deploy.kafka.node_state import private_directory
from deploy.local_kafka import LocalKafka
from deploy.world import World

NOW: Final = datetime.now(UTC)


def encrypted(world: World, kafka: LocalKafka, security_protocol: SecurityProtocol) -> World:
    """The same world by another listener; each user is given a certificate where it needs one."""
    over_tls = replace(
        world,
        bootstrap=kafka.bootstrap_for(security_protocol),
        security_protocol=security_protocol,
        ca_file=str(kafka.authority.file),
    )
    for user in world.passwords:
        if files := over_tls.certificate(user):
            private_directory(files.certificate.parent)
            kafka.authority.issue_to_client(files, user, NOW)
    over_tls.write()
    return World.open(world.directory)
