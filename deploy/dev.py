"""`hub dev`: parts of the project on their own, for those who work on it.

Rule: nothing here weakens anything: the broker of `hub dev kafka` authenticates and denies as any other.
"""

from __future__ import annotations

import json
import re
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

import click

from contracts.connection import KafkaConnection
from contracts.failures import BadSetting, NotFound
from contracts.private_files import write_private
from deploy.kafka.certificate_files import certificate_files
from deploy.kafka.certificates import Authority
from deploy.kafka.configuration import TunedFor
from deploy.kafka.node_state import private_directory
from deploy.local_kafka import LocalKafka

CLIENT_FILE: Final = "client.json"
PASSWORD_FILE: Final = "deployer-password"
SETTINGS_FILE: Final = "cluster.env"
USER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,100}")


@click.group()
def dev() -> None:
    """Run a part of the project on its own."""


_state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".state/dev-kafka"),
    show_default=True,
    help="Where data, ports and passwords stay between runs.",
)


@dev.command()
@_state_option
@click.option(
    "--tuned-for",
    type=click.Choice(get_args(TunedFor)),
    default="tests",
    show_default=True,
    help="What the broker's memory and garbage collector are chosen for.",
)
def kafka(state: Path, tuned_for: TunedFor) -> None:
    """Run the local Kafka in the foreground until Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    with LocalKafka(state, tuned_for=tuned_for) as broker:
        click.echo(f"bootstrap: {broker.bootstrap}")
        client, settings = _write_client_files(state, broker.admin)
        click.echo(f"credentials of the deployer (makes topics, users, rights): {client}")
        click.echo(f"the same as settings, for the shell: {settings}")
        click.echo(f"over TLS by password: {broker.bootstrap_for('SASL_SSL')}")
        click.echo(f"over TLS by certificate: {broker.bootstrap_for('SSL')}")
        click.echo(f"the authority of both: {broker.authority.file}")
        click.echo(f"log: {broker.log_file}")
        click.echo("Ctrl-C stops it")
        while not stop.wait(0.5):
            if not broker.is_running:
                raise click.ClickException(f"the broker ended by itself: see `{broker.log_file}`")


@dev.command()
@click.argument("user")
@_state_option
def certificate(user: str, state: Path) -> None:
    """Issue a client certificate to Kafka user USER, by the authority of the local Kafka."""
    if not USER_NAME.fullmatch(user):
        raise BadSetting(f"user `{user}`: expected a Kafka user, lower-case letters, digits, `-` and `.`")
    directory = state.absolute()
    if not (directory / "ca.key").is_file():
        raise NotFound(f"no authority in `{directory}`: `hub dev kafka` makes it at its first start")
    files = certificate_files(private_directory(directory / "certificates"), user)
    Authority.read(directory).issue_to_client(files, user, datetime.now(UTC))
    click.echo(f"certificate: {files.certificate}")
    click.echo(f"key: {files.key}")


def _write_client_files(state: Path, connection: KafkaConnection) -> tuple[Path, Path]:
    """Keep what clients need in private files, as JSON and as settings; a password is not for the screen."""
    directory = state.resolve()
    client, password, settings = (directory / name for name in (CLIENT_FILE, PASSWORD_FILE, SETTINGS_FILE))
    options = {
        "bootstrap": connection.bootstrap,
        "security_protocol": connection.security_protocol,
        "sasl_mechanism": connection.sasl_mechanism,
        "user": connection.user,
        "password": connection.password,
    }
    write_private(client, json.dumps(options, indent=1))
    write_private(password, connection.password)
    write_private(settings, f"HUB_KAFKA={connection.bootstrap}\nHUB_DEPLOYER_PASSWORD_FILE={password}\n")
    return client, settings
