"""What a local broker keeps between starts: its cluster id, its ports and two passwords, in one file.

Rules:
- The directory is the owner's alone (0700), and so is every file with a secret in it (0600).
- Ports are drawn below the range from which the system takes ports for outgoing connections: a client that
  reconnects while the broker is down can then never sit on the broker's own port.
"""

from __future__ import annotations

import json
import random
import secrets
import socket
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Container
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Final

from contracts.failures import SetupFailure
from contracts.private_files import write_private

LOWEST_PORT: Final = 15_000
HIGHEST_PORT: Final = 30_000
PORTS_TRIED: Final = 200


@dataclass(frozen=True, slots=True)
class NodeState:
    """Identity, ports and passwords of one local broker."""

    cluster_id: str
    client_port: int
    controller_port: int
    scram_tls_port: int
    mutual_tls_port: int
    broker_password: str = field(repr=False)
    deployer_password: str = field(repr=False)

    @classmethod
    def draw(cls) -> NodeState:
        """Draw a new cluster: its id, four free ports, two passwords."""
        ports: list[int] = []
        while len(ports) < 4:
            ports.append(free_port(besides=ports))
        passwords = (secrets.token_urlsafe(24) for _ in range(2))
        return cls(_cluster_id(), ports[0], ports[1], ports[2], ports[3], *passwords)

    @property
    def ports(self) -> tuple[int, int, int, int]:
        """Every port of the broker: that of the controller, then those for clients."""
        return self.controller_port, self.client_port, self.scram_tls_port, self.mutual_tls_port

    @classmethod
    def read(cls, file: Path) -> NodeState:
        """Read what `write` wrote; raise `SetupFailure` for the file of an older or newer version."""
        held = json.loads(file.read_text(encoding="utf-8"))
        if set(held) != {one.name for one in fields(cls)}:
            raise SetupFailure(f"`{file}` is of another version of this program: remove `{file.parent}` to begin anew")
        return cls(**held)

    def write(self, file: Path) -> None:
        """Write the state, readable by its owner alone."""
        write_private(file, json.dumps(asdict(self), indent=1))


def private_directory(directory: Path) -> Path:
    """Make `directory` if need be, for its owner alone, and return it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.chmod(0o700)
    return directory


def free_port(besides: Container[int] = ()) -> int:
    """Return a port of 127.0.0.1 that is free now and not one of `besides`."""
    for _ in range(PORTS_TRIED):
        port = random.SystemRandom().randrange(LOWEST_PORT, HIGHEST_PORT)
        if port not in besides and is_free(port):
            return port
    raise SetupFailure(f"no free port between `{LOWEST_PORT}` and `{HIGHEST_PORT}`: end programs that hold them")


def is_free(port: int) -> bool:
    """Say whether a server could listen on `port` of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _cluster_id() -> str:
    while True:
        drawn = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not drawn.startswith("-"):
            return drawn
