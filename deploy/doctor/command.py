"""`hub doctor`: why a connection does not work, and who must do what about it.

Rules:
- Every step says which side refused. Exit code 1 where one did.
- Nothing is written, anywhere.
- An operator names a party of a world; an agency gives the settings of its subscription and names nobody.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from consumers.settings import ConsumerSettings, consumer_settings
from contracts.connection import KafkaConnection
from contracts.failures import BadSetting, NotFound
from contracts.topics import Names
from deploy.doctor.findings import Finding, not_tried
from deploy.doctor.handshake import look_at_address, look_at_own_certificate
from deploy.doctor.session import look_at_session
from deploy.options import world_option
from deploy.world import World

SICK: Final = 1


@click.command("doctor")
@click.argument("party", required=False)
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def doctor(party: str | None, as_json: bool, directory: Path) -> None:
    """Look at the connection of PARTY of a world; without PARTY, at the one of the `HUB_CONSUMER_...` settings."""
    if party is None:
        settings = _own_settings()
        connection, names, party = settings.connection, settings.names, settings.party
    else:
        world = World.open(directory)
        if party not in world.registry:
            raise NotFound(f"party `{party}` is not in the registry of this world")
        names = world.names
        connection = world.connection(names.user(party))
    found = []
    for finding in examine(connection, names, party, lambda: datetime.now(UTC)):
        found.append(finding)
        if not as_json:
            click.echo(finding.text())
    if as_json:
        click.echo(json.dumps([finding.values() for finding in found], indent=2))
    if any(finding.outcome == "refused" for finding in found):
        sys.exit(SICK)


def _own_settings() -> ConsumerSettings:
    try:
        return consumer_settings()
    except BadSetting as error:
        raise BadSetting(f"{error}, or name a party of a world: `hub doctor PARTY`") from None


def examine(connection: KafkaConnection, names: Names, party: str, clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Yield what each step finds; a session is tried where one broker at least answers."""
    own = look_at_own_certificate(connection, clock())
    if own is not None:
        yield own
    answering = False
    for address in connection.bootstrap.split(","):
        *_, last = steps = list(look_at_address(connection, address))
        yield from steps
        answering = answering or last.outcome == "ok"
    if answering:
        yield from look_at_session(connection, names, party, clock)
    else:
        yield not_tried("session", "no broker answered")
